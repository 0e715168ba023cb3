/**
 * What was spent, as operators and tenants read it over HTTP: reports, the ledger page by page, bills, and what neither may
 * show. One real gateway, whose clips were really made in the sandbox.
 */
import { createHash } from 'node:crypto';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCsv } from '../../src/ground/csv.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
let key: string;
const MARKUP = 25;
const only = (provider: string) => ({ only: [provider], max_premium: 9 });
const month = new Date().toISOString().slice(0, 7);

beforeAll(async () => {
  gateway = await startTestGateway();
  const tenant = { id: 'acme', name: '=Acme & <Sons>', markup_percent: MARKUP };
  await gateway.admin('POST', '/tenants', tenant);
  key = ((await (await gateway.admin('POST', '/tenants/acme/keys', {})).json()) as { key: string }).key;
  const mine = { ...gateway, fetch: (path: string, init = {}) => gateway.fetch(path, { ...init, key }) };
  const clips = [
    { provider: only('atlas'), metadata: { team: '=red, "hot"' } },
    { provider: only('kling'), metadata: { team: 'blue' } },
    { provider: only('kling') },
  ];
  const made = [];
  for (const clip of clips) made.push(await createVideo(mine, { model: 'kling-v3', seconds: 5, ...clip }));
  for (const { id } of made) expect((await endOf(mine, id)).status).toBe('completed');
  const other = await createVideo(gateway, { model: 'kling-v3', seconds: 5, provider: only('atlas') });
  await endOf(gateway, other.id);
}, 60_000);
afterAll(() => gateway.remove());

interface Report {
  readonly data: Readonly<Record<string, number | string | null>>[];
  readonly total: Readonly<Record<string, number | null>>;
}
const admin = async <T>(path: string): Promise<T> => (await (await gateway.admin('GET', path)).json()) as T;
const own = async <T>(path: string): Promise<T> => (await (await gateway.fetch(path, { key })).json()) as T;

describe('GET /admin/v1/spend', () => {
  it('adds up what each provider delivered, cost and left', async () => {
    const { data, total } = await admin<Report>('/tenants/acme/spend?group_by=provider');
    const kling = { jobs: 2, completed: 2, failed: 0, open: 0, success_rate: 1, seconds: 10, cost_usd: 0.84 };
    expect(data).toMatchObject([
      { provider: 'atlas', jobs: 1, cost_usd: 0.355, spent_usd: 0.44375, margin_usd: 0.08875, failure_cost_usd: 0 },
      { provider: 'kling', ...kling, spent_usd: 1.05, average_price_usd: 0.525, margin_usd: 0.21 },
    ]);
    expect(total).toMatchObject({ jobs: 3, spent_usd: 1.49375, cost_usd: 1.195 });
  });

  it('tells tenants apart, and is what the ledger comes to', async () => {
    const { data } = await admin<Report>('/spend?group_by=tenant,month');
    expect(data.map(({ tenant, jobs }) => [tenant, jobs])).toEqual([
      ['acme', 3],
      ['sandbox', 1],
    ]);
    const entries = await admin<{ data: { kind: string; usd: number }[] }>('/ledger?tenant=acme');
    const settled = entries.data.filter(({ kind }) => kind === 'settlement').reduce((sum, { usd }) => sum + usd, 0);
    expect(data[0]?.spent_usd).toBeCloseTo(settled, 9);
    expect(await admin('/audit')).toMatchObject({ ok: true, differences: [] });
  });

  it('is CSV when asked for it, one way or the other, and its texts are no formulas', async () => {
    const path = '/tenants/acme/spend?group_by=tag:team';
    const answer = await gateway.admin('GET', `${path}&format=csv`);
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="spend-.*\.csv"$/);
    const text = await answer.text();
    const rows: Record<string, string>[] = parse(text, { columns: true });
    expect(rows.map((row) => [row['tag:team'], row.jobs])).toEqual([
      [`'=red, "hot"`, '1'],
      ['blue', '1'],
      ['', '1'],
    ]);
    const accept = { authorization: 'Bearer admin-key-for-tests-0123456789', accept: 'text/csv' };
    const again = await fetch(`${gateway.url}/admin/v1${path}`, { headers: accept });
    expect(await again.text()).toBe(text);
  });

  it.each([
    ['group_by=colour', 'group_by', /expected up to 4 different ones of day, month, tenant/],
    ['group_by=day,day', 'group_by', /got 'day,day'/],
    ['group_by=tag:a,tag:b', 'group_by', /one tag at a time/],
    ['from=2026-11-31', 'from', /expected a day/],
    ['from=2026-11-21&to=2026-11-20', 'from', /2026-11-21 is after 'to', 2026-11-20/],
    ['format=xml', 'format', /expected 'json' or 'csv'/],
  ])('refuses %s by name', async (query, param, message) => {
    const answer = await gateway.admin('GET', `/spend?${query}`);
    const { error } = (await answer.json()) as { error: { param: string; message: string } };
    expect([answer.status, error.param]).toEqual([400, param]);
    expect(error.message).toMatch(message);
  });

  it('knows no tenant that is not there', async () => {
    for (const path of ['spend', 'bill']) {
      expect((await gateway.admin('GET', `/tenants/nobody/${path}`)).status).toBe(404);
    }
  });
});

describe('GET /v1/usage', () => {
  it('is the caller’s own, in its own prices, and nothing in it tells of cost', async () => {
    for (const format of ['json', 'csv']) {
      const text = await (await gateway.fetch(`/v1/usage?group_by=provider,key&format=${format}`, { key })).text();
      expect(text).not.toMatch(/cost|margin|suspected|0\.355|1\.195|0\.84/);
      expect(text).toMatch(/1\.05/);
    }
    const { data, total } = await own<Report>('/v1/usage?group_by=model');
    expect(data).toMatchObject([{ model: 'kling-v3', jobs: 3, spent_usd: 1.49375, average_price_usd: 0.497917 }]);
    expect(total.jobs).toBe(3);
  });

  it('does not group by tenant', async () => {
    expect((await gateway.fetch('/v1/usage?group_by=tenant', { key })).status).toBe(400);
  });
});

describe('GET /admin/v1/ledger', () => {
  interface Page {
    readonly data: { id: string; job: string; tenant: string }[];
    readonly last_id: string;
    readonly has_more: boolean;
  }

  it('is read page by page, each entry once, in order', async () => {
    const whole = await admin<Page>('/ledger');
    expect(whole.has_more).toBe(false);
    const seen: string[] = [];
    for (let after = ''; ; ) {
      const page = await admin<Page>(`/ledger?limit=4${after}`);
      expect(page.data.length).toBeLessThanOrEqual(4);
      seen.push(...page.data.map(({ id }) => id));
      after = `&after=${page.last_id}`;
      if (!page.has_more) break;
    }
    expect(seen).toEqual(whole.data.map(({ id }) => id));
    expect(seen).toHaveLength(12);
    expect(new Set(seen).size).toBe(12);
  });

  it('is of one job, one tenant, or some days', async () => {
    const [first] = (await admin<Page>('/ledger?tenant=acme')).data;
    const ofJob = await admin<Page>(`/ledger?job=${first?.job}`);
    expect(ofJob.data.map(({ job }) => job)).toEqual([first?.job, first?.job, first?.job]);
    expect((await admin<Page>('/ledger?tenant=nobody')).data).toEqual([]);
    expect((await admin<Page>('/ledger?to=2020-01-01')).data).toEqual([]);
    const csv = await (await gateway.admin('GET', '/ledger?tenant=acme&format=csv')).text();
    expect(parse(csv, { columns: true })).toHaveLength(9);
  });

  it.each(['after=ent_0000000000000000000000000000000000', 'after=x', 'limit=101', 'limit=0'])(
    'refuses %s',
    async (query) => {
      expect((await gateway.admin('GET', `/ledger?${query}`)).status).toBe(400);
    },
  );
});

describe('a bill', () => {
  it('has the tenant’s prices by model, and is not final while its month goes on', async () => {
    const bill = await admin<{ lines: object[]; keys: object[] }>('/tenants/acme/bill');
    const line = { model: 'kling-v3', task: 'text_to_video', resolution: '720p', videos: 3, seconds: 15, usd: 1.49375 };
    expect(bill).toMatchObject({ month, final: false, total_usd: 1.49375, lines: [line], keys: [{ videos: 3 }] });
    expect(await admin('/tenants/acme/bill?month=2020-01')).toMatchObject({ final: true, total_usd: 0, lines: [] });
    expect((await gateway.admin('GET', '/tenants/acme/bill?month=2026-13')).status).toBe(400);
  });

  it('is a page that loads nothing, runs nothing, and shows names as text', async () => {
    const answer = await gateway.admin('GET', '/tenants/acme/bill?format=html');
    const page = await answer.text();
    const policy = answer.headers.get('content-security-policy') ?? '';
    const [, style = ''] = /<style>([\s\S]*)<\/style>/.exec(page) ?? [];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`);
    expect(page).toContain('=Acme &amp; &lt;Sons&gt;');
    expect(page).not.toMatch(/<script|https?:|src=|1\.195/);
    expect(page).toMatch(/1\.49375/);
  });

  it('is CSV', async () => {
    const text = await (await gateway.admin('GET', '/tenants/acme/bill?format=csv')).text();
    expect(parse(text, { columns: true })).toMatchObject([{ tenant: 'acme', month, videos: '3', usd: '1.49375' }]);
  });
});

describe('CSV', () => {
  it.each([
    ['plain', 'plain'],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['two\nlines', '"two\nlines"'],
    ['=1+1', "'=1+1"],
    ['@sum', "'@sum"],
    ['-5', "'-5"],
    [-5, '-5'],
    [null, ''],
  ])('writes %j as it should be read', (cell, written) => {
    expect(writeCsv(['head'], [[cell]])).toBe(`head\r\n${written}\r\n`);
  });
});
