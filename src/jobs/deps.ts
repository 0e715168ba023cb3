import type { ProviderRequest } from '../../providers/contract.ts';
import type { Mint, Random } from '../ground/id.ts';
import type { Log } from '../ground/log.ts';
import type { Clock } from '../ground/time.ts';
import type { RateCards } from '../pricing/cards.ts';
import type { Database } from '../store/database.ts';
import type { Files, PartFile } from '../store/files.ts';
import type { Sealer } from '../store/seal.ts';
import type { Answer, Target } from '../wire/call.ts';
import type { Downloaded, NotDownloaded } from '../wire/download.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { VideoFacts } from './inspect.ts';

/** The way to configured providers; the simulation puts an emulated one here. */
export interface Wire {
  read(target: Target, request: ProviderRequest): Promise<Answer>;
  upload(target: Target, request: ProviderRequest): Promise<Answer>;
  submit(target: Target, request: ProviderRequest, maySend: () => boolean): Promise<Answer>;
}

/** The way to foreign assets. */
export interface Downloads {
  /** Ends, as a broken download, when `signal` is aborted. */
  download(
    address: string,
    part: PartFile,
    bytesMax: number,
    signal?: AbortSignal,
  ): Promise<Downloaded | NotDownloaded>;
  put(address: string, bytes: Buffer, contentType: string): Promise<string | null>;
}

/** The figures that steer the life of a job; `config.ts` reads them once. */
export interface JobSettings {
  readonly firstPollMs: number;
  readonly doubtMs: number;
  readonly leaseMs: number;
  /** How long a circuit stays open the first time; 30 s when absent. */
  readonly circuitMs?: number;
  /** How long a lost submission is given before it is sent again, where that is allowed; the provider's own when absent. */
  readonly resendAfterMs?: number;
  readonly retentionMs: number;
  /** Where this gateway is reached from outside; null: no links, no webhooks. */
  readonly publicUrl: string | null;
  /** False: prompts are removed from the row when the job ends. */
  readonly storePrompts: boolean;
}

/** Told after a commit, so that those who wait need not ask the store. */
export interface Signals {
  /** A slot of the lane is free, and its tenant has a task less running. */
  slotFreed(lane: string, tenantId: string): void;
  /** A job's end waits to be told to its tenant. Said inside the transaction; absent where nobody delivers. */
  eventRecorded?(): void;
  /** An alarm waits to be told to the operator. Said inside the transaction; absent where nobody delivers. */
  alertRaised?(): void;
}

/** Everything a step of a job needs. One object, made once in `main.ts`. */
export interface Deps {
  readonly database: Database;
  readonly files: Files;
  readonly wire: Wire;
  readonly downloads: Downloads;
  /** Reads the header of a file that was just written; null when it is no whole video. */
  readonly inspect: (path: string) => Promise<VideoFacts | null>;
  readonly clock: Clock;
  /** The wall clock as it is, right after a jump too: what providers and receivers hold a token or a signature against. */
  readonly wallMs: () => number;
  readonly random: Random;
  readonly mint: Mint;
  readonly log: Log;
  readonly sealer: Sealer;
  readonly cards: RateCards;
  readonly accounts: ReadonlyMap<string, ProviderAccount>;
  readonly settings: JobSettings;
  readonly signals: Signals;
  /**
   * Aborted when this process is told to stop: nothing more is bought, and what can be done again (a download, an upload)
   * is left to the next process. Absent outside of a worker's steps.
   */
  readonly stopping?: AbortSignal;
  /** The name of this process in leases. */
  readonly processId: string;
}

/** What a step leaves to do: the next one after a while; when a slot or a download is free, but then anyway; or nothing. */
export type StepResult =
  | { readonly kind: 'due'; readonly inMs: number }
  | { readonly kind: 'waits_for_slot' | 'waits_for_download'; readonly inMs: number }
  | { readonly kind: 'ended' };

export const DUE_NOW: StepResult = { kind: 'due', inMs: 0 };
export const ENDED: StepResult = { kind: 'ended' };
export const dueIn = (inMs: number): StepResult => ({ kind: 'due', inMs });
