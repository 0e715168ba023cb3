/**
 * Provider accounts as operators see and steer them, on a real gateway whose accounts come from a `reelay.yaml`: a
 * provider that is down is left alone and taken up again by itself; a person's word holds, also over a restart.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ROOT } from '../support/rows.ts';
import { until } from '../support/until.ts';

interface Shown {
  readonly account: string;
  readonly isolated: boolean;
  readonly concurrency: number | null;
  readonly slots: number;
  readonly lanes: { lane: string; slots: number; slots_believed: number; running: number; free: number }[];
  readonly offers: {
    model: string;
    circuit: string;
    reason: string | null;
    success_rate: number;
    recent_failures: number;
    durations: { samples: number } | null;
  }[];
}

const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
let sandbox: Sandbox;
let gateway: TestGateway;
let key = '';
const environment: Record<string, string> = { REELAY_ALLOW_NETWORKS: '127.0.0.0/8', REELAY_CIRCUIT_SECONDS: '1' };

beforeAll(async () => {
  sandbox = await startSandbox({
    dataDir: join(folder, 'sandbox'),
    sandboxSeconds: 0.1,
    clipsDir: join(ROOT, 'src/sandbox/clips'),
  });
  const urlOf = (id: string): string | undefined => sandbox.emulators.find((emulator) => emulator.id === id)?.url;
  const file = join(folder, 'reelay.yaml');
  writeFileSync(
    file,
    `accounts:
  - { id: one, provider: atlas, base_url: "${urlOf('atlas')}", credentials: { ATLASCLOUD_API_KEY: test } }
  - { id: two, provider: fal, base_url: "${urlOf('fal')}", concurrency: 3, credentials: { FAL_KEY_ENV: ONES_KEY } }
aliases:
  house: { model: kling-v3, resolution: 720p }
policy: { max_premium: 5, value_of_time_usd_per_hour: 0 }
`,
  );
  Object.assign(environment, { REELAY_CONFIG: file, ONES_KEY: 'test:test' });
  gateway = await startTestGateway(environment);
  await gateway.admin('POST', '/tenants', { id: 'acme', name: 'Acme' });
  const made = await gateway.admin('POST', '/tenants/acme/keys', {});
  key = ((await made.json()) as { key: string }).key;
});
afterAll(async () => {
  await gateway.remove();
  await sandbox.stop();
  rmSync(folder, { recursive: true, force: true });
});

const shown = async (account: string): Promise<Shown> => {
  const { data } = (await (await gateway.admin('GET', '/providers')).json()) as { data: Shown[] };
  return data.find((each) => each.account === account) ?? expect.fail(`no account ${account}`);
};
const offerOf = async (account: string) => (await shown(account)).offers.find(({ model }) => model === 'kling-v3');

async function post(path: string): Promise<Response> {
  const body = JSON.stringify({ prompt: 'a red kite', model: 'house', seconds: 3 });
  return await gateway.fetch(path, { method: 'POST', key, body, headers: { 'content-type': 'application/json' } });
}

interface Ended {
  readonly status: string;
  readonly attempts: { provider: string; status: string }[];
}

async function clip(): Promise<Ended> {
  const { id } = (await (await post('/v1/videos')).json()) as { id: string };
  return await until(`the end of ${id}`, async () => {
    const video = (await (await gateway.fetch(`/v1/videos/${id}`, { key })).json()) as Ended;
    return ['completed', 'failed'].includes(video.status) ? video : null;
  });
}

const reasons = async (): Promise<Record<string, string | null>> => {
  const quote = (await (await post('/v1/videos/quote')).json()) as {
    candidates: { account: string; reason: string | null }[];
  };
  return Object.fromEntries(quote.candidates.map(({ account, reason }) => [account, reason]));
};

describe('an account', () => {
  it('from the file has its own id and limit, takes aliases with it, and shows what its clips took', async () => {
    expect(await clip()).toMatchObject({ status: 'completed', attempts: [{ provider: 'atlas' }] });
    expect(await shown('two')).toMatchObject({ slots: 3, lanes: [{ lane: 'two', slots: 3, running: 0, free: 3 }] });
    expect(await offerOf('one')).toMatchObject({ circuit: 'closed', reason: null, durations: { samples: 1 } });
    expect((await offerOf('one'))?.success_rate).toBeGreaterThan(0.95);
  });

  it('that is down gets no more jobs after five failures, and is taken up again by itself', async () => {
    const emulator = sandbox.emulators.find(({ id }) => id === 'atlas') ?? expect.fail('no emulator');
    await emulator.stop();
    for (let number = 0; number < 3; number += 1) expect(await clip()).toMatchObject({ status: 'completed' });
    expect(await offerOf('one')).toMatchObject({ recent_failures: expect.any(Number) });
    const failures = (await offerOf('one'))?.recent_failures ?? 0;
    expect(failures).toBeGreaterThanOrEqual(5);
    expect(failures).toBeLessThanOrEqual(5 + 3);
    await emulator.start();
    const served = await until('a clip from there', async () => {
      const { attempts } = await clip();
      return attempts.at(-1)?.provider === 'atlas' && attempts.length === 1;
    });
    expect(served).toBe(true);
    await clip();
    expect((await offerOf('one'))?.circuit).toBe('closed');
  });

  it('that a person isolates gets nothing, says so in quotes, and stays isolated over a restart', async () => {
    const answer = await gateway.admin('PATCH', '/providers/one', { isolated: true });
    expect(await answer.json()).toMatchObject({ account: 'one', isolated: true });
    expect((await offerOf('one'))?.circuit).toBe('isolated');
    expect(await reasons()).toMatchObject({ one: 'isolated by the operator', two: null });
    expect(await clip()).toMatchObject({ attempts: [{ provider: 'fal' }] });
    const { dataDir } = gateway;
    await gateway.stop();
    gateway = await startTestGateway({ ...environment, REELAY_DATA_DIR: dataDir });
    expect(await reasons()).toMatchObject({ one: 'isolated by the operator' });
    // Health is read from the attempts again.
    expect((await offerOf('two'))?.durations?.samples).toBeGreaterThan(0);
    await gateway.admin('PATCH', '/providers/one', { isolated: false });
    expect(await reasons()).toMatchObject({ one: null });
    expect(await offerOf('one')).toMatchObject({ circuit: 'closed', recent_failures: 0 });
  });

  it('that is disabled takes no part; with nobody left a request is refused with every reason', async () => {
    for (const account of ['one', 'two']) await gateway.admin('PATCH', `/providers/${account}`, { enabled: false });
    const answer = await post('/v1/videos');
    expect(answer.status).toBe(400);
    expect(JSON.stringify(await answer.json())).toMatch(/one \(kling-v3\): disabled by the operator/);
    for (const account of ['one', 'two']) await gateway.admin('PATCH', `/providers/${account}`, { enabled: true });
    expect(await reasons()).toMatchObject({ one: null, two: null });
  });

  it('runs as many tasks at once as an operator says, until told otherwise', async () => {
    await gateway.admin('PATCH', '/providers/two', { concurrency: 1 });
    expect(await shown('two')).toMatchObject({ concurrency: 1, slots: 1, lanes: [{ slots_believed: 1 }] });
    await gateway.admin('PATCH', '/providers/two', { concurrency: null });
    expect(await shown('two')).toMatchObject({ concurrency: null, slots: 3 });
  });

  it('that has no room for a task puts it back into the queue, is believed to have less, and makes it', async () => {
    sandbox.emulators.find(({ id }) => id === 'fal')?.faults.order({ fault: 'concurrency', times: 1 });
    await gateway.admin('PATCH', '/providers/one', { enabled: false });
    const { status, attempts } = await clip();
    expect([status, attempts.map((attempt) => attempt.status)]).toEqual(['completed', ['failed', 'completed']]);
    expect(await shown('two')).toMatchObject({ slots: 3, lanes: [{ slots_believed: 2 }] });
    expect((await offerOf('two'))?.circuit).toBe('closed');
    await gateway.admin('PATCH', '/providers/one', { enabled: true });
  });

  it.each([
    ['/providers/nobody', { isolated: true }, 404, /There are: one, two/],
    ['/providers/one', { concurrency: 0 }, 400, /concurrency/],
    ['/providers/one', { isolated: 'yes' }, 400, /isolated/],
    ['/providers/one', { colour: 'red' }, 400, /colour/],
  ])('%s with %j is refused with %i', async (path, body, status, words) => {
    const answer = await gateway.admin('PATCH', path, body);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(await answer.json())).toMatch(words);
  });
});
