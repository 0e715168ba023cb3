import type { Failure, Json, Submission, Submitted } from '../../providers/contract.ts';
import { crashPoint } from '../ground/crash.ts';
import { SECOND_MS } from '../ground/time.ts';
import { backoffMs, ruleFor } from '../routing/failure.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { resolveMedia } from '../wire/media.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { endAttempt, requestOf, uploadName } from './close.ts';
import { type Deps, DUE_NOW, dueIn, type StepResult } from './deps.ts';
import { attemptMoves, jobMoves } from './job.ts';
import { updateAttempt, updateJob } from './rows.ts';
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
): Promise<StepResult> {
  crashPoint('submit.row');
  const sendBeforeMs = deps.clock.monotonicMs() + SEND_WITHIN_MS;
  const submission = await submissionOf(deps, job, attempt, account);
  const request = account.connection.submit.request(submission, deps.clock.nowMs());
  const maySend = () => deps.clock.monotonicMs() <= sendBeforeMs;
  const answer = await deps.wire.submit(account.target, request, maySend);
  crashPoint('submit.sent');
  const verdict = judgeSubmission(answer, account.connection.submit, submission);
  return await recordVerdict(deps, job, attempt, verdict);
}

/** The submission of an attempt, the same each time it is built. */
export async function submissionOf(
  deps: Pick<Deps, 'files'>,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<Submission> {
  const request = { ...requestOf(job), model: attempt.model };
  const readUpload = (id: string) => deps.files.read(uploadName(id));
  const media = await resolveMedia(account.provider.media, request, readUpload);
  return { attemptId: attempt.id, request, media, upstream: attempt.upstream };
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
  await deps.database.write(async (tx) => {
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
    });
  });
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
  deps.signals.slotFreed(attempt.lane);
  const { provider, account } = attempt;
  const { kind, detail } = failure;
  deps.log.warn('attempt refused', { video: job.id, attempt: attempt.id, provider, account, kind, detail });
  const waits = ruleFor(kind).repeats > 0 || ruleFor(kind).requeue === true;
  return waits ? dueIn(backoffMs(failure, attempt.number - 1, deps.random.fraction())) : DUE_NOW;
}

/** A task may exist: the attempt keeps its slot and its hold, and is looked for. */
async function recordDoubt(deps: Deps, job: JobRow, attempt: AttemptRow, detail: string): Promise<StepResult> {
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
