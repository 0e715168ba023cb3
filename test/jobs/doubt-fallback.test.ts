/**
 * `in_doubt: fallback`: a tenant that would rather not wait for a lost answer is given the next candidate. It pays once;
 * what the lost task may have cost is the operator's, on the suspected list until a person resolves it.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createVideo, endOf, SANDBOX_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

interface Job {
  readonly settled_usd: number;
  readonly attempts: { provider: string; state: string; cost_usd: number; price_usd: number }[];
  readonly entries: { kind: string; usd: number }[];
}
const jobOf = async (id: string): Promise<Job> => (await (await gateway.admin('GET', `/jobs/${id}`)).json()) as Job;
const kinds = ({ entries }: Job): string[] => entries.map(({ kind }) => kind).sort();

async function tenantKey(id: string, policy: object): Promise<string> {
  await gateway.admin('POST', '/tenants', { id, name: id, policy });
  return ((await (await gateway.admin('POST', `/tenants/${id}/keys`, {})).json()) as { key: string }).key;
}

async function lostClip(key: string, provider: object): Promise<string> {
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    key,
    headers: { 'content-type': 'application/json', 'x-reelay-sandbox-fault': 'lost_answer' },
    body: JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 3, provider }),
  });
  return ((await answer.json()) as { id: string }).id;
}

it('the next candidate makes the clip; the tenant pays once, the lost task is suspected, then resolved', async () => {
  const key = await tenantKey('hasty', { in_doubt: 'fallback' });
  const id = await lostClip(key, { order: ['atlas'] });
  const ended = await endOf({ fetch: (path, init) => gateway.fetch(path, { ...init, key }) }, id);
  expect(ended).toMatchObject({ status: 'completed' });
  expect(ended.provider).not.toBe('atlas');
  const job = await jobOf(id);
  expect(job.attempts.map(({ provider, state }) => `${provider} ${state}`)).toEqual([
    'atlas failed',
    `${ended.provider} succeeded`,
  ]);
  expect(kinds(job)).toEqual(['cost', 'hold', 'settlement', 'suspected_cost']);
  expect(job.settled_usd).toBe(job.attempts[1]?.price_usd);
  expect(job.entries.find(({ kind }) => kind === 'suspected_cost')?.usd).toBe(job.attempts[0]?.cost_usd);

  const resolved = await gateway.admin('POST', `/jobs/${id}/resolve`, { outcome: 'charged' });
  expect(resolved.status).toBe(200);
  expect(kinds(await jobOf(id))).toEqual(['cost', 'cost', 'cost_resolution', 'hold', 'settlement', 'suspected_cost']);
  expect((await gateway.admin('POST', `/jobs/${id}/resolve`, { outcome: 'charged' })).status).toBe(409);
  expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true });
});

it('with nobody left to go to it waits, as it does for everybody who has not asked for this', async () => {
  const hasty = await tenantKey('alone', { in_doubt: 'fallback' });
  const ids = [
    [hasty, await lostClip(hasty, { only: ['atlas'] })],
    [SANDBOX_KEY, await lostClip(SANDBOX_KEY, { order: ['atlas'] })],
  ] as const;
  for (const [, id] of ids) {
    await until('the doubt', async () => (await jobOf(id)).attempts[0]?.state === 'in_doubt');
  }
  // A clip that is ordered after them and finished is proof that they were looked at and left alone.
  await endOf(gateway, (await createVideo(gateway, { model: 'kling-v3', seconds: 3 })).id);
  for (const [, id] of ids) {
    const job = await jobOf(id);
    expect([job.attempts.length, kinds(job)]).toEqual([1, ['hold']]);
  }
});
