import type {
  Failure,
  Json,
  ProviderRequest,
  Submission,
  SubmissionMedia,
  Submitted,
} from '../../providers/contract.ts';
import { crashPoint } from '../ground/crash.ts';
import { SECOND_MS } from '../ground/time.ts';
import { backoffMs, ruleFor } from '../routing/failure.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { endAttempt, requestOf } from './close.ts';
import { type Deps, DUE_NOW, dueIn, type StepResult } from './deps.ts';
import type { AttemptHook } from './hook.ts';
import { attemptMoves, jobMoves } from './job.ts';
import { type Kept, untilWritten } from './keep.ts';
import type { Presentation } from './presentation.ts';
import { doubtBoth } from './reuse.ts';
import { attemptOfTask, insertAttempt, LeaseLost, noteAnnouncedTask, updateAttempt, updateJob } from './rows.ts';
import { judgeSubmission, type Verdict } from './verdict.ts';

/**
 * How long after its row an attempt may still leave: a process that was frozen and thawed must not send what others
 * have judged meanwhile.
 */
export const SEND_WITHIN_MS = 5 * SECOND_MS;

/** The first look at an attempt in doubt. */
const FIRST_LOOK_MS = 2 * SECOND_MS;
/** After a look that found what is another's. */
const LOOK_AGAIN_MS = 30 * SECOND_MS;

/**
 * Sends an attempt whose row is committed as `submitting`, once, and writes down what became of it. Nothing below
 * this line repeats a submission.
 */
export async function submitAttempt(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
  submission: Submission,
): Promise<StepResult> {
  crashPoint('submit.row');
  const maySend = mayLeave(deps, attempt);
  const { submit } = account.connection;
  const request = withSandboxFault(job, attempt, submit.request(submission, deps.wallMs()));
  const answer = await deps.wire.submit(account.target, request, maySend);
  crashPoint('submit.sent');
  return await recordVerdict(deps, job, attempt, judgeSubmission(answer, submit, submission));
}

/**
 * Asked right before the first byte: whether the attempt may leave still, by its row and by the monotonic clock from now.
 * The row is what others judge it by.
 */
export function mayLeave({ clock }: Pick<Deps, 'clock'>, attempt: Pick<AttemptRow, 'sendByMs'>): () => boolean {
  const beforeMs = clock.monotonicMs() + SEND_WITHIN_MS;
  return () => clock.monotonicMs() <= beforeMs && clock.nowMs() <= attempt.sendByMs;
}

/** What the adapter needs to write the submission of an attempt. */
export function submissionOf(
  job: JobRow,
  attempt: AttemptRow,
  media: SubmissionMedia,
  hook: AttemptHook | null,
): Submission {
  return {
    attemptId: attempt.id,
    request: { ...requestOf(job), model: attempt.model },
    media,
    upstream: attempt.upstream,
    ...(hook && { webhookUrl: hook.url, webhookSecret: hook.secret }),
  };
}

/**
 * In the sandbox a request may order its own fault; it reaches the emulator with the first submission, so that what
 * comes after a fault can be seen too.
 */
function withSandboxFault(job: JobRow, attempt: AttemptRow, request: ProviderRequest): ProviderRequest {
  const { sandboxFault }: Presentation = JSON.parse(job.presentation);
  if (sandboxFault === undefined || attempt.number > 1) return request;
  return { ...request, headers: { ...request.headers, 'x-reelay-sandbox-fault': sandboxFault } };
}

/** The media could not be brought to the provider: a failed attempt that was never sent and held no slot. */
export async function recordUnprepared(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  failure: Failure,
): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  const { kind: failureKind, detail: failureDetail } = failure;
  const againAtMs = mayAskAgainAtMs(deps, attempt, failure);
  const end = { slotHeld: false, endedAtMs: nowMs, failureKind, failureDetail, againAtMs };
  const ended = { ...attempt, state: 'failed' as const, ...end };
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { attempts: attempt.number, dueAtMs: nowMs });
    await insertAttempt(tx, ended);
  });
  return DUE_NOW;
}

/** From when on the job may ask the same candidate again; null where it never may. */
function mayAskAgainAtMs({ clock, random }: Deps, { number }: AttemptRow, failure: Failure): number | null {
  const { repeats, requeue } = ruleFor(failure.kind);
  if (repeats === 0 && requeue !== true) return null;
  return clock.nowMs() + backoffMs(failure, number - 1, random.fraction());
}

/** The answer is had once: it is kept until it is written. */
async function recordVerdict(deps: Deps, job: JobRow, attempt: AttemptRow, verdict: Verdict): Promise<StepResult> {
  switch (verdict.kind) {
    case 'accepted':
      return await recordAccepted(deps, job, attempt, verdict.submitted);
    case 'refused': {
      const { failure } = verdict;
      const kept = keptOf(job, attempt, `refused: ${failure.kind}`);
      return await untilWritten(deps, kept, () => recordRefused(deps, job, attempt, failure));
    }
    case 'in_doubt': {
      const { detail } = verdict;
      return await untilWritten(deps, keptOf(job, attempt, 'in doubt'), () => recordDoubt(deps, job, attempt, detail));
    }
  }
}

const keptOf = (job: JobRow, attempt: AttemptRow, detail: string): Kept => ({
  video: job.id,
  attempt: attempt.id,
  account: attempt.account,
  detail,
});

/**
 * The provider has the task: from here on it is polled. Also used when a task in doubt has been found. The task's id is
 * kept until it is written: by whoever holds the job as its task; by whoever has lost the job as a hint for its holder,
 * like an announcement.
 */
export async function recordAccepted(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  submitted: Submitted<Json>,
): Promise<StepResult> {
  const kept = keptOf(job, attempt, `accepted as task ${submitted.taskId}`);
  try {
    return await untilWritten(deps, kept, () => writeAccepted(deps, job, attempt, submitted));
  } catch (error) {
    if (!(error instanceof LeaseLost)) throw error;
    await untilWritten(deps, kept, () =>
      deps.database.write((tx) => noteAnnouncedTask(tx, attempt.id, submitted.taskId)),
    );
    deps.log.warn('accepted after the lease was lost', kept);
    throw error;
  }
}

async function writeAccepted(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  { taskId, handle }: Submitted<Json>,
): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  const isNew = await deps.database.write(async (tx) => {
    const owner = await attemptOfTask(tx, attempt.account, taskId);
    if (owner !== null && owner !== attempt.id) {
      await doubtBoth(tx, deps, { job, attempt, taskId });
      return false;
    }
    await updateJob(tx, job, {
      state: jobMoves(job.state, 'running'),
      provider: attempt.provider,
      startedAtMs: job.startedAtMs ?? nowMs,
      dueAtMs: nowMs,
    });
    await updateAttempt(tx, attempt.id, {
      state: attemptMoves(attempt.state, 'running'),
      taskId,
      handle: JSON.stringify(handle),
      acceptedAtMs: nowMs,
      failureDetail: null,
    });
    return true;
  });
  if (!isNew) {
    deps.log.error('task id given out twice', { video: job.id, attempt: attempt.id, account: attempt.account });
    if (attempt.state === 'in_doubt') return dueIn(LOOK_AGAIN_MS);
    return await recordDoubt(deps, job, attempt, 'the provider named a task that another attempt has');
  }
  crashPoint('submit.accepted');
  return dueIn(deps.settings.firstPollMs);
}

/**
 * Nothing was created: the attempt has failed, its slot is free, and the failure table says what is next. The job is back
 * in the queue at once; that it may not ask here again for a while is one more wait that the next choice reckons with.
 */
export async function recordRefused(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  failure: Failure,
): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: nowMs });
    await endAttempt(tx, attempt, { state: 'failed', failure }, nowMs);
    await updateAttempt(tx, attempt.id, { againAtMs: mayAskAgainAtMs(deps, attempt, failure) });
  });
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  const { provider, account } = attempt;
  const { kind, detail } = failure;
  deps.log.warn('attempt refused', { video: job.id, attempt: attempt.id, provider, account, kind, detail });
  return DUE_NOW;
}

/** A task may exist: the attempt keeps its slot and its hold, and is looked for. */
export async function recordDoubt(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  detail: string,
  isNews = true,
): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  // When its answer was lost first: that counts against the provider.
  const troubledAtMs = isNews ? (attempt.troubledAtMs ?? nowMs) : attempt.troubledAtMs;
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, {
      state: jobMoves(job.state, 'running'),
      provider: attempt.provider,
      startedAtMs: job.startedAtMs ?? nowMs,
      dueAtMs: nowMs,
    });
    const state = attemptMoves(attempt.state, 'in_doubt');
    await updateAttempt(tx, attempt.id, { state, failureDetail: detail, troubledAtMs });
  });
  const { provider, account } = attempt;
  deps.log.warn('attempt in doubt', { video: job.id, attempt: attempt.id, provider, account, detail });
  return dueIn(FIRST_LOOK_MS);
}

/**
 * A `submitting` row that nobody is submitting: its process ended in between, and whether bytes left is unknown. That is no
 * news about the provider.
 */
export async function abandonedSubmission(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult> {
  return await recordDoubt(deps, job, attempt, 'the process ended between the row and the answer', false);
}
