/** Videos made from videos: the SDK's edit, remix and extend, through the official client where it has the call. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endOf, type ShownVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/port.ts';

let gateway: TestGateway;
let source: ShownVideo;
beforeAll(async () => {
  const port = await freePort();
  gateway = await startTestGateway({ PORT: String(port), REELAY_PUBLIC_URL: `http://127.0.0.1:${port}` });
  source = await make('/v1/videos', {
    prompt: 'a red kite',
    model: 'kling-v1-6',
    seconds: 5,
    resolution: '1080p',
    provider: { only: ['kling'] },
  });
});
afterAll(() => gateway.remove());

async function post(path: string, body: unknown): Promise<{ status: number; body: ShownVideo & { error: never } }> {
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as ShownVideo & { error: never } };
}

async function make(path: string, body: unknown): Promise<ShownVideo> {
  const answer = await post(path, body);
  expect([answer.status, answer.body]).toEqual([200, expect.objectContaining({ object: 'video' })]);
  return await endOf(gateway, answer.body.id);
}

describe('a remix', () => {
  it('edits the saved video as the prompt says, and names it', async () => {
    const remix = await gateway.client.videos.remix(source.id, { prompt: 'the kite is blue' });
    expect(remix.remixed_from_video_id).toBe(source.id);
    expect(await endOf(gateway, remix.id)).toMatchObject({ status: 'completed', model: 'kling-o3' });
  });

  it('of a video that is not there is a 404', async () => {
    expect(await post('/v1/videos/video_000000000000000000000000/remix', { prompt: 'x' })).toMatchObject({
      status: 404,
      body: { error: { code: 'video_not_found' } },
    });
  });
});

describe('an edit', () => {
  it('takes the id of a video made here, or an address', async () => {
    const byId = await make('/v1/videos/edits', { prompt: 'in winter', video: { id: source.id } });
    expect(byId).toMatchObject({ status: 'completed', remixed_from_video_id: null });
    const address = 'https://media.example.com/source.mp4';
    expect(await make('/v1/videos/edits', { prompt: 'in winter', video: address })).toMatchObject({
      status: 'completed',
    });
  });

  it('gives the provider a signed link to the saved video that serves it, and nobody else one', async () => {
    const unsigned = await fetch(`${gateway.url}/clips/${source.id}`);
    expect(unsigned.status).toBe(404);
    const made = await make('/v1/videos/edits', {
      prompt: 'at night',
      video: { id: source.id },
      provider: { only: ['kling'] },
    });
    expect(made.status).toBe('completed');
  });

  it.each([
    [{ prompt: 'x' }, 'missing_required_parameter'],
    [{ prompt: 'x', video: 'AAAA' }, 'invalid_value'],
    [{ prompt: 'x', video: { id: 'video_0' } }, 'video_not_found'],
  ])('refuses %j', async (body, code) => {
    expect((await post('/v1/videos/edits', body)).body.error).toMatchObject({ code });
  });
});

describe('an extension', () => {
  it('goes on at the account that made the video, and its seconds are those of the whole', async () => {
    const longer = await make('/v1/videos/extensions', {
      prompt: 'it flies away',
      seconds: '5',
      video: { id: source.id },
    });
    expect(longer).toMatchObject({ status: 'completed', provider: 'kling', seconds: '10' });
    const route = (await (await gateway.fetch(`/v1/videos/${longer.id}/route`)).json()) as {
      candidates: { provider: string; excluded: boolean }[];
    };
    expect(route.candidates.filter(({ excluded }) => !excluded).map(({ provider }) => provider)).toEqual(['kling']);
  });

  it('of a video that no provider extends says so', async () => {
    const other = await make('/v1/videos', { prompt: 'a kite', model: 'kling-v3', seconds: 3 });
    expect(await post('/v1/videos/extensions', { prompt: 'x', seconds: 5, video: { id: other.id } })).toMatchObject({
      status: 400,
      body: { error: { code: 'unsupported_operation' } },
    });
  });
});
