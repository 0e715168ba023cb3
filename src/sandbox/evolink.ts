/** EvoLink, as docs.evolink.ai and its own client describe it (2026-10). */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { answerUnless, cutConnection } from './faults.ts';
import type { EmulatedTask } from './tasks.ts';

const element = z.strictObject({ element_id: z.string() });
const modelParams = z.strictObject({
  multi_shot: z.boolean().optional(),
  shot_type: z.enum(['customize', 'intelligence']).optional(),
  multi_prompt: z
    .array(z.strictObject({ index: z.number().int(), prompt: z.string().max(512), duration: z.string() }))
    .optional(),
  element_list: z.array(element).max(3).optional(),
  watermark_info: z.strictObject({ enabled: z.boolean() }).optional(),
});
const common = {
  negative_prompt: z.string().max(2_500).optional(),
  duration: z.number().int().min(3).max(15).default(5),
  quality: z.enum(['720p', '1080p', '4k']).default('720p'),
  sound: z.enum(['on', 'off']).default('off'),
  model_params: modelParams.optional(),
  callback_url: z.string().startsWith('https://').max(2_048).optional(),
};
const request = z.discriminatedUnion('model', [
  z.strictObject({
    model: z.literal('kling-v3-text-to-video'),
    prompt: z.string().min(1).max(2_500),
    aspect_ratio: z.enum(['16:9', '9:16', '1:1']).default('16:9'),
    ...common,
    model_params: modelParams.omit({ element_list: true }).optional(),
  }),
  z.strictObject({
    model: z.literal('kling-v3-image-to-video'),
    prompt: z.string().max(2_500).optional(),
    image_start: z.string().regex(/^https?:\/\//),
    image_end: z
      .string()
      .regex(/^https?:\/\//)
      .optional(),
    ...common,
  }),
]);

const error = (c: EmulatorContext, status: 400 | 401 | 404, code: string, message: string, type: string): Response =>
  c.json({ error: { code, message, type } }, status);

export function evolinkEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('evolink', 10, options);
  emulator.app.use('/v1/*', async (c, next) => {
    if (/^Bearer \S+$/.test(c.req.header('authorization') ?? '')) return await next();
    return error(c, 401, 'unauthorized', 'invalid api key', 'authentication_error');
  });
  emulator.app.post('/v1/videos/generations', (c) => create(emulator, c));
  emulator.app.get('/v1/tasks/:id', (c) => {
    const id = c.req.param('id');
    if (!id.startsWith('task-unified-')) return error(c, 400, 'invalid_task_id', 'bad id', 'invalid_request_error');
    const task = emulator.find(id);
    if (!task) return error(c, 404, 'task_not_found', 'no such task', 'invalid_request_error');
    return c.json(show(emulator, task));
  });
  return emulator;
}

async function create(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  const tag = c.req.header('idempotency-key') ?? null;
  const known = tag === null ? null : emulator.findByTag(tag);
  if (known) {
    c.header('idempotency-replayed', 'true');
    return c.json(show(emulator, known));
  }
  const body: unknown = await c.req.json().catch(() => null);
  const checked = emulator.check(request, body);
  if ('fault' in checked) return error(c, 400, 'invalid_request', checked.fault, 'invalid_request_error');
  const fault = emulator.faults.of(c);
  if (fault === 'cut') return await cutConnection(c);
  const { value } = checked;
  const task = emulator.create({
    id: `task-unified-${Math.floor(emulator.nowMs() / 1_000)}-${randomBytes(4).toString('hex')}`,
    tag,
    request: body,
    order: {
      resolution: value.quality,
      aspectRatio: 'aspect_ratio' in value ? value.aspect_ratio : '16:9',
      seconds: value.duration,
      audio: value.sound === 'on',
    },
    fault,
  });
  return await answerUnless(fault, c, c.json(show(emulator, task)));
}

/** Credits per second of the public price rules of 2026-10-10. */
const CREDITS = { '720p': [5.4, 8.1], '1080p': [7.2036, 10.8], '4k': [27, 27] } as const;

function show(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const phase = emulator.phaseOf(task);
  const { resolution, audio, seconds } = task.order;
  const credits = Math.round(CREDITS[resolution][audio ? 1 : 0] * seconds * 10_000) / 10_000;
  return {
    created: Math.floor(task.createdAtMs / 1_000),
    id: task.id,
    model: (task.request as { model: string }).model,
    object: 'video.generation.task',
    progress: emulator.progressOf(task),
    status: {
      queued: 'pending',
      running: 'processing',
      done: 'completed',
      failed: 'failed',
      rejected: 'failed',
      cancelled: 'cancelled',
    }[phase],
    type: 'video',
    task_info: { can_cancel: phase === 'queued', estimated_time: 300, video_duration: seconds },
    ...(phase === 'done' && { results: [emulator.fileUrl(task)], usage: { credits_used: credits } }),
    ...(phase === 'failed' && {
      error: { code: 'generation_failed_no_content', message: 'nothing was generated', type: 'task_error' },
    }),
    ...((phase === 'queued' || phase === 'running') && {
      usage: { billing_rule: 'per_second', credits_reserved: credits, user_group: 'default' },
    }),
  };
}
