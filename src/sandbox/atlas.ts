/** Atlas Cloud's media API, as atlascloud.ai/docs describes it (2026). */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { answerUnless, cutConnection } from './faults.ts';
import type { EmulatedTask } from './tasks.ts';

const media = z.string().regex(/^(https?:\/\/|data:image\/)/);
const common = {
  prompt: z.string().min(1),
  duration: z.number().int().min(3).max(15).default(5),
  cfg_scale: z.number().min(0).max(1).optional(),
  sound: z.boolean().default(false),
  negative_prompt: z.string().optional(),
  webhook_url: z.string().startsWith('https://').max(1_024).optional(),
};
const textToVideo = z.strictObject({
  model: z.string(),
  aspect_ratio: z.enum(['16:9', '9:16', '1:1']).default('16:9'),
  ...common,
});
const imageToVideo = z.strictObject({ model: z.string(), image: media, end_image: media.optional(), ...common });

const MODEL = /^kwaivgi\/kling-v3\.0-(std|pro|4k)\/(text-to-video|image-to-video)$/;
const RESOLUTION = { std: '720p', pro: '1080p', '4k': '4k' } as const;

const error = (c: EmulatorContext, status: 400 | 401 | 403 | 404, msg: string): Response =>
  c.json({ code: status, msg, request_id: randomBytes(4).toString('hex'), data: null }, status);

export function atlasEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('atlas', 10, options);
  emulator.app.use('/api/*', async (c, next) => {
    // The edge refuses clients that do not look like one.
    if (!/mozilla/i.test(c.req.header('user-agent') ?? '')) return c.text('error code: 1010', 403);
    if (!/^Bearer \S+$/.test(c.req.header('authorization') ?? '')) return error(c, 401, 'invalid api key');
    return await next();
  });
  emulator.app.post('/api/v1/model/generateVideo', (c) => create(emulator, c));
  emulator.app.get('/api/v1/model/prediction/:id', (c) => {
    const task = emulator.find(c.req.param('id'));
    if (!task) return error(c, 404, 'prediction not found');
    return c.json({ code: 200, message: '', data: show(emulator, task) });
  });
  return emulator;
}

async function create(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  const body: unknown = await c.req.json().catch(() => null);
  const model = typeof body === 'object' && body !== null && 'model' in body ? String(body.model) : '';
  const [, tier, kind] = MODEL.exec(model) ?? [];
  if (tier === undefined) return error(c, 404, `model ${model} not found`);
  const schema = kind === 'text-to-video' ? textToVideo : imageToVideo;
  const checked = emulator.check<z.infer<typeof textToVideo> | z.infer<typeof imageToVideo>>(schema, body);
  if ('fault' in checked) return error(c, 400, checked.fault);
  const fault = emulator.faults.of(c);
  if (fault === 'cut') return await cutConnection(c);
  const { value } = checked;
  const task = emulator.create({
    id: randomBytes(16).toString('hex'),
    tag: null,
    request: body,
    order: {
      resolution: RESOLUTION[tier as keyof typeof RESOLUTION],
      aspectRatio: 'aspect_ratio' in value ? value.aspect_ratio : '16:9',
      seconds: value.duration,
      audio: value.sound,
    },
    fault,
  });
  const urls = { get: `${emulator.url}/api/v1/model/prediction/${task.id}` };
  const data = { ...show(emulator, task), status: 'processing', urls };
  return await answerUnless(fault, c, c.json({ code: 200, message: '', data }));
}

function show(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const phase = emulator.phaseOf(task);
  return {
    id: task.id,
    model: (task.request as { model: string }).model,
    status: phase === 'done' ? 'completed' : phase === 'failed' ? 'failed' : 'processing',
    outputs: phase === 'done' ? [emulator.fileUrl(task)] : null,
    error: phase === 'failed' ? 'generation failed' : '',
    has_nsfw_contents: phase === 'done' ? [false] : null,
  };
}
