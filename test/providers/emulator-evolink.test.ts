/** The emulated EvoLink refuses what its pages say the real one refuses, and keeps its books by the public price rules. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/ground/time.ts';
import type { Emulator } from '../../src/sandbox/emulator.ts';
import { evolinkEmulator } from '../../src/sandbox/evolink.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { until } from '../support/until.ts';

const clipsDir = fileURLToPath(new URL('../../src/sandbox/clips', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
let tasks: TaskStore;
let emulator: Emulator;
beforeAll(async () => {
  tasks = new TaskStore(folder);
  emulator = evolinkEmulator({ tasks, clock: systemClock, seconds: 0.1, clipsDir });
  emulator.slots = 100;
  await emulator.start();
});
afterAll(async () => {
  await emulator.stop();
  tasks.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { readonly [field: string]: unknown };
}

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Told> {
  const sent = { authorization: 'Bearer sk-evo-test', 'content-type': 'application/json', ...headers };
  const given = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await emulator.app.request(path, { method, headers: sent, ...given });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Told['body'] };
}

const create = (body: unknown, headers: Record<string, string> = {}) =>
  ask('POST', '/v1/videos/generations', body, headers);
const codeOf = ({ status, body }: Told) => [status, (body.error as { code?: unknown } | undefined)?.code];

const A = 'https://media.example.com/a.png';
const V = 'https://media.example.com/v.mp4';
const text = { model: 'kling-v3-text-to-video', prompt: 'a red kite' };
const motion = { model: 'kling-v3-motion-control', image_urls: [A], video_urls: [V] };
const element = (index: number) => ({ element_id: `e-${index}` });
const elements = (count: number) => Array.from({ length: count }, (_, index) => element(index));
const shot = (index: number, duration: string) => ({ index, prompt: 'rain', duration });
const customized = (multi_prompt: unknown) => ({ multi_shot: true, shot_type: 'customize', multi_prompt });

/** The examples of the vendor's pages, and what each is charged in credits. */
const accepted: [body: { model: string; [field: string]: unknown }, credits: number][] = [
  [{ ...text, duration: 8, aspect_ratio: '16:9', quality: '1080p', sound: 'on', negative_prompt: 'text' }, 86.4],
  [{ ...text }, 27],
  [{ ...text, quality: '4k', sound: 'on', duration: 3 }, 81],
  [{ model: 'kling-v3-image-to-video', image_start: A, image_end: A, prompt: 'she turns', sound: 'off' }, 27],
  [{ model: 'kling-v3-turbo-text-to-video', prompt: 'a paper boat', aspect_ratio: '9:16', duration: 3 }, 21.6],
  [{ model: 'kling-v3-turbo-image-to-video', image_start: A, quality: '1080p', duration: 4 }, 36],
  [
    {
      model: 'kling-o3-text-to-video',
      prompt: '',
      duration: 6,
      model_params: customized([shot(1, '2'), shot(2, '4')]),
    },
    32.4,
  ],
  [{ model: 'kling-o3-image-to-video', prompt: 'as <<<image_1>>>', image_urls: [A], quality: '1080p' }, 36.018],
  [{ model: 'kling-o3-reference-to-video', prompt: 'snow', video_url: V, keep_original_sound: false }, 40.5],
  [{ model: 'kling-o3-video-edit', prompt: 'warm grade', video_url: V, quality: '1080p' }, 54.027],
  [{ model: 'kling-o1-image-to-video', prompt: 'cat walks', image_urls: [A], duration: 10 }, 80],
  [{ model: 'kling-o1-video-edit', prompt: 'no cup', video_urls: [V], keep_original_sound: true }, 60],
  [{ model: 'kling-o1-video-edit-fast', prompt: 'no cup', video_urls: [V] }, 40.8],
  [{ ...motion, quality: '1080p', model_params: { character_orientation: 'video', keep_sound: true } }, 54.4592],
  [{ ...motion, model: 'kling-v2.6-motion-control', model_params: { character_orientation: 'image' } }, 22.5],
  [
    {
      model: 'kling-custom-element',
      model_params: {
        element_name: 'Mia',
        element_description: 'short hair, red coat',
        reference_type: 'image_refer',
        element_image_list: { frontal_image: A, refer_images: [{ image_url: A }] },
      },
    },
    0.001,
  ],
];

/** What the pages rule out: a field too many, too few, too long, or two that do not go together. */
const refused: [what: string, body: { model: string; [field: string]: unknown }][] = [
  ['2 seconds', { ...text, duration: 2 }],
  ['16 seconds', { ...text, duration: 16 }],
  ['half a second', { ...text, duration: 5.5 }],
  ['seconds as text', { ...text, duration: '5' }],
  ['sound as a boolean', { ...text, sound: true }],
  ['an unknown ratio', { ...text, aspect_ratio: '21:9' }],
  ['no prompt', { model: text.model }],
  ['a long prompt', { ...text, prompt: 'x'.repeat(2_501) }],
  ['an unknown field', { ...text, cfg_scale: 0.5 }],
  ['a private address to call', { ...text, callback_url: 'http://10.0.0.1/hook' }],
  ['shots without multi_shot', { ...text, model_params: { multi_prompt: [shot(1, '5')] } }],
  ['shots of another length', { ...text, model_params: customized([shot(1, '2')]) }],
  ['shots numbered from 0', { ...text, model_params: customized([shot(0, '5')]) }],
  ['elements from text', { ...text, model_params: { element_list: elements(1) } }],
  ['base64', { model: 'kling-v3-image-to-video', image_start: 'iVBORw0KGgo=' }],
  ['a ratio beside a frame', { model: 'kling-v3-image-to-video', image_start: A, aspect_ratio: '1:1' }],
  ['turbo in 4k', { model: 'kling-v3-turbo-text-to-video', prompt: 'x', quality: '4k' }],
  ['turbo with sound', { model: 'kling-v3-turbo-text-to-video', prompt: 'x', sound: 'on' }],
  ['a negative prompt for O3', { model: 'kling-o3-text-to-video', prompt: 'x', negative_prompt: 'y' }],
  [
    'an end frame beside references',
    { model: 'kling-o3-image-to-video', prompt: 'x', image_start: A, image_end: A, image_urls: [A] },
  ],
  [
    'eight images and elements',
    {
      model: 'kling-o3-image-to-video',
      prompt: 'x',
      image_urls: [A, A, A],
      model_params: { element_list: elements(5) },
    },
  ],
  ['11 seconds as in a video', { model: 'kling-o3-reference-to-video', prompt: 'x', video_url: V, duration: 11 }],
  ['sound as in a video', { model: 'kling-o3-reference-to-video', prompt: 'x', video_url: V, sound: 'on' }],
  [
    'five images beside a video',
    { model: 'kling-o3-reference-to-video', prompt: 'x', video_url: V, image_urls: [A, A, A, A, A] },
  ],
  ['an edit of a list', { model: 'kling-o3-video-edit', video_urls: [V] }],
  ['O1 with a tier', { model: 'kling-o1-image-to-video', prompt: 'x', image_urls: [A], quality: '720p' }],
  ['O1 of 7 seconds', { model: 'kling-o1-image-to-video', prompt: 'x', image_urls: [A], duration: 7 }],
  ['motion with a length', { ...motion, duration: 5, model_params: { character_orientation: 'video' } }],
  [
    'the sound by its name elsewhere',
    { ...motion, model_params: { character_orientation: 'video', keep_original_sound: true } },
  ],
  [
    'an element on a character that faces as in its image',
    { ...motion, model_params: { character_orientation: 'image', element_list: elements(1) } },
  ],
];

describe('a create', () => {
  it.each(accepted)('of $model reserves what the rules say and is charged it', async (body, credits) => {
    const made = await create(body);
    expect(made.body).toMatchObject({ status: 'pending', model: body.model, usage: { credits_reserved: credits } });
    expect(made.body.id).toMatch(/^task-unified-\d{10}-[0-9a-f]{8}$/);
    const done = await until('its end', async () => {
      const read = await ask('GET', `/v1/tasks/${made.body.id}`);
      return read.body.status === 'completed' ? read.body : null;
    });
    expect(done).toMatchObject({
      progress: 100,
      usage: { credits_used: credits },
      billing: { charge_status: 'charged' },
    });
  });

  it.each(refused)('with %s is refused and put on record', async (_what, body) => {
    const before = emulator.violations.length;
    expect(codeOf(await create(body))).toEqual([400, 'invalid_request']);
    expect(emulator.violations).toHaveLength(before + 1);
  });

  it('of a model that is not sold is a 404', async () => {
    expect((await create({ ...text, model: 'kling-v2.6-text-to-video' })).status).toBe(404);
  });

  it.each([
    ['', 401, 'unauthorized'],
    ['Bearer sandbox-empty', 402, 'insufficient_quota'],
    ['Bearer sandbox-disabled', 401, 'key_disabled'],
    ['Bearer sandbox-limited', 403, 'model_access_denied'],
  ])('under the key %j is a %d %s', async (authorization, status, code) => {
    expect(codeOf(await create(text, { authorization }))).toEqual([status, code]);
  });

  it('under a used key is the first task again, and with another body a conflict', async () => {
    const key = { 'idempotency-key': 'att_0VbYqoN600000000' };
    const first = await create(text, key);
    const again = await create(text, key);
    expect([again.body.id, again.headers.get('idempotency-replayed')]).toEqual([first.body.id, 'true']);
    expect(codeOf(await create({ ...text, duration: 6 }, key))).toEqual([409, 'idempotency_conflict']);
    expect(codeOf(await create(text, { 'idempotency-key': 'short' }))).toEqual([400, 'invalid_request']);
  });

  it('beyond the limit of running tasks is refused in words', async () => {
    emulator.slots = 1;
    const made = await Promise.all([create(text), create(text)]);
    emulator.slots = 100;
    expect(made.map(codeOf)).toContainEqual([429, 'quota_exceeded']);
  });
});

describe('a read', () => {
  it('of an id of another form is a 400, of an unknown one a 404', async () => {
    expect(codeOf(await ask('GET', '/v1/tasks/abc'))).toEqual([400, 'invalid_task_id']);
    expect(codeOf(await ask('GET', '/v1/tasks/task-unified-1-abc'))).toEqual([404, 'task_not_found']);
  });

  it('of several leaves out what is unknown; the list shows the newest first, without links', async () => {
    const { id } = (await create(text)).body;
    const batch = await ask('POST', '/v1/tasks/batch', { task_ids: [id, 'task-unified-1-abc'] });
    expect(batch.body.data).toEqual([expect.objectContaining({ id })]);
    const list = await ask('GET', '/v1/tasks?page=1&page_size=1');
    expect(list.body).toMatchObject({ page: 1, page_size: 1, data: [{ id, has_error: false }] });
    expect(JSON.stringify(list.body)).not.toContain('/files/');
  });
});

describe('the account', () => {
  it('loses what was charged and reserved', async () => {
    const left = async () => {
      const { data } = (await ask('GET', '/v1/credits')).body as { data: { user: { remaining_credits: number } } };
      return data.user.remaining_credits;
    };
    const before = await left();
    await create(text);
    expect(before - (await left())).toBeCloseTo(27, 4);
  });

  it('is told a price by the parameters that the rule declares, and by no other', async () => {
    const estimate = (parameters: object) =>
      ask('POST', '/v1/agent-estimates', {
        model_id: 'kling-v3-turbo-text-to-video',
        operation: 'text_to_video',
        parameters,
        expected_usage: {},
      });
    const priced = await estimate({ duration_seconds: 5, quality: '720p' });
    expect(priced.body).toMatchObject({ currency: 'USD', amount: '0.52941176', amounts: { credits: '36' } });
    expect(codeOf(await estimate({ duration_seconds: 5, sound: 'on' }))).toEqual([400, 'unsupported_parameters']);
  });

  it('keeps a file under its name, and refuses what is no picture', async () => {
    const put = (base64_data: string) =>
      ask('POST', '/api/v1/files/upload/base64', { base64_data, file_name: 'a.png' });
    const first = (await put('data:image/png;base64,iVBORw0KGgo=')).body.data as { file_id: string; file_url: string };
    const again = (await put('data:image/png;base64,iVBORw0KGgo=')).body.data as { file_id: string };
    expect(again.file_id).toBe(first.file_id);
    expect((await emulator.app.request(new URL(first.file_url).pathname)).headers.get('content-type')).toBe(
      'image/png',
    );
    expect((await put('data:text/html;base64,PGh0bWw+')).body).toMatchObject({ success: false, code: 40_002 });
    expect((await ask('DELETE', `/api/v1/files/${first.file_id}`)).body).toMatchObject({ success: true });
    expect((await ask('GET', '/api/v1/files/quota')).body.data).toMatchObject({ used_files: 0, max_files: 100 });
  });
});
