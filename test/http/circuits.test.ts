/**
 * Circuits as those outside see them, on a real gateway whose two accounts lead to emulated providers that go down: the
 * decision says that nobody is well and who is tried, and the operator is told once of each opening, by HTTP.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ROOT } from '../support/rows.ts';
import { until } from '../support/until.ts';

interface Alarm {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const PROMPT = 'a red kite over dunes';
const KEY = 'key-that-is-told-to-nobody';
const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
const alarms: Alarm[] = [];
const bodies: string[] = [];
const environment: Record<string, string> = { REELAY_ALLOW_NETWORKS: '127.0.0.0/8', REELAY_CIRCUIT_SECONDS: '30' };
let operator: Server;
let sandbox: Sandbox;
let gateway: TestGateway;
let key = '';

beforeAll(async () => {
  operator = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      bodies.push(text);
      alarms.push(JSON.parse(text));
      response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => operator.listen(0, '127.0.0.1', () => resolve()));
  sandbox = await startSandbox({
    dataDir: join(folder, 'sandbox'),
    sandboxSeconds: 0.1,
    clipsDir: join(ROOT, 'src/sandbox/clips'),
  });
  const file = join(folder, 'reelay.yaml');
  writeFileSync(
    file,
    `accounts:
  - { id: one, provider: atlas, base_url: "${emulator('atlas').url}", credentials: { ATLASCLOUD_API_KEY: ${KEY} } }
  - { id: two, provider: fal, base_url: "${emulator('fal').url}", concurrency: 9, credentials: { FAL_KEY: "${KEY}:x" } }
policy: { max_premium: 5, value_of_time_usd_per_hour: 0 }
`,
  );
  const alertUrl = `http://127.0.0.1:${(operator.address() as AddressInfo).port}/`;
  Object.assign(environment, { REELAY_CONFIG: file, REELAY_ALERT_URL: alertUrl });
  gateway = await startTestGateway(environment);
  await gateway.admin('POST', '/tenants', { id: 'acme', name: 'Acme' });
  key = ((await (await gateway.admin('POST', '/tenants/acme/keys', {})).json()) as { key: string }).key;
});
afterAll(async () => {
  await gateway.remove();
  await sandbox.stop();
  operator.close();
  rmSync(folder, { recursive: true, force: true });
});

const emulator = (id: string) =>
  sandbox.emulators.find((each) => each.id === id) ?? expect.fail(`no emulator of ${id}`);

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly warnings: readonly string[];
  readonly route: readonly string[];
  readonly provider: string;
}

async function post(path: string): Promise<Shown> {
  const body = JSON.stringify({ prompt: PROMPT, model: 'kling-v3', seconds: 3 });
  const headers = { 'content-type': 'application/json' };
  const answer = await gateway.fetch(path, { method: 'POST', key, body, headers });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Shown;
}
const get = async (path: string) => (await (await gateway.fetch(path, { key })).json()) as Shown;
const endOf = (id: string) =>
  until(`the end of ${id}`, async () => {
    const video = await get(`/v1/videos/${id}`);
    return ['completed', 'failed'].includes(video.status) ? video : null;
  });

async function circuits(): Promise<Record<string, string>> {
  const { data } = (await (await gateway.admin('GET', '/providers')).json()) as {
    data: { account: string; offers: { model: string; circuit: string }[] }[];
  };
  return Object.fromEntries(
    data.map(({ account, offers }) => [account, offers.find(({ model }) => model === 'kling-v3')?.circuit ?? '']),
  );
}
const told = (type: string, account: string): Alarm[] =>
  alarms.filter((alarm) => alarm.type === type && alarm.data.account === account);

it('with every circuit open the least bad is tried, and quote, video and route say so', async () => {
  expect((await post('/v1/videos/quote')).warnings).toEqual([]);
  for (const id of ['atlas', 'fal']) await emulator(id).stop();
  await Promise.all(Array.from({ length: 8 }, () => post('/v1/videos')));
  await until('both circuits to open', async () => {
    const { one, two } = await circuits();
    return one === 'open' && two === 'open';
  });
  const says =
    /^no provider is healthy: (one|two) \(circuit open for another \d+ s after repeated failures\) is tried as the least bad$/;
  const quote = await post('/v1/videos/quote');
  expect(quote.warnings).toEqual([expect.stringMatching(says)]);
  expect([...quote.route].sort()).toEqual(['atlas', 'fal']);

  for (const id of ['atlas', 'fal']) await emulator(id).start();
  const video = await post('/v1/videos');
  expect(video.warnings).toEqual([expect.stringMatching(says)]);
  expect((await get(`/v1/videos/${video.id}/route`)).warnings).toEqual(video.warnings);
  // It is not held back until a circuit half-opens: that takes 27 s at least.
  expect(await endOf(video.id)).toMatchObject({ status: 'completed', warnings: video.warnings });
  expect(await circuits()).toEqual({ one: 'open', two: 'open' });
});

it('the operator hears once of each opening, not again after a restart, and once when it has closed', async () => {
  await until('an alarm of each', () => ['one', 'two'].every((account) => told('circuit.opened', account).length > 0));
  expect(told('circuit.opened', 'one')[0]?.data).toEqual({
    ...{ account: 'one', provider: 'atlas', model: 'kling-v3', reason: 'failures' },
    ...{ failures: expect.any(Number), opened_at: expect.any(Number), until: expect.any(Number) },
  });
  expect(told('circuit.opened', 'one')[0]?.data.failures).toBeGreaterThanOrEqual(5);
  const { dataDir } = gateway;
  await gateway.stop();
  // From here on a circuit half-opens after a second, so that it can recover while a test waits.
  gateway = await startTestGateway({ ...environment, REELAY_CIRCUIT_SECONDS: '1', REELAY_DATA_DIR: dataDir });
  await until('the circuit to close', async () => {
    await endOf((await post('/v1/videos')).id);
    return (await circuits()).one === 'closed';
  });
  await until('the alarm of it', () => told('circuit.closed', 'one').length > 0);
  expect(told('circuit.closed', 'one')[0]?.data).toEqual({
    ...{ account: 'one', provider: 'atlas', model: 'kling-v3', reason: 'failures', closed_by: 'success' },
    opened_at: told('circuit.opened', 'one')[0]?.data.opened_at,
  });
  // The restarted gateway has looked, or it could not have told of the end: of the opening it said nothing.
  expect(told('circuit.opened', 'one')).toHaveLength(1);
  expect(told('circuit.closed', 'one')).toHaveLength(1);
  for (const body of bodies) expect(body).not.toMatch(new RegExp(`${PROMPT}|${KEY}`));
});
