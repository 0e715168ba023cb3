/** What a replay starts from: the requests of the past, and the rules they are run under. */
import type { FailureKind } from '../../providers/contract.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import type { RateCards } from '../pricing/cards.ts';
import type { Offer, Seller } from '../pricing/offers.ts';
import type { Asker } from './consider.ts';
import type { RequestRouting } from './policy.ts';
import type { Measured, SeenAttempt } from './replay-chance.ts';
import type { LaneRule } from './replay-lanes.ts';
import type { ReplayPacks } from './replay-lapsing.ts';
import type { DecidedBy } from './replay-then.ts';

/** One request of the past. */
export interface PastRequest {
  readonly id: string;
  readonly atMs: number;
  readonly tenant: string;
  /** As it was asked for, and the same for each other model the caller would take. */
  readonly requests: readonly VideoRequest[];
  readonly routing: RequestRouting;
  /** By which rules of its tenant it was decided; absent: by those of today. */
  readonly decidedBy?: DecidedBy;
  /** The providers its key is confined to; null: to none. */
  readonly keyProviders: readonly string[] | null;
  /** Milliseconds delivered, where the output follows its source video; null: not known, so the longest is priced. */
  readonly lengthMs: number | null;
  readonly seen: readonly SeenAttempt[];
  /** Set where the request itself was refused: then it is refused by whoever it goes to. */
  readonly refused: FailureKind | null;
}

/** What a tenant may do in the replay. */
export interface ReplayAsker extends Asker {
  readonly queueTimeoutMs: number;
  readonly concurrency: number | null;
}

export interface ReplayTerms {
  readonly sellers: readonly Seller[];
  readonly cards: RateCards;
  /** An instant of the day whose cards price everything; null: each request is priced by its own day. */
  readonly pricedAtMs: number | null;
  /** The tenant by the rules of then, or by those of today. */
  readonly askerOf: (tenant: string, then?: DecidedBy) => ReplayAsker;
  readonly laneOf: (offer: Offer) => LaneRule;
  /** By `offerKey`. */
  readonly measured: ReadonlyMap<string, Measured>;
  readonly seed: number;
  /** The packs that units are drawn from; absent: every unit costs its price. */
  readonly packs?: ReplayPacks;
}
