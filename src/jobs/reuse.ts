import { and, eq } from 'drizzle-orm';
import { raiseAlarm } from '../ledger/alarms.ts';
import type { Tx } from '../store/database.ts';
import { type AttemptRow, attempts, type JobRow } from '../store/schema.ts';
import { stampOf } from './close.ts';
import type { Deps } from './deps.ts';
import { attemptMoves, hasEnded } from './job.ts';
import { loadJob, takeLease, updateAttempt, updateJob } from './rows.ts';

/**
 * A provider has named, for this attempt, the task of another one. Whose clip that task makes nobody knows any more, and
 * nobody gets another's: the other one is in doubt too as long as its task runs, and its task is not read again unless
 * its own tag or its own webhook address names it once more. What has ended stays as it is: a clip that was saved was
 * made before. Raises `task.reused`, in the caller's transaction; true the first time, false for what was told before,
 * which changes nothing.
 */
export async function doubtBoth(
  tx: Tx,
  deps: Deps,
  { job, attempt, taskId }: { readonly job: JobRow; readonly attempt: AttemptRow; readonly taskId: string },
): Promise<boolean> {
  const [other] = await tx
    .select()
    .from(attempts)
    .where(and(eq(attempts.account, attempt.account), eq(attempts.taskId, taskId)));
  const first = other && (await loadJob(tx, other.jobId));
  if (!other || !first) return false;
  const stamp = stampOf(deps);
  const data = {
    account: attempt.account,
    provider: attempt.provider,
    task: taskId,
    first: { video: first.id, attempt: other.id, state: other.state },
    second: { video: job.id, attempt: attempt.id },
  };
  const subject = `${attempt.account} ${taskId}`;
  if (!(await raiseAlarm(tx, { type: 'task.reused', subject, mark: attempt.id, data }, stamp))) return false;
  deps.signals.alertRaised?.();
  if (other.state !== 'running' || hasEnded(first.state)) return true;
  // A step of that job may be reading the task right now: with a new token its next write finds the lease lost.
  await updateJob(tx, { ...first, leaseToken: await takeLease(tx, first) }, { dueAtMs: stamp.nowMs });
  const failureDetail = 'the provider named its task for another attempt too';
  await updateAttempt(tx, other.id, { state: attemptMoves(other.state, 'in_doubt'), handle: null, failureDetail });
  return true;
}
