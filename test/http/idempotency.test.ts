/** A create request that arrives twice makes one video: by the caller's key, or by what the SDK says about its retries. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endOf, SANDBOX_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { makePng } from '../support/images.ts';
import { temporaryFolder } from '../support/temporary.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '600' });
});
afterAll(() => gateway.remove());

interface Answer {
  readonly status: number;
  readonly replayed: string | null;
  readonly id: string;
  readonly error?: { readonly code: string };
}

const BODY = { prompt: 'a red kite', model: 'kling-v3', seconds: 3 };

async function create(on: Pick<TestGateway, 'fetch'>, body: unknown, headers: Record<string, string>): Promise<Answer> {
  const answer = await on.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const { id, error } = (await answer.json()) as Answer;
  return { status: answer.status, replayed: answer.headers.get('idempotent-replayed'), id, ...(error && { error }) };
}

async function form(fields: Record<string, string>, file: Buffer, key: string): Promise<Answer> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  body.append('input_reference', new Blob([new Uint8Array(file)], { type: 'image/png' }), 'frame.png');
  const answer = await gateway.fetch('/v1/videos', { method: 'POST', headers: { 'idempotency-key': key }, body });
  const { id, error } = (await answer.json()) as Answer;
  return { status: answer.status, replayed: answer.headers.get('idempotent-replayed'), id, ...(error && { error }) };
}

const held = async (): Promise<number> => {
  const rows = (await (await gateway.fetch('/v1/videos?limit=100')).json()) as { data: unknown[] };
  return rows.data.length;
};

describe('with an idempotency key', () => {
  it('50 creates at once are one video, and one of them made it', async () => {
    const before = await held();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => create(gateway, BODY, { 'idempotency-key': 'order-50' })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
    expect(await held()).toBe(before + 1);
    expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true });
  });

  it('another body under the same key is a 422, and makes nothing', async () => {
    await create(gateway, BODY, { 'idempotency-key': 'order-1' });
    const before = await held();
    const other = await create(gateway, { ...BODY, seconds: 4 }, { 'idempotency-key': 'order-1' });
    expect(other).toMatchObject({ status: 422, error: { code: 'idempotency_conflict' } });
    expect(await held()).toBe(before);
  });

  it('the order of fields and the encoding of names do not matter, the bytes of a file do', async () => {
    const first = await create(gateway, BODY, { 'idempotency-key': 'order-2' });
    const turned = { seconds: '3', model_name: 'kling-v3', prompt: 'a red kite' };
    expect(await create(gateway, turned, { 'idempotency-key': 'order-2' })).toMatchObject({
      id: first.id,
      replayed: 'true',
    });
    const fields = { prompt: 'a kite', model: 'kling-v3', seconds: '3' };
    const withFile = await form(fields, makePng(640, 640), 'order-3');
    expect(await form(fields, makePng(640, 640), 'order-3')).toMatchObject({ id: withFile.id, replayed: 'true' });
    expect(await form(fields, makePng(640, 320), 'order-3')).toMatchObject({ status: 422 });
  });

  it('what is wished of the provider counts, and counts the same in a header and in the body', async () => {
    const key = { 'idempotency-key': 'order-wish' };
    const first = await create(gateway, BODY, { ...key, 'x-provider-only': 'fal', 'x-provider-max-price': '9' });
    const inBody = { ...BODY, provider: { max_price: 9, only: ['fal'] } };
    expect(await create(gateway, inBody, key)).toMatchObject({ id: first.id, replayed: 'true' });
    // Where both say it the body is obeyed, so the header makes no difference.
    expect(await create(gateway, inBody, { ...key, 'x-provider-only': 'kling' })).toMatchObject({ id: first.id });
    for (const others of [
      {},
      { 'x-provider-only': 'piapi', 'x-provider-max-price': '9' },
      { 'x-provider-only': 'fal' },
    ]) {
      expect(await create(gateway, BODY, { ...key, ...others })).toMatchObject({
        status: 422,
        error: { code: 'idempotency_conflict' },
      });
    }
  });

  it('belongs to the API key that used it', async () => {
    const { id } = (await (await gateway.admin('POST', '/tenants', { name: 'Other' })).json()) as { id: string };
    const made = (await (await gateway.admin('POST', `/tenants/${id}/keys`, {})).json()) as { key: string };
    const mine = await create(gateway, BODY, { 'idempotency-key': 'order-4' });
    const theirs = await create(gateway, BODY, {
      'idempotency-key': 'order-4',
      authorization: `Bearer ${made.key}`,
    });
    expect(theirs).toMatchObject({ status: 200, replayed: null });
    expect(theirs.id).not.toBe(mine.id);
  });

  it('may stand in the body, and a key that is none is a 400', async () => {
    const first = await create(gateway, { ...BODY, idempotency_key: 'order-5' }, {});
    expect(await create(gateway, BODY, { 'idempotency-key': 'order-5' })).toMatchObject({ id: first.id });
    expect(await create(gateway, BODY, { 'idempotency-key': 'with space' })).toMatchObject({
      status: 400,
      error: { code: 'invalid_value' },
    });
  });

  it('a refused request is not remembered: once it can be served, the same key serves it', async () => {
    const refused = { ...BODY, provider: { max_price: 0.01 } };
    expect(await create(gateway, refused, { 'idempotency-key': 'order-6' })).toMatchObject({ status: 400 });
    expect(await create(gateway, BODY, { 'idempotency-key': 'order-6' })).toMatchObject({
      status: 200,
      replayed: null,
    });
  });

  it('still finds its video after that was deleted: one key never makes two', async () => {
    const quick = await startTestGateway();
    try {
      const key = { 'idempotency-key': 'order-deleted' };
      const { id } = await create(quick, BODY, key);
      await endOf(quick, id);
      expect((await quick.fetch(`/v1/videos/${id}`, { method: 'DELETE' })).status).toBe(200);
      expect(await create(quick, BODY, key)).toMatchObject({ status: 200, id, replayed: 'true' });
      expect(await create(quick, { ...BODY, seconds: 4 }, key)).toMatchObject({ status: 422 });
      expect((await quick.fetch(`/v1/videos/${id}`)).status).toBe(404);
    } finally {
      await quick.remove();
    }
  });

  it('is remembered over a restart', async () => {
    const dataDir = temporaryFolder();
    const first = await startTestGateway({ REELAY_DATA_DIR: dataDir, REELAY_SANDBOX_SECONDS: '600' });
    const made = await create(first, BODY, { 'idempotency-key': 'order-7' });
    await first.stop();
    const second = await startTestGateway({ REELAY_DATA_DIR: dataDir, REELAY_SANDBOX_SECONDS: '600' });
    try {
      const again = await create(second, BODY, { 'idempotency-key': 'order-7' });
      expect(again).toMatchObject({ id: made.id, replayed: 'true' });
    } finally {
      await second.stop();
    }
  });
});

describe('without a key', () => {
  const retry = (count: number) => ({ 'x-stainless-retry-count': String(count) });

  it("the SDK's retries of one request find its video; requests of their own make their own", async () => {
    const body = { ...BODY, prompt: 'a blue kite' };
    const first = await create(gateway, body, retry(0));
    const twin = await create(gateway, body, retry(0));
    expect(twin.id).not.toBe(first.id);
    const retries = [await create(gateway, body, retry(1)), await create(gateway, body, retry(1))];
    expect(new Set(retries.map(({ id }) => id))).toEqual(new Set([first.id, twin.id]));
    expect((await create(gateway, body, retry(2))).replayed).toBe('true');
    expect((await create(gateway, { ...body, seconds: 4 }, retry(1))).replayed).toBeNull();
  });

  it('a second retry finds the video that no retry has found yet: two requests never end as one', async () => {
    const body = { ...BODY, prompt: 'two white kites' };
    const [one, other] = [await create(gateway, body, retry(0)), await create(gateway, body, retry(0))];
    const ofOne = await create(gateway, body, retry(1));
    expect([one.id, other.id]).toContain(ofOne.id);
    const ofOther = await create(gateway, body, retry(2));
    expect(new Set([ofOne.id, ofOther.id])).toEqual(new Set([one.id, other.id]));
    // Both answers to one request may be lost: with no other to find, its second retry still finds its own.
    const alone = { ...BODY, prompt: 'one white kite' };
    const first = await create(gateway, alone, retry(0));
    for (const count of [1, 2]) expect((await create(gateway, alone, retry(count))).id).toBe(first.id);
  });

  it('a real SDK whose first answer is lost ends with one video', async () => {
    const before = await held();
    let lost = 0;
    const client = new OpenAI({
      baseURL: `${gateway.url}/v1`,
      apiKey: SANDBOX_KEY,
      maxRetries: 2,
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        if (lost > 0 || init?.method !== 'POST') return answer;
        lost += 1;
        await answer.arrayBuffer();
        throw new TypeError('fetch failed');
      },
    });
    const video = await client.videos.create({ prompt: 'a green kite', model: 'sora-2', seconds: '4' });
    expect(lost).toBe(1);
    expect(video.status).toBe('queued');
    expect(await held()).toBe(before + 1);
  });
});
