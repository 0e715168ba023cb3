import type { Failure, FailureKind } from '../../providers/contract.ts';
import type { VideoFailureCode } from '../ground/errors.ts';
import { MINUTE_MS, SECOND_MS } from '../ground/time.ts';

/** What a failure means for the job, for the next candidate and for the provider's health. */
export interface FailureRule {
  /** How often the same candidate may be asked again; a capacity refusal counts as none. */
  readonly repeats: number;
  /** Whether another provider may be asked: `content`: only if the tenant allows it. */
  readonly next: 'yes' | 'no' | 'content';
  /** What the video says when this failure ends it. */
  readonly code: VideoFailureCode;
  /** What it says about the provider: `trips` counts toward the circuit, `rate` only toward the success rate. */
  readonly health: 'none' | 'trips' | 'rate' | 'opens' | 'isolates_offer';
  /** Goes back to the queue without counting as an attempt; the believed limit is lowered. */
  readonly requeue?: true;
}

/**
 * The one table of failures (a submission refused for certain, or a task that ended). Doubt, unfinished polls and
 * files have rules of their own, because there the task may still be paid for.
 */
export const FAILURE_RULES = {
  invalid_request: { repeats: 0, next: 'no', code: 'invalid_input', health: 'none' },
  offer_refused: { repeats: 0, next: 'yes', code: 'provider_error', health: 'isolates_offer' },
  content_rejected: { repeats: 0, next: 'content', code: 'moderation_blocked', health: 'none' },
  unauthorized: { repeats: 0, next: 'yes', code: 'provider_error', health: 'opens' },
  out_of_credit: { repeats: 0, next: 'yes', code: 'provider_error', health: 'opens' },
  rate_limited: { repeats: 3, next: 'yes', code: 'provider_error', health: 'none' },
  concurrency_limited: { repeats: 0, next: 'yes', code: 'provider_error', health: 'none', requeue: true },
  unavailable: { repeats: 2, next: 'yes', code: 'provider_error', health: 'trips' },
  generation_failed: { repeats: 0, next: 'yes', code: 'provider_error', health: 'rate' },
  task_not_found: { repeats: 0, next: 'no', code: 'provider_outcome_unknown', health: 'trips' },
  video_missing: { repeats: 0, next: 'yes', code: 'provider_error', health: 'rate' },
  protocol_error: { repeats: 0, next: 'no', code: 'provider_outcome_unknown', health: 'trips' },
} as const satisfies Record<FailureKind, FailureRule>;

export function ruleFor(kind: FailureKind): FailureRule {
  return FAILURE_RULES[kind];
}

const BACKOFF_BASE_MS = SECOND_MS;
const BACKOFF_CAP_MS = 30 * SECOND_MS;
const RETRY_AFTER_CAP_MS = 5 * MINUTE_MS;

/**
 * How long to wait before asking the same candidate again: the provider's own wish up to five minutes, else full
 * jitter, a random time below 1 s, 2 s, 4 s … 30 s. `fraction` is a random number in [0, 1).
 */
export function backoffMs(failure: Pick<Failure, 'retryAfterMs'>, repeat: number, fraction: number): number {
  if (failure.retryAfterMs !== undefined) return Math.min(failure.retryAfterMs, RETRY_AFTER_CAP_MS);
  return Math.floor(fraction * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** repeat));
}
