/** Bad input gets a 4xx in the envelope that names the field; nothing is held, submitted or left lying about. */
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SANDBOX_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { makePng } from '../support/images.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

interface Envelope {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

async function refused(init: RequestInit & { path?: string }): Promise<{ status: number } & Envelope['error']> {
  const answer = await gateway.fetch(init.path ?? '/v1/videos', { method: 'POST', ...init });
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9A-Za-z]{34}$/);
  const { error } = (await answer.json()) as Envelope;
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  return { status: answer.status, ...error };
}

const json = (body: unknown): RequestInit => ({
  headers: { 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

function form(fields: readonly (readonly [string, string | Blob])[]): RequestInit {
  const body = new FormData();
  for (const [name, value] of fields) body.append(name, value);
  return { body };
}

const prompt = 'a red kite';
type Refusal = [
  what: string,
  init: () => RequestInit,
  status: number,
  code: string,
  param: string | null,
  says?: RegExp,
];
const cases: Refusal[] = [
  ['no prompt', () => json({}), 400, 'missing_required_parameter', 'prompt'],
  ['2 seconds', () => json({ prompt, seconds: '2' }), 400, 'invalid_value', 'seconds', /3 to 15.*got 2/],
  ['16 seconds', () => json({ prompt, seconds: 16 }), 400, 'invalid_value', 'seconds', /3 to 15.*got 16/],
  ['seconds that are a word', () => json({ prompt, seconds: 'banana' }), 400, 'invalid_value', 'seconds', /"banana"/],
  ['half seconds', () => json({ prompt, duration: 4.5 }), 400, 'invalid_value', 'duration'],
  ['a model that there is not', () => json({ prompt, model: 'sora-3' }), 400, 'model_not_found', 'model', /kling-v3/],
  ['a size that is none', () => json({ prompt, size: 'big' }), 400, 'invalid_value', 'size'],
  [
    'two names of one field that disagree',
    () => json({ prompt, seconds: 4, duration: 5 }),
    400,
    'invalid_value',
    'duration',
    /seconds/,
  ],
  [
    'a mode against a resolution',
    () => json({ prompt, mode: 'std', resolution: '1080p' }),
    400,
    'invalid_value',
    'mode',
  ],
  [
    'a boolean that is none',
    () => json({ prompt, generate_audio: 'maybe' }),
    400,
    'invalid_value',
    'generate_audio',
    /"maybe"/,
  ],
  ['cfg_scale 2', () => json({ prompt, cfg_scale: 2 }), 400, 'invalid_value', 'cfg_scale'],
  [
    'a provider that there is not',
    () => json({ prompt, provider: { only: ['nobody'] } }),
    400,
    'invalid_value',
    'provider.only',
    /kling, evolink/,
  ],
  [
    'a fallback that is no word',
    () => json({ prompt, provider: { fallback: 'up' } }),
    400,
    'invalid_value',
    'provider.fallback',
    /cheaper/,
  ],
  [
    'a ceiling below every price',
    () => json({ prompt, provider: { max_price: 0.1 } }),
    400,
    'max_price_exceeded',
    'provider.max_price',
    /\$0\.284/,
  ],
  [
    'a field nobody knows, where all must be known',
    () => json({ prompt, style: 'noir', provider: { require_parameters: true } }),
    400,
    'unknown_parameter',
    'style',
  ],
  [
    'a wish for the provider that nobody knows, where all must be known',
    () => json({ prompt, provider: { max_prize: 0.01, require_parameters: true } }),
    400,
    'unknown_parameter',
    'provider.max_prize',
  ],
  ...['toString', 'constructor'].flatMap((name): Refusal[] => [
    [
      `a wish called ${name}, where all must be known`,
      () => json({ prompt, provider: { [name]: 1, require_parameters: true } }),
      400,
      'unknown_parameter',
      `provider.${name}`,
    ],
    [
      `a field called ${name}, where all must be known`,
      () => json({ prompt, [name]: 1, provider: { require_parameters: true } }),
      400,
      'unknown_parameter',
      name,
    ],
  ]),
  [
    'a last frame alone',
    () => json({ prompt, image_tail: 'https://cdn.example.com/b.png' }),
    400,
    'invalid_value',
    'image_tail',
  ],
  [
    'an image at a private address',
    () => json({ prompt, input_reference: { image_url: 'http://169.254.169.254/x' } }),
    400,
    'invalid_value',
    'input_reference',
    /not reachable or not allowed/,
  ],
  [
    'an image at loopback in disguise',
    () => json({ prompt, input_reference: 'https://0x7f.1/x.png' }),
    400,
    'invalid_value',
    'input_reference',
  ],
  [
    'an image that is a word',
    () => json({ prompt, input_reference: 'kitten' }),
    400,
    'invalid_value',
    'input_reference',
  ],
  [
    'base64 that is no image',
    () => json({ prompt, input_reference: Buffer.alloc(200, 7).toString('base64') }),
    400,
    'invalid_value',
    'input_reference',
    /JPEG, PNG or WebP/,
  ],
  [
    'a file that is no image',
    () =>
      form([
        ['prompt', prompt],
        ['input_reference', new Blob(['<html></html>'], { type: 'image/png' })],
      ]),
    400,
    'invalid_value',
    'input_reference',
    /JPEG, PNG or WebP/,
  ],
  [
    'a good file beside a bad one',
    () =>
      form([
        ['prompt', prompt],
        ['input_reference', new Blob([new Uint8Array(makePng())])],
        ['image_tail', new Blob(['x'])],
      ]),
    400,
    'invalid_value',
    'image_tail',
  ],
  [
    'a good file with a bad field',
    () =>
      form([
        ['prompt', prompt],
        ['input_reference', new Blob([new Uint8Array(makePng())])],
        ['seconds', '99'],
      ]),
    400,
    'invalid_value',
    'seconds',
  ],
  [
    'a buffer that came byte by byte',
    () =>
      form([
        ['prompt', prompt],
        ...Array.from({ length: 40 }, (_, index) => [`input_reference[${index}]`, '7'] as const),
      ]),
    400,
    'invalid_value',
    'input_reference',
    /toFile/,
  ],
  [
    'too many fields',
    () => form(Array.from({ length: 300 }, (_, index) => [`f${index}`, 'x'] as const)),
    413,
    'request_too_large',
    null,
  ],
  [
    'a forbidden field name',
    () =>
      form([
        ['prompt', prompt],
        ['provider[__proto__][only]', 'x'],
      ]),
    400,
    'invalid_multipart',
    'provider',
  ],
  ['broken JSON', () => json('{"prompt": '), 400, 'invalid_json', null],
  ['JSON that is a list', () => json('[]'), 400, 'invalid_json', null],
  ['JSON 10,000 levels deep', () => json(`{"metadata":${'['.repeat(10_000)}`), 400, 'invalid_json', null, /64 levels/],
  [
    'a form without a boundary',
    () => ({ headers: { 'content-type': 'multipart/form-data' }, body: 'x' }),
    400,
    'invalid_multipart',
    null,
    /boundary/,
  ],
  [
    'a form without an end',
    () => ({
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: '--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nx',
    }),
    400,
    'invalid_multipart',
    null,
  ],
  [
    'a body that is neither',
    () => ({ headers: { 'content-type': 'text/csv' }, body: 'a,b' }),
    415,
    'unsupported_media_type',
    null,
  ],
  ['a prompt with NUL', () => json({ prompt: 'a\u0000b' }), 400, 'invalid_value', 'prompt'],
  ['a prompt with half a surrogate', () => json('{"prompt":"\\ud800"}'), 400, 'invalid_value', 'prompt'],
  ['a prompt of 4,000 characters', () => json({ prompt: 'x'.repeat(4_000) }), 400, 'invalid_value', 'prompt', /3072/],
  [
    'a 40 MiB JSON body',
    () => json({ prompt, input_reference: `data:image/png;base64,${'A'.repeat(40 * 2 ** 20)}` }),
    413,
    'request_too_large',
    null,
  ],
];

describe('a create request that cannot be served', () => {
  it.each(cases)('%s', async (_what, init, status, code, param, says) => {
    const error = await refused(init());
    expect(error).toMatchObject({ status, code, param, type: 'invalid_request_error' });
    if (says) expect(error.message).toMatch(says);
  });

  it('a 70 MiB form is read to its limit only, and the client gets to hear why', async () => {
    const blob = new Blob([new Uint8Array(makePng()), Buffer.alloc(70 * 2 ** 20)]);
    const error = await refused(
      form([
        ['prompt', prompt],
        ['input_reference', blob],
      ]),
    );
    expect(error).toMatchObject({ status: 413, code: 'request_too_large' });
  });

  it('an upload that breaks off leaves nothing behind', async () => {
    await new Promise<void>((resolve) => {
      const broken = request(`${gateway.url}/v1/videos`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${SANDBOX_KEY}`,
          'content-type': 'multipart/form-data; boundary=b',
          'content-length': 1_000_000,
        },
      });
      broken.on('error', () => resolve());
      broken.write('--b\r\nContent-Disposition: form-data; name="input_reference"; filename="a.png"\r\n\r\n');
      broken.write(makePng(), () => broken.destroy(new Error('gone')));
    });
    expect((await gateway.fetch('/healthz')).status).toBe(200);
  });

  it('has held nothing, submitted nothing and left no file', async () => {
    const audit = await (await gateway.admin('GET', '/audit')).json();
    expect(audit).toMatchObject({ ok: true, jobs: 0, entries: 0 });
    for (const folder of ['uploads', 'videos']) {
      await until(`files/${folder} to be empty`, () => list(join(gateway.dataDir, 'files', folder)).length === 0);
    }
  });
});

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

describe('every other path', () => {
  it.each([
    ['GET', '/nowhere', 404, 'not_found'],
    ['PUT', '/v1/videos', 405, 'method_not_allowed'],
    ['GET', '/v1/videos/../../etc/passwd', 404, 'not_found'],
    ['GET', '/v1/videos/%2e%2e%2f', 404, 'video_not_found'],
    ['GET', `/v1/videos/${'a'.repeat(8_000)}`, 404, 'video_not_found'],
    ['GET', '/v1/videos?limit=101', 400, 'invalid_value'],
    ['GET', '/v1/videos?order=up', 400, 'invalid_value'],
    ['GET', '/v1/videos?after=video_nope', 400, 'invalid_value'],
    ['POST', '/v1/videos/characters', 400, 'unsupported_operation'],
    ['GET', '/admin/v1/tenants', 401, 'invalid_api_key'],
    ['GET', '/admin/v1/nowhere', 401, 'invalid_api_key'],
  ])('%s %s answers %i %s', async (method, path, status, code) => {
    expect(await refused({ method, path })).toMatchObject({ status, code });
  });

  it('without a key there is a 401 that says how to send one', async () => {
    const answer = await fetch(`${gateway.url}/v1/videos`);
    expect(answer.status).toBe(401);
    expect(((await answer.json()) as Envelope).error.message).toMatch(/Authorization: Bearer/);
  });

  it('keys that are unknown are slowed down, good ones are not', async () => {
    const statuses: number[] = [];
    for (let count = 0; count < 25; count += 1) {
      statuses.push(
        (await fetch(`${gateway.url}/v1/videos`, { headers: { authorization: 'Bearer sk-guess' } })).status,
      );
    }
    expect(statuses.at(-1)).toBe(429);
    expect((await gateway.fetch('/v1/videos')).status).toBe(200);
  });
});
