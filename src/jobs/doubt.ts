import type { Absent, Failure, Json, Submission, SubmissionMedia, Submitted } from '../../providers/contract.ts';
import type { BoundExchange } from '../../providers/define.ts';
import { crashPoint } from '../ground/crash.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { requestOf } from './close.ts';
import { type Deps, dueIn, type StepResult } from './deps.ts';
import { goOnInDoubt } from './doubt-fallback.ts';
import { makeHook } from './hook.ts';
import { attemptMoves } from './job.ts';
import { prepareMedia } from './media.ts';
import { giveUp, pollAttempt, readTask } from './poll.ts';
import { sendOnceMore } from './resend.ts';
import { attemptOfTask, freeSlot, updateAttempt, updateJob } from './rows.ts';
import { recordAccepted, SEND_WITHIN_MS, submissionOf, submitAttempt } from './submit.ts';

/** Absence is believed no sooner than this after the submission could last have left … */
const ABSENCE_AFTER_MS = 2 * MINUTE_MS;
/** … and from two look-ups this far apart that both succeeded. */
const ABSENCES_APART_MS = 30 * SECOND_MS;
const ABSENCES_NEEDED = 2;
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
 * webhook, for a person, for the deadline of doubt.
 */
export async function lookAfterDoubt(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  if (nowMs >= Math.min(attempt.createdAtMs + deps.settings.doubtMs, job.deadlineAtMs)) {
    return await giveUp(deps, job, attempt);
  }
  if (attempt.slotHeld && nowMs >= attempt.createdAtMs + LONGEST_GENERATION_MS) {
    const freed = await freeSlotOf(deps, job, attempt);
    return await lookAfterDoubt(deps, job, freed, account);
  }
  if (attempt.handle !== null) return await pollAttempt(deps, job, attempt, account);
  if (attempt.announcedTaskId !== null) {
    const adopted = await adoptAnnounced(deps, job, attempt, account, attempt.announcedTaskId);
    if (adopted) return adopted;
  }
  const again = await sendOnceMore(deps, job, attempt, account, lookAgainMs(deps, job, attempt));
  if (again) return again;
  const { find } = account.connection;
  if (!find) return (await goOnInDoubt(deps, job, attempt)) ?? lookAgain(deps, job, attempt);
  const outcome = await look(deps, find, submissionOf(job, attempt, NO_MEDIA, null), account);
  switch (outcome.state) {
    case 'submitted':
      deps.log.info('attempt found again', { video: job.id, attempt: attempt.id, provider: attempt.provider });
      return await recordAccepted(deps, job, attempt, outcome);
    case 'absent':
      return (await goOnInDoubt(deps, job, attempt)) ?? (await recordAbsence(deps, job, attempt, account));
    case 'failure':
      return (await goOnInDoubt(deps, job, attempt)) ?? lookAgain(deps, job, attempt);
  }
}

/**
 * The task that an announcement named: read with our own key. One that can be read, and that no other attempt has, is
 * ours; one that cannot is nobody's, and the attempt stays in doubt.
 */
async function adoptAnnounced(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
  taskId: string,
): Promise<StepResult | null> {
  const handle = account.provider.hooks?.adopt(taskId, attempt.upstream) ?? null;
  if (handle === null) return null;
  const outcome = await readTask(deps, { ...attempt, handle: JSON.stringify(handle) }, account);
  if (outcome.state === 'failure' && outcome.task !== 'ended') return null;
  const taken = await deps.database.read((tx) => attemptOfTask(tx, account.id, taskId));
  if (taken !== null && taken !== attempt.id) return null;
  deps.log.info('attempt found by its webhook', { video: job.id, attempt: attempt.id, provider: attempt.provider });
  return await recordAccepted(deps, job, attempt, { state: 'submitted', taskId, handle });
}

async function look(
  deps: Deps,
  find: BoundExchange<Submission, Submitted<Json> | Absent>,
  submission: Submission,
  account: ProviderAccount,
): Promise<Submitted<Json> | Absent | Failure> {
  const answer = await deps.wire.read(account.target, find.request(submission, deps.wallMs()));
  if (answer.kind === 'answered') return find.response(answer.response, submission);
  return { state: 'failure', kind: 'unavailable', detail: answer.detail };
}

/** One more look-up that found nothing; the second good one proves absence. */
async function recordAbsence(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  const tooSoon = nowMs < attempt.sendByMs + ABSENCE_AFTER_MS;
  const tooClose = attempt.absentAtMs !== null && nowMs < attempt.absentAtMs + ABSENCES_APART_MS;
  if (tooSoon || tooClose) return lookAgain(deps, job, attempt);
  const absences = attempt.absences + 1;
  if (absences >= ABSENCES_NEEDED) return await sendAgain(deps, job, attempt, account);
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: nowMs });
    await updateAttempt(tx, attempt.id, { absences, absentAtMs: nowMs });
  });
  return dueIn(ABSENCES_APART_MS);
}

/**
 * The same attempt under the same tag: were the first one to arrive after all, the provider would refuse the second as
 * a repeat, and find it for us.
 */
async function sendAgain(deps: Deps, job: JobRow, attempt: AttemptRow, account: ProviderAccount): Promise<StepResult> {
  const hook = makeHook(deps, account.provider);
  const media = await prepareMedia(deps, requestOf(job), account);
  if ('state' in media) return lookAgain(deps, job, attempt);
  const nowMs = deps.clock.nowMs();
  const change = {
    state: attemptMoves(attempt.state, 'submitting'),
    absences: 0,
    absentAtMs: null,
    sendByMs: nowMs + SEND_WITHIN_MS,
    failureDetail: null,
    hookTokenDigest: hook?.digest ?? null,
  };
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: nowMs });
    await updateAttempt(tx, attempt.id, change);
  });
  crashPoint('doubt.send_again');
  const again = { ...attempt, ...change };
  return await submitAttempt(deps, job, again, account, submissionOf(job, again, media, hook));
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

/** Soon at first, then every half minute, and in time for the deadline of doubt. */
function lookAgain(deps: Deps, job: JobRow, attempt: AttemptRow): StepResult {
  return dueIn(lookAgainMs(deps, job, attempt));
}

function lookAgainMs(deps: Deps, job: JobRow, attempt: AttemptRow): number {
  const nowMs = deps.clock.nowMs();
  const ageMs = nowMs - attempt.createdAtMs;
  const endsInMs = Math.min(attempt.createdAtMs + deps.settings.doubtMs, job.deadlineAtMs) - nowMs;
  return Math.max(0, Math.min(Math.max(SECOND_MS, ageMs / 2), LOOK_AGAIN_MAX_MS, endsInMs));
}
