import type { Failure, Finished, Json, Pending } from '../../providers/contract.ts';
import { present } from '../ground/assert.ts';
import { crashPoint } from '../ground/crash.ts';
import { MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import { bookCost } from '../ledger/account.ts';
import { ruleFor } from '../routing/failure.ts';
import { StoreUnavailable, type Tx } from '../store/database.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { endAttempt, failJobIn, pricedBy, removeUploads, stampOf } from './close.ts';
import { type Deps, DUE_NOW, dueIn, ENDED, type StepResult } from './deps.ts';
import { measuredDurations, NEVER_STUCK_BEFORE_MS, stuckAfterMs } from './durations.ts';
import { lossOf } from './facts.ts';
import { attemptMoves, jobMoves } from './job.ts';
import { endOfDoubtMs } from './look-up.ts';
import { freeSlot, updateAttempt, updateJob } from './rows.ts';
import { stopTask } from './stop.ts';

const POLL_MAX_MS = 15 * SECOND_MS;
const USUAL_FIRST_POLL_MS = 5 * SECOND_MS;
/** A task that is not known yet a moment after it was made: some providers' reads lag behind their writes. */
const NOT_FOUND_GRACE_MS = MINUTE_MS;
/** A finished task without a video is read again this often, this long apart, before it is believed. */
const MISSING_READS = 3;
const MISSING_READ_AGAIN_MS = 20 * SECOND_MS;
/** A task past its longest time is read more rarely. */
const STUCK_POLL_MS = MINUTE_MS;
/** Past every deadline a task that is not read is asked for this often in a row, before the job ends without knowing. */
export const LAST_READS = 10;
/** A finished answer leads to a second exchange at most this often in one step. */
const STAGES_MAX = 3;

/**
 * Asks once how the task is doing. A read that fails proves nothing about the task, so it is asked again, always; only
 * the task's own end, or the job's deadline, ends it.
 */
export async function pollAttempt(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult> {
  const outcome = await readTask(deps, attempt, account);
  const wasRead = outcome.state !== 'failure' || outcome.task === 'ended';
  if (wasRead) await noteRead(deps, job, attempt, 0);
  switch (outcome.state) {
    case 'pending':
      return await stillPending(deps, job, attempt, account, floorOf(deps, outcome.nextPollMs ?? 0));
    case 'finished':
      return await taskFinished(deps, job, attempt, outcome);
    case 'failure':
      if (outcome.task === 'ended') return await taskFailed(deps, job, attempt, outcome);
      return await readFailed(deps, job, attempt, outcome);
  }
}

/** The task as the provider tells it, through all stages of its handle. */
export async function readTask(
  deps: Pick<Deps, 'wire' | 'wallMs'>,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<Pending<Json> | Finished | Failure> {
  const { poll } = account.connection;
  let handle: Json = JSON.parse(present(attempt.handle, 'the handle of a running attempt'));
  for (let stage = 1; ; stage += 1) {
    const answer = await deps.wire.read(account.target, poll.request(handle, deps.wallMs()));
    crashPoint('poll.read');
    if (answer.kind !== 'answered') return { state: 'failure', kind: 'unavailable', detail: answer.detail };
    const outcome = poll.response(answer.response, handle);
    if (outcome.state !== 'pending' || outcome.nextPollMs !== 0 || stage === STAGES_MAX) return outcome;
    handle = outcome.handle;
  }
}

/** A provider's own pace, for the usual first poll. An operator who polls sooner than usual means it. */
function floorOf(deps: Deps, paceMs: number): number {
  return paceMs * Math.min(1, deps.settings.firstPollMs / USUAL_FIRST_POLL_MS);
}

/**
 * The next poll: the first after the configured time, then half of the task's age more, up to 15 s, each a fifth
 * sooner or later so that a burst of jobs does not stay one. The provider's own floor wins.
 */
function pollDelayMs(deps: Deps, attempt: AttemptRow, floorMs: number): number {
  const ageMs = Math.max(0, deps.clock.nowMs() - (attempt.acceptedAtMs ?? attempt.createdAtMs));
  const rhythmMs = Math.min(POLL_MAX_MS, Math.max(deps.settings.firstPollMs, ageMs / 2));
  const jitter = 0.8 + 0.4 * deps.random.fraction();
  return Math.max(floorMs, rhythmMs * jitter);
}

/** Nothing is written for a poll that changes nothing: one durable write per poll would cost seven times the CPU. */
async function stillPending(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
  floorMs: number,
): Promise<StepResult> {
  if (attempt.state === 'in_doubt') {
    const nowMs = deps.clock.nowMs();
    await deps.database.write(async (tx) => {
      await updateJob(tx, job, { dueAtMs: nowMs });
      await updateAttempt(tx, attempt.id, { state: attemptMoves('in_doubt', 'running'), failureDetail: null });
    });
  }
  if (deps.clock.nowMs() >= job.deadlineAtMs) return await giveUp(deps, job, attempt);
  if (!(await isStuck(deps, attempt))) return dueIn(pollDelayMs(deps, attempt, floorMs));
  return (await stopTask(deps, job, attempt, account)) ?? dueIn(Math.max(floorMs, STUCK_POLL_MS));
}

/** Whether the task has taken far longer than others of its offer do. */
async function isStuck(deps: Deps, attempt: AttemptRow): Promise<boolean> {
  const nowMs = deps.clock.nowMs();
  const ageMs = nowMs - (attempt.acceptedAtMs ?? attempt.createdAtMs);
  if (ageMs < NEVER_STUCK_BEFORE_MS) return false;
  const measured = await deps.database.read((tx) => measuredDurations(tx, attempt, nowMs));
  return ageMs >= stuckAfterMs(measured);
}

/** The task is done and its slot free; what is left is to fetch the file before its address dies. */
async function taskFinished(deps: Deps, job: JobRow, attempt: AttemptRow, finished: Finished): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  const running = attempt.state === 'in_doubt' ? attemptMoves('in_doubt', 'running') : attempt.state;
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { state: jobMoves(job.state, 'saving'), dueAtMs: nowMs });
    await endAttempt(
      tx,
      { ...attempt, state: running },
      {
        state: 'succeeded',
        videoUrlSealed: deps.sealer.seal(finished.videoUrl),
        ...(finished.usage && { usage: finished.usage }),
        ...(finished.videoId !== undefined && { providerVideoId: finished.videoId }),
      },
      nowMs,
    );
  });
  crashPoint('poll.finished');
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  return DUE_NOW;
}

/** The task has failed for good. What it cost us is booked; the job goes on along its route. */
async function taskFailed(deps: Deps, job: JobRow, attempt: AttemptRow, failure: Failure): Promise<StepResult> {
  const stamp = stampOf(deps);
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: stamp.nowMs });
    await endAttempt(tx, attempt, { state: 'failed', failure }, stamp.nowMs);
    if (failure.charged !== 'no') {
      const kind = failure.charged === 'yes' ? 'cost' : 'suspected_cost';
      const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
      await bookCost(tx, job, { kind, amountMicros: attempt.costMicros, ...of }, stamp);
    }
  });
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  const { provider, account } = attempt;
  const { kind, detail } = failure;
  deps.log.warn('task failed', { video: job.id, attempt: attempt.id, provider, account, kind, detail });
  return DUE_NOW;
}

/** The read failed, not the task. A task that stays unknown is in doubt: it may have been made, done and charged. */
async function readFailed(deps: Deps, job: JobRow, attempt: AttemptRow, failure: Failure): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  const { provider, account } = attempt;
  const { kind, detail } = failure;
  deps.log.warn('poll failed', { video: job.id, attempt: attempt.id, provider, account, kind, detail });
  if (kind === 'video_missing') return await videoMissing(deps, job, attempt, failure);
  const ageMs = nowMs - (attempt.acceptedAtMs ?? attempt.createdAtMs);
  const lags = kind === 'task_not_found' && ageMs <= NOT_FOUND_GRACE_MS;
  const isOver = nowMs >= job.deadlineAtMs;
  const readFailures = attempt.readFailures + 1;
  if (isOver || (ruleFor(kind).health === 'trips' && !lags)) await noteRead(deps, job, attempt, readFailures);
  if (kind === 'task_not_found' && ageMs > NOT_FOUND_GRACE_MS && attempt.state === 'running') {
    await deps.database.write(async (tx) => {
      await updateJob(tx, job, { dueAtMs: nowMs });
      await updateAttempt(tx, attempt.id, { state: attemptMoves('running', 'in_doubt'), failureDetail: detail });
    });
  }
  // Only an answer proves anything: while none comes, a task that may be paid for is asked for until the job's deadline,
  // and a few times more by a gateway that is back only after it.
  const isAnswered = kind === 'task_not_found';
  const doubtEndsMs = attempt.state === 'in_doubt' ? endOfDoubtMs(deps, job, attempt) : job.deadlineAtMs;
  if (isAnswered && nowMs >= Math.min(doubtEndsMs, job.deadlineAtMs)) return await giveUp(deps, job, attempt);
  if (isOver && readFailures >= LAST_READS) return await giveUp(deps, job, attempt);
  return dueIn(pollDelayMs(deps, attempt, failure.retryAfterMs ?? 0));
}

/**
 * Writes down how many reads of the task have failed one after another, where that has changed: it counts toward the
 * provider's health. What the store cannot take now is left: reads go on without it, and the next one tells again.
 */
async function noteRead(deps: Deps, job: JobRow, attempt: AttemptRow, readFailures: number): Promise<void> {
  if (readFailures === attempt.readFailures) return;
  const nowMs = deps.clock.nowMs();
  try {
    await deps.database.write(async (tx) => {
      await updateJob(tx, job, { dueAtMs: nowMs });
      await updateAttempt(tx, attempt.id, { readFailures, troubledAtMs: nowMs, lostAtMs: lossOf(attempt) });
    });
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
  }
}

/** Finished, but no video is named: read again a few times, then believed, as a task that failed and was charged. */
async function videoMissing(deps: Deps, job: JobRow, attempt: AttemptRow, failure: Failure): Promise<StepResult> {
  if (attempt.absences >= MISSING_READS) {
    return await taskFailed(deps, job, attempt, { ...failure, kind: 'generation_failed', charged: 'yes' });
  }
  const nowMs = deps.clock.nowMs();
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: nowMs });
    await updateAttempt(tx, attempt.id, { absences: attempt.absences + 1, absentAtMs: nowMs });
  });
  return dueIn(MISSING_READ_AGAIN_MS);
}

/**
 * The time is up and the provider may still charge: the tenant gets the hold back, and what the task may have cost is
 * listed as suspected until somebody knows. The attempt stays in doubt.
 */
export async function giveUp(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult> {
  const stamp = stampOf(deps);
  await deps.database.write(async (tx) => {
    await failJobIn(tx, deps, job, 'provider_outcome_unknown', stamp);
    const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
    await bookCost(tx, job, { kind: 'suspected_cost', amountMicros: attempt.costMicros, ...of }, stamp);
    await keepInDoubt(tx, attempt, stamp.nowMs);
  });
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  await removeUploads(deps, job);
  return ENDED;
}

async function keepInDoubt(tx: Tx, attempt: AttemptRow, nowMs: number): Promise<void> {
  const state = attempt.state === 'in_doubt' ? attempt.state : attemptMoves(attempt.state, 'in_doubt');
  await updateAttempt(tx, attempt.id, { state, slotHeld: false, endedAtMs: nowMs });
  if (attempt.slotHeld) await freeSlot(tx, attempt.lane);
}
