import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { endAttempt, failJobIn, removeUploads, stampOf } from './close.ts';
import { type Deps, DUE_NOW, ENDED, type StepResult } from './deps.ts';
import { untilWritten } from './keep.ts';
import { updateAttempt, updateJob } from './rows.ts';

/**
 * Asks the provider, once, to stop the task: its tenant has cancelled, or it is stuck. Null when the task goes on: what
 * cannot be stopped is followed to its end. A stopped task costs nothing; a cancelled job ends with it, another one goes
 * on along its route.
 */
export async function stopTask(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult | null> {
  const { cancel } = account.connection;
  if (!cancel || attempt.handle === null || attempt.cancelAskedAtMs !== null) return null;
  const handle = JSON.parse(attempt.handle);
  const answer = await deps.wire.read(account.target, cancel.request(handle, deps.wallMs()));
  const outcome = answer.kind === 'answered' ? cancel.response(answer.response, handle) : null;
  const { provider } = attempt;
  const kind = outcome?.state ?? answer.kind;
  deps.log.info('task asked to stop', { video: job.id, attempt: attempt.id, provider, kind });
  if (outcome?.state === 'cancelled') {
    // Asked a second time, a provider may say something else.
    const kept = { video: job.id, attempt: attempt.id, account: attempt.account, detail: 'stopped' };
    return await untilWritten(deps, kept, () => taskStopped(deps, job, attempt));
  }
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: deps.clock.nowMs() });
    await updateAttempt(tx, attempt.id, { cancelAskedAtMs: deps.clock.nowMs() });
  });
  return null;
}

async function taskStopped(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult> {
  const stamp = stampOf(deps);
  const wished = job.cancelRequestedAtMs !== null;
  const failure = { kind: 'generation_failed', detail: 'stuck, and stopped at our wish' } as const;
  await deps.database.write(async (tx) => {
    if (wished) await failJobIn(tx, deps, job, 'cancelled', stamp);
    else await updateJob(tx, job, { dueAtMs: stamp.nowMs });
    await endAttempt(tx, attempt, { state: 'cancelled', ...(!wished && { failure }) }, stamp.nowMs);
  });
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  if (!wished) return DUE_NOW;
  await removeUploads(deps, job);
  return ENDED;
}
