/** The emulator of official Kling refuses what the real one refuses, in its words (kling.ai/document-api, 2026-09-20). */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Emulator } from '../../src/sandbox/emulator.ts';
import { SANDBOX_KEY_PAIR } from '../../src/sandbox/kling-answers.ts';
import { startKlingEmulator } from '../support/kling-emulator.ts';

let emulator: Emulator;
let stop: () => Promise<void>;
beforeAll(async () => {
  ({ emulator, stop } = await startKlingEmulator(60));
});
afterAll(() => stop());

const KEY = 'api-key-kling-1';

interface Said {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

async function ask(path: string, body?: unknown, credential: string | null = KEY): Promise<Said> {
  const answer = await fetch(emulator.url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      'content-type': 'application/json',
      ...(credential !== null && { authorization: `Bearer ${credential}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const said = (await answer.json()) as Omit<Said, 'status'>;
  return { status: answer.status, ...said };
}

/** A token of the sandbox's key pair. */
function token(claims: object, secret: string = SANDBOX_KEY_PAIR.secretKey): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ iss: SANDBOX_KEY_PAIR.accessKey, ...claims })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
const inSeconds = (seconds: number): number => Math.floor(emulator.nowMs() / 1_000) + seconds;

describe('credentials', () => {
  const good = (): { exp: number; nbf: number } => ({ exp: inSeconds(1_800), nbf: inSeconds(-5) });
  const LEGACY = '/v1/videos/text2video';

  it.each([
    ['nothing', LEGACY, (): null => null, 1001],
    ['a token of a stranger', LEGACY, () => token(good(), 'other'), 1002],
    ['a token of tomorrow', LEGACY, () => token({ ...good(), nbf: inSeconds(60) }), 1003],
    ['a token of yesterday', LEGACY, () => token({ ...good(), exp: inSeconds(-1) }), 1004],
    ['a good token on the new generation', '/tasks?task_ids=1', () => token(good()), 1002],
  ] as const)('%s: refused', async (_what, path, credential, code) => {
    expect(await ask(path, undefined, credential())).toMatchObject({ status: 401, code });
  });

  it('a good token opens the legacy generation, an API key both', async () => {
    expect(await ask(LEGACY, undefined, token(good()))).toMatchObject({ status: 200, code: 0, data: [] });
    expect(await ask(LEGACY)).toMatchObject({ status: 200, code: 0 });
    expect(await ask('/tasks?task_ids=1')).toMatchObject({ status: 200, data: [] });
  });
});

const A = 'https://cdn.example/a.png';
const V = 'https://cdn.example/in.mp4';
const prompt = { type: 'prompt', text: 'a kite' };
const frame = { type: 'first_frame', url: A };
const last = { type: 'last_frame', url: A };
const refer = { type: 'refer_image', url: A };
const feature = { type: 'feature_video', url: V };
const base = { type: 'base_video', url: V };
const element = (number: number) => ({ type: 'element', element_id: '160', id: `element_${number}` });
const legacy = { model_name: 'kling-v2-6', prompt: 'a kite', mode: 'std', duration: '5' };
const tagged = (tag: string) => ({ prompt: 'a kite', options: { external_task_id: tag } });

describe('forms', () => {
  it.each([
    ['a field that there is not', '/text-to-video/kling-3.0', { prompt: 'x', negative_prompt: 'y' }],
    ['a setting that there is not', '/text-to-video/kling-3.0-turbo', { prompt: 'x', settings: { audio: 'native' } }],
    ['seconds as text', '/text-to-video/kling-3.0', { prompt: 'x', settings: { duration: '5' } }],
    ['16 seconds', '/text-to-video/kling-3.0', { prompt: 'x', settings: { duration: 16 } }],
    ['4k of turbo', '/text-to-video/kling-3.0-turbo', { prompt: 'x', settings: { resolution: '4k' } }],
    ['shots that last longer', '/text-to-video/kling-3.0', { prompt: 'shot 1, 3, a; shot 2, 3, b;' }],
    ['sound of 2.6 at 720p', '/text-to-video/kling-2.6', { prompt: 'x', settings: { audio: 'native' } }],
    ['no first frame', '/image-to-video/kling-3.0', { contents: [prompt] }],
    ['a last frame alone', '/image-to-video/kling-3.0', { contents: [prompt, last] }],
    ['a last frame of 2.5 at 720p', '/image-to-video/kling-2.5-turbo', { contents: [prompt, frame, last] }],
    ['a data URL', '/image-to-video/kling-3.0', { contents: [{ ...frame, url: 'data:image/png;base64,AAAA' }] }],
    ['4 elements', '/image-to-video/kling-3.0', { contents: [frame, ...[1, 2, 3, 4].map(element)] }],
    ['no ratio', '/omni-video/kling-3.0-omni', { contents: [prompt, refer] }],
    ['two videos', '/omni-video/kling-3.0-omni', { contents: [prompt, feature, base] }],
    [
      'sound with a video',
      '/omni-video/kling-3.0-omni',
      { contents: [prompt, feature], settings: { audio: 'native' } },
    ],
    ['one shot with a video', '/omni-video/kling-3.0-omni', { contents: [feature], settings: { multi_shot: false } }],
    ['frames in an edit', '/omni-video/kling-o1', { contents: [prompt, base, frame] }],
    ['5 images with a video', '/omni-video/kling-o1', { contents: [prompt, base, ...Array(5).fill(refer)] }],
    ['7 s from a sole frame', '/omni-video/kling-o1', { contents: [prompt, frame], settings: { duration: 7 } }],
    [
      'no orientation',
      '/motion-control/kling-2.6',
      {
        contents: [
          { type: 'image', url: A },
          { type: 'video', url: V },
        ],
      },
    ],
    ['a number for seconds', '/v1/videos/text2video', { ...legacy, duration: 5 }],
    ['sound in std', '/v1/videos/text2video', { ...legacy, sound: 'on' }],
    ['4k of 2.6', '/v1/videos/text2video', { ...legacy, mode: '4k' }],
    ['cfg_scale of 2.6', '/v1/videos/text2video', { ...legacy, cfg_scale: 0.5 }],
    ['a model that is gone', '/v1/videos/text2video', { ...legacy, model_name: 'kling-v1' }],
    ['no image', '/v1/videos/image2video', legacy],
    ['a ratio with an image', '/v1/videos/image2video', { ...legacy, image: A, aspect_ratio: '1:1' }],
    ['a last frame in std', '/v1/videos/image2video', { ...legacy, image: A, image_tail: A }],
    ['5 pictures', '/v1/videos/multi-image2video', { image_list: Array(5).fill({ image: A }), prompt: 'x' }],
    ['shots without their kind', '/v1/videos/text2video', { ...legacy, model_name: 'kling-v3', multi_shot: true }],
    ['sound with a source', '/v1/videos/omni-video', { prompt: 'x', sound: 'on', video_list: [{ video_url: V }] }],
    [
      '4k of motion',
      '/v1/videos/motion-control',
      { image_url: A, video_url: V, mode: '4k', character_orientation: 'video' },
    ],
    ['a video that is not there', '/v1/videos/video-extend', { video_id: '900000000000000000' }],
  ] as const)('with %s are refused', async (_what, path, body) => {
    const before = emulator.running('kling-3.0');
    expect(await ask(path, body)).toMatchObject({ status: 400, code: 1201, message: expect.stringMatching(/\w/) });
    expect(emulator.running('kling-3.0')).toBe(before);
  });
});

describe('tasks', () => {
  it('have 18 digits and a tag that is never taken twice, on either generation', async () => {
    const created = await ask('/text-to-video/kling-3.0', tagged('tag-1'));
    expect(created).toMatchObject({ code: 0, data: { id: expect.stringMatching(/^\d{18}$/), external_id: 'tag-1' } });
    for (const [path, body] of [
      ['/text-to-video/kling-3.0', tagged('tag-1')],
      ['/v1/videos/text2video', { ...legacy, external_task_id: 'tag-1' }],
    ] as const) {
      expect(await ask(path, body)).toMatchObject({
        status: 400,
        code: 1201,
        message: expect.stringContaining('already exists'),
      });
    }
    expect(await ask('/tasks?external_task_ids=tag-1,tag-2')).toMatchObject({ data: [{ status: 'submitted' }] });
  });

  it('are asked for by one kind of id, at most 20 at once', async () => {
    const ids = Array.from({ length: 21 }, (_, index) => index).join(',');
    expect(await ask(`/tasks?task_ids=${ids}`)).toMatchObject({ status: 400, code: 1201 });
    expect(await ask('/tasks')).toMatchObject({ status: 400, code: 1201 });
    expect(await ask('/tasks?task_ids=1&external_task_ids=1')).toMatchObject({ status: 400, code: 1201 });
    expect(await ask('/v1/videos/text2video/1')).toMatchObject({ status: 400, code: 1201 });
  });

  it('of one model version are limited, whatever the generation; others go on', async () => {
    emulator.slots = 2;
    const omni = { contents: [prompt], settings: { aspect_ratio: '16:9' } };
    const older = { model_name: 'kling-v3-omni', prompt: 'a kite', aspect_ratio: '16:9' };
    expect(await ask('/omni-video/kling-3.0-omni', omni)).toMatchObject({ code: 0 });
    expect(await ask('/v1/videos/omni-video', older)).toMatchObject({ code: 0 });
    const refused = await ask('/omni-video/kling-3.0-omni', omni);
    expect(refused).toMatchObject({ status: 429, code: 1303, message: 'parallel task over resource pack limit' });
    expect(refused).not.toHaveProperty('data');
    expect(await ask('/v1/videos/text2video', legacy)).toMatchObject({ code: 0 });
  });
});
