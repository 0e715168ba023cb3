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
import type { Presentation } from './admit.ts';
import { endAttempt, requestOf } from './close.ts';
import { type Deps, DUE_NOW, dueIn, type StepResult } from './deps.ts';
import type { AttemptHook } from './hook.ts';
import { attemptMoves, jobMoves } from './job.ts';
import { attemptOfTask, insertAttempt, updateAttempt, updateJob } from './rows.ts';
import { judgeSubmission, type Verdict } from './verdict.ts';

/**
 * How long after its row an attempt may still leave: a process that was frozen and thawed must not send what others
 * have judged meanwhile.
 */
export const SEND_WITHIN_MS = 5 * SECOND_MS;

/** The first look at an attempt in doubt. */
const FIRST_LOOK_MS = 2 * SECOND_MS;

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
  const sendBeforeMs = deps.clock.monotonicMs() + SEND_WITHIN_MS;
  const { submit } = account.connection;
  const request = withSandboxFault(job, attempt, submit.request(submission, deps.wallMs()));
  const maySend = () => deps.clock.monotonicMs() <= sendBeforeMs;
  const answer = await deps.wire.submit(account.target, request, maySend);
  crashPoint('submit.sent');
  return await recordVerdict(deps, job, attempt, judgeSubmission(answer, submit, submission));
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
  const ended = { ...attempt, state: 'failed' as const, slotHeld: false, endedAtMs: nowMs, failureKind, failureDetail };
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { attempts: attempt.number, dueAtMs: nowMs });
    await insertAttempt(tx, ended);
  });
  return dueIn(backoffMs(failure, attempt.number - 1, deps.random.fraction()));
}

async function recordVerdict(deps: Deps, job: JobRow, attempt: AttemptRow, verdict: Verdict): Promise<StepResult> {
  switch (verdict.kind) {
    case 'accepted':
      return await recordAccepted(deps, job, attempt, verdict.submitted);
    case 'refused':
      return await recordRefused(deps, job, attempt, verdict.failure);
    case 'in_doubt':
      return await recordDoubt(deps, job, attempt, verdict.detail);
  }
}

/** The provider has the task: from here on it is polled. Also used when a task in doubt has been found. */
export async function recordAccepted(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  { taskId, handle }: Submitted<Json>,
): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  const isNew = await deps.database.write(async (tx) => {
    const owner = await attemptOfTask(tx, attempt.account, taskId);
    if (owner !== null && owner !== attempt.id) return false;
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
    if (attempt.state === 'in_doubt') return dueIn(FIRST_LOOK_MS);
    return await recordDoubt(deps, job, attempt, 'the provider named a task that another attempt has');
  }
  crashPoint('submit.accepted');
  return dueIn(deps.settings.firstPollMs);
}

/** Nothing was created: the attempt has failed, its slot is free, and the failure table says what is next. */
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
  });
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  const { provider, account } = attempt;
  const { kind, detail } = failure;
  deps.log.warn('attempt refused', { video: job.id, attempt: attempt.id, provider, account, kind, detail });
  const waits = ruleFor(kind).repeats > 0 || ruleFor(kind).requeue === true;
  return waits ? dueIn(backoffMs(failure, attempt.number - 1, deps.random.fraction())) : DUE_NOW;
}

/** A task may exist: the attempt keeps its slot and its hold, and is looked for. */
export async function recordDoubt(deps: Deps, job: JobRow, attempt: AttemptRow, detail: string): Promise<StepResult> {
  const nowMs = deps.clock.nowMs();
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, {
      state: jobMoves(job.state, 'running'),
      provider: attempt.provider,
      startedAtMs: job.startedAtMs ?? nowMs,
      dueAtMs: nowMs,
    });
    await updateAttempt(tx, attempt.id, { state: attemptMoves(attempt.state, 'in_doubt'), failureDetail: detail });
  });
  const { provider, account } = attempt;
  deps.log.warn('attempt in doubt', { video: job.id, attempt: attempt.id, provider, account, detail });
  return dueIn(FIRST_LOOK_MS);
}

/** A `submitting` row that nobody is submitting: its process ended in between, and whether bytes left is unknown. */
export async function abandonedSubmission(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult> {
  return await recordDoubt(deps, job, attempt, 'the process ended between the row and the answer');
}
