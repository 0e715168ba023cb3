/**
 * What operators are told of circuits: one alarm for each opening and one for its end, whoever looks and however often.
 * A real store with attempts as they end, and a clock that is moved by hand.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { eq } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../src/ground/log.ts';
import { CircuitWatch } from '../../src/jobs/circuit-watch.ts';
import { putAccountSettings } from '../../src/jobs/outlook-rows.ts';
import type { Database } from '../../src/store/database.ts';
import { type AccountSettingsRow, type AttemptRow, attempts } from '../../src/store/schema.ts';
import { alarms } from '../../src/store/schema-alarms.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  attemptRow,
  countingMint,
  FAILED,
  jobRow,
  MADE_AT_MS,
  openStore,
  openStoreWithTenant,
  ROOT,
  store,
} from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SECRET = 'a red kite over dunes';

const capabilities = [
  { model: 'kling-v3', upstream: 'k3' },
  { model: 'kling-o1', upstream: 'o1' },
];
const accounts = new Map([['one', { id: 'one', provider: { id: 'kling', capabilities } }]]);

interface Told {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

async function setting() {
  const database = await openStoreWithTenant();
  const clock = new ManualClock(MADE_AT_MS);
  const woken = { times: 0 };
  const alertRaised = (): void => {
    woken.times += 1;
  };
  const parts = { database, clock, accounts, settings: { circuitMs: 30_000 }, log: silentLog, mint: countingMint() };
  const deps = { ...parts, signals: { slotFreed() {}, alertRaised } } as unknown as ConstructorParameters<
    typeof CircuitWatch
  >[0];
  const told = async (): Promise<Told[]> => {
    const rows = await database.read((tx) => tx.select().from(alarms).orderBy(alarms.id));
    for (const { body } of rows) expect(body).not.toMatch(/kite|detail|prompt/);
    return rows.map(({ type, body }) => ({ type, data: (JSON.parse(body) as Told).data }));
  };
  const types = async () => (await told()).map(({ type, data }) => `${type} ${data.model ?? 'account'} ${data.reason}`);
  const settle = async (change: Partial<AccountSettingsRow>): Promise<void> => {
    const standing = { account: 'one', enabled: true, isolated: false, concurrency: null, healthSinceMs: 0 };
    await database.write((tx) => putAccountSettings(tx, { ...standing, changedAtMs: clock.nowMs(), ...change }));
  };
  return { database, clock, deps, watch: new CircuitWatch(deps), told, types, woken, settle };
}

let made = 0;
async function attempt({ database, clock }: { database: Database; clock: ManualClock }, change: Partial<AttemptRow>) {
  made += 1;
  const [id, jobId, nowMs] = [`att_${made}`, `video_${made}`, clock.nowMs()];
  const ended = { state: 'failed', slotHeld: false, endedAtMs: nowMs, failureDetail: SECRET } as const;
  const place = { account: 'one', lane: 'one', model: 'kling-v3', upstream: 'k3', createdAtMs: nowMs };
  await store(database, {
    jobs: [jobRow({ id: jobId, ...FAILED })],
    attempts: [attemptRow({ id, jobId, ...place, ...ended, ...change })],
  });
}
type Set = Awaited<ReturnType<typeof setting>>;
const fails = async (set: Set, times: number, change: Partial<AttemptRow> = {}): Promise<void> => {
  for (let count = 0; count < times; count += 1) await attempt(set, { failureKind: 'unavailable', ...change });
};
const isTaken = async (set: Set, change: Partial<AttemptRow> = {}): Promise<void> => {
  made += 1;
  const nowMs = set.clock.nowMs();
  const taskId = `task_${made}`;
  await attempt(set, { state: 'succeeded', taskId, acceptedAtMs: nowMs, failureDetail: null, ...change });
};

describe('a circuit', () => {
  it('that opens is told of once, however often it is looked at, and by whoever looks', async () => {
    const set = await setting();
    await fails(set, 4);
    expect([await set.watch.look(), await set.types()]).toEqual([0, []]);
    await fails(set, 1);
    const others = [new CircuitWatch(set.deps), new CircuitWatch(set.deps)];
    const raised = await Promise.all([set.watch, ...others].map((watch) => watch.look()));
    expect(raised.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect([await set.watch.look(), set.woken.times]).toEqual([0, 1]);
    const seconds = MADE_AT_MS / 1_000;
    const [{ data } = expect.fail('no alarm')] = await set.told();
    const until = Number(data.until);
    expect(data).toEqual({
      ...{ account: 'one', provider: 'kling', model: 'kling-v3', reason: 'failures' },
      ...{ failures: 5, opened_at: seconds, until },
    });
    expect(until - seconds >= 27 && until - seconds <= 33).toBe(true);
  });

  it('whose probes fail is told of no more, over a restart too; when two went well it is told that it has closed', async () => {
    const set = await setting();
    await fails(set, 5);
    await set.watch.look();
    for (let probes = 0; probes < 4; probes += 1) {
      set.clock.advance(2 * MINUTE_MS);
      await fails(set, 1);
      expect([await set.watch.look(), await new CircuitWatch(set.deps).look()]).toEqual([0, 0]);
    }
    set.clock.advance(2 * MINUTE_MS);
    await isTaken(set);
    expect(await set.watch.look()).toBe(0);
    await isTaken(set);
    // The process that told of the opening is not the one that tells of the end.
    expect(await new CircuitWatch(set.deps).look()).toBe(1);
    expect(await set.watch.look()).toBe(0);
    expect(await set.types()).toEqual(['circuit.opened kling-v3 failures', 'circuit.closed kling-v3 failures']);
    expect((await set.told())[1]?.data).toMatchObject({ opened_at: MADE_AT_MS / 1_000, closed_by: 'success' });
    await fails(set, 5);
    expect(await set.watch.look()).toBe(1);
    expect((await set.types()).at(-1)).toBe('circuit.opened kling-v3 failures');
  });

  it('whose alarm the store refuses is told of at the next look', async () => {
    const set = await setting();
    let refuse = true;
    const write: Database['write'] = (work) => (refuse ? Promise.reject(new Error('full')) : set.database.write(work));
    const database = { ...set.deps.database, read: set.database.read.bind(set.database), write };
    const watch = new CircuitWatch({ ...set.deps, database });
    await fails(set, 5);
    await expect(watch.look()).rejects.toThrow('full');
    refuse = false;
    set.clock.advance(10 * MINUTE_MS);
    expect(await watch.look()).toBe(1);
  });

  it('that five large uploads open for some seconds is told to nobody', async () => {
    const set = await setting();
    const from = made;
    const underWay = { state: 'submitting', endedAtMs: null, failureDetail: null } as const;
    for (let count = 0; count < 5; count += 1) await attempt(set, { ...underWay, sendByMs: set.clock.nowMs() + 5_000 });
    for (const waits of [10_000, 5_000, 10_000]) {
      set.clock.advance(waits);
      expect([await set.watch.look(), await new CircuitWatch(set.deps).look()]).toEqual([0, 0]);
    }
    for (let number = from + 1; number <= made; number += 1) {
      const taken = { state: 'running', acceptedAtMs: set.clock.nowMs(), taskId: `task_large_${number}` } as const;
      await set.database.write((tx) =>
        tx
          .update(attempts)
          .set(taken)
          .where(eq(attempts.id, `att_${number}`)),
      );
    }
    set.clock.advance(10_000);
    expect([await set.watch.look(), await set.types()]).toEqual([0, []]);
  });

  it('is told of when five submissions have had no answer for half a minute, and closes when all are answered', async () => {
    const set = await setting();
    const change = { state: 'submitting', endedAtMs: null, failureDetail: null } as const;
    const from = made;
    for (let count = 0; count < 5; count += 1) await attempt(set, { ...change, sendByMs: set.clock.nowMs() + 5_000 });
    set.clock.advance(29_000);
    expect(await set.watch.look()).toBe(0);
    set.clock.advance(1_000);
    expect(await set.watch.look()).toBe(1);
    const opened = MADE_AT_MS / 1_000 + 10;
    expect((await set.told())[0]?.data).toMatchObject({ reason: 'failures', failures: 5, opened_at: opened });
    set.clock.advance(20_000);
    // Given up: no other opening. Taken after all: the end of it.
    for (const [end, told] of [
      [{ state: 'in_doubt', troubledAtMs: set.clock.nowMs() }, 0],
      [{ state: 'running', acceptedAtMs: set.clock.nowMs(), troubledAtMs: null }, 1],
    ] as const) {
      for (let number = from + 1; number <= made; number += 1) {
        const taskId = end.state === 'running' ? `task_slow_${number}` : null;
        await set.database.write((tx) =>
          tx
            .update(attempts)
            .set({ ...end, taskId })
            .where(eq(attempts.id, `att_${number}`)),
        );
      }
      expect([await set.watch.look(), await new CircuitWatch(set.deps).look()]).toEqual([told, 0]);
    }
    expect((await set.told()).at(-1)?.data).toMatchObject({ opened_at: opened, closed_by: 'success' });
  });

  it('is each model its own', async () => {
    const set = await setting();
    await fails(set, 5, { model: 'kling-o1', upstream: 'o1' });
    await fails(set, 4);
    expect([await set.watch.look(), await set.types()]).toEqual([1, ['circuit.opened kling-o1 failures']]);
  });

  it('that nothing was sent to for so long that its failures count no more has closed by age', async () => {
    const set = await setting();
    await fails(set, 5);
    await set.watch.look();
    set.clock.advance(7 * HOUR_MS);
    expect(await new CircuitWatch(set.deps).look()).toBe(1);
    expect((await set.told())[1]?.data).toMatchObject({ closed_by: 'age' });
  });
});

describe('a person', () => {
  it.each([{ isolated: true }, { enabled: false }])('who says %j hears nothing of it', async (change) => {
    const set = await setting();
    await set.settle(change);
    await fails(set, 6);
    await attempt(set, { failureKind: 'unauthorized' });
    expect([await set.watch.look(), await set.types()]).toEqual([0, []]);
  });

  it('who has the failures forgotten has closed it', async () => {
    const set = await setting();
    await fails(set, 5);
    await set.watch.look();
    await set.settle({ isolated: true });
    expect(await set.watch.look()).toBe(0);
    set.clock.advance(1_000);
    await set.settle({ healthSinceMs: set.clock.nowMs() });
    expect(await set.watch.look()).toBe(1);
    expect((await set.told())[1]).toMatchObject({ type: 'circuit.closed', data: { closed_by: 'operator' } });
  });
});

describe('an account that is shut', () => {
  it.each([
    ['out_of_credit', 5 * 60],
    ['unauthorized', null],
  ] as const)('%s is told of once, whatever is tried meanwhile, until something is accepted', async (reason, open) => {
    const set = await setting();
    await attempt(set, { failureKind: reason });
    expect(await set.watch.look()).toBe(1);
    const until = open === null ? null : MADE_AT_MS / 1_000 + open;
    const whole = { account: 'one', provider: 'kling', model: null, reason };
    expect((await set.told())[0]?.data).toEqual({ ...whole, failures: 1, opened_at: MADE_AT_MS / 1_000, until });
    for (let tries = 0; tries < 3; tries += 1) {
      set.clock.advance(6 * MINUTE_MS);
      await attempt(set, { failureKind: reason, model: 'kling-o1', upstream: 'o1' });
      expect([await set.watch.look(), await new CircuitWatch(set.deps).look()]).toEqual([0, 0]);
    }
    set.clock.advance(6 * MINUTE_MS);
    await isTaken(set);
    expect(await set.watch.look()).toBe(1);
    expect(await set.types()).toEqual([`circuit.opened account ${reason}`, `circuit.closed account ${reason}`]);
  });

  it('for both reasons is told of for each', async () => {
    const set = await setting();
    await attempt(set, { failureKind: 'out_of_credit' });
    await set.watch.look();
    set.clock.advance(MINUTE_MS);
    await attempt(set, { failureKind: 'unauthorized' });
    await set.watch.look();
    expect(await set.types()).toEqual(['circuit.opened account out_of_credit', 'circuit.opened account unauthorized']);
  });

  it('an offer that its provider does not know is told of by its name', async () => {
    const set = await setting();
    await attempt(set, { failureKind: 'offer_refused' });
    await set.watch.look();
    expect(await set.types()).toEqual(['circuit.opened kling-v3 offer_refused']);
  });
});

it('alarms of before circuits were told of are kept by the migration, and raised no second time', async () => {
  const folder = temporaryFolder();
  const older = join(temporaryFolder(), 'migrations');
  cpSync(join(ROOT, 'migrations'), older, { recursive: true });
  const journal = join(older, 'sqlite/meta/_journal.json');
  const known = JSON.parse(readFileSync(journal, 'utf8')) as { entries: { tag: string }[] };
  const at = known.entries.findIndex(({ tag }) => tag === '0011_circuit_alarms');
  expect(at).toBeGreaterThan(0);
  writeFileSync(journal, JSON.stringify({ ...known, entries: known.entries.slice(0, at) }));
  await openSqlite({ folder, migrationsFolder: older }).close();
  const before = new Sqlite(join(folder, 'reelay.db'));
  const insert = "insert into alarms values ('alr_1', 'provider.drift', 'one', 'mark', '{}', 2, 7, 5)";
  before.exec(insert);
  before.close();
  const database = openStore(folder);
  const rows = await database.read((tx) => tx.select().from(alarms));
  const kept = { id: 'alr_1', type: 'provider.drift', subject: 'one', mark: 'mark', body: '{}', tries: 2 };
  expect(rows).toEqual([{ ...kept, dueAtMs: 7, createdAtMs: 5 }]);
  await expect(
    database.write((tx) => tx.insert(alarms).values({ ...rows[0], id: 'alr_2' } as (typeof rows)[number])),
  ).rejects.toThrow('UNIQUE');
});
