/**
 * What Prometheus reads, through the running gateway: every figure that is promised, in the text format, under the
 * patterns of routes; and who may read it. Also the list of jobs that operators page through.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ADMIN_KEY, createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of the text format; a line that is none fails the test. */
function samplesOf(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', labels = '', value = ''] = /^([a-z_:0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      expect(name, line).not.toBe('');
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]);
      return { name, labels: Object.fromEntries(pairs), value: Number(value) };
    });
}

async function scrape(on = gateway): Promise<(name: string, labels?: Record<string, string>) => number | undefined> {
  const answer = await fetch(`${on.url}/metrics`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = samplesOf(await answer.text());
  return (name, labels = {}) =>
    samples.find(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )?.value;
}

describe('/metrics', () => {
  it('tells of jobs, attempts, slots, money, deliveries and requests', async () => {
    const { id } = await createVideo(gateway, { model: 'kling-v3', seconds: 3, provider: { only: ['atlas'] } });
    const ended = await endOf(gateway, id);
    expect(ended.status).toBe('completed');
    const value = await scrape();
    expect(value('reelay_jobs', { state: 'completed' })).toBe(1);
    expect(value('reelay_attempts', { provider: 'atlas', outcome: 'succeeded' })).toBe(1);
    expect(value('reelay_slots_running', { lane: 'sandbox-atlas' })).toBe(0);
    const atlas = gateway.config.sandboxSlots.atlas;
    expect(value('reelay_slots_believed', { lane: 'sandbox-atlas' })).toBe(atlas);
    expect(value('reelay_money_usd', { kind: 'settled' })).toBeCloseTo(ended.usage.cost, 6);
    expect(value('reelay_money_usd', { kind: 'held' })).toBe(0);
    expect(value('reelay_attempts_in_doubt')).toBe(0);
    expect(value('reelay_suspected_costs')).toBe(0);
    expect(value('reelay_webhook_deliveries_pending')).toBe(0);
    expect(value('reelay_admission_open')).toBe(1);
    const created = { method: 'POST', route: '/v1/videos', status: '200' };
    expect(value('reelay_http_request_duration_seconds_count', created)).toBe(1);
    expect(value('nodejs_eventloop_lag_seconds')).toBeGreaterThanOrEqual(0);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });

  it('counts what is held and running while it is', async () => {
    const slow = await startTestGateway({ REELAY_SANDBOX_SECONDS: '600' });
    onTestFinished(() => slow.remove());
    const answer = await slow.fetch('/v1/videos', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'a', model: 'kling-v3', seconds: 3, provider: { only: ['atlas'] } }),
    });
    const { route } = (await answer.json()) as { route: { hold_usd: number } };
    const value = await scrape(slow);
    expect(value('reelay_money_usd', { kind: 'held' })).toBeCloseTo(route.hold_usd, 6);
    expect((value('reelay_jobs', { state: 'queued' }) ?? 0) + (value('reelay_jobs', { state: 'running' }) ?? 0)).toBe(
      1,
    );
  });

  it('counts requests under the pattern of their route, never under their address', async () => {
    for (const id of ['video_a', 'video_b']) await gateway.fetch(`/v1/videos/${id}`);
    for (const path of ['/nowhere/1', '/nowhere/2']) await gateway.fetch(path);
    await gateway.fetch('/v1/videos/video_a', { key: 'sk-reelay-wrong' });
    const value = await scrape();
    const count = 'reelay_http_request_duration_seconds_count';
    expect(value(count, { route: '/v1/videos/:video_id', status: '404' })).toBe(2);
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(text).not.toContain('video_a');
    expect(text).not.toContain('nowhere');
    expect(value(count, { route: 'unmatched', status: '404' })).toBe(2);
    expect(text).toMatch(/status="401"/);
  });

  it('holds no key and no prompt', async () => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    for (const secret of [ADMIN_KEY, 'sk-reelay-sandbox', 'a red kite']) expect(text).not.toContain(secret);
  });

  it('needs the admin key where others may reach the gateway', async () => {
    const own = await startTestGateway({ REELAY_PUBLIC_URL: 'https://reelay.example' });
    onTestFinished(() => own.remove());
    expect((await fetch(`${own.url}/metrics`)).status).toBe(401);
    expect((await own.fetch('/metrics')).status).toBe(401);
    expect((await own.fetch('/metrics', { key: ADMIN_KEY })).status).toBe(200);
  });

  it('is closed to everybody on an open host without an admin key', async () => {
    const open = { HOST: '0.0.0.0', REELAY_SANDBOX: '0', REELAY_ADMIN_KEY: '' };
    const own = await startTestGateway(open);
    onTestFinished(() => own.remove());
    const url = own.url.replace('0.0.0.0', '127.0.0.1');
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    expect((await fetch(`${url}/metrics`, { headers: { authorization: 'Bearer ' } })).status).toBe(401);
  });
});

describe('GET /admin/v1/jobs', () => {
  interface Page {
    readonly data: { readonly id: string; readonly state: string; readonly suspected_usd: number }[];
    readonly last_id: string | null;
    readonly has_more: boolean;
  }
  const jobs = async (query: string): Promise<Page> =>
    (await (await gateway.admin('GET', `/jobs?${query}`)).json()) as Page;

  it('pages through all jobs, the newest first, each once', async () => {
    const made = [];
    for (let number = 0; number < 5; number += 1) {
      made.push((await createVideo(gateway, { model: 'kling-v3', seconds: 3 })).id);
    }
    const all = await jobs('limit=100');
    expect(all.data.slice(0, 5).map(({ id }) => id)).toEqual([...made].reverse());
    const seen: string[] = [];
    for (let after = ''; ; ) {
      const page = await jobs(`limit=2${after === '' ? '' : `&after=${after}`}`);
      seen.push(...page.data.map(({ id }) => id));
      if (!page.has_more) break;
      after = page.last_id ?? '';
    }
    expect(seen).toEqual(all.data.map(({ id }) => id));
  });

  it('filters by state, tenant, provider and suspected cost', async () => {
    const { id } = await createVideo(gateway, { model: 'kling-v3', seconds: 3, provider: { only: ['fal'] } });
    await endOf(gateway, id);
    expect((await jobs('provider=fal&state=completed')).data.map((job) => job.id)).toEqual([id]);
    expect((await jobs('provider=fal&state=failed')).data).toEqual([]);
    expect((await jobs('tenant=nobody')).data).toEqual([]);
    expect((await jobs('tenant=sandbox&limit=1')).data).toHaveLength(1);
    expect((await jobs('suspected=true')).data).toEqual([]);
    suspect(id);
    expect((await jobs('suspected=true')).data).toMatchObject([{ id, suspected_usd: 0.25 }]);
    const value = await scrape();
    expect(value('reelay_suspected_costs')).toBe(1);
    expect(value('reelay_money_usd', { kind: 'suspected' })).toBe(0.25);
  });

  it.each([
    ['state=gone', 'state'],
    ['limit=101', 'limit'],
    ['after=nothing', 'after'],
    ['suspected=maybe', 'suspected'],
    ['in_doubt=maybe', 'in_doubt'],
  ])('refuses %s', async (query, param) => {
    const answer = await gateway.admin('GET', `/jobs?${query}`);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { error: { param: string } }).error.param).toBe(param);
  });

  it('finds what is in doubt, so that a person can resolve it', async () => {
    expect((await jobs('in_doubt=true')).data).toEqual([]);
    const body = JSON.stringify({ prompt: 'a kite', model: 'kling-v3', seconds: 3, provider: { only: ['atlas'] } });
    const headers = { 'content-type': 'application/json', 'x-reelay-sandbox-fault': 'lost_answer' };
    const answer = await gateway.fetch('/v1/videos', { method: 'POST', headers, body });
    const { id } = (await answer.json()) as { id: string };
    await until('the doubt', async () => (await jobs('in_doubt=true')).data.length === 1);
    expect((await jobs('in_doubt=true')).data).toMatchObject([{ id, state: 'running', in_doubt: true }]);
    expect((await jobs('in_doubt=true&suspected=true')).data).toEqual([]);
    expect((await gateway.admin('POST', `/jobs/${id}/resolve`, { outcome: 'charged' })).status).toBe(200);
    expect((await jobs('in_doubt=true')).data).toEqual([]);
  });

  it('needs the admin key', async () => {
    expect((await gateway.fetch('/admin/v1/jobs')).status).toBe(401);
  });
});

/** Books a suspected cost of a quarter for the job's attempt, as the end of a doubt does. */
function suspect(jobId: string): void {
  const file = new Sqlite(join(gateway.dataDir, 'reelay.db'));
  file
    .prepare(
      `insert into entries (id, at_ms, kind, tenant_id, key_id, job_id, attempt_id, amount_micros, day, priced_by)
       select 'ent_suspected', 0, 'suspected_cost', jobs.tenant_id, jobs.key_id, jobs.id, attempts.id, 250000, '2026-11-21', ''
       from jobs join attempts on attempts.job_id = jobs.id where jobs.id = ?`,
    )
    .run(jobId);
  file.close();
}
