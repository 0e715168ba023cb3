/** An attempt in doubt, settled by hand: the operator's word counts once, and the books agree afterwards. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endOf, type ShownVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startTestGateway();
});
afterEach(() => gateway.remove());

interface AdminJob {
  readonly state: string;
  readonly error: string | null;
  readonly attempts: { state: string; cost_usd: number }[];
  readonly entries: { kind: string; usd: number }[];
}
const adminJob = async (id: string): Promise<AdminJob> =>
  (await (await gateway.admin('GET', `/jobs/${id}`)).json()) as AdminJob;

/** A clip whose submission to fal was taken and never answered: fal keeps no tag of ours to find it by. */
async function inDoubt(): Promise<string> {
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-reelay-sandbox-fault': 'lost_answer' },
    body: JSON.stringify({ prompt: 'a kite', model: 'kling-v3', seconds: 5, provider: { order: ['fal'] } }),
  });
  const { id } = (await answer.json()) as ShownVideo;
  await until('doubt', async () => ((await adminJob(id)).attempts[0]?.state === 'in_doubt' ? true : null));
  return id;
}

const resolve = (id: string, outcome: string) => gateway.admin('POST', `/jobs/${id}/resolve`, { outcome });
const auditOk = async () =>
  expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true, differences: [] });

describe('an attempt in doubt', () => {
  it('that was charged ends its job: the tenant gets the hold back, the cost is booked', async () => {
    const id = await inDoubt();
    expect((await resolve(id, 'charged')).status).toBe(200);
    const job = await adminJob(id);
    expect(job).toMatchObject({ state: 'failed', error: 'provider_outcome_unknown', attempts: [{ state: 'failed' }] });
    expect(job.entries.map(({ kind }) => kind)).toEqual(['hold', 'release', 'cost']);
    expect(job.entries.at(-1)?.usd).toBe(job.attempts[0]?.cost_usd);
    await auditOk();
  });

  it('that was not charged lets its job go on along its route', async () => {
    const id = await inDoubt();
    expect((await resolve(id, 'not_charged')).status).toBe(200);
    const video = await endOf(gateway, id);
    expect(video.status).toBe('completed');
    expect(video.provider).not.toBe('fal');
    expect((await adminJob(id)).entries.filter(({ kind }) => kind === 'cost')).toHaveLength(1);
    await auditOk();
  });

  it('is decided once: a second verdict is a 409, and so is one where nothing is in doubt', async () => {
    const id = await inDoubt();
    await resolve(id, 'charged');
    const second = await resolve(id, 'not_charged');
    expect([second.status, ((await second.json()) as { error: { code: string } }).error.code]).toEqual([
      409,
      'conflict',
    ]);
    expect((await adminJob(id)).entries.map(({ kind }) => kind)).toEqual(['hold', 'release', 'cost']);
  });

  it('takes only the two words, and only jobs that are there', async () => {
    expect((await resolve('video_000000000000000000000000', 'charged')).status).toBe(404);
    const id = await inDoubt();
    expect((await resolve(id, 'maybe')).status).toBe(400);
    expect((await adminJob(id)).attempts[0]?.state).toBe('in_doubt');
  });
});

describe('a job that gave up', () => {
  it('has its suspected cost resolved either way', async () => {
    await gateway.remove();
    gateway = await startTestGateway({ REELAY_DOUBT_SECONDS: '0.5' });
    const charged = await inDoubt();
    const free = await inDoubt();
    await Promise.all([endOf(gateway, charged), endOf(gateway, free)]);
    await Promise.all([resolve(charged, 'charged'), resolve(free, 'not_charged')]);
    const kinds = async (id: string) => (await adminJob(id)).entries.map(({ kind }) => kind);
    expect(await kinds(charged)).toEqual(['hold', 'release', 'suspected_cost', 'cost_resolution', 'cost']);
    expect(await kinds(free)).toEqual(['hold', 'release', 'suspected_cost', 'cost_resolution']);
    await auditOk();
  });
});
