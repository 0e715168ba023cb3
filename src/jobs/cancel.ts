import { GatewayError } from '../ground/errors.ts';
import { bookCost, settleHold } from '../ledger/account.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { failJobIn, forgottenPrompt, pricedBy, removeUploads, stampOf } from './close.ts';
import { type Deps, ENDED, type StepResult } from './deps.ts';
import { recordEnd } from './events.ts';
import { hasEnded, isLive, jobMoves } from './job.ts';
import { loadAttempts, loadJob, takeLease, updateJob } from './rows.ts';
import { settlementOf } from './settlement.ts';

/** What became of the wish: the video has ended, or its task is being stopped or followed to its end. */
export interface CancelOutcome {
  readonly job: JobRow;
  readonly attempts: readonly AttemptRow[];
}

/**
 * Takes the wish to cancel. Before any provider may have the clip the job ends here and its hold is released; after
 * that the wish is written down, and the job's next step asks the provider. Throws `video_not_cancellable` for one that
 * has ended.
 */
export async function requestCancel(deps: Deps, jobId: string): Promise<CancelOutcome> {
  const stamp = stampOf(deps);
  const outcome = await deps.database.write(async (tx) => {
    const job = await loadJob(tx, jobId);
    if (!job || hasEnded(job.state)) throw new GatewayError('video_not_cancellable');
    const attempts = await loadAttempts(tx, jobId);
    if (job.state === 'saving' || attempts.some(({ state }) => isLive(state))) {
      await updateJob(tx, job, { cancelRequestedAtMs: job.cancelRequestedAtMs ?? stamp.nowMs });
    } else {
      // A step may be about to submit it: with a new token, that step's next write finds the lease lost.
      await failJobIn(tx, deps, { ...job, leaseToken: await takeLease(tx, job) }, 'cancelled', stamp);
    }
    const changed = await loadJob(tx, jobId);
    return { job: changed ?? job, attempts };
  });
  if (hasEnded(outcome.job.state)) await removeUploads(deps, outcome.job);
  return outcome;
}

/** The clip of a cancelled job was made all the same: it is settled, because it is paid for, and its file is dropped. */
export async function dropVideo(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult> {
  const stamp = stampOf(deps);
  const settlement = settlementOf(deps, job, attempt, null);
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, {
      state: jobMoves(job.state, 'cancelled'),
      dueAtMs: null,
      endedAtMs: stamp.nowMs,
      errorCode: 'cancelled',
      errorMessage: CANCELLED_TOO_LATE,
      settledMicros: settlement.priceMicros,
      ...forgottenPrompt(deps, job),
    });
    const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
    await settleHold(tx, job, { amountMicros: settlement.priceMicros, ...of }, stamp);
    await bookCost(tx, job, { kind: 'cost', amountMicros: settlement.costMicros, ...of }, stamp);
    await recordEnd(tx, deps, job, 'video.failed', stamp);
  });
  await removeUploads(deps, job);
  return ENDED;
}

const CANCELLED_TOO_LATE =
  'The video was cancelled after its provider had begun and could not be stopped; it was charged.';
