/** What a create at PiAPI orders, what it costs in points, and how a task is shown (piapi.ai/docs and pages, 2026). */
import type { ClipOrder } from './clip.ts';
import type { Emulator, Phase } from './emulator.ts';
import { type CreateRequest, kindOf } from './piapi-requests.ts';
import type { EmulatedTask } from './tasks.ts';

export const POINTS_PER_USD = 10_000_000;

/** What is assumed of a source video, which nobody fetches here. */
const SOURCE_SECONDS = 5;
const EXTENSION_SECONDS = 5;
const STEP_SECONDS = 5;

/** Dollars a second in 720p and 1080p, silent and with sound; `step`: sold by five seconds. */
interface Tariff {
  readonly silent: readonly [hd: number, fullHd: number];
  readonly sounding?: readonly [hd: number, fullHd: number];
  readonly step?: true;
}

const perStep = (hd: number, fullHd: number): Tariff['silent'] => [hd / STEP_SECONDS, fullHd / STEP_SECONDS];

/** The product pages of 2026; 1.5, 2.1 and extensions are not on them and cost what 1.6 does. */
const TARIFFS: Readonly<Record<string, Tariff>> = {
  'kling text_to_video 4.0': { silent: [0.1667, 0.25] },
  'kling text_to_video 4.0-flash': { silent: [0.1, 0.1] },
  'kling video_generation 3.0': { silent: [0.1, 0.15], sounding: [0.15, 0.2] },
  'kling video_generation 3.0-turbo': { silent: [0.13, 0.19] },
  'kling omni_video_generation 3.0': { silent: [0.1, 0.15], sounding: [0.15, 0.2] },
  'kling omni_video_generation o1': { silent: perStep(0.39, 0.52), step: true },
  'kling motion_control 3.0': { silent: [0.195, 0.26] },
  'kling motion_control 2.6': { silent: [0.065, 0.104] },
  'kling video_generation 2.6': { silent: perStep(0.2, 0.33), sounding: perStep(0.4, 0.66), step: true },
  'kling-turbo video_generation 2.5-turbo': { silent: perStep(0.28, 0.28), step: true },
  'kling video_generation 2.5': { silent: perStep(0.2, 0.33), step: true },
  'kling video_generation 2.1-master': { silent: perStep(0.96, 0.96), step: true },
  'kling video_generation 2.0': { silent: perStep(0.96, 0.96), step: true },
};
const OLDEST: Tariff = { silent: perStep(0.26, 0.46), step: true };

/** Kinds that sound without being asked to. */
const SOUNDING = ['kling text_to_video 4.0', 'kling text_to_video 4.0-flash', 'kling video_generation 3.0-turbo'];
/** Versions without tiers make 1080p. */
const FULL_HD = ['2.1-master'];

/** The clip that a create orders. `origin` is the task that an extension goes on from. */
export function clipOf({ input, ...request }: CreateRequest, origin: EmulatedTask | null): ClipOrder {
  if (origin) return { ...origin.order, seconds: origin.order.seconds + EXTENSION_SECONDS };
  const kind = kindOf({ ...request, input }) ?? '';
  const isMotion = request.task_type === 'motion_control';
  const follows = isMotion || (input.video !== undefined && input.duration === undefined);
  const ofShots = input.multi_shots?.reduce((sum, shot) => sum + shot.duration, 0);
  const isFullHd = input.mode === 'pro' || input.resolution === '1080p' || FULL_HD.includes(input.version ?? '');
  return {
    resolution: isFullHd ? '1080p' : '720p',
    aspectRatio: input.aspect_ratio ?? '16:9',
    seconds: follows ? SOURCE_SECONDS : (ofShots ?? input.duration ?? STEP_SECONDS),
    audio: SOUNDING.includes(kind) || input.enable_audio === true || (isMotion && input.keep_original_sound !== false),
  };
}

/** Points for what a task makes; an extension pays for the seconds it adds. */
function pointsOf({ request, order }: EmulatedTask): number {
  const asked = request as CreateRequest;
  const tariff = TARIFFS[kindOf(asked) ?? ''] ?? OLDEST;
  const seconds = asked.task_type === 'extend_video' ? EXTENSION_SECONDS : order.seconds;
  const billed = tariff.step ? Math.ceil(seconds / STEP_SECONDS) * STEP_SECONDS : Math.ceil(seconds);
  const rates = (asked.input.enable_audio && tariff.sounding) || tariff.silent;
  return Math.round((order.resolution === '720p' ? rates[0] : rates[1]) * billed * POINTS_PER_USD);
}

/** Points that are gone for a task: frozen while it runs, consumed when it is done, back when it failed. */
export function pointsTaken(emulator: Emulator, task: EmulatedTask): number {
  const phase = emulator.phaseOf(task);
  const isFree = phase === 'failed' || phase === 'rejected' || phase === 'cancelled';
  return isFree ? 0 : emulator.usageOf(task, pointsOf(task));
}

const STATUS = {
  queued: 'pending',
  running: 'processing',
  done: 'completed',
  failed: 'failed',
  rejected: 'failed',
  cancelled: 'cancelled',
} as const satisfies Record<Phase, string>;

const NOT_YET = '0001-01-01T00:00:00Z';
/** The wire prints nanoseconds. */
const timeOf = (ms: number): string => new Date(ms).toISOString().replace('Z', '456789Z');

/** A task as every answer and announcement shows it; the secret of its hook comes back with it. */
export function showTask(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const phase = emulator.phaseOf(task);
  const { model, task_type, input, config } = task.request as CreateRequest;
  const hasEnded = phase !== 'queued' && phase !== 'running';
  return {
    task_id: task.id,
    model,
    task_type,
    status: task.fault === 'unknown_status' ? 'paused' : STATUS[phase],
    config: { service_mode: '', webhook_config: { endpoint: '', secret: '' }, ...config },
    input,
    output: outputOf(emulator, task, phase),
    meta: {
      created_at: timeOf(task.createdAtMs),
      started_at: phase === 'queued' ? NOT_YET : timeOf(task.startsAtMs),
      ended_at: hasEnded ? timeOf(task.cancelledAtMs ?? task.readyAtMs) : NOT_YET,
      usage: usageOf(emulator, task, phase),
      is_using_private_pool: config?.service_mode === 'private',
    },
    detail: null,
    logs: phase === 'rejected' ? ['content restriction'] : hasEnded ? null : [],
    error: errorOf(phase),
  };
}

/** `kling-turbo` is bought from another reseller, and consumes its whole price at the create. */
function usageOf(emulator: Emulator, task: EmulatedTask, phase: Phase): Record<string, unknown> {
  const listed = pointsOf(task);
  if ((task.request as CreateRequest).model === 'kling-turbo') return { type: 'llm', frozen: 0, consume: listed };
  return { type: 'point', frozen: listed, consume: phase === 'done' ? emulator.usageOf(task, listed) : 0 };
}

function errorOf(phase: Phase): Record<string, unknown> {
  if (phase === 'failed')
    return { code: 10_000, raw_message: 'generation failed', message: 'task failed', detail: null };
  if (phase === 'rejected') return { code: 10_000, raw_message: '', message: 'task failed', detail: null };
  return { code: 0, raw_message: '', message: '', detail: null };
}

/** From 3.0 on one address; before, Kling's own list of works beside it. */
function outputOf(emulator: Emulator, task: EmulatedTask, phase: Phase): Record<string, unknown> {
  const { task_type: taskType, input } = task.request as CreateRequest;
  const url = phase === 'done' ? (emulator.fileUrl(task) ?? '') : '';
  const isNew = taskType === 'omni_video_generation' || /^[34]\./.test(input.version ?? '');
  if (isNew && taskType !== 'motion_control') return { video: url };
  if (phase !== 'done') return { type: '', status: 0, works: null };
  const { resolution, seconds } = task.order;
  const video = {
    resource: url,
    resource_without_watermark: url,
    width: resolution === '720p' ? 1_280 : 1_920,
    height: resolution === '720p' ? 720 : 1_080,
    duration: seconds * 1_000,
  };
  return { type: 'm2v_video', status: 99, works: [{ status: 99, type: 'video', video }], video_url: url };
}
