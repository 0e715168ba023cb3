import type { SubmissionMedia } from '../../providers/contract.ts';
import { crashPoint } from '../ground/crash.ts';
import { HOUR_MS, SECOND_MS } from '../ground/time.ts';
import { Undo } from '../store/database.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { readAnnounced } from './announced.ts';
import { endAttempt, failJobIn, removeUploads, requestOf, stampOf } from './close.ts';
import { type Deps, DUE_NOW, dueIn, ENDED, type StepResult } from './deps.ts';
import { goOnInDoubt } from './doubt-fallback.ts';
import { makeHook } from './hook.ts';
import { attemptMoves } from './job.ts';
import {
  ABSENCES_APART_MS,
  ABSENCES_NEEDED,
  countsAsAbsence,
  endOfDoubtMs,
  lookUp,
  mayStillArrive,
} from './look-up.ts';
import { prepareMedia } from './media.ts';
import { giveUp, LAST_READS, pollAttempt } from './poll.ts';
import { mayBuy, sendOnceMore } from './resend.ts';
import { attemptOfTask, freeSlot, loadJob, updateAttempt, updateJob } from './rows.ts';
import { recordAccepted, SEND_WITHIN_MS, submissionOf, submitAttempt } from './submit.ts';

/** A submission that is proven again and again not to have arrived goes to the next candidate. */
const REPEATS_MAX = 3;
/** No generation takes longer: past it the slot is surely free. */
const LONGEST_GENERATION_MS = HOUR_MS;
const LOOK_AGAIN_MAX_MS = 30 * SECOND_MS;

/** A look-up goes by the tag alone. */
const NO_MEDIA: SubmissionMedia = { references: [], dynamicMasks: [] };

/**
 * Looks after an attempt whose submission was never answered, or whose task has vanished.
 *
 * Found by its tag, it runs on. Proven absent where the provider refuses a repeated tag, it is sent again under the
 * same tag. Where the account was seen to replay a repeated key, it is sent once more. Everything else waits: for a
 * webhook, for a person, for the deadline of doubt. Whoever can be asked has answered once before that is the end, also
 * when the gateway was down until after it.
 */
export async function lookAfterDoubt(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult> {
  if (attempt.slotHeld && deps.clock.nowMs() >= attempt.createdAtMs + LONGEST_GENERATION_MS) {
    const freed = await freeSlotOf(deps, job, attempt);
    return await lookAfterDoubt(deps, job, freed, account);
  }
  // A task that is known is read first, whatever the time: its own reads know when to give up.
  if (attempt.handle !== null) return await pollAttempt(deps, job, attempt, account);
  const isOver = isOverdue(deps, job, attempt);
  const { announcedTaskId } = attempt;
  const told = announcedTaskId === null ? null : await readAnnounced(deps, attempt, account, announcedTaskId);
  if (told?.kind === 'ours') {
    deps.log.info('attempt found by its webhook', { video: job.id, attempt: attempt.id, provider: attempt.provider });
    return await recordAccepted(deps, job, attempt, told.submitted);
  }
  const again = isOver ? null : await sendOnceMore(deps, job, attempt, account, lookAgainMs(deps, job, attempt));
  return again ?? (await lookByTag(deps, job, attempt, account, told?.kind === 'unread'));
}

/** `unread`: an announced task could not be read just now, so that giving up waits for the answer of whoever can be asked. */
async function lookByTag(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
  unread: boolean,
): Promise<StepResult> {
  const { find } = account.connection;
  const outcome = find && (await lookUp(deps, find, submissionOf(job, attempt, NO_MEDIA, null), account));
  if (outcome?.state === 'submitted') {
    // What is another's will not become ours by looking again.
    if (isOverdue(deps, job, attempt) && (await isAnothers(deps, attempt, outcome.taskId))) {
      return await giveUp(deps, job, attempt);
    }
    deps.log.info('attempt found again', { video: job.id, attempt: attempt.id, provider: attempt.provider });
    return await recordAccepted(deps, job, attempt, outcome);
  }
  const onward = await goOnInDoubt(deps, job, attempt);
  if (onward) return onward;
  if (outcome?.state === 'absent') return await recordAbsence(deps, job, attempt, account);
  if (!isOverdue(deps, job, attempt)) return lookAgain(deps, job, attempt);
  return outcome || unread ? await notAnswered(deps, job, attempt) : await giveUp(deps, job, attempt);
}

async function isAnothers({ database }: Deps, { id, account }: AttemptRow, taskId: string): Promise<boolean> {
  const owner = await database.read((tx) => attemptOfTask(tx, account, taskId));
  return owner !== null && owner !== id;
}

/** Whether the time of doubt is up, or that of the job. */
function isOverdue(deps: Deps, job: JobRow, attempt: AttemptRow): boolean {
  return deps.clock.nowMs() >= endOfDoubtMs(deps, job, attempt);
}

/**
 * The time is up, and whoever could tell does not answer. It is asked on until the job's own deadline, because the clip
 * may be made and paid for; past that, a few times more: the gateway may be back only now from a time that it was down.
 */
async function notAnswered(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  const lookFailures = attempt.lookFailures + 1;
  if (nowMs >= job.deadlineAtMs && lookFailures >= LAST_READS) return await giveUp(deps, job, attempt);
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: nowMs });
    await updateAttempt(tx, attempt.id, { lookFailures });
  });
  return dueIn(LOOK_AGAIN_MAX_MS);
}

/** One more look-up that found nothing; the second good one proves absence. */
async function recordAbsence(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  if (mayStillArrive(attempt, nowMs) && isOverdue(deps, job, attempt)) return await giveUp(deps, job, attempt);
  if (!countsAsAbsence(attempt, nowMs)) return lookAgain(deps, job, attempt);
  const absences = attempt.absences + 1;
  if (absences >= ABSENCES_NEEDED) return await provenAbsent(deps, job, attempt, account);
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: nowMs });
    await updateAttempt(tx, attempt.id, { absences, absentAtMs: nowMs });
  });
  return dueIn(ABSENCES_APART_MS);
}

/** Nothing was made. It is sent again where it is still wanted, in time and allowed; else the attempt ends here. */
async function provenAbsent(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult> {
  const isWanted =
    job.cancelRequestedAtMs === null && deps.clock.nowMs() < job.deadlineAtMs && attempt.repeats < REPEATS_MAX;
  return (isWanted ? await sendAgain(deps, job, attempt, account) : null) ?? (await endAbsent(deps, job, attempt));
}

/**
 * The same attempt under the same tag: were the first one to arrive after all, the provider would refuse the second as
 * a repeat, and find it for us. Null, with nothing sent, where nothing may be bought any more.
 */
async function sendAgain(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult | null> {
  const hook = makeHook(deps, account.provider);
  const media = await prepareMedia(deps, requestOf(job), account);
  if ('state' in media) return isOverdue(deps, job, attempt) ? null : lookAgain(deps, job, attempt);
  const nowMs = deps.clock.nowMs();
  const change = {
    state: attemptMoves(attempt.state, 'submitting'),
    absences: 0,
    absentAtMs: null,
    repeats: attempt.repeats + 1,
    sendByMs: nowMs + SEND_WITHIN_MS,
    failureDetail: null,
    hookTokenDigest: hook?.digest ?? null,
  };
  const mayLeave = await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: nowMs });
    if (!(await mayBuy(tx, job.id, account.id))) throw new Undo(false);
    await updateAttempt(tx, attempt.id, change);
    return true;
  });
  if (!mayLeave) return null;
  crashPoint('doubt.send_again');
  const again = { ...attempt, ...change };
  return await submitAttempt(deps, job, again, account, submissionOf(job, again, media, hook));
}

/** No task was made and none will be: a cancelled job ends free of charge, any other goes on along its route. */
async function endAbsent(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult> {
  const stamp = stampOf(deps);
  const failure = { kind: 'generation_failed', detail: 'proven absent, and not sent again' } as const;
  const isCancelled = await deps.database.write(async (tx) => {
    // Read again: the wish to cancel may be newer than this step.
    const wish = (await loadJob(tx, job.id))?.cancelRequestedAtMs ?? null;
    if (wish === null) {
      await updateJob(tx, job, { dueAtMs: stamp.nowMs });
      await endAttempt(tx, attempt, { state: 'failed', failure }, stamp.nowMs);
      return false;
    }
    await failJobIn(tx, deps, job, 'cancelled', stamp);
    await endAttempt(tx, attempt, { state: 'cancelled' }, stamp.nowMs);
    return true;
  });
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  if (!isCancelled) return DUE_NOW;
  await removeUploads(deps, job);
  return ENDED;
}

async function freeSlotOf(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<AttemptRow> {
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: deps.clock.nowMs() });
    await updateAttempt(tx, attempt.id, { slotHeld: false });
    await freeSlot(tx, attempt.lane);
  });
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  return { ...attempt, slotHeld: false };
}

/** Soon at first, then every half minute, and in time for the deadline of doubt; past that every half minute, too. */
function lookAgain(deps: Deps, job: JobRow, attempt: AttemptRow): StepResult {
  return dueIn(lookAgainMs(deps, job, attempt));
}

function lookAgainMs(deps: Deps, job: JobRow, attempt: AttemptRow): number {
  const nowMs = deps.clock.nowMs();
  const ageMs = nowMs - attempt.createdAtMs;
  if (isOverdue(deps, job, attempt)) return LOOK_AGAIN_MAX_MS;
  const endsInMs = endOfDoubtMs(deps, job, attempt) - nowMs;
  return Math.max(0, Math.min(Math.max(SECOND_MS, ageMs / 2), LOOK_AGAIN_MAX_MS, endsInMs));
}
