/**
 * How many tasks a prepaid pack lets run at once, counted where they run: at the emulated provider, which would take
 * many more, so that only the gateway's own limit can keep them down.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/ground/time.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { startKlingEmulator } from '../support/kling-emulator.ts';
import { until } from '../support/until.ts';

const DAY_S = 86_400;
const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
let provider: Awaited<ReturnType<typeof startKlingEmulator>>;
let gateway: TestGateway;
let key = '';
/** At the provider an hour passes when we say so: then every clip that runs there is done, and later ones are at once. */
const HOUR_MS = 3_600_000;
const hour = { passed: 0, held: false };
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + hour.passed * HOUR_MS };
const seconds = (): number => (hour.held ? HOUR_MS / 1_000 : 0.2);

beforeAll(async () => {
  provider = await startKlingEmulator(seconds, clock);
  provider.emulator.slots = 100;
  const file = join(folder, 'reelay.yaml');
  writeFileSync(
    file,
    `accounts:
  - { id: official, provider: kling, base_url: "${provider.emulator.url}", concurrency: 60, credentials: { KLING_API_KEY: test } }
`,
  );
  gateway = await startTestGateway({ REELAY_ALLOW_NETWORKS: '127.0.0.0/8', REELAY_CONFIG: file });
  await gateway.admin('POST', '/tenants', { id: 'acme', name: 'Acme' });
  key = ((await (await gateway.admin('POST', '/tenants/acme/keys', {})).json()) as { key: string }).key;
});
afterAll(async () => {
  await gateway.remove();
  await provider.stop();
  rmSync(folder, { recursive: true, force: true });
});

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

interface Video {
  readonly id: string;
  readonly status: string;
  readonly queue: { readonly position: number | null } | null;
}

const kling = async () =>
  (await (await fetch(`${provider.emulator.url}/__sandbox/stats`)).json()) as {
    lanes: Record<string, { most: number }>;
  };

async function order(model: string): Promise<string> {
  const body = JSON.stringify({ prompt: 'a red kite', model, seconds: 3 });
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.fetch('/v1/videos', { method: 'POST', key, headers, body });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as Video).id;
}

/**
 * Orders so many clips at once, waits until as many run at the provider as may, then orders one more, and waits for its
 * place in the queue: it is given out only when nobody before it could go either. Lets all of them end, and says how many of
 * the model ran at once at the most so far.
 */
async function mostOf(model: keyof typeof LANES, clips: number, atOnce: number): Promise<number | undefined> {
  hour.held = true;
  const made = await Promise.all(Array.from({ length: clips }, () => order(model)));
  await until(`${atOnce} clips to run`, () => provider.emulator.running(LANES[model]) >= atOnce);
  const late = await order(model);
  const videos = async (): Promise<Video[]> => {
    const answer = await gateway.fetch('/v1/videos?limit=100', { key });
    const { data } = (await answer.json()) as { data: Video[] };
    return data.filter(({ id }) => id === late || made.includes(id));
  };
  await until('the last clip to have its place in the queue', async () => {
    const { queue } = (await (await gateway.fetch(`/v1/videos/${late}`, { key })).json()) as Video;
    return queue?.position === clips - atOnce + 1;
  });
  Object.assign(hour, { passed: hour.passed + 1, held: false });
  await until(`the end of ${clips + 1} clips`, async () => {
    const states = (await videos()).map(({ status }) => status);
    expect(states).not.toContain('failed');
    return states.every((status) => status === 'completed');
  });
  return (await kling()).lanes[LANES[model]]?.most;
}

it('a trial pack lets five run at once; beside a standard one twenty, though the trial is drawn first; what an operator says no more', async () => {
  expect(await slots()).toBe(60);
  // Six clips of three seconds at 0.6 units a second use the trial up.
  await add({ package: 'trial-s', bought_at: nowS() - DAY_S, units: '10.8' });
  expect([await stateOf('trial-s'), await slots()]).toEqual(['drawn_first', 5]);
  expect(await mostOf('kling-v3', 5, 5)).toBe(5);

  await lookNow();
  expect([await stateOf('trial-s'), await slots()]).toEqual(['used_up', 60]);
  await add({ package: 'package-1', bought_at: nowS() - DAY_S });
  await add({ package: 'trial-l', bought_at: nowS() - DAY_S });
  const states = [await stateOf('trial-l'), await stateOf('package-1')];
  expect([...states, await slots()]).toEqual(['drawn_first', 'waiting', 20]);
  expect(await mostOf('kling-v3', 23, 20)).toBe(20);

  // Another model has slots of its own.
  await gateway.admin('PATCH', '/providers/official', { concurrency: 3 });
  expect([await slots(), await mostOf('kling-v3-turbo', 3, 3)]).toEqual([3, 3]);
  await gateway.admin('PATCH', '/providers/official', { concurrency: 50 });
  expect([await slots(), await mostOf('kling-v3-turbo', 23, 20)]).toEqual([20, 20]);
});

it('an operator whose limit is below that of the packs holds, until it is taken back', async () => {
  await gateway.admin('PATCH', '/providers/official', { concurrency: 12 });
  expect(await slots()).toBe(12);
  await gateway.admin('PATCH', '/providers/official', { concurrency: null });
  expect(await slots()).toBe(20);
});
