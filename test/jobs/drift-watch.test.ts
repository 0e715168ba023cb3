/**
 * Drift that is watched: card rows against what providers report, accounts against what our entries explain, and costs
 * that were suspected too long. A real store, a clock that is moved by hand, and a provider that says what is left.
 */
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../src/ground/log.ts';
import { micros } from '../../src/ground/money.ts';
import { DriftWatch } from '../../src/jobs/drift-watch.ts';
import { explainedBy, unknownOf } from '../../src/jobs/reckoning.ts';
import { reconcile } from '../../src/jobs/reconcile.ts';
import { Rounds } from '../../src/jobs/rounds.ts';
import { collectRateCards } from '../../src/pricing/cards.ts';
import type { Database } from '../../src/store/database.ts';
import { type AttemptRow, type EntryKind, entries } from '../../src/store/schema.ts';
import { accountBalances, alarms } from '../../src/store/schema-alarms.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  attemptRow,
  COMPLETED,
  cardOf,
  countingMint,
  DAY_MS,
  FAILED,
  jobRow,
  MADE_AT_MS,
  openStoreWithTenant,
  PACKAGES,
  rate,
  store,
} from '../support/rows.ts';

const HOUR_MS = 3_600_000;
const ROW = 'kling-v3 text_to_video 720p silent';
const dollars = cardOf({ card: 'dollars', rates: [rate({ usd_per_second: 0.1 })] });
const units = cardOf({ card: 'units', kind: 'units', packages: PACKAGES, rates: [rate({ units_per_second: 0.6 })] });
const cards = collectRateCards([dollars, units]);

interface Told {
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A store, a clock, and an account of which the test says what is left. */
async function setting(answer: () => unknown = () => null) {
  const database = await openStoreWithTenant();
  const clock = new ManualClock(MADE_AT_MS);
  let woken = 0;
  const asked: unknown[] = [];
  const exchange = {
    request: (input: unknown) => asked.push(input),
    response: (given: unknown) => given,
  };
  const account = { id: 'atlas', provider: { id: 'atlas' }, connection: { balance: exchange }, target: {} };
  const read = async () => {
    const response = answer();
    return response === null ? { kind: 'unanswered' } : { kind: 'answered', response };
  };
  const alertRaised = () => {
    woken += 1;
  };
  const signals = { slotFreed() {}, alertRaised };
  const parts = { database, clock, cards, mint: countingMint(), log: silentLog, signals };
  const deps = { ...parts, accounts: new Map([['atlas', account]]), wire: { read } } as unknown as Parameters<
    typeof reconcile
  >[0];
  const told = async (): Promise<Told[]> =>
    (await database.read((tx) => tx.select().from(alarms).orderBy(alarms.id))).map(({ type, subject, body }) => ({
      type,
      subject,
      data: (JSON.parse(body) as Told).data,
    }));
  return { database, clock, deps, told, asked, woken: () => woken };
}

let made = 0;
/** A clip of the account that was made and has ended, with its cost in the ledger. */
async function clip(
  database: Database,
  atMs: number,
  change: { attempt?: Partial<AttemptRow>; cost?: bigint; kind?: EntryKind; job?: object } = {},
): Promise<string> {
  made += 1;
  const [jobId, attemptId] = [`video_${made}`, `att_${made}`];
  const times = { createdAtMs: atMs, acceptedAtMs: atMs, endedAtMs: atMs + 60_000 };
  const done = { state: 'succeeded', slotHeld: false, taskId: `task_${made}`, card: 'dollars@2026-11-01' } as const;
  await store(database, {
    jobs: [jobRow({ id: jobId, ...COMPLETED, ...change.job })],
    attempts: [attemptRow({ id: attemptId, jobId, ...done, ...times, ...change.attempt })],
  });
  const { cost = 500_000n, kind = 'cost' } = change;
  const place = { tenantId: 'ten_acme', keyId: 'key_acme', jobId, attemptId, day: '2026-11-21', pricedBy: '' };
  if (cost > 0n) {
    const entry = { id: `ent_${made}`, atMs, kind, amountMicros: micros(cost), ...place };
    await database.write((tx) => tx.insert(entries).values(entry));
  }
  return attemptId;
}

/** Clips whose provider reported `quantity` dollars for five seconds at ten cents. */
async function reports(
  database: Database,
  count: number,
  quantity: string,
  atMs = MADE_AT_MS - HOUR_MS,
): Promise<void> {
  const usage = JSON.stringify({ quantity, unit: 'usd' });
  for (let number = 0; number < count; number += 1) {
    await clip(database, atMs, { attempt: { usage, rate: ROW, id: attemptIdNow(number) }, cost: 0n });
  }
}
/** The search goes by the time in the ids, so the attempts need real ones. */
const attemptIdNow = (number: number): string => `att_zzzzzzzz${String(made).padStart(5, '0')}${number}`;

describe('a row of a rate card that drifts', () => {
  it('raises one alarm, however often it is looked at, and while the mean moves a little', async () => {
    const { database, deps, told, woken } = await setting();
    const watch = new DriftWatch(deps);
    await reports(database, 5, '0.6');
    expect(await watch.look()).toBe(1);
    expect(await watch.look()).toBe(0);
    await reports(database, 5, '0.601');
    expect(await watch.look()).toBe(0);
    // Another process, after a restart: the row remembers.
    expect(await new DriftWatch(deps).look()).toBe(0);
    expect(await told()).toMatchObject([
      {
        type: 'rate_card.drift',
        subject: `dollars@2026-11-01 ${ROW}`,
        data: { card: 'dollars', effective: '2026-11-01', rate: ROW, attempts: 5, ratio: 1.2 },
      },
    ]);
    expect((await told())[0]?.data.proposal).toContain('usd_per_second: 0.12');
    expect(woken()).toBe(1);
    expect(watch.rows()).toMatchObject([{ card: 'dollars', state: 'differs_consistently' }]);
  });

  it('raises another one when it drifts to another price', async () => {
    const { database, clock, deps, told } = await setting();
    const watch = new DriftWatch(deps);
    await reports(database, 5, '0.6');
    await watch.look();
    clock.advance(31 * DAY_MS);
    await reports(database, 5, '0.8', clock.nowMs());
    expect(await watch.look()).toBe(1);
    expect((await told()).map(({ data }) => data.ratio)).toEqual([1.2, 1.6]);
  });

  it.each([
    ['agrees', 6, '0.5'],
    ['has too few reports', 4, '0.6'],
  ])('raises none while it %s', async (_, count, quantity) => {
    const { database, deps, told } = await setting();
    await reports(database, count, quantity);
    expect(await new DriftWatch(deps).look()).toBe(0);
    expect(await told()).toEqual([]);
  });
});

const usd = (quantity: string) => ({ state: 'balance', left: { quantity, unit: 'usd' } });

describe('an account', () => {
  const running = (database: Database, atMs: number) =>
    clip(database, atMs, {
      cost: 0n,
      attempt: { state: 'running', endedAtMs: null },
      job: { state: 'running', dueAtMs: 1, fileDigest: null, fileBytes: null, endedAtMs: null },
    });

  /** Reads the account once for each balance, an hour apart; `between` happens in the first hour. */
  async function readings(
    balances: readonly unknown[],
    between: (database: Database, atMs: number) => Promise<unknown>,
  ) {
    const queue = [...balances];
    const on = await setting(() => queue.shift() ?? null);
    await reconcile(on.deps);
    on.clock.advance(HOUR_MS);
    await between(on.database, on.clock.nowMs() - HOUR_MS / 2);
    for (const _ of balances.slice(1)) {
      await reconcile(on.deps);
      on.clock.advance(HOUR_MS);
    }
    return on;
  }

  it('that lost what our entries say raises nothing', async () => {
    const { told } = await readings([usd('10'), usd('9.5'), usd('9.5')], (database, atMs) => clip(database, atMs));
    expect(await told()).toEqual([]);
  });

  it.each([
    ['five cents more', '9.45', []],
    ['six cents more', '9.44', [0.06]],
    ['six cents less', '9.56', [-0.06]],
  ])('that lost %s: %s left', async (_, left, unknown) => {
    const { told } = await readings([usd('10'), usd(left), usd(left)], (database, atMs) => clip(database, atMs));
    const alarmsTold = await told();
    expect(alarmsTold.map(({ data }) => data.unknown)).toEqual(unknown);
    for (const alarm of alarmsTold) {
      expect(alarm).toMatchObject({ type: 'provider.drift', subject: 'atlas', data: { left_before: 10, booked: 0.5 } });
    }
  });

  it('may have paid for a task that still runs, but for no more than that', async () => {
    const within = await readings([usd('10'), usd('9.65')], running);
    expect(await within.told()).toEqual([]);
    const beyond = await readings([usd('10'), usd('9.5')], running);
    expect((await beyond.told()).map(({ data }) => data.unknown)).toEqual([0.145]);
  });

  it('that leaks a little beside a running task is found when it adds up', async () => {
    const { told } = await readings([usd('10'), usd('9.61'), usd('9.6'), usd('9.59')], running);
    expect((await told()).map(({ data }) => data.unknown)).toEqual([0.055]);
  });

  it('that tells of its packs is reckoned in units; another set of packs is another sum', async () => {
    const pack = (id: string, unitsLeft: string) => ({
      id,
      name: 'video',
      unitsTotal: '100',
      unitsLeft,
      expiresAtMs: 9e15,
      active: true,
    });
    const packs = (...list: object[]) => ({ state: 'balance', packs: list });
    const ofUnits = { attempt: { card: 'units@2026-11-01', rate: ROW } };
    const known = await readings([packs(pack('a', '100')), packs(pack('a', '97'))], (database, atMs) =>
      clip(database, atMs, ofUnits),
    );
    expect(await known.told()).toEqual([]);
    const more = await readings([packs(pack('a', '100')), packs(pack('a', '95'))], (database, atMs) =>
      clip(database, atMs, ofUnits),
    );
    expect((await more.told()).map(({ data }) => [data.unit, data.unknown])).toEqual([['unit', 2]]);
    const bought = await readings(
      [packs(pack('a', '100')), packs(pack('a', '100'), pack('b', '5000'))],
      async () => {},
    );
    expect(await bought.told()).toEqual([]);
    const kept = await bought.database.read((tx) => tx.select().from(accountBalances));
    expect(kept).toMatchObject([{ account: 'atlas', unit: 'unit', basis: 'a b', leftNow: '5100.000000000' }]);
  });

  it('that does not answer keeps what was read before', async () => {
    const { database, told } = await readings([usd('10'), null, usd('9')], async () => {});
    expect((await told()).map(({ data }) => data.unknown)).toEqual([1]);
    expect(await database.read((tx) => tx.select().from(accountBalances))).toMatchObject([{ leftNow: '9.000000000' }]);
  });
});

describe('a cost that is suspected', () => {
  const doubtful = (database: Database, atMs: number) =>
    clip(database, atMs, {
      kind: 'suspected_cost',
      attempt: { state: 'in_doubt' },
      job: { ...FAILED, fileDigest: null, fileBytes: null },
    });

  it('is told of once it is older than a day, once for each account and new cost', async () => {
    const { database, clock, deps, told } = await setting();
    const first = await doubtful(database, clock.nowMs());
    clock.advance(DAY_MS - 1);
    await reconcile(deps);
    expect(await told()).toEqual([]);
    clock.advance(1);
    for (let again = 0; again < 3; again += 1) await reconcile(deps);
    expect(await told()).toMatchObject([
      { type: 'suspected_cost.open', subject: 'atlas', data: { count: 1, usd: 0.5 } },
    ]);
    clock.advance(1);
    await doubtful(database, clock.nowMs() - DAY_MS);
    await reconcile(deps);
    expect((await told()).map(({ data }) => data.count)).toEqual([1, 2]);
    // A resolution takes the newest off the list; what is left has been told of.
    await resolve(database, `att_${made}`, clock.nowMs());
    await reconcile(deps);
    expect(await told()).toHaveLength(2);
    await resolve(database, first, clock.nowMs());
    await reconcile(deps);
    expect(await told()).toHaveLength(2);
  });
});

async function resolve(database: Database, attemptId: string, atMs: number): Promise<void> {
  const jobId = attemptId.replace('att', 'video');
  const place = { tenantId: 'ten_acme', keyId: 'key_acme', jobId, attemptId, day: '2026-11-21', pricedBy: '' };
  const entry = {
    id: `ent_r${attemptId}`,
    atMs,
    kind: 'cost_resolution',
    amountMicros: micros(500_000n),
    ...place,
  } as const;
  await database.write((tx) => tx.insert(entries).values(entry));
}

describe('the reckoning', () => {
  const period = { unit: 'usd', fromMs: 1_000, toMs: 10_000, lagMs: 100 } as const;
  const attempt = {
    ...{ createdAtMs: 2_000, endedAtMs: 5_000, open: false, card: '', rate: '', usage: null, lengthMs: 5_000 },
    ...{ quotedMicros: micros(3n), bookedMicros: micros(2n), suspectedMicros: micros(0n) },
  };

  it.each([
    ['a whole life between the readings', {}, [2_000n, 0n]],
    ['one that ended within the lag', { endedAtMs: 9_950 }, [0n, 3_000n]],
    ['one that began before', { createdAtMs: 500 }, [0n, 3_000n]],
    ['one that goes on', { open: true }, [0n, 3_000n]],
    ['one that failed free of charge', { bookedMicros: micros(0n) }, [0n, 0n]],
    ['one that is suspected', { bookedMicros: micros(0n), suspectedMicros: micros(3n) }, [0n, 3_000n]],
    ['one that was over before', { createdAtMs: 1, endedAtMs: 2 }, [0n, 0n]],
  ])('%s', (_, change, expected) => {
    const { certain, perhaps } = explainedBy([{ ...attempt, ...change }], period, cards);
    expect([certain, perhaps]).toEqual(expected);
  });

  it.each([
    [5n, 5n],
    [2n, 0n],
    [0n, 0n],
    [-1n, -1n],
  ])('a loss of %s beyond what is certain, where two more are possible', (beyond, unknown) => {
    const explained = { certain: 10n, perhaps: beyond === 5n ? 0n : 2n };
    expect(unknownOf(10n + beyond, explained)).toBe(unknown);
  });
});

describe('rounds', () => {
  it('begin at once and come again after an hour, also after one that failed, until they are stopped', async () => {
    const clock = new ManualClock();
    let rounds = 0;
    const work = async () => {
      rounds += 1;
      if (rounds === 1) throw new Error('the first one fails');
    };
    const hourly = new Rounds({ clock, log: silentLog }, HOUR_MS, work);
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    hourly.start();
    await settle();
    expect(rounds).toBe(1);
    clock.advance(HOUR_MS - 1);
    expect(rounds).toBe(1);
    clock.advance(1);
    await settle();
    expect(rounds).toBe(2);
    await hourly.stop();
    clock.advance(2 * HOUR_MS);
    await settle();
    expect(rounds).toBe(2);
  });
});
