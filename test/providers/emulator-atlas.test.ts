/**
 * The emulated Atlas by itself: it refuses what the documents refuse, so that a green run against it means something, and
 * it answers what the vendor's own client (atlascloud-mcp 1.7.0) asks of the real one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { atlas } from '../../providers/atlas/index.ts';
import type { Delivery } from '../../providers/contract.ts';
import { systemClock } from '../../src/ground/time.ts';
import { atlasEmulator } from '../../src/sandbox/atlas.ts';
import type { Emulator } from '../../src/sandbox/emulator.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { until } from '../support/until.ts';

const clipsDir = fileURLToPath(new URL('../../src/sandbox/clips', import.meta.url));
const KEY = { authorization: 'Bearer any' };

/** An emulator that runs, in a folder of its own. */
async function started(): Promise<{ emulator: Emulator; stop: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
  const tasks = new TaskStore(folder);
  const emulator = atlasEmulator({ tasks, clock: systemClock, seconds: 0, clipsDir });
  await emulator.start();
  return {
    emulator,
    async stop() {
      await emulator.stop();
      tasks.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function withEmulator<T>(use: (emulator: Emulator) => Promise<T>): Promise<T> {
  const { emulator, stop } = await started();
  try {
    return await use(emulator);
  } finally {
    await stop();
  }
}

async function ask(
  emulator: Emulator,
  path: string,
  body?: unknown,
  headers: Record<string, string> = KEY,
): Promise<{ status: number; body: Record<string, unknown>; id: string | null }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const init = body === undefined ? {} : { method: 'POST', body: text };
  const answer = await fetch(emulator.url + path, { ...init, headers });
  const read: unknown = await answer.json().catch(() => ({}));
  return { status: answer.status, body: read as Record<string, unknown>, id: answer.headers.get('x-request-id') };
}

const CREATE = '/api/v1/model/generateVideo';
const kling = (name: string) => ({ model: `kwaivgi/kling-${name}`, prompt: 'a kite' });
const text = kling('v3.0-std/text-to-video');
const A = 'https://media.example.com/a.png';
const V = 'https://media.example.com/v.mp4';
const shots = { ...kling('v3.0-4k/text-to-video'), multi_shot: true, shot_type: 'customize' };

describe('a form that the documents do not show is refused and put on record', () => {
  it.each([
    ['an unknown field', { ...text, mode: 'pro' }, /mode/],
    ['two seconds', { ...text, duration: 2 }, /duration/],
    ['sixteen seconds', { ...text, duration: 16 }, /duration/],
    ['half a second', { ...text, duration: 3.5 }, /duration/],
    ['seconds as text', { ...text, duration: '5' }, /duration/],
    ['seven seconds of 2.5', { ...kling('v2.5-turbo-pro/text-to-video'), duration: 7 }, /duration/],
    ['cfg_scale with 2.5', { ...kling('v2.5-turbo-pro/text-to-video'), cfg_scale: 1 }, /cfg_scale/],
    ['guidance_scale with 3.0', { ...text, guidance_scale: 1 }, /guidance_scale/],
    ['end_image with 2.5', { ...kling('v2.5-turbo-pro/image-to-video'), image: A, end_image: A }, /end_image/],
    ['sound with turbo', { ...kling('v3.0-turbo/text-to-video'), sound: true }, /sound/],
    ['sound with an O3 frame', { ...kling('video-o3-std/image-to-video'), image: A, sound: true }, /sound/],
    ['a ratio with a frame', { ...kling('v3.0-pro/image-to-video'), image: A, aspect_ratio: '1:1' }, /aspect_ratio/],
    ['a wide ratio', { ...text, aspect_ratio: '21:9' }, /aspect_ratio/],
    ['no frame', kling('v3.0-pro/image-to-video'), /image/],
    ['a frame that is a path', { ...kling('v3.0-pro/image-to-video'), image: '/a.png' }, /image/],
    ['no prompt', { model: text.model }, /prompt/],
    ['shots below 4k', { ...text, multi_shot: true }, /multi_shot/],
    [
      'shots that do not fill the length',
      { ...shots, multi_prompt: [{ prompt: 'x', duration: 3 }] },
      /lasts 3 seconds/,
    ],
    ['no shots', shots, /multi_prompt is required/],
    ['one frame where two are needed', { ...kling('v2.1-i2v-pro/start-end-frame'), image: A }, /end_image/],
    ['eight images', { ...kling('video-o3-pro/reference-to-video'), images: Array(8).fill(A) }, /images/],
    [
      'five images beside an edit',
      { ...kling('video-o3-pro/video-edit'), video: V, images: Array(5).fill(A) },
      /images/,
    ],
    ['no orientation', { ...kling('v3.0-std/motion-control'), image: A, video: V }, /character_orientation/],
    ['a hook by http', { ...text, webhook_url: 'http://gw.example/' }, /webhook_url/],
    ['a hook on a private host', { ...text, webhook_url: 'https://10.0.0.5/' }, /webhook_url/],
  ] satisfies [string, unknown, RegExp][])('%s', async (_what, body, msg) => {
    await withEmulator(async (emulator) => {
      const refusal = { code: 400, msg: expect.stringMatching(msg), request_id: expect.any(String), data: null };
      expect(await ask(emulator, CREATE, body)).toMatchObject({ status: 400, body: refusal });
      expect(emulator.violations).toEqual([expect.stringMatching(msg)]);
      expect(emulator.list()).toEqual([]);
    });
  });
});

describe('the emulated account', () => {
  let emulator: Emulator;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    ({ emulator, stop } = await started());
  });
  afterAll(() => stop());

  it.each([
    ['no key', CREATE, text, {}, 401],
    ['a wrong path', '/api/v1/videos', text, KEY, 401],
    ['an empty account', CREATE, text, { authorization: 'Bearer sandbox-empty' }, 402],
    ['a key that may not', CREATE, text, { authorization: 'Bearer sandbox-denied' }, 403],
    ['a model that is not there', CREATE, kling('v4.0/text-to-video'), KEY, 404],
    ['no model', CREATE, { prompt: 'a kite' }, KEY, 400],
    ['no JSON', CREATE, '{', KEY, 400],
    ['a prediction that is not there', '/api/v1/model/prediction/nope', undefined, KEY, 404],
  ] satisfies [string, string, unknown, Record<string, string>, number][])(
    '%s',
    async (_what, path, body, headers, status) => {
      const answer = await ask(emulator, path, body, headers);
      expect(answer).toMatchObject({ status, body: { code: status, data: null }, id: expect.stringMatching(/^\w+$/) });
    },
  );

  it('tells an agent without a name that the edge does not know it', async () => {
    const answer = await fetch(emulator.url + CREATE, {
      method: 'POST',
      headers: { ...KEY, 'user-agent': 'Python-urllib/3.12' },
      body: JSON.stringify(text),
    });
    expect([answer.status, await answer.text()]).toEqual([403, 'error code: 1010']);
  });

  it('prices for everybody, and charges what it has quoted', async () => {
    const body = { ...text, duration: 7, sound: true };
    const quoted = await ask(emulator, '/api/v1/model/calculate', body, {});
    expect(quoted).toMatchObject({ status: 200, body: { code: 200, data: { price: 0.882 } } });
    const made = await ask(emulator, CREATE, body);
    const { id } = made.body.data as { id: string };
    const read = await ask(emulator, `/api/v1/model/prediction/${id}`);
    expect(read.body.data).toMatchObject({
      id,
      status: 'completed',
      price: '0.882',
      outputs: [`${emulator.url}/files/${id}.mp4`],
    });
    const balance = await ask(emulator, '/public/v1/balance');
    expect(balance.body).toMatchObject({ available: { value: '9999.118000', currency: 'usd' } });
    const listed = await ask(emulator, `/api/v1/model/history?sessionID=${id}`);
    expect(listed.body.data).toMatchObject({ total: 1, items: [{ ID: id, status: 'completed' }] });
    expect(await ask(emulator, '/public/v1/balance', undefined, {})).toMatchObject({
      status: 401,
      body: { error: { type: 'authentication_error', param: null } },
    });
  });

  it('keeps what is uploaded as a form, and gives its address', async () => {
    const form = new FormData();
    form.append('file', new Blob(['picture'], { type: 'image/png' }), 'a.png');
    const answer = await fetch(`${emulator.url}/api/v1/model/uploadMedia`, {
      method: 'POST',
      headers: KEY,
      body: form,
    });
    const { data } = (await answer.json()) as { data: { download_url: string } };
    expect(data).toMatchObject({ type: 'image', filename: 'a.png', size: 7 });
    expect(await (await fetch(data.download_url)).text()).toBe('picture');
  });

  it('has a catalog whose every model has a schema, and all that we sell is in it', async () => {
    const { body } = await ask(emulator, '/api/v1/models', undefined, {});
    const rows = body.data as { model: string; schema: string; price: { actual: { base_price: string } } }[];
    expect(body.code).toBe('200');
    expect(rows.map(({ model }) => model)).toEqual(
      expect.arrayContaining([...new Set(atlas.capabilities.map(({ upstream }) => upstream))]),
    );
    for (const { model, schema, price } of rows) {
      const shown = (await (await fetch(schema)).json()) as { components: { schemas: { Input: unknown } } };
      expect(shown.components.schemas.Input).toMatchObject({ properties: { model: { const: model } } });
      expect(Number(price.actual.base_price)).toBeGreaterThan(0);
    }
  });
});

describe('an emulated announcement', () => {
  it.each([
    ['well', null, 'OK', 'completed'],
    ['badly', 'fail', 'ERROR', 'failed'],
  ] as const)(
    'of a task that ended %s is genuine to our adapter, under the published key',
    async (_how, fault, word, end) => {
      const received: Delivery[] = [];
      const receiver = createServer((incoming, answer) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          received.push({
            headers: incoming.headers as Delivery['headers'],
            rawBody: Buffer.concat(chunks).toString(),
          });
          answer.end();
        });
      });
      await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
      const webhook_url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
      try {
        await withEmulator(async (emulator) => {
          if (fault) emulator.faults.order({ fault });
          const made = await ask(emulator, CREATE, { ...text, webhook_url });
          const { id } = made.body.data as { id: string };
          const delivery = await until('the announcement', () => received[0]);
          const { body } = await ask(emulator, '/api/v1/webhooks/jwks.json', undefined, {});
          const proof = { nowMs: systemClock.nowMs(), secrets: [], keys: body.keys as JsonWebKey[] };
          expect(atlas.hooks?.verify(delivery, proof)).toEqual({ deliveryId: id, taskId: id });
          expect(JSON.parse(delivery.rawBody)).toMatchObject({
            session_id: id,
            status: word,
            payload: { status: end },
          });
          expect(delivery.headers).toMatchObject({ 'x-atlascloud-webhook-event': 'video.task.terminal' });
        });
      } finally {
        receiver.close();
      }
    },
  );

  it('is signed by the same key after a restart', async () => {
    const keysOf = (emulator: Emulator) => ask(emulator, '/api/v1/webhooks/jwks.json', undefined, {});
    const [before, after] = [await withEmulator(keysOf), await withEmulator(keysOf)];
    expect(after.body).toEqual(before.body);
  });
});
