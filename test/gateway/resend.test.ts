/**
 * EvoLink's lost answer, the whole way: the paid probe tries the account, tells the gateway, and the gateway asks for the
 * task once more, on the emulator that really replays keys, or really buys twice. What was bought is counted there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { connectAccount } from '../../src/accounts.ts';
import { readConfig } from '../../src/config.ts';
import { present } from '../../src/ground/assert.ts';
import { credentialPrint } from '../../src/jobs/resend.ts';
import type { Fault } from '../../src/sandbox/faults.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { runReelay } from '../support/command.ts';
import { ADMIN_KEY, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { makePng } from '../support/images.ts';
import { ROOT } from '../support/rows.ts';
import { until } from '../support/until.ts';

const KEY = 'sk-evo-one-0123456789';
const OTHER_KEY = 'sk-evo-two-0123456789';
/** An account of the emulator's that takes no notice of keys. */
const FORGETFUL_KEY = 'sandbox-forgetful';
/** The first submission may leave within five seconds of its row; after that this test gives it no more time. */
const CHANGE = { resendAfterMs: 0 };
const WITHIN_MS = 60_000;

const root = mkdtempSync(join(tmpdir(), 'reelay-test-'));
const temporaryFolder = (): string => mkdtempSync(join(root, 'it-'));

/** What was started and is not stopped yet. The tests run side by side, so it is stopped when all of them are through. */
const started = new Set<() => Promise<void>>();
afterAll(async () => {
  await Promise.all([...started].map((stop) => stop()));
  rmSync(root, { recursive: true, force: true });
});

/** The same, stopped once at the latest when all tests are through. */
function stoppedAtEnd<T extends { stop(): Promise<void> }>(running: T): T {
  const stop = async (): Promise<void> => {
    if (started.delete(stop)) await running.stop();
  };
  started.add(stop);
  return { ...running, stop };
}

interface ShownReplay {
  readonly replays: boolean;
  readonly held_seconds: number;
  readonly counts: boolean;
}

/** EvoLink as emulated, and gateways with an account there. */
async function startEvolink() {
  const clipsDir = join(ROOT, 'src/sandbox/clips');
  const sandbox = stoppedAtEnd(await startSandbox({ dataDir: temporaryFolder(), sandboxSeconds: 0.2, clipsDir }));
  const emulator = present(
    sandbox.emulators.find(({ id }) => id === 'evolink'),
    'the emulated EvoLink',
  );
  const environment = (apiKey: string): Record<string, string> => ({
    REELAY_ALLOW_NETWORKS: '127.0.0.0/8',
    REELAY_POLL_MS: '50',
    EVOLINK_API_KEY: apiKey,
    EVOLINK_BASE_URL: emulator.url,
  });
  return { emulator, environment, orderFault: (fault: Fault) => emulator.faults.order({ fault }) };
}

type Evolink = Awaited<ReturnType<typeof startEvolink>>;

async function startOn(
  evolink: Evolink,
  { apiKey = KEY, dataDir = temporaryFolder(), ...more }: Record<string, string> & { apiKey?: string } = {},
): Promise<TestGateway & { tenantKey: string }> {
  const environment = { ...evolink.environment(apiKey), REELAY_DATA_DIR: dataDir, ...more };
  const gateway = stoppedAtEnd(await startTestGateway(environment, CHANGE));
  await gateway.admin('POST', '/tenants', { id: 'acme', name: 'Acme' });
  const made = (await (await gateway.admin('POST', '/tenants/acme/keys', {})).json()) as { key: string };
  return { ...gateway, tenantKey: made.key };
}

async function create(gateway: TestGateway & { tenantKey: string }, media?: FormData): Promise<string> {
  const { tenantKey: key } = gateway;
  const fields = { prompt: 'a red kite', model: 'kling-v3', seconds: '5' };
  for (const [name, value] of Object.entries(fields)) media?.append(name, value);
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    key,
    ...(media ? { body: media } : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(fields) }),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { id: string }).id;
}

const ended = (gateway: TestGateway & { tenantKey: string }, id: string) =>
  endOf({ fetch: (path, init) => gateway.fetch(path, { ...init, key: gateway.tenantKey }) }, id);

async function attemptsOf(gateway: TestGateway, id: string): Promise<{ state: string }[]> {
  const job = (await (await gateway.admin('GET', `/jobs/${id}`)).json()) as { attempts: { state: string }[] };
  return job.attempts;
}

/** Waits until a clip that was asked for later has been in doubt for as long as the repeat of this one would take. */
async function stillInDoubt(gateway: TestGateway, id: string): Promise<void> {
  await until('the doubt', async () => (await attemptsOf(gateway, id))[0]?.state === 'in_doubt');
  const endMs = performance.now() + 9_000;
  await until('the time of a repeat to be over', () => performance.now() > endMs);
  expect(await attemptsOf(gateway, id)).toMatchObject([{ state: 'in_doubt' }]);
}

async function keyReplay(gateway: TestGateway): Promise<ShownReplay | null> {
  const listed = (await (await gateway.admin('GET', '/providers')).json()) as {
    data: { account: string; key_replay: ShownReplay | null }[];
  };
  return present(
    listed.data.find(({ account }) => account === 'evolink'),
    'the account',
  ).key_replay;
}

/** Runs the probe as a user does. */
async function probe(evolink: Evolink, apiKey: string, args: readonly string[], more: Record<string, string> = {}) {
  const folder = temporaryFolder();
  const order = ['live', 'evolink', '--yes', '--replay', '--limit', '2', '--record', folder, '-o', folder, '--json'];
  return await runReelay([...order, ...args], { ...evolink.environment(apiKey), ...more });
}

describe('an account that replays', { concurrent: true }, () => {
  it(
    'is tried, and a clip whose answer was lost is asked for once more: one task, delivered',
    async () => {
      const evolink = await startEvolink();
      const gateway = await startOn(evolink);
      const admin = { REELAY_ADMIN_KEY: ADMIN_KEY };
      const ran = await probe(evolink, KEY, ['--replay-after', '12', '--url', gateway.url], admin);
      expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('this account replays')]);
      expect(JSON.parse(ran.stdout)).toMatchObject({ replayed: true, toldGateway: gateway.url });
      expect(evolink.emulator.repeats).toEqual({ replayed: 1, boughtTwice: 0 });
      expect(await keyReplay(gateway)).toMatchObject({ replays: true, counts: true });

      const before = evolink.emulator.list().length;
      evolink.orderFault('lost_answer');
      const id = await create(gateway);
      expect(await ended(gateway, id)).toMatchObject({ status: 'completed', provider: 'evolink' });
      expect(await attemptsOf(gateway, id)).toHaveLength(1);
      expect(evolink.emulator.list().length - before).toBe(1);
      expect(evolink.emulator.repeats).toEqual({ replayed: 2, boughtTwice: 0 });
      expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true });
    },
    WITHIN_MS,
  );

  it(
    'gets the same links and the same webhook address again, over a restart: another body would be a conflict',
    async () => {
      const evolink = await startEvolink();
      // Nobody is there: the task is found by nothing but the repeat.
      const address = { REELAY_PUBLIC_URL: 'http://127.0.0.1:9' };
      const dataDir = temporaryFolder();
      const before = await startOn(evolink, { dataDir, ...address });
      await tell(before, KEY, evolink);
      evolink.orderFault('lost_answer');
      const media = new FormData();
      media.append('input_reference', new Blob([new Uint8Array(makePng())], { type: 'image/png' }), 'a.png');
      const id = await create(before, media);
      await until('the doubt', async () => (await attemptsOf(before, id))[0]?.state === 'in_doubt');
      await before.stop();
      const environment = { ...evolink.environment(KEY), REELAY_DATA_DIR: dataDir, ...address };
      const after = stoppedAtEnd(await startTestGateway(environment, CHANGE));
      expect(await ended({ ...after, tenantKey: before.tenantKey }, id)).toMatchObject({ status: 'completed' });
      expect([evolink.emulator.list().length, evolink.emulator.repeats.replayed]).toEqual([1, 1]);
      expect(evolink.emulator.list()[0]?.request).toMatchObject({
        image_start: expect.stringMatching(/^http:\/\/127\.0\.0\.1:9\/uploads\/.*signature=/),
        callback_url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:9\/hooks\/evolink\/[0-9a-f]{32}$/),
      });
    },
    WITHIN_MS,
  );

  it(
    'is asked for nothing twice where nobody has tried it',
    async () => {
      const evolink = await startEvolink();
      const gateway = await startOn(evolink);
      evolink.orderFault('lost_answer');
      await stillInDoubt(gateway, await create(gateway));
      expect([evolink.emulator.list().length, evolink.emulator.repeats.replayed]).toEqual([1, 0]);
      expect(await keyReplay(gateway)).toBeNull();
    },
    WITHIN_MS,
  );

  it(
    'is asked for nothing twice with another key than it was tried with',
    async () => {
      const evolink = await startEvolink();
      const dataDir = temporaryFolder();
      const before = await startOn(evolink, { dataDir });
      await tell(before, KEY, evolink);
      expect(await keyReplay(before)).toMatchObject({ counts: true });
      await before.stop();
      const gateway = await startOn(evolink, { dataDir, apiKey: OTHER_KEY });
      expect(await keyReplay(gateway)).toMatchObject({ replays: true, counts: false });
      evolink.orderFault('lost_answer');
      await stillInDoubt(gateway, await create(gateway));
      expect([evolink.emulator.list().length, evolink.emulator.repeats.replayed]).toEqual([1, 0]);
    },
    WITHIN_MS,
  );
});

/** Tells the gateway that the account replays, as the probe would after five minutes. */
async function tell(gateway: TestGateway, apiKey: string, evolink: Evolink): Promise<void> {
  const [account] = readConfig(evolink.environment(apiKey)).accounts;
  const credential = credentialPrint(connectAccount(present(account, 'the account')));
  const body = { replays: true, held_seconds: 300, credential };
  const answer = await gateway.admin('PUT', '/providers/evolink/key_replay', body);
  expect([answer.status, await answer.json()]).toEqual([200, expect.objectContaining({ counts: true })]);
}

describe('an account that buys twice', { concurrent: true }, () => {
  it(
    'is found out by the probe, and nothing is ever sent to it again',
    async () => {
      const evolink = await startEvolink();
      const gateway = await startOn(evolink, { apiKey: FORGETFUL_KEY });
      // What was believed before is unlearnt, too.
      await tell(gateway, FORGETFUL_KEY, evolink);
      const admin = { REELAY_ADMIN_KEY: ADMIN_KEY, REELAY_URL: gateway.url };
      const ran = await probe(evolink, FORGETFUL_KEY, ['--replay-after', '0'], admin);
      expect([ran.code, JSON.parse(ran.stdout)]).toMatchObject([0, { replayed: false, toldGateway: gateway.url }]);
      expect(evolink.emulator.repeats).toEqual({ replayed: 0, boughtTwice: 1 });
      expect(await keyReplay(gateway)).toMatchObject({ replays: false, counts: false });

      const before = evolink.emulator.list().length;
      evolink.orderFault('lost_answer');
      await stillInDoubt(gateway, await create(gateway));
      expect([evolink.emulator.list().length - before, evolink.emulator.repeats.boughtTwice]).toEqual([1, 1]);
    },
    WITHIN_MS,
  );
});

describe('reelay live --replay', { concurrent: true }, () => {
  it(
    'writes into the data directory of a gateway that is not running, and says so',
    async () => {
      const evolink = await startEvolink();
      const dataDir = temporaryFolder();
      await (await startOn(evolink, { dataDir })).stop();
      const ran = await probe(evolink, KEY, ['--replay-after', '1'], { REELAY_DATA_DIR: dataDir });
      expect([ran.code, ran.stderr]).toEqual([0, expect.any(String)]);
      expect(JSON.parse(ran.stdout)).toMatchObject({ replayed: true, toldGateway: dataDir });
      const seen = await keyReplay(await startOn(evolink, { dataDir }));
      expect(seen).toMatchObject({ replays: true, counts: true });
      expect(seen?.held_seconds).toBeGreaterThan(0.9);
      expect(seen?.held_seconds).toBeLessThan(20);
    },
    WITHIN_MS,
  );

  it.each<[string, string, (gateway: TestGateway) => Record<string, string>, RegExp]>([
    [
      'no gateway has a store there',
      KEY,
      () => ({ REELAY_DATA_DIR: temporaryFolder() }),
      /has no store.*REELAY_ADMIN_KEY/,
    ],
    ['a gateway runs on it and no admin key is set', KEY, ({ dataDir }) => ({ REELAY_DATA_DIR: dataDir }), /--no-tell/],
    [
      'the gateway that runs has another key',
      OTHER_KEY,
      ({ url }) => ({ REELAY_ADMIN_KEY: ADMIN_KEY, REELAY_URL: url }),
      /another key or address than the gateway's own for evolink/,
    ],
  ])(
    'buys nothing where nobody could be told: %s',
    async (_why, apiKey, environment, says) => {
      const evolink = await startEvolink();
      const gateway = await startOn(evolink);
      const ran = await probe(evolink, apiKey, [], environment(gateway));
      expect([ran.code, ran.stderr]).toEqual([1, expect.stringMatching(says)]);
      expect(evolink.emulator.list()).toEqual([]);
      expect(await keyReplay(gateway)).toBeNull();
    },
    WITHIN_MS,
  );

  it(
    'tells nobody when it is asked to',
    async () => {
      const evolink = await startEvolink();
      const ran = await probe(evolink, KEY, ['--replay-after', '0', '--no-tell'], {
        REELAY_DATA_DIR: temporaryFolder(),
      });
      expect([ran.code, JSON.parse(ran.stdout)]).toMatchObject([0, { replayed: true, toldGateway: null }]);
    },
    WITHIN_MS,
  );
});

describe('PUT /admin/v1/providers/{account}/key_replay', { concurrent: true }, () => {
  it.each([
    ['nobody/key_replay', {}, 404, 'There are: evolink'],
    ['fal/key_replay', {}, 400, 'fal documents no replay by key'],
    ['evolink/key_replay', { credential: 'b'.repeat(64) }, 409, 'another key or address'],
    ['evolink/key_replay', { credential: 'short' }, 400, '64 hex digits'],
    ['evolink/key_replay', { held_seconds: -1 }, 400, 'held_seconds'],
  ])('%s with %j answers %i', async (path, change, status, says) => {
    const evolink = await startEvolink();
    const gateway = await startOn(evolink, { FAL_KEY: 'a:b' });
    const body = { replays: true, held_seconds: 300, credential: 'a'.repeat(64), ...change };
    const answer = await gateway.admin('PUT', `/providers/${path}`, body);
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(says)]);
    expect(await keyReplay(gateway)).toBeNull();
  });
});
