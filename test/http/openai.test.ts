/** The official client is the judge: the newest major that runs here, and the last of the one before. */
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI7, { toFile } from 'openai';
import OpenAI6 from 'openai-6';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endOf, SANDBOX_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { makePng } from '../support/images.ts';
import { temporaryFolder } from '../support/temporary.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

const clients = [
  {
    version: 7,
    make: (key = SANDBOX_KEY) => new OpenAI7({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 }),
  },
  {
    version: 6,
    // The two majors have the same methods here; one type serves both.
    make: (key = SANDBOX_KEY) =>
      new OpenAI6({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 }) as unknown as OpenAI7,
  },
];

describe.each(clients)('openai $version', ({ make }) => {
  it('creates, waits, and downloads', async () => {
    const client = make();
    const created = await client.videos.create({ prompt: 'a red kite over dunes', seconds: '8', size: '1280x720' });
    expect(created).toMatchObject({
      object: 'video',
      status: 'queued',
      progress: 0,
      model: 'sora-2',
      seconds: '8',
      size: '1280x720',
    });
    expect(created.error).toBeNull();
    expect(Number.isInteger(created.created_at)).toBe(true);
    await endOf(gateway, created.id);
    const video = await client.videos.retrieve(created.id);
    expect(video).toMatchObject({ status: 'completed', progress: 100, seconds: '8', size: '1280x720' });
    expect(video.completed_at).toBeGreaterThanOrEqual(video.created_at);

    const content = await client.videos.downloadContent(created.id);
    expect(content.headers.get('content-type')).toBe('video/mp4');
    const bytes = Buffer.from(await content.arrayBuffer());
    expect(bytes.length).toBe(Number(content.headers.get('content-length')));
    expect(bytes.toString('latin1', 4, 8)).toBe('ftyp');
  });

  it('sends a first frame as an upload', async () => {
    const file = await toFile(makePng(), 'first.png', { type: 'image/png' });
    const created = await make().videos.create({ prompt: 'she turns', input_reference: file, seconds: '4' });
    expect((await endOf(gateway, created.id)).status).toBe('completed');
  });

  it('sends a first frame as a stream, without a length', async () => {
    const path = join(temporaryFolder(), 'first.png');
    writeFileSync(path, makePng());
    const created = await make().videos.create({
      prompt: 'she turns',
      input_reference: createReadStream(path),
      seconds: '4',
    });
    expect((await endOf(gateway, created.id)).status).toBe('completed');
  });

  it('sends a first frame as an address', async () => {
    const created = await make().videos.create({
      prompt: 'she turns',
      input_reference: { image_url: 'https://cdn.example.com/first.png' },
      seconds: '4',
    });
    expect((await endOf(gateway, created.id)).status).toBe('completed');
  });

  it('pages through a list by itself', async () => {
    const admin = (await (await gateway.admin('POST', '/tenants', { name: 'Lister' })).json()) as { id: string };
    const { key } = (await (await gateway.admin('POST', `/tenants/${admin.id}/keys`, {})).json()) as { key: string };
    const client = make(key);
    expect((await client.videos.list()).data).toEqual([]);
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.push((await client.videos.create({ prompt: `clip ${count}` })).id);
    const seen: string[] = [];
    for await (const video of client.videos.list({ limit: 2, order: 'asc' })) seen.push(video.id);
    expect(seen).toEqual(ids);
    const newest = await client.videos.list({ limit: 1 });
    expect(newest.data[0]?.id).toBe(ids.at(-1));
    expect(newest.has_more).toBe(true);
  });

  it('asks for a part of the content', async () => {
    const client = make();
    const created = await client.videos.create({ prompt: 'a boat' });
    await endOf(gateway, created.id);
    const whole = Buffer.from(await (await client.videos.downloadContent(created.id)).arrayBuffer());
    const part = await client.videos.downloadContent(created.id, {}, { headers: { range: 'bytes=4-11' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 4-11/${whole.length}`);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(whole.subarray(4, 12));
  });

  it('deletes a finished video, which is gone everywhere after', async () => {
    const client = make();
    const created = await client.videos.create({ prompt: 'a boat' });
    await expect(client.videos.delete(created.id)).rejects.toMatchObject({ status: 400, code: 'video_not_deletable' });
    await endOf(gateway, created.id);
    expect(await client.videos.delete(created.id)).toEqual({ id: created.id, object: 'video.deleted', deleted: true });
    await expect(client.videos.retrieve(created.id)).rejects.toMatchObject({ status: 404, code: 'video_not_found' });
    await expect(client.videos.downloadContent(created.id)).rejects.toMatchObject({ status: 404 });
  });

  it('hears of unknown ids, bad keys and invalid fields in its own error classes', async () => {
    const client = make();
    await expect(client.videos.retrieve('video_000000000000000000000000')).rejects.toMatchObject({
      status: 404,
      code: 'video_not_found',
      type: 'invalid_request_error',
      param: 'video_id',
      requestID: expect.stringMatching(/^req_/),
    });
    await expect(make('sk-wrong').videos.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    await expect(client.videos.create({ prompt: 'x', seconds: '16' as '12' })).rejects.toMatchObject({
      status: 400,
      code: 'invalid_value',
      param: 'seconds',
      message: expect.stringContaining('3 to 15'),
    });
  });

  it('lists and retrieves models', async () => {
    const client = make();
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual(expect.arrayContaining(['kling-v3', 'kling-o3', 'sora-2', 'sora-2-pro']));
    expect(await client.models.retrieve('sora-2-pro')).toMatchObject({ id: 'sora-2-pro', alias_of: 'kling-v3 1080p' });
    await expect(client.models.retrieve('klingai/none')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });
});

describe('encodings that older clients and other apps use', () => {
  it('takes JSON, as SDKs before 6.28 send it', async () => {
    const client = new OpenAI7({ baseURL: `${gateway.url}/v1/`, apiKey: SANDBOX_KEY, maxRetries: 0 });
    const video = await client.post<{ seconds: string; size: string }>('/videos', {
      body: { model: 'sora-2-pro', prompt: 'a boat', seconds: 6 },
    });
    expect(video).toMatchObject({ seconds: '6', size: '1080x1920' });
  });

  it('takes a form that says it is JSON', async () => {
    const client = new OpenAI7({
      baseURL: `${gateway.url}/v1`,
      apiKey: SANDBOX_KEY,
      maxRetries: 0,
      defaultHeaders: { 'Content-Type': 'application/json' },
    });
    expect(await client.videos.create({ prompt: 'größe, 風, "quotes"' })).toMatchObject({
      prompt: 'größe, 風, "quotes"',
    });
  });

  it('takes nested routing fields out of a form', async () => {
    const body = {
      prompt: 'a boat',
      provider: { only: ['piapi', 'fal'], max_price: { request: 0.6 } },
      metadata: { shot: '7' },
    };
    const video = await gateway.client.videos.create(body as never);
    expect(video).toMatchObject({ metadata: { shot: '7' }, route: { route: ['fal', 'piapi'] } });
  });

  it('serves the same routes without /v1', async () => {
    const client = new OpenAI7({ baseURL: gateway.url, apiKey: SANDBOX_KEY, maxRetries: 0 });
    expect(await client.videos.create({ prompt: 'a boat' })).toMatchObject({ object: 'video' });
  });

  it('does not take an empty id for the list', async () => {
    const answer = await gateway.fetch('/v1/videos/');
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: 'not_found', param: null } });
  });
});
