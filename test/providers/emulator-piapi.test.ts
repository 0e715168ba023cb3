/**
 * The emulated PiAPI keeps to the documents (piapi.ai/docs, 2025-12 to 2026-10): what they allow it takes, what they do
 * not it refuses and puts on record. Requests are written by hand, as PiAPI's own pages show them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Emulator } from '../../src/sandbox/emulator.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { until } from '../support/until.ts';

const clipsDir = fileURLToPath(new URL('../../src/sandbox/clips', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
let quick: Sandbox;
let slow: Sandbox;
beforeAll(async () => {
  quick = await startSandbox({ dataDir: join(folder, 'quick'), sandboxSeconds: 0.02, clipsDir });
  slow = await startSandbox({ dataDir: join(folder, 'slow'), sandboxSeconds: 600, clipsDir });
});
afterAll(async () => {
  await Promise.all([quick.stop(), slow.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

function piapiOf(sandbox: Sandbox): Emulator {
  const emulator = sandbox.emulators.find(({ id }) => id === 'piapi');
  if (!emulator) throw new Error('the sandbox has no PiAPI');
  return emulator;
}

interface Answer {
  readonly status: number;
  readonly body: { code?: number; message?: string; url?: string; data: Record<string, unknown> & { task_id: string } };
}

async function ask(sandbox: Sandbox, method: string, path: string, body?: unknown, key = 'k'): Promise<Answer> {
  const answer = await fetch(piapiOf(sandbox).url + path, {
    method,
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

type Input = Readonly<Record<string, unknown>>;
const order = (input: Input, taskType = 'video_generation', model = 'kling') => ({
  model,
  task_type: taskType,
  input,
  config: { service_mode: 'public', webhook_config: { endpoint: '', secret: '' } },
});

async function create(input: Input, taskType?: string, model?: string): Promise<Answer> {
  piapiOf(quick).slots = 1_000;
  return await ask(quick, 'POST', '/api/v1/task', order(input, taskType, model));
}

/** A task once it has ended. */
const endOf = (id: string): Promise<Answer['body']['data']> =>
  until(`the end of ${id}`, async () => {
    const { body } = await ask(quick, 'GET', `/api/v1/task/${id}`);
    return body.data.status === 'completed' ? body.data : null;
  });

const PICTURE = 'https://media.example.com/a.png';
const VIDEO = 'https://media.example.com/v.mp4';
const kite = { prompt: 'a kite' };

describe('a create that is documented', () => {
  it.each<[string, string, string, Input, number]>([
    ['3.0', 'kling', 'video_generation', { version: '3.0', mode: 'std', duration: 5, ...kite }, 5_000_000],
    [
      '3.0 with sound',
      'kling',
      'video_generation',
      { version: '3.0', mode: 'pro', enable_audio: true, ...kite },
      10_000_000,
    ],
    [
      '3.0 in shots',
      'kling',
      'video_generation',
      { version: '3.0', multi_shots: [{ prompt: 'a', duration: 3 }] },
      3_000_000,
    ],
    ['1.6 from an image', 'kling', 'video_generation', { version: '1.6', mode: 'pro', image_url: PICTURE }, 4_600_000],
    ['2.0', 'kling', 'video_generation', { version: '2.0', duration: 10, ...kite }, 19_200_000],
    ['4.0 Flash', 'kling', 'text_to_video', { version: '4.0-flash', duration: 20, ...kite }, 20_000_000],
    [
      'a preset motion',
      'kling',
      'motion_control',
      {
        version: '2.6',
        mode: 'std',
        image_url: PICTURE,
        video_url: '',
        preset_motion: 'Heart Gesture Dance',
        motion_direction: 'video',
        keep_original_sound: true,
      },
      3_250_000,
    ],
    [
      'Omni from seven images',
      'kling',
      'omni_video_generation',
      { version: '3.0', images: Array.from({ length: 7 }, () => PICTURE), prompt: '@image_7 runs' },
      5_000_000,
    ],
  ])('%s is made, and consumes its points', async (_what, model, taskType, input, points) => {
    const before = piapiOf(quick).violations.length;
    const { status, body } = await create(input, taskType, model);
    expect([status, body.code, body.message]).toEqual([200, 200, 'success']);
    expect(body.data).toMatchObject({ status: 'pending', model, task_type: taskType, input });
    expect(await endOf(body.data.task_id)).toMatchObject({
      meta: { usage: { type: 'point', frozen: points, consume: points } },
      error: { code: 0 },
    });
    expect(piapiOf(quick).violations.length).toBe(before);
  });

  it('of kling-turbo consumes its whole price at once', async () => {
    const { body } = await create({ version: '2.5-turbo', mode: 'pro', ...kite }, 'video_generation', 'kling-turbo');
    expect(body.data.meta).toMatchObject({ usage: { type: 'llm', frozen: 0, consume: 2_800_000 } });
  });

  it('shows its video where its version does', async () => {
    const newest = await endOf((await create({ version: '3.0', ...kite })).body.data.task_id);
    expect(newest.output).toEqual({ video: expect.stringMatching(/^http/) });
    const older = await endOf((await create({ version: '2.5', ...kite })).body.data.task_id);
    const url = expect.stringMatching(/^http/);
    expect(older.output).toMatchObject({
      status: 99,
      video_url: url,
      works: [{ video: { resource_without_watermark: url, resource: url, duration: 5_000 } }],
    });
  });
});

describe('a create that is not documented', () => {
  it.each<[string, Input, string?, string?]>([
    ['an unknown version', { version: '9.9', ...kite }],
    ['an unknown task type', { version: '3.0', ...kite }, 'text2video'],
    ['an unknown model', { version: '3.0', ...kite }, 'video_generation', 'sora'],
    ['4.0 without its length', { version: '4.0', ...kite }, 'text_to_video'],
    ['4.0 with sound switched', { version: '4.0', duration: 5, enable_audio: true, ...kite }, 'text_to_video'],
    ['no prompt', { version: '3.0', duration: 5 }],
    ['a length as text', { version: '3.0', duration: '5', ...kite }],
    ['a length out of range', { version: '3.0', duration: 16, ...kite }],
    ['a length that is not sold', { version: '1.6', duration: 7, ...kite }],
    ['an unknown ratio', { version: '3.0', aspect_ratio: '21:9', ...kite }],
    ['a tail without a frame', { version: '1.6', image_tail_url: PICTURE, ...kite }],
    ['a tail for 1.5', { version: '1.5', image_url: PICTURE, image_tail_url: PICTURE }],
    ['bytes for an address', { version: '1.6', image_url: 'data:image/png;base64,iVBORw0KGgo=' }],
    ['2.1 from text', { version: '2.1', ...kite }],
    ['a mode for 2.1 master', { version: '2.1-master', mode: 'pro', ...kite }],
    ['a camera move with an image', { version: '1.6', image_url: PICTURE, camera_control: { type: 'forward_up' } }],
    ['two moves at once', { version: '1.6', camera_control: { type: 'simple', config: { pan: 1, tilt: 1 } }, ...kite }],
    ['five elements', { version: '1.6', elements: Array.from({ length: 5 }, () => ({ image_url: PICTURE })), ...kite }],
    ['cfg_scale for 3.0', { version: '3.0', cfg_scale: 0.5, ...kite }],
    ['cfg_scale out of range', { version: '2.5', cfg_scale: 2, ...kite }],
    ['seven shots', { version: '3.0', multi_shots: Array.from({ length: 7 }, () => ({ prompt: 'a', duration: 1 })) }],
    ['shots that are too long', { version: '3.0', multi_shots: [9, 9].map((duration) => ({ prompt: 'a', duration })) }],
    ['O1 in 7 seconds', { version: 'o1', duration: 7, ...kite }, 'omni_video_generation'],
    ['a mode for Omni', { version: '3.0', mode: 'pro', ...kite }, 'omni_video_generation'],
    [
      'an image cited as elsewhere',
      { version: '3.0', prompt: '<<<image_1>>>', images: [PICTURE] },
      'omni_video_generation',
    ],
    ['a video with a number', { version: '3.0', prompt: '@video_1 in winter', video: VIDEO }, 'omni_video_generation'],
    ['no movement', { version: '2.6', image_url: PICTURE }, 'motion_control'],
    ['an extension of nothing', { origin_task_id: '0b7f6a52-4a5e-4f0e-9d0f-9b1d7a3c2e10' }, 'extend_video'],
  ])('%s is refused', async (_what, input, taskType, model) => {
    const answer = await create(input, taskType, model);
    expect(answer).toMatchObject({
      status: 400,
      body: { code: 400, data: null, message: expect.stringMatching(/\w/) },
    });
  });

  it('has been put on record each time', () => {
    expect(piapiOf(quick).violations.length).toBeGreaterThan(20);
  });

  it('4.0 needs the pooled mode said outright', async () => {
    const body = { ...order({ version: '4.0', duration: 5, ...kite }, 'text_to_video'), config: {} };
    expect((await ask(quick, 'POST', '/api/v1/task', body)).status).toBe(400);
  });
});

describe('an account', () => {
  it.each([
    ['', 401],
    ['sandbox-invalid', 401],
    ['sandbox-empty', 402],
    ['sandbox-limited', 403],
  ])('with the key "%s" is answered %d', async (key, status) => {
    const answer = await ask(quick, 'POST', '/api/v1/task', order({ version: '3.0', ...kite }), key);
    expect([answer.status, answer.body.code]).toEqual([status, status]);
  });

  it('runs as many tasks as its plan allows, waiting ones among them; a waiting one can be cancelled', async () => {
    const body = order({ version: '3.0', ...kite });
    const made = await Promise.all(Array.from({ length: 5 }, () => ask(slow, 'POST', '/api/v1/task', body)));
    expect(made.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect((await ask(slow, 'POST', '/api/v1/task', body)).status).toBe(429);
    const active = await ask(slow, 'GET', '/account/active_tasks');
    expect(active.body.data).toMatchObject({ kling: { pending_count: 5, active_tasks: 5 } });

    const id = made[0]?.body.data.task_id ?? '';
    const cancelled = await ask(slow, 'DELETE', `/api/v1/task/${id}`);
    expect(cancelled).toEqual({ status: 200, body: { code: 200, message: `task ${id} canceled` } });
    expect((await ask(slow, 'GET', `/api/v1/task/${id}`)).body.data).toMatchObject({
      status: 'cancelled',
      meta: { usage: { consume: 0 } },
    });
    expect((await ask(slow, 'DELETE', `/api/v1/task/${id}`)).status).toBe(400);
    expect((await ask(slow, 'POST', '/api/v1/task', body)).status).toBe(200);
    expect((await ask(slow, 'GET', '/account/info')).body.data).toMatchObject({
      max_concurrent_task_count: 5,
      equivalent_in_usd: 197.5,
    });
  });

  it('cannot cancel what has ended or never was', async () => {
    const { task_id: id } = (await create({ version: '3.0', ...kite })).body.data;
    await endOf(id);
    expect((await ask(quick, 'DELETE', `/api/v1/task/${id}`)).status).toBe(400);
    expect((await ask(quick, 'DELETE', '/api/v1/task/none')).status).toBe(404);
  });

  it('uploads a picture by name and base64, and nothing else', async () => {
    const path = '/api/ephemeral_resource';
    const taken = await ask(quick, 'POST', path, { file_name: 'a.png', file_data: 'iVBORw0KGgo=' });
    expect(taken.body.url).toMatch(/\/ephemeral\/[0-9a-f-]+\.png$/);
    expect((await fetch(taken.body.url ?? '')).status).toBe(200);
    const dataUrl = { file_name: 'a.png', file_data: 'data:image/png;base64,iVBORw0KGgo=' };
    expect((await ask(quick, 'POST', path, dataUrl)).status).toBe(400);
  });
});
