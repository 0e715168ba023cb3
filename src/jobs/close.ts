import { and, eq, isNull } from 'drizzle-orm';
import type { Failure, ReportedUsage } from '../../providers/contract.ts';
import { crashPoint } from '../ground/crash.ts';
import { VIDEO_FAILURES, type VideoFailureCode } from '../ground/errors.ts';
import { type Micros, minMicros } from '../ground/money.ts';
import { mediaOf, type VideoRequest, videoRequestSchema } from '../ground/video-request.ts';
import { bookCost, releaseHold, type Stamp, settleHold } from '../ledger/account.ts';
import type { Tx } from '../store/database.ts';
import { type AttemptRow, type AttemptState, type JobRow, jobs } from '../store/schema.ts';
import type { Deps } from './deps.ts';
import { recordEnd } from './events.ts';
import type { VideoFacts } from './inspect.ts';
import { attemptMoves, jobMoves } from './job.ts';
import { freeSlot, updateAttempt, updateJob } from './rows.ts';

/** The names under which a job's files lie. */
export const videoName = (jobId: string): string => `videos/${jobId}.mp4`;
export const uploadName = (uploadId: string): string => `uploads/${uploadId}`;

export const stampOf = (deps: Deps): Stamp => ({ nowMs: deps.clock.nowMs(), mint: deps.mint });

/** Which card and row priced an attempt, as the ledger names it. */
export const pricedBy = (attempt: AttemptRow): string => `${attempt.card} ${attempt.rate}`;

interface AttemptEnd {
  readonly state: Extract<AttemptState, 'succeeded' | 'failed' | 'cancelled'>;
  readonly failure?: Pick<Failure, 'kind' | 'detail'>;
  readonly usage?: ReportedUsage;
  readonly videoUrlSealed?: string;
  readonly providerVideoId?: string;
}

/** Ends the attempt and gives its slot back, in the caller's transaction. */
export async function endAttempt(tx: Tx, attempt: AttemptRow, end: AttemptEnd, nowMs: number): Promise<void> {
  await updateAttempt(tx, attempt.id, {
    state: attemptMoves(attempt.state, end.state),
    slotHeld: false,
    endedAtMs: nowMs,
    ...(end.failure && { failureKind: end.failure.kind, failureDetail: end.failure.detail }),
    ...(end.usage && { usage: JSON.stringify(end.usage) }),
    ...(end.videoUrlSealed !== undefined && { videoUrlSealed: end.videoUrlSealed }),
    ...(end.providerVideoId !== undefined && { providerVideoId: end.providerVideoId }),
  });
  if (attempt.slotHeld) await freeSlot(tx, attempt.lane);
}

/** The saved file of a finished job. */
export interface SavedFile extends VideoFacts {
  readonly bytes: number;
  readonly digest: string;
}

/** What a delivered clip is settled at. */
export interface Settlement {
  readonly priceMicros: Micros;
  readonly costMicros: Micros;
}

/** Settles and completes: one transaction, after the file is durable under its name. */
export async function completeJob(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  file: SavedFile,
  settlement: Settlement,
): Promise<void> {
  const stamp = stampOf(deps);
  const settledMicros = minMicros(settlement.priceMicros, job.holdMicros);
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, {
      state: jobMoves(job.state, 'completed'),
      dueAtMs: null,
      endedAtMs: stamp.nowMs,
      provider: attempt.provider,
      settledMicros,
      fileBytes: file.bytes,
      fileDigest: file.digest,
      fileType: file.contentType,
      fileWidth: file.width,
      fileHeight: file.height,
      fileDurationMs: file.durationMs,
      expiresAtMs: stamp.nowMs + deps.settings.retentionMs,
      ...forgottenPrompt(deps, job),
    });
    const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
    await settleHold(tx, job, { amountMicros: settledMicros, ...of }, stamp);
    await bookCost(tx, job, { kind: 'cost', amountMicros: settlement.costMicros, ...of }, stamp);
    await recordEnd(tx, deps, job, 'video.completed', stamp);
  });
  crashPoint('job.completed');
  await removeUploads(deps, job);
}

/** Ends the job without a video and releases its hold, in the caller's transaction. */
export async function failJobIn(tx: Tx, deps: Deps, job: JobRow, code: VideoFailureCode, stamp: Stamp): Promise<void> {
  await updateJob(tx, job, {
    state: jobMoves(job.state, code === 'cancelled' ? 'cancelled' : 'failed'),
    dueAtMs: null,
    endedAtMs: stamp.nowMs,
    errorCode: code,
    errorMessage: VIDEO_FAILURES[code],
    ...forgottenPrompt(deps, job),
  });
  await releaseHold(tx, job, stamp);
  await recordEnd(tx, deps, job, 'video.failed', stamp);
}

/** Ends the job without a video: the hold is released, and nothing is charged. */
export async function failJob(deps: Deps, job: JobRow, code: VideoFailureCode): Promise<void> {
  const stamp = stampOf(deps);
  await deps.database.write((tx) => failJobIn(tx, deps, job, code, stamp));
  await removeUploads(deps, job);
}

/** With REELAY_STORE_PROMPTS=0 the words of the request are gone when the job is: the change to its row, or none. */
export function forgottenPrompt(
  deps: Pick<Deps, 'settings'>,
  job: Pick<JobRow, 'request'>,
): { readonly request?: string } {
  if (deps.settings.storePrompts) return {};
  const { negativePrompt: _, ...request } = requestOf(job);
  const shots = request.multiShot?.shots.map((shot) => ({ ...shot, prompt: '' }));
  const silent = {
    ...request,
    prompt: '',
    ...(shots && { multiShot: { ...request.multiShot, shots } }),
  };
  return { request: JSON.stringify(silent) };
}

/** Hides an ended job from its tenant for good; the row stays, because the ledger points to it. */
export async function markDeleted(tx: Tx, deps: Pick<Deps, 'settings' | 'clock'>, job: JobRow): Promise<void> {
  await tx
    .update(jobs)
    .set({ deletedAtMs: deps.clock.nowMs(), ...forgottenPrompt(deps, job) })
    .where(and(eq(jobs.id, job.id), isNull(jobs.dueAtMs)));
}

/** The request of the job, read back through its schema. */
export function requestOf(job: Pick<JobRow, 'request'>): VideoRequest {
  return videoRequestSchema.parse(JSON.parse(job.request));
}

/** Uploads serve one job and go with it. What a kill leaves behind is swept at the next start. */
export async function removeUploads(deps: Pick<Deps, 'files'>, job: Pick<JobRow, 'request'>): Promise<void> {
  const uploads = mediaOf(requestOf(job)).flatMap(({ media }) => (media.kind === 'upload' ? [media.uploadId] : []));
  await Promise.all(uploads.map((id) => deps.files.remove(uploadName(id))));
}
