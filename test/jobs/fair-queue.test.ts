/**
 * Three tenants on one real gateway over HTTP, one of them a flood: no provider ever has more running than it allows, and
 * everything is made. The accounts come from a `reelay.yaml`, as an operator would write it. How long the small ones wait
 * is measured where a busy machine cannot disturb it, in virtual time: test/traffic.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ROOT } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const LIMITS = { kling: 5, evolink: 2, atlas: 3, fal: 4, piapi: 5 } as const;
const KEYS = {
  kling: 'KLING_API_KEY',
  evolink: 'EVOLINK_API_KEY',
  atlas: 'ATLASCLOUD_API_KEY',
  fal: 'FAL_KEY',
  piapi: 'PIAPI_API_KEY',
} as const;
const [FLOOD, SMALL, AT_ONCE] = [100, 12, 4];

it('a flood and two small tenants: limits are kept, and all clips are made', async () => {
  const emulators = await emulatedProviders();
  const gateway = await gatewayOn(emulators);
  const keys = await Promise.all(['flood', 'small', 'tiny'].map((id) => newTenant(gateway, id)));
  const [flood = '', small = '', tiny = ''] = keys;
  // What has never been measured counts as two minutes: so each provider makes one clip first.
  await Promise.all(emulators.map(({ id }) => clip(gateway, small, { only: [id] })));
  await Promise.all(Array.from({ length: FLOOD }, () => create(gateway, flood)));
  await Promise.all([inTurn(gateway, small), inTurn(gateway, tiny)]);
  const database = new Sqlite(join(gateway.dataDir, 'reelay.db'), { readonly: true });
  onTestFinished(() => void database.close());
  const open = database.prepare<[], { count: number }>('select count(*) count from jobs where due_at_ms is not null');
  await until('the end of the flood', () => open.get()?.count === 0, 30_000);

  const ended = database.prepare<[], { state: string; count: number }>(
    'select state, count(*) count from jobs group by state',
  );
  expect(ended.all()).toEqual([{ state: 'completed', count: FLOOD + 2 * SMALL + emulators.length }]);
  for (const { id, stats } of await statsOf(emulators)) {
    const most = Object.values(stats.lanes).map((lane) => lane.most);
    expect(Math.max(...most), `tasks at once at ${id}`).toBeLessThanOrEqual(LIMITS[id]);
    expect(Math.max(...most), `tasks at once at ${id}`).toBeGreaterThan(0);
  }
}, 60_000);

type ProviderId = keyof typeof LIMITS;
type Emulated = readonly { readonly id: ProviderId; readonly url: string }[];

async function emulatedProviders(): Promise<Emulated> {
  const sandbox = await startSandbox({
    dataDir: temporaryFolder(),
    sandboxSeconds: 0.7,
    clipsDir: join(ROOT, 'src/sandbox/clips'),
  });
  onTestFinished(() => sandbox.stop());
  return sandbox.emulators.map((emulator) => {
    const id = emulator.id as ProviderId;
    emulator.slots = LIMITS[id];
    return { id, url: emulator.url };
  });
}

async function gatewayOn(emulators: Emulated): Promise<TestGateway> {
  const accounts = emulators.map(({ id, url }) => ({
    id: `${id}-main`,
    provider: id,
    credentials: { [KEYS[id]]: 'test:test' },
    base_url: url,
    concurrency: LIMITS[id],
  }));
  // Time is dear here: else everybody would rather wait half a second for the cheapest than pay a cent more.
  const policy = { max_premium: 10, value_of_time_usd_per_hour: 10_000 };
  const file = join(temporaryFolder(), 'reelay.yaml');
  writeFileSync(file, JSON.stringify({ accounts, policy }));
  const gateway = await startTestGateway({ REELAY_CONFIG: file, REELAY_ALLOW_NETWORKS: '127.0.0.0/8' });
  onTestFinished(() => gateway.remove());
  return gateway;
}

async function newTenant(gateway: TestGateway, id: string): Promise<string> {
  await gateway.admin('POST', '/tenants', { id, name: id });
  const answer = await gateway.admin('POST', `/tenants/${id}/keys`, {});
  return ((await answer.json()) as { key: string }).key;
}

async function create(gateway: TestGateway, key: string, provider: object = {}): Promise<string> {
  const body = JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 3, provider });
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.fetch('/v1/videos', { method: 'POST', key, headers, body });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { id: string }).id;
}

/** Orders one clip after another, a few at once, as a small customer does. */
async function inTurn(gateway: TestGateway, key: string): Promise<void> {
  let left = SMALL;
  const customer = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await clip(gateway, key);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, customer));
}

/** Orders a clip and waits for it. */
async function clip(gateway: TestGateway, key: string, provider: object = {}): Promise<void> {
  const id = await create(gateway, key, provider);
  await until(`the end of ${id}`, async () => {
    const shown = (await (await gateway.fetch(`/v1/videos/${id}`, { key })).json()) as { status: string };
    return shown.status === 'completed';
  });
}

async function statsOf(emulators: Emulated) {
  return await Promise.all(
    emulators.map(async ({ id, url }) => ({
      id,
      stats: (await (await fetch(`${url}/__sandbox/stats`)).json()) as { lanes: Record<string, { most: number }> },
    })),
  );
}
