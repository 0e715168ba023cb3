/** Cancelling: free before a provider has begun; after that the provider is asked, and what it made is settled. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { createVideo, endOf, type ShownVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
afterEach(() => gateway.remove());

async function cancel(id: string): Promise<{ status: number; body: ShownVideo }> {
  const answer = await gateway.fetch(`/v1/videos/${id}/cancel`, { method: 'POST' });
  return { status: answer.status, body: (await answer.json()) as ShownVideo };
}

interface AdminJob {
  readonly state: string;
  readonly settled_usd: number;
  readonly attempts: { state: string; task_id: string | null }[];
  readonly entries: { kind: string; usd: number }[];
}
const adminJob = async (id: string): Promise<AdminJob> =>
  (await (await gateway.admin('GET', `/jobs/${id}`)).json()) as AdminJob;

const accepted = (id: string) =>
  until(`a task of ${id}`, async () => ((await adminJob(id)).attempts[0]?.task_id == null ? null : true));

/** The request as it stands in the store. */
function requestOf(id: string): string {
  const store = new Sqlite(join(gateway.dataDir, 'reelay.db'), { readonly: true });
  const [request] = store.prepare('select request from jobs where id = ?').pluck().all(id);
  store.close();
  return String(request);
}

const clip = (provider: string) => ({ model: 'kling-v3', seconds: 5, provider: { only: [provider], max_premium: 9 } });

describe('a video that no provider has begun', () => {
  it('ends at once, free of charge', async () => {
    gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '600' });
    // Two slots at fal: the third clip waits for one.
    const [first, second] = [await createVideo(gateway, clip('fal')), await createVideo(gateway, clip('fal'))];
    await Promise.all([accepted(first.id), accepted(second.id)]);
    const third = await createVideo(gateway, clip('fal'));
    const { status, body } = await cancel(third.id);
    expect([status, body.status, body.error?.code]).toEqual([200, 'failed', 'cancelled']);
    expect(await adminJob(third.id)).toMatchObject({ state: 'cancelled', settled_usd: 0, attempts: [] });
    expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true });
  });
});

describe('a video whose task runs', () => {
  it('is stopped where the provider can stop it, and nothing is charged', async () => {
    gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '600' });
    const video = await createVideo(gateway, clip('fal'));
    await accepted(video.id);
    expect((await cancel(video.id)).status).toBe(200);
    const ended = await endOf(gateway, video.id);
    expect([ended.status, ended.error?.code, ended.usage.cost]).toEqual(['failed', 'cancelled', 0]);
    const job = await adminJob(video.id);
    expect(job).toMatchObject({ state: 'cancelled', attempts: [{ state: 'cancelled' }] });
    expect(job.entries.map(({ kind }) => kind).sort()).toEqual(['hold', 'release']);
  });

  it('is followed to its end where the provider cannot: settled, and its file dropped', async () => {
    gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '1' });
    const video = await createVideo(gateway, clip('kling'));
    await accepted(video.id);
    expect((await cancel(video.id)).body.status).toBe('in_progress');
    const ended = await endOf(gateway, video.id);
    expect([ended.status, ended.error?.code]).toEqual(['failed', 'cancelled']);
    const job = await adminJob(video.id);
    expect(job).toMatchObject({ state: 'cancelled', attempts: [{ state: 'succeeded' }] });
    expect(job.settled_usd).toBeGreaterThan(0);
    expect(job.entries.map(({ kind }) => kind).sort()).toEqual(['cost', 'hold', 'settlement']);
    expect((await gateway.fetch(`/v1/videos/${video.id}/content`)).status).toBe(404);
    expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true, differences: [] });
  });

  it('leaves no words of its prompt where prompts are not stored, also when it came too late', async () => {
    gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '1', REELAY_STORE_PROMPTS: '0' });
    const video = await createVideo(gateway, { ...clip('kling'), prompt: 'a very secret prompt' });
    await accepted(video.id);
    expect(requestOf(video.id)).toContain('a very secret prompt');
    await cancel(video.id);
    await endOf(gateway, video.id);
    expect((await adminJob(video.id)).attempts).toMatchObject([{ state: 'succeeded' }]);
    expect(requestOf(video.id)).not.toContain('secret');
  });

  it('that has failed meanwhile is not given to the next provider', async () => {
    gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '1' });
    const answer = await gateway.fetch('/v1/videos', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-reelay-sandbox-fault': 'fail' },
      body: JSON.stringify({ prompt: 'a kite', model: 'kling-v3', seconds: 5, provider: { order: ['kling'] } }),
    });
    const video = (await answer.json()) as ShownVideo;
    await accepted(video.id);
    await cancel(video.id);
    const ended = await endOf(gateway, video.id);
    expect([ended.status, ended.error?.code, ended.attempts.length]).toEqual(['failed', 'cancelled', 1]);
  });
});

describe('a video that has ended', () => {
  it('cannot be cancelled, and says so', async () => {
    gateway = await startTestGateway();
    const video = await createVideo(gateway, clip('atlas'));
    await endOf(gateway, video.id);
    expect(await cancel(video.id)).toMatchObject({ status: 400, body: { error: { code: 'video_not_cancellable' } } });
    expect((await cancel('video_000000000000000000000000')).status).toBe(404);
  });
});

it('a deleted video takes its words along, where they were stored before and are not to be now', async () => {
  gateway = await startTestGateway();
  const video = await createVideo(gateway, { model: 'kling-v3', seconds: 3, prompt: 'a very secret prompt' });
  await endOf(gateway, video.id);
  expect(requestOf(video.id)).toContain('a very secret prompt');
  await gateway.stop();
  const { dataDir } = gateway;
  gateway = await startTestGateway({ REELAY_STORE_PROMPTS: '0', REELAY_DATA_DIR: dataDir });
  expect((await gateway.fetch(`/v1/videos/${video.id}`, { method: 'DELETE' })).status).toBe(200);
  expect(requestOf(video.id)).not.toContain('secret');
});
