import type { FailureKind } from '../../providers/contract.ts';
import type { VideoFailureCode } from '../ground/errors.ts';
import { type Option, optionsOf } from '../routing/choose.ts';
import { choosingOf, readDecision, routeOf } from '../routing/decision.ts';
import { ruleFor } from '../routing/failure.ts';
import type { PastFailure } from '../routing/next.ts';
import type { LaneOption, Waiter } from '../routing/waiter.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { Deps } from './deps.ts';
import { laneOf, offerOf } from './lane.ts';

/** The failures of a job's attempts, in the order they were made. */
export function failuresOf(past: readonly AttemptRow[]): PastFailure[] {
  return past.flatMap(({ account, model, failureKind }) =>
    failureKind === null ? [] : [{ account, model, kind: failureKind as FailureKind }],
  );
}

/**
 * What the job waits for: a slot of any candidate that its route, its direction and its failures leave; or the code with
 * which it ends. `mayRepeat`: whether an account bears one more repeat now.
 */
export function waitOf(
  deps: Pick<Deps, 'clock' | 'accounts'>,
  job: JobRow,
  past: readonly AttemptRow[],
  mayRepeat: (account: string) => boolean,
): Waiter | VideoFailureCode {
  const nowMs = deps.clock.nowMs();
  const untilMs = waitsUntilMs(job, past);
  if (job.cancelRequestedAtMs !== null) return 'cancelled';
  if (nowMs >= job.deadlineAtMs) return 'provider_timeout';
  if (nowMs >= untilMs) return 'queue_timeout';
  const decision = readDecision(job.decision);
  const choosing = choosingOf(decision);
  // An account may have been taken out of the configuration since the job was admitted.
  const route = routeOf(decision).filter((candidate) => deps.accounts.has(candidate.account));
  const left = optionsOf(route, choosing, failuresOf(past));
  if (left.kind === 'end') return left.code;
  const all = left.options.flatMap((option): LaneOption[] => {
    const account = deps.accounts.get(option.account);
    if (!account) return [];
    const notBeforeMs = mayAskAtMs(option, past);
    return [{ ...option, lane: laneOf(account, option.model), offer: offerOf(option), notBeforeMs }];
  });
  // Above what an account bears of repeats the job goes to the next candidate, or back into the queue.
  const borne = all.filter((option) => !option.again || mayRepeat(option.account));
  const options = borne.length > 0 ? borne : all.map((option) => ({ ...option, again: false }));
  const { id: jobId, tenantId, createdAtMs, holdMicros } = job;
  return { jobId, tenantId, createdAtMs, holdMicros, untilMs, options, choosing };
}

/** From when on the job may ask there: at once, unless it was refused there and told, or left, to try again later. */
function mayAskAtMs({ account, model }: Option, past: readonly AttemptRow[]): number {
  return past.findLast((attempt) => attempt.account === account && attempt.model === model)?.againAtMs ?? 0;
}

/** Until when a job may wait: from its admission on, and once more from each failure that was not for want of a slot. */
function waitsUntilMs(job: JobRow, past: readonly AttemptRow[]): number {
  if (job.state === 'queued') return job.queueUntilMs;
  const timeoutMs = job.queueUntilMs - job.createdAtMs;
  const ends = past.filter(({ failureKind }) => !isForWantOfSlot(failureKind)).map((attempt) => attempt.endedAtMs ?? 0);
  return Math.min(job.deadlineAtMs, Math.max(job.createdAtMs, ...ends) + timeoutMs);
}

const isForWantOfSlot = (kind: string | null): boolean =>
  kind === 'rate_limited' || (kind !== null && ruleFor(kind as FailureKind).requeue === true);
