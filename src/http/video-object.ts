import { z } from 'zod';
import { toUsdNumber } from '../ground/money.ts';
import { SECOND_MS, toUnixSeconds } from '../ground/time.ts';
import { requestOf } from '../jobs/close.ts';
import type { Presentation } from '../jobs/presentation.ts';
import type { AttemptRow, AttemptState, JobRow, JobState } from '../store/schema.ts';

/** The four words a Videos client knows; any other makes the official Go client fail and endless loops elsewhere. */
type VideoStatus = VideoObject['status'];

const STATUS = {
  queued: 'queued',
  running: 'in_progress',
  saving: 'in_progress',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'failed',
} as const satisfies Record<JobState, VideoStatus>;

const ATTEMPT_STATUS = {
  submitting: 'submitting',
  running: 'in_progress',
  in_doubt: 'in_doubt',
  succeeded: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
} as const satisfies Record<AttemptState, string>;

const seconds = z.number().int();

/** The Video of the OpenAI dialect, every key every time, and ours behind them. */
export const videoSchema = z
  .object({
    id: z.string(),
    object: z.literal('video'),
    model: z.string().meta({ description: 'The model as the request named it.' }),
    status: z.enum(['queued', 'in_progress', 'completed', 'failed']),
    progress: z.number().int().min(0).max(100),
    created_at: seconds,
    completed_at: seconds.nullable(),
    expires_at: seconds.nullable().meta({ description: 'When the content stops being kept.' }),
    prompt: z.string().nullable(),
    seconds: z.string(),
    size: z.string(),
    remixed_from_video_id: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    provider: z.string().nullable().meta({ description: 'Who makes it, or made it.' }),
    queue: z
      .object({ position: z.number().int().nullable(), estimated_start: seconds.nullable() })
      .nullable()
      .meta({ description: 'Its place while it waits for a free slot; null when it does not.' }),
    attempts: z.array(z.object({ provider: z.string(), status: z.string(), error: z.string().nullable() })),
    usage: z.object({
      cost: z.number().meta({ description: 'Dollars charged; 0 until completed.' }),
      estimated_cost: z.number(),
      duration_seconds: z.number().nullable(),
    }),
    metadata: z.record(z.string(), z.string()),
    warnings: z.array(z.string()),
    output: z.object({ url: z.string() }).optional(),
  })
  .meta({ id: 'Video' });
export type VideoObject = z.infer<typeof videoSchema>;

export interface ShowOptions {
  readonly nowMs: number;
  /** Where this gateway is reached from outside; without it, `output.url` is a path. */
  readonly publicUrl: string | null;
  /** Where the job stands while it waits for a slot; without a position where nobody may take it right now. */
  readonly place: { readonly position: number; readonly seconds: number } | 'nowhere' | null;
}

/** A typical generation, to draw progress with where the provider tells none. */
const TYPICAL_GENERATION_MS = 120_000;
const PROGRESS_WHILE_RUNNING_MAX = 95;

/** The job as its tenant sees it. */
export function showVideo(job: JobRow, attempts: readonly AttemptRow[], options: ShowOptions): VideoObject {
  const presentation: Presentation = JSON.parse(job.presentation);
  const status = STATUS[job.state];
  const completed = job.state === 'completed';
  const prompt = requestOf(job).prompt;
  return {
    id: job.id,
    object: 'video',
    model: presentation.model,
    status,
    progress: progressOf(job, options.nowMs),
    created_at: toUnixSeconds(job.createdAtMs),
    completed_at: completed && job.endedAtMs !== null ? toUnixSeconds(job.endedAtMs) : null,
    expires_at: job.expiresAtMs === null ? null : toUnixSeconds(job.expiresAtMs),
    prompt: prompt === '' ? null : prompt,
    seconds: secondsOf(job, presentation),
    size: completed && job.fileWidth !== null ? `${job.fileWidth}x${job.fileHeight}` : presentation.size,
    remixed_from_video_id: presentation.remixedFrom ?? null,
    error: job.errorCode === null ? null : { code: job.errorCode, message: job.errorMessage ?? '' },
    provider: job.provider,
    queue: showPlace(job, options),
    attempts: attempts.map(showAttempt),
    usage: {
      cost: toUsdNumber(job.settledMicros),
      estimated_cost: completed ? toUsdNumber(job.settledMicros) : presentation.estimate,
      duration_seconds: job.fileDurationMs === null ? job.seconds : job.fileDurationMs / 1_000,
    },
    metadata: { ...presentation.metadata },
    warnings: [...presentation.warnings],
    ...(completed && { output: { url: `${options.publicUrl ?? ''}/v1/videos/${job.id}/content` } }),
  };
}

function showPlace({ dueAtMs }: JobRow, { place, nowMs }: ShowOptions): VideoObject['queue'] {
  if (dueAtMs === null || place === null) return null;
  if (place === 'nowhere') return { position: null, estimated_start: null };
  return { position: place.position, estimated_start: toUnixSeconds(nowMs + Math.ceil(place.seconds) * SECOND_MS) };
}

/** What a tenant may know of an attempt: a class of failure, never a provider's words. */
function showAttempt(attempt: AttemptRow): VideoObject['attempts'][number] {
  return { provider: attempt.provider, status: ATTEMPT_STATUS[attempt.state], error: attempt.failureKind };
}

/** Whole percents that never fall: drawn from the time since the first acceptance, which a fallback does not reset. */
function progressOf(job: JobRow, nowMs: number): number {
  if (job.state === 'completed') return 100;
  if (job.startedAtMs === null) return 0;
  const untilMs = job.endedAtMs ?? nowMs;
  const share = (untilMs - job.startedAtMs) / TYPICAL_GENERATION_MS;
  return Math.max(1, Math.min(PROGRESS_WHILE_RUNNING_MAX, Math.floor(share * 100)));
}

function secondsOf(job: JobRow, presentation: Presentation): string {
  if (presentation.seconds !== '') return presentation.seconds;
  return job.fileDurationMs === null ? '0' : String(Math.round(job.fileDurationMs / 1_000));
}
