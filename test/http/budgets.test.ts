/**
 * Budgets as operators set them and tenants meet them, through the running gateway: what fits is accepted, however many
 * ask at once, and what does not is refused once, in words.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '600', REELAY_POLL_MS: '60000' });
});
afterAll(() => gateway.remove());

interface Budget {
  readonly scope: string;
  readonly period: string;
  readonly cap_usd: number;
  readonly spent_usd: number;
  readonly held_usd: number;
  readonly left_usd: number;
  readonly left_clips?: number | null;
  readonly alert_percent?: number | null;
}

interface Refusal {
  readonly error: { readonly type: string; readonly code: string; readonly message: string; readonly param: string };
}

let made = 0;
async function newTenant(on = gateway, change: object = {}): Promise<string> {
  made += 1;
  const answer = await on.admin('POST', '/tenants', { id: `acme-${made}`, name: 'Acme', ...change });
  return ((await answer.json()) as { id: string }).id;
}

async function newKey(tenant: string, change: object = {}, on = gateway): Promise<{ id: string; key: string }> {
  const answer = await on.admin('POST', `/tenants/${tenant}/keys`, change);
  expect(answer.status).toBe(200);
  return (await answer.json()) as { id: string; key: string };
}

const cap = async (path: string, usd: number | string, alert?: number, on = gateway): Promise<Response> =>
  await on.admin('PUT', path, { cap_usd: usd, ...(alert !== undefined && { alert_percent: alert }) });

const create = (key: string, body: object = {}, on = gateway, headers: Record<string, string> = {}) =>
  on.fetch('/v1/videos', {
    method: 'POST',
    key,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 5, ...body }),
  });

async function holdOf(key: string, body: object = {}): Promise<number> {
  const answer = await create(key, body, gateway).then(
    (made) => made.json() as Promise<{ route: { hold_usd: number } }>,
  );
  return answer.route.hold_usd;
}

const budgetsOf = async (key: string): Promise<Budget[]> =>
  ((await (await gateway.fetch('/v1/budgets', { key })).json()) as { data: Budget[] }).data;

const isAuditOk = async () => (await (await gateway.admin('GET', '/audit')).json()) as { ok: boolean };

describe('many creates at once', () => {
  it('500 over 10 keys, of several prices, never hold more than the cap, and what fits is accepted', {
    timeout: 120_000,
  }, async () => {
    const tenant = await newTenant();
    const keys = await Promise.all(Array.from({ length: 10 }, () => newKey(tenant)));
    const CAP = 120;
    expect((await cap(`/tenants/${tenant}/budgets/month`, CAP)).status).toBe(200);
    const looked = watch(gateway.dataDir, tenant);
    const answers = await Promise.all(
      Array.from({ length: 500 }, async (_, number) => {
        const { key } = keys[number % keys.length] ?? { key: '' };
        const body = { seconds: 3 + (number % 8), resolution: number % 3 === 0 ? '1080p' : '720p' };
        const answer = await create(key, body, gateway);
        return { status: answer.status, body: (await answer.json()) as Refusal & { route: { hold_usd: number } } };
      }),
    );
    const { samples, highest } = looked();
    const accepted = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    expect(accepted.length + refused.length).toBe(500);
    expect(refused.length).toBeGreaterThan(50);
    const held = accepted.reduce((sum, { body }) => sum + Math.round(body.route.hold_usd * 1e6), 0);
    expect(held).toBeLessThanOrEqual(CAP * 1e6);
    for (const { body } of refused) {
      expect(body.error).toMatchObject({ type: 'insufficient_quota', code: 'insufficient_quota' });
      const price = Number(/may cost up to \$([\d.]+)/.exec(body.error.message)?.[1]);
      expect(held + Math.round(price * 1e6)).toBeGreaterThan(CAP * 1e6);
    }
    expect(samples).toBeGreaterThan(5);
    expect(highest).toBeLessThanOrEqual(CAP * 1e6);
    const [budget] = await budgetsOf(keys[0]?.key ?? '');
    expect(Math.round((budget?.held_usd ?? 0) * 1e6)).toBe(held);
    expect(await isAuditOk()).toMatchObject({ ok: true });
  });
});

describe('over the cap', () => {
  it('the official client asks once, and hears which budget, what is left and what it would have cost', async () => {
    const tenant = await newTenant();
    const { key } = await newKey(tenant);
    await cap(`/tenants/${tenant}/budgets/day`, 0.05);
    let asked = 0;
    const counting: typeof fetch = async (input, init) => {
      if (String(input).startsWith(gateway.url)) asked += 1;
      return await fetch(input, init);
    };
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, fetch: counting });
    const refused = await client.videos.create({ prompt: 'a red kite' }).catch((error) => error);
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    expect(refused).toMatchObject({ status: 429, code: 'insufficient_quota', type: 'insufficient_quota' });
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(refused.message).toMatch(
      /may cost up to \$0\.\d+.*has \$0\.05 left: cap \$0\.05, spent \$0\.00, held \$0\.00/,
    );
    expect(asked).toBe(1);
    const { data } = (await (await gateway.fetch('/v1/videos', { key })).json()) as { data: unknown[] };
    expect(data).toEqual([]);
  });

  it('nothing is stored under the idempotency key: with a higher cap it succeeds, once', async () => {
    const tenant = await newTenant();
    const { key } = await newKey(tenant);
    await cap(`/tenants/${tenant}/budgets/total`, 0);
    const once = { 'idempotency-key': 'order-1' };
    expect((await create(key, {}, gateway, once)).status).toBe(429);
    await cap(`/tenants/${tenant}/budgets/total`, 100);
    const [first, second] = [await create(key, {}, gateway, once), await create(key, {}, gateway, once)];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expect((await budgetsOf(key))[0]?.held_usd).toBe(
      ((await first.json()) as { route: { hold_usd: number } }).route.hold_usd,
    );
  });

  it('a key has a budget of its own, besides its tenant’s', async () => {
    const tenant = await newTenant();
    const [one, two] = [await newKey(tenant), await newKey(tenant)];
    const hold = await holdOf(two.key);
    await cap(`/keys/${one.id}/budgets/day`, hold);
    await cap(`/tenants/${tenant}/budgets/day`, hold * 3);
    expect((await create(one.key)).status).toBe(200);
    const refused = (await (await create(one.key)).json()) as Refusal;
    expect(refused.error.message).toContain("this API key's budget for ");
    expect((await create(two.key)).status).toBe(200);
    expect(((await (await create(two.key)).json()) as Refusal).error.message).toContain("your account's budget for ");
    expect((await budgetsOf(two.key)).map(({ scope }) => scope)).toEqual(['tenant']);
    expect((await budgetsOf(one.key)).map(({ scope }) => scope)).toEqual(['tenant', 'key']);
  });
});

describe('the routes of budgets', () => {
  it('set, show and remove a cap; a cancelled clip gives its hold back', async () => {
    const tenant = await newTenant();
    const { id, key } = await newKey(tenant);
    const path = `/tenants/${tenant}/budgets/month`;
    const zero = { spent_usd: 0, held_usd: 0 };
    expect(await (await cap(path, 10, 80)).json()).toEqual({
      ...{ scope: 'tenant', period: 'month', cap_usd: 10, ...zero, left_usd: 10, alert_percent: 80 },
    });
    expect(await (await cap(`/keys/${id}/budgets/total`, '2.5')).json()).toMatchObject({ scope: 'key', cap_usd: 2.5 });
    const made = (await (await create(key)).json()) as { id: string; route: { hold_usd: number } };
    const hold = made.route.hold_usd;
    const shown = (await (await gateway.admin('GET', `/tenants/${tenant}`)).json()) as { budgets: Budget[] };
    const left = Math.round((10 - hold) * 1e6) / 1e6;
    expect(shown.budgets).toEqual([
      {
        scope: 'tenant',
        period: 'month',
        cap_usd: 10,
        spent_usd: 0,
        held_usd: hold,
        left_usd: left,
        alert_percent: 80,
      },
    ]);
    const keys = (await (await gateway.admin('GET', `/tenants/${tenant}/keys`)).json()) as {
      data: { budgets: Budget[] }[];
    };
    expect(keys.data[0]?.budgets).toMatchObject([{ scope: 'key', period: 'total', cap_usd: 2.5, held_usd: hold }]);
    await gateway.fetch(`/v1/videos/${made.id}/cancel`, { method: 'POST', key });
    await until('the hold to be given back', async () => (await budgetsOf(key))[0]?.held_usd === 0);
    expect(await (await gateway.admin('DELETE', path)).json()).toMatchObject({ removed: true });
    expect((await gateway.admin('DELETE', path)).status).toBe(404);
    expect((await budgetsOf(key)).map(({ scope }) => scope)).toEqual(['key']);
  });

  it('GET /v1/budgets tells what is left in dollars and in clips', async () => {
    const tenant = await newTenant();
    const { key } = await newKey(tenant);
    expect(await budgetsOf(key)).toEqual([]);
    await cap(`/tenants/${tenant}/budgets/total`, 10);
    const quoted = await gateway.fetch('/v1/videos/quote', {
      method: 'POST',
      key,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'a', model: 'kling-v3', seconds: 5, resolution: '1080p' }),
    });
    const { candidates } = (await quoted.json()) as { candidates: { price_usd: number; excluded: boolean }[] };
    const cheapest = Math.min(...candidates.filter(({ excluded }) => !excluded).map((one) => one.price_usd));
    expect(await (await gateway.fetch('/v1/budgets', { key })).json()).toEqual({
      data: [
        {
          ...{ scope: 'tenant', period: 'total', cap_usd: 10, spent_usd: 0, held_usd: 0, left_usd: 10 },
          left_clips: Math.floor(10 / cheapest),
        },
      ],
    });
  });

  it.each([
    ['PUT', 'month', { cap_usd: -1 }, 400, 'cap_usd'],
    ['PUT', 'month', { cap_usd: 0.0000001 }, 400, 'cap_usd'],
    ['PUT', 'month', { cap_usd: 1e12 }, 400, 'cap_usd'],
    ['PUT', 'month', { cap_usd: 'much' }, 400, 'cap_usd'],
    ['PUT', 'month', {}, 400, 'cap_usd'],
    ['PUT', 'month', { cap_usd: 1, alert_percent: 0 }, 400, 'alert_percent'],
    ['PUT', 'month', { cap_usd: 1, alert_percent: 101 }, 400, 'alert_percent'],
    ['PUT', 'month', { cap_usd: 1, alert_percent: 12.5 }, 400, 'alert_percent'],
    ['PUT', 'week', { cap_usd: 1 }, 400, 'period'],
    ['DELETE', 'week', undefined, 400, 'period'],
    ['DELETE', 'day', undefined, 404, 'period'],
  ] as const)('%s %s %j is a %i', async (method, period, body, status, param) => {
    const tenant = await newTenant();
    const answer = await gateway.admin(method, `/tenants/${tenant}/budgets/${period}`, body);
    expect(answer.status).toBe(status);
    expect(((await answer.json()) as Refusal).error.param).toBe(param);
  });

  it.each(['/tenants/nobody/budgets/day', '/keys/key_nobody/budgets/day'])('PUT %s is a 404', async (path) => {
    expect((await cap(path, 1)).status).toBe(404);
  });
});

describe('an alert', () => {
  it('reaches the tenant’s endpoint and the operator, once at its percentage and once at the cap', async () => {
    const tenants = await receiver();
    const operator = await receiver();
    const own = await startTestGateway({
      REELAY_ALLOW_NETWORKS: '127.0.0.1/32',
      REELAY_ALERT_URL: `${operator.url}/alarms`,
      REELAY_SANDBOX_SECONDS: '600',
    });
    onTestFinished(() => own.remove());
    const tenant = await newTenant(own);
    const { key } = await newKey(tenant, {}, own);
    const endpoint = { name: 'all', url: `${tenants.url}/events`, event_types: ['budget.alert'] };
    const json = { 'content-type': 'application/json' };
    const registered = await own.fetch('/v1/webhook_endpoints', {
      method: 'POST',
      key,
      headers: json,
      body: JSON.stringify(endpoint),
    });
    expect(registered.status).toBe(200);
    const { id } = (await registered.json()) as { id: string };
    const sample = { method: 'POST', key, headers: json, body: JSON.stringify({ event_type: 'budget.alert' }) };
    expect((await own.fetch(`/v1/webhook_endpoints/${id}/test`, sample)).status).toBe(200);
    expect(JSON.parse(tenants.bodies.shift() ?? '')).toMatchObject({
      type: 'budget.alert',
      data: { tenant, percent: 80 },
    });
    const { route } = (await (await create(key, {}, own)).json()) as { route: { hold_usd: number } };
    // Room for two and a half clips: the second one crosses 70 %, the third is turned away.
    const usd = Math.round(route.hold_usd * 2.5 * 1e6) / 1e6;
    await cap(`/tenants/${tenant}/budgets/month`, usd, 70, own);
    expect((await create(key, {}, own)).status).toBe(200);
    for (let again = 0; again < 3; again += 1) expect((await create(key, {}, own)).status).toBe(429);

    interface Told {
      readonly id: string;
      readonly type: string;
      readonly data: { readonly percent: number; readonly cap_usd: number; readonly tenant: string };
    }
    const percents = (bodies: readonly string[]): number[] =>
      bodies.map((body) => (JSON.parse(body) as Told).data.percent).sort((a, b) => a - b);
    await until('both alerts at the tenant', () => tenants.bodies.length >= 2);
    await until('both alarms at the operator', () => operator.bodies.length >= 2);
    expect(percents(tenants.bodies)).toEqual([70, 100]);
    expect(percents(operator.bodies)).toEqual([70, 100]);
    const told: Told = JSON.parse(tenants.bodies[0] ?? '');
    expect(told).toMatchObject({
      object: 'event',
      type: 'budget.alert',
      data: { scope: 'tenant', tenant, cap_usd: usd },
    });
    expect((await own.fetch('/v1/videos', { key })).status).toBe(200);
  });

  it('that the operator could not take is sent again after a restart, the same to the byte', async () => {
    const operator = await receiver([503]);
    const environment = { REELAY_ALERT_URL: operator.url, REELAY_SANDBOX_SECONDS: '600' };
    const first = await startTestGateway(environment);
    const tenant = await newTenant(first);
    await cap(`/tenants/${tenant}/budgets/day`, 0.6, 50, first);
    const { key } = await newKey(tenant, {}, first);
    await create(key, {}, first);
    await until('the first try', () => operator.bodies.length === 1);
    await first.stop();
    due(first.dataDir);
    const second = await startTestGateway({ ...environment, REELAY_DATA_DIR: first.dataDir });
    onTestFinished(() => second.remove());
    await until('the second try', () => operator.bodies.length === 2);
    expect(operator.bodies[1]).toBe(operator.bodies[0]);
  });
});

/** A server that keeps what is posted to it, and answers 200 after the statuses it was given. */
async function receiver(statuses: number[] = []): Promise<{ readonly url: string; readonly bodies: string[] }> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      bodies.push(text);
      response.writeHead(statuses.shift() ?? 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies };
}

/** Makes what waits for its next try due now, by writing the row. */
function due(dataDir: string): void {
  const connection = new Sqlite(join(dataDir, 'reelay.db'));
  const { changes } = connection.prepare('update budget_alerts set due_at_ms = 0 where due_at_ms is not null').run();
  connection.close();
  expect(changes).toBe(1);
}

/** Looks from outside at what the tenant has in use, again and again until asked what the most was. */
function watch(dataDir: string, tenant: string): () => { samples: number; highest: number } {
  const connection = new Sqlite(join(dataDir, 'reelay.db'), { readonly: true });
  const used = connection.prepare<[string], { used: number }>(
    `select settled_micros + held_micros used from budget_counters
     join budgets on budgets.id = budget_id where owner_id = ?`,
  );
  let samples = 0;
  let highest = 0;
  const timer = setInterval(() => {
    highest = Math.max(highest, used.get(tenant)?.used ?? Number.POSITIVE_INFINITY);
    samples += 1;
  }, 5);
  return () => {
    clearInterval(timer);
    connection.close();
    return { samples, highest };
  };
}
