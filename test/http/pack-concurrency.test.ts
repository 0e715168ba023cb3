/**
 * How many tasks a prepaid pack lets run at once, counted where they run: at the emulated provider, which would take
 * many more, so that only the gateway's own limit can keep them down.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ROOT } from '../support/rows.ts';
import { until } from '../support/until.ts';

const DAY_S = 86_400;
const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
let sandbox: Sandbox;
let gateway: TestGateway;
let key = '';

beforeAll(async () => {
  sandbox = await startSandbox({
    dataDir: join(folder, 'sandbox'),
    // Long enough for all that may run at once to be submitted before the first of them is done, on a busy machine too.
    sandboxSeconds: 2,
    clipsDir: join(ROOT, 'src/sandbox/clips'),
  });
  kling().slots = 100;
  const file = join(folder, 'reelay.yaml');
  writeFileSync(
    file,
    `accounts:
  - { id: official, provider: kling, base_url: "${kling().url}", concurrency: 60, credentials: { KLING_API_KEY: test } }
`,
  );
  gateway = await startTestGateway({ REELAY_ALLOW_NETWORKS: '127.0.0.0/8', REELAY_CONFIG: file });
  await gateway.admin('POST', '/tenants', { id: 'acme', name: 'Acme' });
  key = ((await (await gateway.admin('POST', '/tenants/acme/keys', {})).json()) as { key: string }).key;
});
afterAll(async () => {
  await gateway.remove();
  await sandbox.stop();
  rmSync(folder, { recursive: true, force: true });
});

const kling = () => sandbox.emulators.find(({ id }) => id === 'kling') ?? expect.fail('no emulator of kling');
const nowS = (): number => Math.floor(Date.now() / 1_000);

interface Pack {
  readonly package: string;
  readonly state: string;
}
const add = async (body: object): Promise<void> =>
  expect((await gateway.admin('POST', '/packages', body)).status).toBe(200);
const packs = async () => ((await (await gateway.admin('GET', '/packages')).json()) as { data: Pack[] }).data;
const stateOf = async (name: string) => (await packs()).find((pack) => pack.package === name)?.state;
/** One that is not valid yet, and changes nothing but that the packs are looked at now and not within a minute. */
const lookNow = (): Promise<void> => add({ package: 'package-4', bought_at: nowS() + 900 * DAY_S });

async function slots(): Promise<number> {
  const { data } = (await (await gateway.admin('GET', '/providers')).json()) as { data: { slots: number }[] };
  return data[0]?.slots ?? expect.fail('no account');
}

/** By what the provider itself calls the models: it counts running tasks by model version. */
const LANES = { 'kling-v3': 'kling-3.0', 'kling-v3-turbo': 'kling-3.0-turbo' } as const;

/** Orders so many clips at once, waits for all of them, and says how many of the model ran at once at the most so far. */
async function mostOf(model: keyof typeof LANES, clips: number): Promise<number | undefined> {
  const body = JSON.stringify({ prompt: 'a red kite', model, seconds: 3 });
  const headers = { 'content-type': 'application/json' };
  const made = await Promise.all(
    Array.from({ length: clips }, async () => {
      const answer = await gateway.fetch('/v1/videos', { method: 'POST', key, headers, body });
      expect(answer.status).toBe(200);
      return ((await answer.json()) as { id: string }).id;
    }),
  );
  for (const id of made) {
    await until(`the end of ${id}`, async () => {
      const { status } = (await (await gateway.fetch(`/v1/videos/${id}`, { key })).json()) as { status: string };
      expect(status).not.toBe('failed');
      return status === 'completed';
    });
  }
  const stats = (await (await fetch(`${kling().url}/__sandbox/stats`)).json()) as {
    lanes: Record<string, { most: number }>;
  };
  return stats.lanes[LANES[model]]?.most;
}

it('a trial pack lets five run at once, the standard one behind it twenty, and what an operator says no more', async () => {
  expect(await slots()).toBe(60);
  // Six clips of three seconds at 0.6 units a second use the trial up.
  await add({ package: 'package-1', bought_at: nowS() - DAY_S });
  await add({ package: 'trial-s', bought_at: nowS() - DAY_S, units: '10.8' });
  expect([await stateOf('trial-s'), await slots()]).toEqual(['drawn_first', 5]);
  expect(await mostOf('kling-v3', 6)).toBe(5);

  await lookNow();
  expect([await stateOf('trial-s'), await stateOf('package-1'), await slots()]).toEqual(['used_up', 'drawn_first', 20]);
  expect(await mostOf('kling-v3', 24)).toBe(20);

  // Another model has slots of its own.
  await gateway.admin('PATCH', '/providers/official', { concurrency: 3 });
  expect([await slots(), await mostOf('kling-v3-turbo', 4)]).toEqual([3, 3]);
  await gateway.admin('PATCH', '/providers/official', { concurrency: 50 });
  expect([await slots(), await mostOf('kling-v3-turbo', 24)]).toEqual([20, 20]);
});

it('a trial pack that has expired lets the next one hold, and so does an operator whose limit is between the two', async () => {
  await gateway.admin('PATCH', '/providers/official', { concurrency: 12 });
  await add({ package: 'trial-l', bought_at: nowS(), expires_at: nowS() + 3 });
  expect([await stateOf('trial-l'), await slots()]).toEqual(['drawn_first', 5]);
  await until('the trial to expire', async () => (await stateOf('trial-l')) === 'expired');
  await lookNow();
  expect(await slots()).toBe(12);
  await gateway.admin('PATCH', '/providers/official', { concurrency: null });
  expect(await slots()).toBe(20);
});
