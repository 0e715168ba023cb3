/** How long a request of a replay may wait for a slot: as long as the gateway lets a job wait. */
import type { FailureKind } from '../../providers/contract.ts';
import { HOUR_MS } from '../ground/time.ts';
import { ruleFor } from './failure.ts';

export interface Patience {
  readonly askedAtMs: number;
  readonly queueTimeoutMs: number;
  /** The end of the last attempt that had its slot; null while there was none. */
  readonly failedAtMs: number | null;
  /** Whether any provider has taken it: until then the time it waits is reckoned from its admission alone. */
  readonly begun: boolean;
}

/** The whole life of a job, from its admission on. */
const WHOLE_LIFE_MS = 6 * HOUR_MS;

export const newPatience = (askedAtMs: number, queueTimeoutMs: number): Patience => ({
  ...{ askedAtMs, queueTimeoutMs },
  ...{ failedAtMs: null, begun: false },
});

/** The patience that is left after an attempt which failed so. */
export function afterFailure(patience: Patience, kind: FailureKind, nowMs: number): Patience {
  const begun = patience.begun || OF_A_TASK.has(kind);
  return isForWantOfSlot(kind) ? { ...patience, begun } : { ...patience, begun, failedAtMs: nowMs };
}

/** The instant at which a request that waits is given up. */
export function waitsUntilMs({ askedAtMs, queueTimeoutMs, failedAtMs, begun }: Patience): number {
  const sinceMs = begun ? Math.max(askedAtMs, failedAtMs ?? askedAtMs) : askedAtMs;
  return Math.min(askedAtMs + WHOLE_LIFE_MS, sinceMs + queueTimeoutMs);
}

/** The code with which it is given up then. */
export const codeOfGivingUp = ({ askedAtMs }: Patience, nowMs: number): 'provider_timeout' | 'queue_timeout' =>
  nowMs >= askedAtMs + WHOLE_LIFE_MS ? 'provider_timeout' : 'queue_timeout';

/** How a task fails that a provider had taken; the other kinds are refusals of a submission. */
const OF_A_TASK: ReadonlySet<FailureKind> = new Set([
  'generation_failed',
  'content_rejected',
  'task_not_found',
  'video_missing',
  'protocol_error',
]);

const isForWantOfSlot = (kind: FailureKind): boolean => kind === 'rate_limited' || ruleFor(kind).requeue === true;
