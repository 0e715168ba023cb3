/** PiAPI's unified task API, as piapi.ai/docs describes it (2026). */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { answerUnless, cutConnection } from './faults.ts';
import type { EmulatedTask } from './tasks.ts';

const address = z.string().regex(/^https?:\/\//);
const request = z.strictObject({
  model: z.literal('kling'),
  task_type: z.literal('video_generation'),
  input: z.strictObject({
    version: z.literal('3.0'),
    mode: z.enum(['std', 'pro']),
    prompt: z.string().max(2_500).optional(),
    negative_prompt: z.string().max(2_500).optional(),
    duration: z.number().int().min(3).max(15),
    aspect_ratio: z.enum(['16:9', '9:16', '1:1']).optional(),
    image_url: address.optional(),
    image_tail_url: address.optional(),
    enable_audio: z.boolean().default(false),
    prefer_multi_shots: z.boolean().optional(),
    multi_shots: z
      .array(z.strictObject({ prompt: z.string(), duration: z.number().int() }))
      .max(6)
      .optional(),
  }),
  config: z.strictObject({
    service_mode: z.enum(['public', 'private']),
    webhook_config: z.strictObject({ endpoint: z.string(), secret: z.string() }).optional(),
  }),
});
type Request = z.infer<typeof request>;

const error = (c: EmulatorContext, status: 400 | 401 | 404, message: string): Response =>
  c.json({ code: status, data: null, message }, status);

export function piapiEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('piapi', 5, options);
  emulator.app.use('/api/*', async (c, next) => {
    if ((c.req.header('x-api-key') ?? '') === '') return error(c, 401, 'missing api key');
    return await next();
  });
  emulator.app.post('/api/v1/task', (c) => create(emulator, c));
  emulator.app.get('/api/v1/task/:id', (c) => {
    const task = emulator.find(c.req.param('id'));
    if (!task) return error(c, 404, 'task not found');
    return c.json({ code: 200, data: show(emulator, task), message: 'success' });
  });
  return emulator;
}

async function create(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  const body: unknown = await c.req.json().catch(() => null);
  const checked = emulator.check(request, body);
  if ('fault' in checked) return error(c, 400, checked.fault);
  const fault = emulator.faults.of(c);
  if (fault === 'cut') return await cutConnection(c);
  const { input } = checked.value;
  const task = emulator.create({
    id: randomUUID(),
    tag: null,
    request: body,
    order: {
      resolution: input.mode === 'std' ? '720p' : '1080p',
      aspectRatio: input.aspect_ratio ?? '16:9',
      seconds: input.duration,
      audio: input.enable_audio,
    },
    fault,
  });
  return await answerUnless(fault, c, c.json({ code: 200, data: show(emulator, task), message: 'success' }));
}

const POINTS_PER_USD = 10_000_000;
const USD_PER_SECOND = { std: [0.1, 0.15], pro: [0.15, 0.2] } as const;
const ZERO_TIME = '0001-01-01T00:00:00Z';

function show(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const phase = emulator.phaseOf(task);
  const { input, config } = task.request as Request;
  const points = Math.round(USD_PER_SECOND[input.mode][input.enable_audio ? 1 : 0] * input.duration * POINTS_PER_USD);
  const ended = phase === 'done' || phase === 'failed' || phase === 'cancelled';
  return {
    task_id: task.id,
    model: 'kling',
    task_type: 'video_generation',
    status: {
      queued: 'pending',
      running: 'processing',
      done: 'completed',
      failed: 'failed',
      rejected: 'failed',
      cancelled: 'cancelled',
    }[phase],
    config,
    input,
    output: { video: phase === 'done' ? emulator.fileUrl(task) : '' },
    meta: {
      created_at: new Date(task.createdAtMs).toISOString(),
      started_at: phase === 'queued' ? ZERO_TIME : new Date(task.createdAtMs).toISOString(),
      ended_at: ended ? new Date(task.readyAtMs).toISOString() : ZERO_TIME,
      usage: { type: 'point', frozen: points, consume: phase === 'done' ? points : 0 },
      is_using_private_pool: false,
    },
    detail: null,
    logs: [],
    error: {
      code: phase === 'failed' ? 10_000 : 0,
      raw_message: phase === 'failed' ? 'generation failed' : '',
      message: '',
      detail: null,
    },
  };
}
