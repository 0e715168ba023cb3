/** fal's queue, as docs.fal.ai describes it (2026-10): status and result live under the app id. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { answerUnless, cutConnection } from './faults.ts';
import type { EmulatedTask } from './tasks.ts';

const seconds = z.enum(['3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15']).default('5');
const media = z.string().regex(/^(https?:\/\/|data:image\/)/);
const common = {
  prompt: z.string().min(1).optional(),
  multi_prompt: z.array(z.strictObject({ prompt: z.string(), duration: z.string().default('5') })).optional(),
  duration: seconds,
  generate_audio: z.boolean().default(true),
  negative_prompt: z.string().optional(),
  cfg_scale: z.number().min(0).max(1).optional(),
  shot_type: z.enum(['customize', 'intelligent']).optional(),
};
const textToVideo = z.strictObject({ aspect_ratio: z.enum(['16:9', '9:16', '1:1']).default('16:9'), ...common });
const imageToVideo = z.strictObject({ start_image_url: media, end_image_url: media.optional(), ...common });

const APP = 'fal-ai/kling-video';
const TIER = { standard: '720p', pro: '1080p', '4k': '4k' } as const;

export function falEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('fal', 2, options);
  emulator.app.use(`/${APP}/*`, async (c, next) => {
    c.header('x-fal-request-id', randomUUID());
    if (!/^Key \S+$/.test(c.req.header('authorization') ?? '')) {
      return c.json({ detail: 'Cannot access application. Authentication is required.' }, 401);
    }
    return await next();
  });
  const requests = `/${APP}/requests/:id`;
  emulator.app.get(`${requests}/status`, (c) => status(emulator, c));
  emulator.app.get(requests, (c) => result(emulator, c));
  emulator.app.put(`${requests}/cancel`, (c) => cancel(emulator, c));
  emulator.app.post(`/${APP}/v3/:tier/:kind`, (c) => submit(emulator, c));
  return emulator;
}

async function submit(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  const tier = TIER[c.req.param('tier') as keyof typeof TIER];
  const kind = c.req.param('kind');
  if (!tier || (kind !== 'text-to-video' && kind !== 'image-to-video')) return c.json({ detail: 'Not Found' }, 404);
  const body: unknown = await c.req.json().catch(() => null);
  const schema = kind === 'text-to-video' ? textToVideo : imageToVideo;
  const checked = emulator.check<z.infer<typeof textToVideo> | z.infer<typeof imageToVideo>>(schema, body);
  const fault = emulator.faults.of(c);
  if (fault === 'cut') return await cutConnection(c);
  const value = 'value' in checked ? checked.value : null;
  // Fields are checked by the runner, after the request was queued: a bad one shows in the result only.
  const task = emulator.create({
    id: randomUUID(),
    tag: null,
    request: 'fault' in checked ? { invalid: checked.fault, field: checked.field } : body,
    order: {
      resolution: tier,
      aspectRatio: value && 'aspect_ratio' in value ? value.aspect_ratio : '16:9',
      seconds: Number(value?.duration ?? 5),
      audio: value?.generate_audio ?? true,
    },
    fault,
  });
  return await answerUnless(fault, c, c.json({ ...addresses(emulator, task), status: 'IN_QUEUE', queue_position: 0 }));
}

function addresses(emulator: Emulator, task: EmulatedTask): Record<string, string> {
  const base = `${emulator.url}/${APP}/requests/${task.id}`;
  return {
    request_id: task.id,
    gateway_request_id: task.id,
    response_url: base,
    status_url: `${base}/status`,
    cancel_url: `${base}/cancel`,
  };
}

function status(emulator: Emulator, c: EmulatorContext): Response {
  const task = emulator.find(c.req.param('id') ?? '');
  if (!task) return c.json({ detail: 'Request not found' }, 404);
  const base = addresses(emulator, task);
  switch (emulator.phaseOf(task)) {
    case 'queued':
      return c.json({ ...base, status: 'IN_QUEUE', queue_position: 0 }, 202);
    case 'running':
      return c.json({ ...base, status: 'IN_PROGRESS', logs: null }, 202);
    case 'cancelled':
      return c.json({ ...base, status: 'COMPLETED', error: 'cancelled', error_type: 'client_cancelled' });
    case 'rejected':
    case 'failed':
      return c.json({
        ...base,
        status: 'COMPLETED',
        error: 'downstream failed',
        error_type: 'downstream_service_error',
      });
    case 'done':
      return c.json({
        ...base,
        status: 'COMPLETED',
        metrics: { inference_time: (task.readyAtMs - task.createdAtMs) / 1_000 },
      });
  }
}

function result(emulator: Emulator, c: EmulatorContext): Response {
  const task = emulator.find(c.req.param('id') ?? '');
  if (!task) return c.json({ detail: 'Request not found' }, 404);
  const phase = emulator.phaseOf(task);
  if (phase === 'queued' || phase === 'running') return c.json({ detail: 'Request is still in progress' }, 400);
  const { invalid, field } = task.request as { invalid?: string; field?: string };
  if (invalid !== undefined) {
    return c.json({ detail: [{ loc: ['body', field], msg: invalid, type: 'value_error', input: null }] }, 422);
  }
  if (phase !== 'done') return c.json({ detail: 'the runner failed', error_type: 'runner_server_error' }, 500);
  c.header('x-fal-billable-units', task.order.seconds.toFixed(1));
  return c.json({
    video: { url: emulator.fileUrl(task), content_type: 'video/mp4', file_name: 'output.mp4', file_size: 0 },
  });
}

function cancel(emulator: Emulator, c: EmulatorContext): Response {
  const task = emulator.find(c.req.param('id') ?? '');
  if (!task) return c.json({ status: 'NOT_FOUND' }, 404);
  switch (emulator.phaseOf(task)) {
    case 'queued':
      emulator.cancel(task);
      return c.json({ status: 'OK' });
    case 'running':
      return c.json({ status: 'CANCELLATION_REQUESTED' }, 202);
    default:
      return c.json({ status: 'ALREADY_COMPLETED' }, 400);
  }
}
