/** `reelay budgets`, and the limits that `tenants` and `keys` set, against a running gateway; mistakes say what to do. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { addTenantCommands } from '../../src/commands/admin.ts';
import { addBudgetCommands } from '../../src/commands/budgets.ts';
import { addKeyCommands } from '../../src/commands/keys.ts';
import { type Ran, runHere } from '../support/command.ts';
import { ADMIN_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '600' });
});
afterAll(() => gateway.remove());
beforeEach(() => {
  vi.stubEnv('REELAY_ADMIN_KEY', ADMIN_KEY);
  vi.stubEnv('REELAY_URL', gateway.url);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const reelay = (...args: string[]): Promise<Ran> =>
  runHere((program) => {
    addTenantCommands(program);
    addKeyCommands(program);
    addBudgetCommands(program);
  }, args);

/** What was printed with `--json`. */
async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await reelay(...args, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

const create = (key: string) =>
  gateway.fetch('/v1/videos', {
    method: 'POST',
    key,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 5 }),
  });

describe('reelay budgets', () => {
  it('sets, lists and removes caps of a tenant and of its keys, as tables and as JSON', async () => {
    await reelay('tenants', 'create', 'Acme', '--id', 'acme');
    const key = await json('keys', 'create', 'acme', '--name', 'ci');
    expect((await reelay('budgets', 'list', 'acme')).stdout).toContain('acme has no budget: reelay budgets set acme');
    expect((await reelay('budgets', 'set', 'acme', 'month', '250', '--alert', '80')).stdout).toContain(
      'acme: $250.00 per month; spent $0.00, held $0.00, left $250.00',
    );
    expect(await json('budgets', 'set', String(key.id), 'day', '19.99')).toMatchObject({
      scope: 'key',
      cap_usd: 19.99,
    });
    expect((await create(String(key.key))).status).toBe(200);
    const table = (await reelay('budgets', 'list', 'acme')).stdout;
    expect(table).toMatch(/acme +│ month +│ +\$250\.00 │ +\$0\.00 │ +\$0\.\d+ │ +\$249\.\d+ │ +80/);
    expect(table).toMatch(new RegExp(`${key.id} +│ day +│ +\\$19\\.99`));
    const listed = (await json('budgets', 'list', 'acme')) as unknown as { owner: string; held_usd: number }[];
    expect(listed.map(({ owner }) => owner)).toEqual(['acme', key.id]);
    expect(listed[0]?.held_usd).toBeGreaterThan(0);
    expect((await reelay('budgets', 'set', 'acme', 'month', '0.01')).stdout).toContain('nothing new is admitted');
    expect((await create(String(key.key))).status).toBe(429);
    expect((await reelay('budgets', 'remove', 'acme', 'month')).stdout).toContain('acme has no month budget any more');
    expect((await create(String(key.key))).status).toBe(200);
    expect((await reelay('keys', 'list', 'acme')).stdout).toMatch(/day \$\d+\.\d+ of \$19\.99/);
  });

  it.each([
    [['budgets', 'set', 'acme', 'week', '5'], 'Expected one of day, month, total'],
    [['budgets', 'set', 'acme', 'day', 'much'], 'Expected dollars with at most six decimals'],
    [['budgets', 'set', 'acme', 'day', '5', '--alert', '101'], 'whole number of percent from 1 to 100'],
    [['budgets', 'set', 'acme', 'day'], "missing required argument 'usd'"],
    [['budgets', 'list', `key_${'a'.repeat(34)}`], 'Expected a tenant id'],
    [['keys', 'create', 'acme', '--expires', 'soon'], 'Expected an instant to come: 30d, 12h, 2026-12-31'],
    [['keys', 'create', 'acme', '--expires', '2020-01-01'], 'Expected an instant to come'],
    [['keys', 'create', 'acme', '--rate-per-minute', '0'], 'Expected a whole number of at least 1, or none'],
    [['keys', 'create', 'acme', '--models', ','], 'Expected names with commas between them'],
    [['tenants', 'update', 'acme'], 'nothing to change: add --name, --markup, --concurrency or --rate-per-minute'],
  ])('%j is a mistake in the words', async (args, says) => {
    const { code, stderr } = await reelay(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(says);
  });

  it.each([
    [
      ['budgets', 'set', 'nobody', 'day', '5'],
      "There is no tenant 'nobody': GET /admin/v1/tenants and 'reelay tenants list' show them.",
    ],
    [['budgets', 'set', `key_${'a'.repeat(34)}`, 'day', '5'], 'There is no such key'],
    [['budgets', 'remove', 'sandbox', 'total'], 'There is no total budget of this tenant'],
    [['keys', 'create', 'sandbox', '--models', 'sora-9'], "The model 'sora-9' does not exist"],
  ])('%j fails and says why', async (args, says) => {
    const { code, stderr } = await reelay(...args);
    expect(code).toBe(1);
    expect(stderr).toContain(says);
  });
});

describe('limits', () => {
  it('of a tenant are set at its making, changed and lifted', async () => {
    const made = await json(
      'tenants',
      'create',
      'Beta',
      '--id',
      'beta',
      '--concurrency',
      '3',
      '--rate-per-minute',
      '90',
    );
    expect(made).toMatchObject({ concurrency: 3, rate_per_minute: 90 });
    expect(await json('tenants', 'update', 'beta', '--concurrency', 'none', '--markup', '12.5')).toMatchObject({
      ...{ concurrency: null, rate_per_minute: 90, markup_percent: 12.5 },
    });
    expect((await reelay('tenants', 'list')).stdout).toMatch(/beta +│ Beta +│ +12\.5 │ +- │ +90/);
  });

  it('of a key are set at its making and listed; a revoked one says so', async () => {
    const limits = ['--models', 'sora-2,kling-o3', '--providers', 'fal', '--rate-per-minute', '9', '--expires', '30d'];
    await reelay('tenants', 'create', 'Gamma', '--id', 'gamma');
    const made = await json('keys', 'create', 'gamma', ...limits);
    expect(made).toMatchObject({ models: ['kling-v3', 'kling-o3'], providers: ['fal'], rate_per_minute: 9 });
    const inDays = (Number(made.expires_at) * 1_000 - Date.now()) / 86_400_000;
    expect(inDays).toBeGreaterThan(29.9);
    expect(inDays).toBeLessThanOrEqual(30);
    expect((await reelay('keys', 'list', 'gamma')).stdout).toMatch(
      /until 20\d\d-\d\d-\d\d .* UTC │ kling-v3, kling-o3 │ fal/,
    );
    await reelay('keys', 'revoke', String(made.id));
    expect((await reelay('keys', 'list', 'gamma')).stdout).toContain('revoked');
  });
});
