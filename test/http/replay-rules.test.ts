/**
 * Replays under the rules that were in force: what `reelay.yaml` says for everybody, what a tenant's policy was before it
 * was changed, and the slots that an account was given, whatever was refused a minute ago.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ROOT } from '../support/rows.ts';
import { until } from '../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
let sandbox: Sandbox;
let gateway: TestGateway;
let key = '';

const emulator = (name: string) => sandbox.emulators.find(({ id }) => id === name) ?? expect.fail(`no ${name}`);

beforeAll(async () => {
  const clipsDir = join(ROOT, 'src/sandbox/clips');
  sandbox = await startSandbox({ dataDir: join(folder, 'sandbox'), sandboxSeconds: 0.5, clipsDir });
  const account = (provider: string, name: string, value: string, concurrency: number) => ({
    ...{
      id: `my-${provider}`,
      provider,
      base_url: emulator(provider).url,
      concurrency,
      credentials: { [name]: value },
    },
  });
  const accounts = [account('fal', 'FAL_KEY', 'a:b', 3), account('atlas', 'ATLASCLOUD_API_KEY', 'a', 9)];
  const file = join(folder, 'reelay.yaml');
  // Atlas is the cheaper of the two: it would get every clip, were it not for this.
  writeFileSync(file, JSON.stringify({ accounts, policy: { only: ['fal'], max_premium: 0 } }));
  gateway = await startTestGateway({ REELAY_ALLOW_NETWORKS: '127.0.0.0/8', REELAY_CONFIG: file });
  await gateway.admin('POST', '/tenants', { id: 'acme', name: 'Acme', markup_percent: 20 });
  key = ((await (await gateway.admin('POST', '/tenants/acme/keys', {})).json()) as { key: string }).key;
});
afterAll(async () => {
  await gateway.remove();
  await sandbox.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function make(clips: number): Promise<void> {
  const body = JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 5 });
  const headers = { 'content-type': 'application/json' };
  const made = await Promise.all(
    Array.from({ length: clips }, async () => {
      const answer = await gateway.fetch('/v1/videos', { method: 'POST', key, headers, body });
      return ((await answer.json()) as { id: string }).id;
    }),
  );
  await until('the end of all clips', async () => {
    const videos = await Promise.all(
      made.map(async (id) => await (await gateway.fetch(`/v1/videos/${id}`, { key })).json()),
    );
    return videos.every((video) => (video as { status: string }).status === 'completed');
  });
}

interface Side {
  readonly completed: number;
  readonly price_usd: number;
  readonly cost_usd: number;
  readonly providers: object[];
  readonly wait_seconds: { p50: number; p95: number };
}
async function replay(body: object = {}) {
  const answer = await gateway.admin('POST', '/replay', body);
  return (await answer.json()) as { happened: Side; replayed: Side; notes: string[] };
}
const moneyOf = ({ completed, price_usd, cost_usd, providers }: Side) => ({
  completed,
  price_usd,
  cost_usd,
  providers,
});

it('what reelay.yaml says of every tenant holds in a replay too', async () => {
  await make(9);
  const { happened, replayed } = await replay();
  expect(happened).toMatchObject({ completed: 9, providers: [{ provider: 'fal', clips: 9 }] });
  expect(moneyOf(replayed)).toEqual(moneyOf(happened));
  // What is not tried stays: nobody may be dearer than the cheapest, however quick.
  const quickest = { only: ['atlas', 'fal'], sort: 'latency' };
  const { replayed: strict } = await replay({ policy: quickest });
  expect(strict.providers).toMatchObject([{ provider: 'atlas', clips: 9 }]);
  const { replayed: eased } = await replay({ policy: { ...quickest, max_premium: 1 } });
  expect(eased.providers).toMatchObject([{ provider: 'fal', clips: 9 }]);
  expect((await replay({ policy: { only: ['atlas'] } })).replayed.providers).toMatchObject([
    { provider: 'atlas', clips: 9 },
  ]);
});

it('what is believed of an account’s slots since a refusal just now changes nothing of the past', async () => {
  const { data } = (await (await gateway.admin('GET', '/providers')).json()) as {
    data: { account: string; slots: number }[];
  };
  expect(data.find(({ account }) => account === 'my-fal')?.slots).toBe(3);
  const to = Math.floor(Date.now() / 1_000) + 1;
  await until('the period to be over', async () => Date.now() >= to * 1_000);
  const period = { from: to - 600, to };
  const before = await replay(period);
  emulator('fal').faults.order({ fault: 'concurrency', times: 2 });
  await make(2);
  expect(await replay(period)).toEqual(before);
});

it('what a tenant’s policy and markup were is replayed, not what has become of them since', async () => {
  const { happened, notes } = await replay();
  expect(notes).toEqual([]);
  const policy = { only: ['atlas'], fallback: 'none', sort: 'latency', queue_timeout_seconds: 1 };
  expect((await gateway.admin('PATCH', '/tenants/acme', { markup_percent: 50, policy })).status).toBe(200);
  const again = await replay();
  expect(moneyOf(again.replayed)).toEqual(moneyOf(happened));
  expect(again.notes).toEqual([expect.stringMatching(/^11 videos were decided by another policy.*max_premium/)]);
  const tried = await replay({ policy: { only: ['atlas'] } });
  expect(tried.replayed.providers).toMatchObject([{ provider: 'atlas', clips: happened.completed }]);
});
