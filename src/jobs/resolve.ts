import { GatewayError } from '../ground/errors.ts';
import { ZERO_MICROS } from '../ground/money.ts';
import { bookCost, suspectedOf } from '../ledger/account.ts';
import type { Tx } from '../store/database.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { endAttempt, failJobIn, pricedBy, removeUploads, stampOf } from './close.ts';
import type { Deps } from './deps.ts';
import { hasEnded, isLive } from './job.ts';
import { loadAttempts, loadJob, takeLease, updateJob } from './rows.ts';

/** What a person, or a bill, has found out about a task whose submission was never answered. */
export type Verdict = 'charged' | 'not_charged';

/**
 * Settles an attempt in doubt by hand. `charged`: the cost is booked, and an open job fails with its hold released;
 * `not_charged`: an open job goes on along its route. A job that had given up keeps its end; its suspected cost is
 * resolved. Throws `conflict` when no attempt of the job is in doubt: a second verdict never counts.
 */
export async function resolveDoubt(deps: Deps, jobId: string, verdict: Verdict): Promise<void> {
  const outcome = await deps.database.write(async (tx) => {
    const job = await loadJob(tx, jobId);
    if (!job) throw new GatewayError('not_found', { message: 'There is no such job.', param: 'id' });
    const attempt = await doubtfulOf(tx, deps, job);
    if (!attempt) {
      throw new GatewayError('conflict', {
        message: `No attempt of ${jobId} is in doubt: there is nothing to decide.`,
      });
    }
    if (hasEnded(job.state) || !isLive(attempt.state)) await resolveEnded(tx, deps, job, attempt, verdict);
    else await resolveOpen(tx, deps, job, attempt, verdict);
    return { job, attempt, failed: hasFailed(job, attempt, verdict) };
  });
  const { job, attempt } = outcome;
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  deps.log.info('doubt resolved by hand', { video: job.id, attempt: attempt.id, kind: verdict });
  if (outcome.failed) await removeUploads(deps, job);
}

/**
 * The attempt in doubt, or one that nobody can ask for because its account is not configured any more; else one that
 * was given up in doubt for the next candidate, as long as its cost is suspected.
 */
async function doubtfulOf(tx: Tx, { accounts }: Pick<Deps, 'accounts'>, job: JobRow): Promise<AttemptRow | null> {
  const attempts = await loadAttempts(tx, job.id);
  const open = attempts.find(({ state, account }) => {
    return state === 'in_doubt' || (state === 'running' && !hasEnded(job.state) && !accounts.has(account));
  });
  if (open) return open;
  for (const attempt of attempts) {
    if (attempt.state === 'failed' && (await suspectedOf(tx, attempt.id)) > ZERO_MICROS) return attempt;
  }
  return null;
}

/** Whether the verdict ends the job: one that has gone on, or has ended, is not touched by it. */
const hasFailed = (job: JobRow, { state }: AttemptRow, verdict: Verdict): boolean =>
  !hasEnded(job.state) && isLive(state) && verdict === 'charged';

async function resolveOpen(tx: Tx, deps: Deps, job: JobRow, attempt: AttemptRow, verdict: Verdict): Promise<void> {
  const stamp = stampOf(deps);
  // A step of this job may be looking for the task right now: with a new token its next write finds the lease lost.
  const leased = { ...job, leaseToken: await takeLease(tx, job) };
  const detail = `${verdict}, decided by hand`;
  if (verdict === 'charged') {
    await failJobIn(tx, deps, leased, 'provider_outcome_unknown', stamp);
    const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
    await bookCost(tx, job, { kind: 'cost', amountMicros: attempt.costMicros, ...of }, stamp);
  } else {
    await updateJob(tx, leased, { dueAtMs: stamp.nowMs });
  }
  await endAttempt(tx, attempt, { state: 'failed', failure: { kind: 'generation_failed', detail } }, stamp.nowMs);
}

async function resolveEnded(tx: Tx, deps: Deps, job: JobRow, attempt: AttemptRow, verdict: Verdict): Promise<void> {
  const stamp = stampOf(deps);
  const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
  const amountMicros = await suspectedOf(tx, attempt.id);
  if (amountMicros > ZERO_MICROS) await bookCost(tx, job, { kind: 'cost_resolution', amountMicros, ...of }, stamp);
  if (verdict === 'charged') {
    await bookCost(tx, job, { kind: 'cost', amountMicros: attempt.costMicros, ...of }, stamp);
  }
  if (attempt.state !== 'in_doubt') return;
  const detail = `${verdict}, decided by hand`;
  await endAttempt(tx, attempt, { state: 'failed', failure: { kind: 'generation_failed', detail } }, stamp.nowMs);
}
