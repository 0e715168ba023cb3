/** Tasks that surface after their jobs were given up: each books its cost, or is free of suspicion; its job stays failed. */
import type { Failure, Finished, Json, Submitted } from '../../providers/contract.ts';
import { ZERO_MICROS } from '../ground/money.ts';
import { DAY_MS, MINUTE_MS } from '../ground/time.ts';
import { bookCost, suspectedOf } from '../ledger/account.ts';
import { openSuspected } from '../ledger/suspected.ts';
import type { Tx } from '../store/database.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { readAnnounced } from './announced.ts';
import { pricedBy, stampOf } from './close.ts';
import { type Deps, dueIn, ENDED, type StepResult } from './deps.ts';
import { attemptMoves, isLive } from './job.ts';
import { ABSENCES_NEEDED, countsAsAbsence, lookUp } from './look-up.ts';
import { readTask } from './poll.ts';
import { attemptOfTask, updateAttempt } from './rows.ts';
import { submissionOf } from './submit.ts';

/** A late task that still runs, or cannot be read now, is read again this soon, for a day after its job has ended … */
const READ_AGAIN_MS = MINUTE_MS;
const FOLLOWED_FOR_MS = DAY_MS;
/** … and with every round of the reconciliation for a week; after that it is a person's. */
const SUSPECTED_FOR_MS = 7 * DAY_MS;

/** Wakes the jobs that have ended with a cost that is still only suspected. */
export async function wakeLate(
  { database, clock }: Pick<Deps, 'database' | 'clock'>,
  wake: (jobId: string) => void,
): Promise<void> {
  const sinceMs = clock.nowMs() - SUSPECTED_FOR_MS;
  const open = (await database.read(openSuspected)).filter(({ atMs }) => atMs > sinceMs);
  for (const jobId of new Set(open.map((each) => each.jobId))) wake(jobId);
}

/**
 * Looks after the suspected costs of a job that has ended: asks for each task that is known, was announced, or can be
 * looked up. Charged, the suspicion becomes a cost; ended without a charge, or proven absent, it is taken back. The
 * tenant's side is never touched.
 */
export async function lookAfterLate(deps: Deps, job: JobRow, attempts: readonly AttemptRow[]): Promise<StepResult> {
  let again = false;
  for (const attempt of attempts) {
    if (!wasGivenUp(attempt)) continue;
    const account = deps.accounts.get(attempt.account);
    const suspected = await deps.database.read((tx) => suspectedOf(tx, attempt.id));
    if (account && suspected > ZERO_MICROS && (await followLate(deps, job, attempt, account))) again = true;
  }
  const isFollowed = deps.clock.nowMs() < (job.endedAtMs ?? 0) + FOLLOWED_FOR_MS;
  return again && isFollowed ? dueIn(READ_AGAIN_MS) : ENDED;
}

/** In doubt to the end, or given up for the next candidate. Of a task that was followed to its failure nothing is new. */
const wasGivenUp = ({ state, acceptedAtMs }: AttemptRow): boolean =>
  state === 'in_doubt' || (state === 'failed' && acceptedAtMs === null);

/** True when there is more to learn soon: the task runs, or was not read. */
async function followLate(deps: Deps, job: JobRow, attempt: AttemptRow, account: ProviderAccount): Promise<boolean> {
  const found = await taskOf(deps, job, attempt, account);
  if (found === 'unread') return true;
  if (found === 'absent') await noteAbsence(deps, job, attempt);
  if (found === 'unknown' || found === 'absent') return false;
  const handle = JSON.stringify(found.handle);
  const outcome = await readTask(deps, { ...attempt, handle }, account);
  const known = { ...attempt, taskId: found.taskId, handle };
  if (outcome.state === 'pending') {
    await deps.database.write((tx) => claimTask(tx, known));
    return true;
  }
  if (outcome.state === 'failure' && outcome.task !== 'ended') return outcome.kind !== 'task_not_found';
  await bookLate(deps, job, known, outcome);
  return false;
}

/** The attempt's task, by what is known of it. Reads only. */
async function taskOf(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<Omit<Submitted<Json>, 'state'> | 'absent' | 'unread' | 'unknown'> {
  const { taskId, handle, announcedTaskId } = attempt;
  if (taskId !== null && handle !== null) return { taskId, handle: JSON.parse(handle) };
  if (announcedTaskId !== null) {
    const announced = await readAnnounced(deps, attempt, account, announcedTaskId);
    if (announced.kind === 'ours') return announced.submitted;
    if (announced.kind === 'unread') return 'unread';
  }
  const { find } = account.connection;
  if (!find) return 'unknown';
  const submission = submissionOf(job, attempt, { references: [], dynamicMasks: [] }, null);
  const outcome = await lookUp(deps, find, submission, account);
  if (outcome.state === 'submitted') return outcome;
  return outcome.state === 'absent' ? 'absent' : 'unread';
}

/** Writes down whose task it is; false, with nothing written, where another attempt has it, or nothing is suspected now. */
async function claimTask(tx: Tx, { id, account, taskId, handle }: AttemptRow): Promise<boolean> {
  const owner = taskId === null ? null : await attemptOfTask(tx, account, taskId);
  if ((owner !== null && owner !== id) || (await suspectedOf(tx, id)) === ZERO_MICROS) return false;
  await updateAttempt(tx, id, { taskId, handle });
  return true;
}

async function bookLate(deps: Deps, job: JobRow, attempt: AttemptRow, end: Finished | Failure): Promise<void> {
  const charged = end.state === 'finished' ? 'yes' : (end.charged ?? 'unknown');
  const stamp = stampOf(deps);
  const detail = `surfaced after it was given up: ${end.state === 'finished' ? 'the clip was made' : end.detail}`;
  const booked = await deps.database.write(async (tx) => {
    if (!(await claimTask(tx, attempt))) return false;
    // Whether it was charged is still unknown: the suspicion stays for a person.
    if (charged === 'unknown') return false;
    await settleSuspicion(tx, job, attempt, stamp, detail);
    const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
    if (charged === 'yes') await bookCost(tx, job, { kind: 'cost', amountMicros: attempt.costMicros, ...of }, stamp);
    if (end.usage) await updateAttempt(tx, attempt.id, { usage: JSON.stringify(end.usage) });
    return true;
  });
  const { id, provider, account } = attempt;
  if (booked)
    deps.log.info('late task booked', { video: job.id, attempt: id, provider, account, kind: charged, detail });
}

/** One more look-up that found nothing; the second one that counts proves that there is no task. */
async function noteAbsence(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<void> {
  if (!countsAsAbsence(attempt, deps.clock.nowMs())) return;
  const absences = attempt.absences + 1;
  const stamp = stampOf(deps);
  await deps.database.write(async (tx) => {
    if ((await suspectedOf(tx, attempt.id)) === ZERO_MICROS) return;
    await updateAttempt(tx, attempt.id, { absences, absentAtMs: stamp.nowMs });
    if (absences >= ABSENCES_NEEDED)
      await settleSuspicion(tx, job, attempt, stamp, 'given up, and proven absent later');
  });
}

/** Takes the suspicion back. When the attempt ended stays as it was: its end is no news about the provider. */
async function settleSuspicion(
  tx: Tx,
  job: JobRow,
  attempt: AttemptRow,
  stamp: ReturnType<typeof stampOf>,
  failureDetail: string,
): Promise<void> {
  const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
  const amountMicros = await suspectedOf(tx, attempt.id);
  await bookCost(tx, job, { kind: 'cost_resolution', amountMicros, ...of }, stamp);
  const state = isLive(attempt.state) ? attemptMoves(attempt.state, 'failed') : attempt.state;
  await updateAttempt(tx, attempt.id, { state, failureDetail });
}
