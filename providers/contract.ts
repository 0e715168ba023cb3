/**
 * The adapter contract: pure functions around one exchange, values in and values out.
 *
 * An adapter cannot reach money, database, clock or network, so it cannot retry behind our back and buy twice, and
 * recorded JSON tests all of it. The wire performs what it describes; `routing/failure.ts` judges what it classifies.
 */
import type { z } from 'zod';
import type { VideoRequest } from '../src/ground/video-request.ts';
import type { Capability } from '../src/pricing/capability.ts';
import type { TaskIdentity } from './identity.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
export type Headers = Readonly<Record<string, string>>;

/** An exchange before it happens. `path` is joined to the configured base URL of `host`; adapters never name a host. */
export interface ProviderRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Which of the account's configured base URLs; `api` when absent. */
  readonly host?: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body?: Json;
}

/** What came back. `body` is parsed JSON, or null when the bytes were not JSON. Header names are in lower case. */
export interface ProviderResponse {
  /** The origin that was asked, so that an adapter can check addresses against it. */
  readonly origin: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
  /** The beginning of an answer that was not JSON: an edge's page tells who wrote it. */
  readonly text?: string;
}

/** What went wrong, as `routing/failure.ts` judges it. */
export type FailureKind =
  /** The tenant's input cannot be made, here or elsewhere. */
  | 'invalid_request'
  /** This provider will not take what our data says it sells: an unknown model, a field it refuses, a plan. */
  | 'offer_refused'
  | 'content_rejected'
  | 'unauthorized'
  | 'out_of_credit'
  | 'rate_limited'
  /** Too many running tasks on this account; nothing was created. */
  | 'concurrency_limited'
  | 'unavailable'
  | 'generation_failed'
  | 'task_not_found'
  /** The task says it has finished, and names no video. */
  | 'video_missing'
  /** An answer of no shape or word that we know. */
  | 'protocol_error';

/** Exact decimal in the provider's own unit; pricing turns it into money. */
export interface ReportedUsage {
  readonly quantity: string;
  readonly unit: string;
}

export interface Failure {
  readonly state: 'failure';
  readonly kind: FailureKind;
  /** The provider's own words: for operators, never for tenants. */
  readonly detail: string;
  readonly retryAfterMs?: number;
  readonly usage?: ReportedUsage;
  /**
   * What this says about the task. `ended`: the task was made and has failed for good; without it, a failed read is
   * only a failed read. `none` and `maybe` are for submissions: whether the provider may hold a task in spite of this
   * answer; absent, the HTTP status decides (`jobs/verdict.ts`), so an adapter says it only where its provider
   * documents an exception.
   */
  readonly task?: 'none' | 'maybe' | 'ended';
  /** Whether the provider charges for the task that ended so; absent, the rate card's `failed` decides. */
  readonly charged?: 'no' | 'yes' | 'unknown';
}

export interface Submitted<Handle> {
  readonly state: 'submitted';
  readonly taskId: string;
  /** What is stored to find the task again. */
  readonly handle: Handle;
}

/** `nextPollMs: 0` asks for the next exchange at once: a second call is a second stage of the handle. */
export interface Pending<Handle> {
  readonly state: 'pending';
  readonly handle: Handle;
  readonly nextPollMs?: number;
  readonly progressPercent?: number;
  /** `queued`: accepted, but the provider has not begun. */
  readonly phase: 'queued' | 'running';
}

export interface Finished {
  readonly state: 'finished';
  /** A foreign address; `wire/download.ts` distrusts it. */
  readonly videoUrl: string;
  /** The provider's own id of the video, where a later task may build on it. */
  readonly videoId?: string;
  readonly usage?: ReportedUsage;
}

/** Read back by a tag of ours: nothing there, as far as the provider can tell. */
export interface Absent {
  readonly state: 'absent';
}

/** The task will not run any further and is not charged. */
export interface Cancelled {
  readonly state: 'cancelled';
}

/** The wish was taken; the task may still finish, and is charged then. */
export interface CancelRequested {
  readonly state: 'requested';
}

/** An image of ours on its way to a provider's own keeping. */
export interface UploadFile {
  readonly fileName: string;
  readonly contentType: string;
  readonly base64: string;
}

/** The address under which the provider will find what was uploaded. */
export interface Uploaded {
  readonly state: 'uploaded';
  readonly url: string;
}

/** The bytes themselves go to `putUrl`, by PUT; afterwards they are found at `url`. */
export interface UploadByPut {
  readonly state: 'put';
  readonly putUrl: string;
  readonly url: string;
}

/** What the provider itself would charge for a submission; starts nothing. */
export interface ProviderQuote {
  readonly state: 'quoted';
  /** Decimal dollars. */
  readonly usd: string;
}

/** A prepaid pack as the provider counts it. */
export interface ReportedPack {
  readonly id: string;
  readonly name: string;
  readonly unitsTotal: string;
  readonly unitsLeft: string;
  readonly expiresAtMs: number;
  readonly active: boolean;
}

/** What is left on an account, as far as the provider tells. */
export interface Balance {
  readonly state: 'balance';
  readonly left?: ReportedUsage;
  readonly packs?: readonly ReportedPack[];
  /** Tasks that may run at once, where the provider says so. */
  readonly slots?: number;
}

/** A provider's announcement, as it arrived. Header names are in lower case. */
export interface Delivery {
  readonly headers: Headers;
  readonly rawBody: string;
}

/** What it takes to verify one. An empty list of secrets or keys refuses; it never accepts. */
export interface DeliveryProof {
  readonly nowMs: number;
  /** Configured or made for this attempt. */
  readonly secrets: readonly string[];
  readonly keys: readonly JsonWebKey[];
}

/** A verified announcement. It wakes a job, which then reads the task; nothing in it is believed. */
export interface Announcement {
  /** Equal on redelivery. */
  readonly deliveryId: string;
  readonly taskId: string;
}

export interface Hooks<Handle> {
  /** What proves a delivery: the unguessable path alone, a secret, or a signature under published keys. */
  readonly proof: 'path' | 'secret' | 'keys';
  /** The credential variable that holds the secret; absent with `secret`, the attempt's own is used. */
  readonly secretVariable?: string;
  /** Where the published keys are. */
  readonly keys?: { readonly host: string; readonly path: string };
  /** The announcement, if the delivery is genuine; null when it is not. Never throws. */
  verify(delivery: Delivery, proof: DeliveryProof): Announcement | null;
  /** A handle for a task that only an announcement has named; null where one cannot be made. */
  adopt(taskId: string, upstream: string): Handle | null;
  /** Whose task a read shows; absent where reads tell nothing of it. Never throws. */
  identity?(response: ProviderResponse, upstream: string): TaskIdentity;
}

/** The images and videos of a request as this provider's wire takes them: an address, base64, or a data URL. */
export interface SubmissionMedia {
  readonly firstFrame?: string;
  readonly lastFrame?: string;
  readonly references: readonly string[];
  readonly video?: string;
  readonly staticMask?: string;
  readonly dynamicMasks: readonly {
    readonly mask: string;
    readonly trajectory: readonly { readonly x: number; readonly y: number }[];
  }[];
  /** The provider's own id of the finished video that is extended. */
  readonly extendedVideoId?: string;
}

/** Everything an adapter needs to write one submission. */
export interface Submission {
  readonly attemptId: string;
  readonly request: VideoRequest;
  readonly media: SubmissionMedia;
  /** The capability's own name for what is ordered. */
  readonly upstream: string;
  /** Where the provider may announce the end; unguessable, one per attempt. */
  readonly webhookUrl?: string;
  /** Echoed by providers that prove a delivery with it; one per attempt. */
  readonly webhookSecret?: string;
}

/** Two pure functions around one exchange. */
export interface Exchange<Credentials, Input, Outcome> {
  request(input: Input, context: { readonly credentials: Credentials; readonly nowMs: number }): ProviderRequest;
  response(response: ProviderResponse, input: Input): Outcome | Failure;
}

/** How a provider takes images of ours: bytes inside the request, or an address it fetches. */
export interface MediaRules {
  /** How uploaded bytes can be written into the request itself; absent when the wire takes addresses only. */
  readonly inlineImage?: 'base64' | 'data_url';
  readonly inlineBytesMax?: number;
}

/** The environment variables of a provider: `<prefix>_BASE_URL`, `<prefix>_CONCURRENCY`, and its credentials. */
export interface ProviderSettings {
  readonly prefix: string;
  /** The public addresses by host name; `api` is where `<prefix>_BASE_URL` points elsewhere. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Tasks at once that an account may run when nothing else is configured. */
  readonly slotsDefault: number;
  /** What that number counts: all tasks of the account, or those of one model. */
  readonly slotsPer: 'account' | 'model';
  /** Variables that point a host other than `api` elsewhere: `{ files: 'EVOLINK_FILES_URL' }`. */
  readonly hostVariables?: Readonly<Record<string, string>>;
  /** Variables of which one complete set configures the account; the names of the set become its credentials. */
  readonly credentialVariables: readonly (readonly string[])[];
  /** Credentials that an account may have besides. */
  readonly optionalVariables?: readonly string[];
}

/**
 * How a provider that may answer a repeated submission (same key, same body) with the task of the first is asked again.
 * It is believed of no account until `reelay live` has seen it there.
 */
export interface KeyReplay {
  /** The first one is given this long to come through before it is repeated. */
  readonly afterMs: number;
  /** An older key is never repeated: the provider may have forgotten it, and would buy again. */
  readonly withinMs: number;
}

export interface Provider<Credentials, Handle extends Json> {
  readonly id: string;
  readonly name: string;
  readonly settings: ProviderSettings;
  /** Reads the configured variables (by their names) into credentials. */
  readonly credentials: z.ZodType<Credentials>;
  /** Stored as JSON, read back through this schema. */
  readonly handle: z.ZodType<Handle>;
  readonly capabilities: readonly Capability[];
  readonly media: MediaRules;
  /** How long a finished video stays downloadable. */
  readonly linkLifeMs: number;
  /** Only where a repeated submission may be answered with the first one's task; absent, nothing is ever repeated. */
  readonly keyReplay?: KeyReplay;
  readonly submit: Exchange<Credentials, Submission, Submitted<Handle>>;
  readonly poll: Exchange<Credentials, Handle, Pending<Handle> | Finished>;
  /** Looks for the task of an attempt whose answer was lost; only where the provider keeps our tag. */
  readonly find?: Exchange<Credentials, Submission, Submitted<Handle> | Absent>;
  readonly cancel?: Exchange<Credentials, Handle, Cancelled | CancelRequested>;
  readonly upload?: Exchange<Credentials, UploadFile, Uploaded | UploadByPut>;
  readonly quote?: Exchange<Credentials, Submission, ProviderQuote>;
  readonly balance?: Exchange<Credentials, { readonly fromMs: number; readonly toMs: number }, Balance>;
  readonly hooks?: Hooks<Handle>;
}
