/** Official Kling's new generation, as kling.ai/document-api describes it (mirrored 2026-09-20). */
import { randomInt, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { answerUnless, cutConnection } from './faults.ts';
import type { EmulatedTask } from './tasks.ts';

const options = z.strictObject({
  callback_url: z.string().optional(),
  external_task_id: z.string().optional(),
  watermark_info: z.strictObject({ enabled: z.boolean() }).optional(),
});
const settings = z.strictObject({
  multi_shot: z.boolean().default(true),
  audio: z.enum(['native', 'off']).default('off'),
  resolution: z.enum(['720p', '1080p', '4k']).default('720p'),
  duration: z.number().int().min(3).max(15).default(5),
});
const aspectRatio = z.enum(['16:9', '9:16', '1:1']).default('16:9');
const content = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('prompt'), text: z.string().max(3_072) }),
  z.strictObject({ type: z.literal('first_frame'), url: z.string() }),
  z.strictObject({ type: z.literal('last_frame'), url: z.string() }),
  z.strictObject({ type: z.literal('element'), element_id: z.string(), id: z.string() }),
]);
const textToVideo = z.strictObject({
  prompt: z.string().min(1).max(3_072),
  settings: settings.extend({ aspect_ratio: aspectRatio }).optional(),
  options: options.optional(),
});
const imageToVideo = z.strictObject({
  contents: z.array(content).refine((items) => items.some(({ type }) => type === 'first_frame'), 'needs first_frame'),
  settings: settings.optional(),
  options: options.optional(),
});

const error = (c: EmulatorContext, status: 400 | 401 | 429, code: number, message: string): Response =>
  c.json({ code, message, request_id: randomUUID() }, status);

const success = (c: EmulatorContext, data: unknown): Response =>
  c.json({ code: 0, message: 'SUCCEED', request_id: randomUUID(), data });

export function klingEmulator(emulatorOptions: EmulatorOptions): Emulator {
  const emulator = new Emulator('kling', 20, emulatorOptions);
  emulator.app.use('*', async (c, next) => {
    if (c.req.path.startsWith('/files/') || c.req.path.startsWith('/__sandbox/')) return await next();
    const authorization = c.req.header('authorization') ?? '';
    if (authorization === '') return error(c, 401, 1001, 'Authorization is empty');
    if (!authorization.startsWith('Bearer ')) return error(c, 401, 1002, 'Authorization is invalid');
    return await next();
  });
  emulator.app.post('/text-to-video/kling-3.0', (c) => create(emulator, c, textToVideo));
  emulator.app.post('/image-to-video/kling-3.0', (c) => create(emulator, c, imageToVideo));
  emulator.app.get('/tasks', (c) => query(emulator, c));
  return emulator;
}

async function create(
  emulator: Emulator,
  c: EmulatorContext,
  schema: typeof textToVideo | typeof imageToVideo,
): Promise<Response> {
  const body: unknown = await c.req.json().catch(() => null);
  const checked = emulator.check<z.infer<typeof textToVideo> | z.infer<typeof imageToVideo>>(schema, body);
  if ('fault' in checked) return error(c, 400, 1201, checked.fault);
  const { value } = checked;
  const tag = value.options?.external_task_id || null;
  if (tag !== null && emulator.findByTag(tag)) {
    return error(c, 400, 1201, `External_task_id ${tag} already exists`);
  }
  const fault = emulator.faults.of(c);
  if (fault === 'cut') return await cutConnection(c);
  const wanted = value.settings;
  const task = emulator.create({
    id: String(randomInt(10 ** 8, 10 ** 9)) + String(randomInt(10 ** 8, 10 ** 9)),
    tag,
    request: body,
    order: {
      resolution: wanted?.resolution ?? '720p',
      aspectRatio: wanted && 'aspect_ratio' in wanted ? wanted.aspect_ratio : '16:9',
      seconds: wanted?.duration ?? 5,
      audio: wanted?.audio === 'native',
    },
    fault,
  });
  const { status, ...created } = show(emulator, task);
  return await answerUnless(fault, c, success(c, { ...created, status }));
}

const IDS_MAX = 20;

function query(emulator: Emulator, c: EmulatorContext): Response {
  const byId = c.req.query('task_ids');
  const byTag = c.req.query('external_task_ids');
  if ((byId === undefined) === (byTag === undefined)) return error(c, 400, 1201, 'exactly one of the two parameters');
  const ids = (byId ?? byTag ?? '').split(',');
  if (ids.length > IDS_MAX) return error(c, 400, 1201, `at most ${IDS_MAX} ids`);
  const found = ids.map((id) => (byId === undefined ? emulator.findByTag(id) : emulator.find(id)));
  return success(
    c,
    found.filter((task) => task !== null).map((task) => show(emulator, task)),
  );
}

/** Units per second of the price page of 2026-09-20: what `billing` reports. */
const UNITS = { '720p': [0.6, 0.9], '1080p': [0.8, 1.2], '4k': [3, 3] } as const;

function show(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const phase = emulator.phaseOf(task);
  const { resolution, audio, seconds } = task.order;
  const done = phase === 'done';
  return {
    id: task.id,
    status: {
      queued: 'submitted',
      running: 'processing',
      done: 'succeeded',
      failed: 'failed',
      rejected: 'failed',
      cancelled: 'failed',
    }[phase],
    message: phase === 'failed' ? 'generation failed' : '',
    create_time: task.createdAtMs,
    update_time: Math.min(emulator.nowMs(), task.readyAtMs),
    ...(task.tag !== null && { external_id: task.tag }),
    ...(phase !== 'queued' && {
      outputs: done
        ? [{ type: 'video', id: `${task.id}0`, url: emulator.fileUrl(task), duration: seconds.toFixed(3) }]
        : [],
      billing: done
        ? [
            {
              charge_type: 'unit',
              amount: String(Math.round(UNITS[resolution][audio ? 1 : 0] * seconds * 10) / 10),
              package_type: 'video',
            },
          ]
        : [],
    }),
  };
}
