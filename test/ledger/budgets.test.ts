/**
 * What is settled and held under a cap never comes above it, whatever the history: random ones are compared with a
 * model that adds up by hand, and books that were tampered with are found out. Real store, real ledger, time by hand.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { eq } from 'drizzle-orm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Micros, micros, sumMicros, usd } from '../../src/ground/money.ts';
import { placeHold, releaseHold, settleHold } from '../../src/ledger/account.ts';
import { audit } from '../../src/ledger/audit.ts';
import { BudgetFull, type BudgetName, budgetsOfCaller, removeBudget, setBudget } from '../../src/ledger/budget.ts';
import type { BudgetAlert } from '../../src/ledger/budget-alerts.ts';
import { leftOf, spanOf } from '../../src/ledger/budget-counters.ts';
import { revokeKey } from '../../src/ledger/key.ts';
import type { Database } from '../../src/store/database.ts';
import { apiKeys, entries, type JobRow, jobs, tenants } from '../../src/store/schema.ts';
import { BUDGET_PERIODS, type BudgetPeriod, budgetCounters, budgets } from '../../src/store/schema-budgets.ts';
import { COMPLETED, countingMint, DAY_MS, FAILED, jobRow, MADE_AT_MS, openStoreWithTenant } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const TENANT = { scope: 'tenant', ownerId: 'ten_acme' } as const;
const KEY = { scope: 'key', ownerId: 'key_acme' } as const;
const mint = countingMint();
const at = (nowMs: number) => ({ nowMs, mint });
const by = { attemptId: 'att_1', pricedBy: 'card row' };

describe('a cap', () => {
  it('is reached to the micro-dollar and not passed', async () => {
    const { database } = await open();
    await set(database, { ...TENANT, period: 'month' }, usd(1));
    await admit(database, { id: 'video_1', holdMicros: usd(0.6) });
    await expect(admit(database, { id: 'video_2', holdMicros: micros(400_001n) })).rejects.toThrow(BudgetFull);
    await admit(database, { id: 'video_3', holdMicros: usd(0.4) });
    expect(await used(database, 'month')).toEqual([0n, 1_000_000n]);
    await expect(admit(database, { id: 'video_4', holdMicros: micros(1n) })).rejects.toThrow(BudgetFull);
  });

  it('turns a clip away with what it would cost and what is left, and leaves nothing of it behind', async () => {
    const { database } = await open();
    await set(database, { ...TENANT, period: 'month' }, usd(2));
    await admit(database, { id: 'video_1', holdMicros: usd(1) });
    await end(database, 'video_1', usd(0.75));
    await admit(database, { id: 'video_2', holdMicros: usd(0.5) });
    const refused = await admit(database, { id: 'video_3', holdMicros: usd(0.84) }).catch((error) => error);
    expect(refused).toMatchObject({ code: 'insufficient_quota', status: 429, headers: { 'x-should-retry': 'false' } });
    expect(refused.toEnvelope().error.type).toBe('insufficient_quota');
    expect(refused.message).toBe(
      "This clip may cost up to $0.84, and your account's budget for 2026-11 (UTC) has $0.75 left: cap $2.00, " +
        'spent $0.75, held $0.50. Nothing was charged; wait for 2026-12-01, or ask the operator of this gateway for a ' +
        'higher cap.',
    );
    expect(await database.read((tx) => tx.select().from(jobs).where(eq(jobs.id, 'video_3')))).toEqual([]);
    expect(await database.read((tx) => tx.select().from(entries).where(eq(entries.jobId, 'video_3')))).toEqual([]);
  });

  it('that is the tightest is named, and none of the others keeps a hold', async () => {
    const { database } = await open();
    await set(database, { ...TENANT, period: 'total' }, usd(9));
    await set(database, { ...TENANT, period: 'month' }, usd(0.5));
    await set(database, { ...KEY, period: 'day' }, usd(0.25));
    const refused = await admit(database, { id: 'video_1', holdMicros: usd(1) }).catch((error) => error);
    expect(refused.message).toContain("this API key's budget for 2026-11-21 (UTC) has $0.25 left");
    expect(refused.message).toContain('wait for 2026-11-22');
    const counters = await database.read((tx) => tx.select().from(budgetCounters));
    expect(counters.map(({ heldMicros }) => heldMicros)).toEqual([0n, 0n, 0n]);
  });

  it.each(BUDGET_PERIODS)('of a %s that is set later counts what was settled and held before', async (period) => {
    const { database } = await open();
    await admit(database, { id: 'video_1', holdMicros: usd(1) });
    await end(database, 'video_1', usd(0.7));
    await admit(database, { id: 'video_2', holdMicros: usd(0.2) });
    await admit(database, { id: 'video_3', holdMicros: usd(3) });
    await end(database, 'video_3', null);
    await set(database, { ...TENANT, period }, usd(1));
    await set(database, { ...KEY, period }, usd(2));
    expect(await used(database, period)).toEqual([700_000n, 200_000n]);
    await expect(admit(database, { id: 'video_4', holdMicros: micros(100_001n) })).rejects.toThrow(BudgetFull);
    await end(database, 'video_2', usd(0));
    await admit(database, { id: 'video_4', holdMicros: usd(0.3) });
    expect(await database.read(audit)).toMatchObject({ ok: true });
  });

  it('lowered below what is in use admits nothing and disturbs nothing', async () => {
    const { database } = await open();
    await set(database, { ...TENANT, period: 'month' }, usd(5));
    await admit(database, { id: 'video_1', holdMicros: usd(3) });
    await admit(database, { id: 'video_2', holdMicros: usd(1) });
    await set(database, { ...TENANT, period: 'month' }, usd(1));
    await expect(admit(database, { id: 'video_3', holdMicros: micros(1n) })).rejects.toThrow(BudgetFull);
    expect(await database.read(audit)).toMatchObject({ ok: true });
    await end(database, 'video_1', usd(2.5));
    await end(database, 'video_2', null);
    expect(await used(database, 'month')).toEqual([2_500_000n, 0n]);
    await expect(admit(database, { id: 'video_3', holdMicros: micros(1n) })).rejects.toThrow(BudgetFull);
    await set(database, { ...TENANT, period: 'month' }, usd(2.6));
    await admit(database, { id: 'video_3', holdMicros: usd(0.1) });
    expect(await database.read(audit)).toMatchObject({ ok: true });
  });

  it('that was taken away lets everything through, and counts all of it when it comes back', async () => {
    const { database } = await open();
    await set(database, { ...KEY, period: 'total' }, usd(1));
    expect(await database.write((tx) => removeBudget(tx, { ...KEY, period: 'total' }))).toBe(true);
    expect(await database.write((tx) => removeBudget(tx, { ...KEY, period: 'total' }))).toBe(false);
    await admit(database, { id: 'video_1', holdMicros: usd(4) });
    await set(database, { ...KEY, period: 'total' }, usd(5));
    await expect(admit(database, { id: 'video_2', holdMicros: usd(1.1) })).rejects.toThrow(BudgetFull);
    await admit(database, { id: 'video_2', holdMicros: usd(1) });
  });

  it('of one tenant or key is no other one’s', async () => {
    const { database } = await open();
    await set(database, { ...KEY, period: 'day' }, usd(1));
    await admit(database, { id: 'video_1', keyId: 'key_two', holdMicros: usd(50) });
    await admit(database, { id: 'video_2', holdMicros: usd(1) });
    expect(await used(database, 'day')).toEqual([0n, 1_000_000n]);
  });
});

describe('a period', () => {
  const MIDNIGHT = Date.UTC(2026, 11, 1);

  it('is the one of the admission, wherever the job ends; the next one starts with the whole cap', async () => {
    const { database } = await open();
    for (const period of ['day', 'month'] as const) await set(database, { ...TENANT, period }, usd(1));
    await admit(database, { id: 'video_1', holdMicros: usd(0.8), createdAtMs: MIDNIGHT - 1 });
    await admit(database, { id: 'video_2', holdMicros: usd(1), createdAtMs: MIDNIGHT });
    await end(database, 'video_1', usd(0.6));
    await end(database, 'video_2', usd(0.9));
    const rows = await database.read((tx) => tx.select().from(budgetCounters));
    const settled = Object.fromEntries(rows.map(({ span, settledMicros }) => [span, settledMicros]));
    expect(settled).toMatchObject({
      ...{ '2026-11-30': 600_000n, '2026-11': 600_000n },
      ...{ '2026-12-01': 900_000n, '2026-12': 900_000n },
    });
    expect(await database.read(audit)).toMatchObject({ ok: true });
  });

  it('that is over when its budget is made needs no counter; whoever is late to it is counted all the same', async () => {
    const { database } = await open();
    await admit(database, { id: 'video_1', holdMicros: usd(0.8), createdAtMs: MIDNIGHT - 2 });
    await set(database, { ...TENANT, period: 'day' }, usd(1), MIDNIGHT);
    // Another process, whose clock is behind, admits into yesterday.
    await expect(admit(database, { id: 'video_2', holdMicros: usd(0.3), createdAtMs: MIDNIGHT - 1 })).rejects.toThrow(
      BudgetFull,
    );
    await admit(database, { id: 'video_2', holdMicros: usd(0.2), createdAtMs: MIDNIGHT - 1 });
    await end(database, 'video_1', usd(0.1));
    expect(await database.read(audit)).toMatchObject({ ok: true });
  });

  it.each([
    ['day', Date.UTC(2026, 10, 21, 23, 59, 59, 999), '2026-11-21'],
    ['day', Date.UTC(2028, 1, 29), '2028-02-29'],
    ['month', Date.UTC(2026, 11, 31, 23, 59, 59, 999), '2026-12'],
    ['total', 0, 'total'],
  ] as const)('of a %s at %d is %s', (period, atMs, span) => {
    expect(spanOf(period, atMs)).toBe(span);
  });
});

describe('an alert', () => {
  it('is raised by the hold that crosses its threshold, once, and once more at the cap', async () => {
    const { database } = await open();
    await set(database, { ...TENANT, period: 'month' }, usd(1), MADE_AT_MS, 80);
    expect(await raisedBy(database, { id: 'video_1', holdMicros: usd(0.799999) })).toEqual([]);
    expect(await raisedBy(database, { id: 'video_2', holdMicros: micros(1n) })).toEqual([80]);
    await end(database, 'video_2', null);
    expect(await raisedBy(database, { id: 'video_3', holdMicros: micros(1n) })).toEqual([]);
    expect(await raisedBy(database, { id: 'video_4', holdMicros: usd(0.2) })).toEqual([100]);
  });

  it('of both kinds may come of one hold, and tells how things stand', async () => {
    const { database } = await open();
    await set(database, { ...KEY, period: 'total' }, usd(2), MADE_AT_MS, 50);
    const alerts = await admit(database, { id: 'video_1', holdMicros: usd(2) });
    const money = { cap_usd: 2, spent_usd: 0, held_usd: 2, left_usd: 0 };
    const name = { scope: 'key', tenant: 'ten_acme', key: 'key_acme', period: 'total', span: 'total' };
    expect(alerts.map(({ data }) => data)).toEqual([
      { ...name, percent: 50, ...money },
      { ...name, percent: 100, ...money },
    ]);
  });

  it('comes again in the next period, and under another cap', async () => {
    const { database } = await open();
    await set(database, { ...TENANT, period: 'day' }, usd(1));
    expect(await raisedBy(database, { id: 'video_1', holdMicros: usd(1) })).toEqual([100]);
    const tomorrow = { id: 'video_2', holdMicros: usd(1), createdAtMs: MADE_AT_MS + DAY_MS };
    expect(await raisedBy(database, tomorrow)).toEqual([100]);
    await set(database, { ...TENANT, period: 'day' }, usd(2));
    expect(await raisedBy(database, { id: 'video_3', holdMicros: usd(1) })).toEqual([100]);
  });

  it('is raised at once by a cap that is set below what is in use', async () => {
    const { database } = await open();
    await admit(database, { id: 'video_1', holdMicros: usd(1) });
    const raised = await set(database, { ...TENANT, period: 'month' }, usd(0.9), MADE_AT_MS, 80);
    expect(raised.map(({ data }) => data.percent)).toEqual([80, 100]);
    expect(await set(database, { ...TENANT, period: 'month' }, usd(0.9), MADE_AT_MS, 80)).toEqual([]);
  });
});

describe('the audit of budgets', () => {
  const UNCHECKED = 'pragma ignore_check_constraints = on;';
  it.each([
    [
      'a counter that holds too much',
      'update budget_counters set held_micros = held_micros + 1',
      'budget tenant ten_acme 2026-11: counts $0.300001 held, its entries $0.30',
    ],
    [
      'a counter that has settled too little',
      'update budget_counters set settled_micros = settled_micros - 1',
      'budget tenant ten_acme 2026-11: counts $0.599999 settled, its entries $0.60',
    ],
    [
      'more in use than the cap, which was not lowered',
      `${UNCHECKED} update budgets set cap_micros = 500000; update budget_counters set ceiling_micros = 500000`,
      'budget tenant ten_acme 2026-11: $0.90 in use, above its cap of $0.50',
    ],
    [
      'a ceiling below the cap',
      'update budget_counters set ceiling_micros = 900000',
      'budget tenant ten_acme 2026-11: ceiling $0.90, below its cap of $1.00',
    ],
    [
      'a counter whose budget is gone',
      "pragma foreign_keys = off; update budget_counters set budget_id = 'bud_gone'",
      'budget bud_gone: a counter for 2026-11 without its budget',
    ],
  ])('names %s', async (_, planted, difference) => {
    const { database, folder } = await open();
    await set(database, { ...TENANT, period: 'month' }, usd(1));
    await admit(database, { id: 'video_1', holdMicros: usd(0.7) });
    await end(database, 'video_1', usd(0.6));
    await admit(database, { id: 'video_2', holdMicros: usd(0.3) });
    expect(await database.read(audit)).toMatchObject({ ok: true });
    const connection = new Sqlite(join(folder, 'reelay.db'));
    connection.exec(planted);
    connection.close();
    expect(await database.read(audit)).toMatchObject({ ok: false, differences: [difference] });
  });

  it('finds nothing in what was in use when its cap was lowered, and names what came to it since', async () => {
    const { database, folder } = await open();
    await set(database, { ...TENANT, period: 'total' }, usd(1));
    await admit(database, { id: 'video_1', holdMicros: usd(1) });
    await set(database, { ...TENANT, period: 'total' }, usd(0.5));
    expect(await database.read(audit)).toMatchObject({ ok: true });
    await end(database, 'video_1', usd(0.2));
    const connection = new Sqlite(join(folder, 'reelay.db'));
    connection.exec('pragma ignore_check_constraints = on; update budget_counters set settled_micros = 900000');
    connection.close();
    const { differences } = await database.read(audit);
    expect(differences).toContain('budget tenant ten_acme total: $0.90 in use, above its cap of $0.50');
  });
});

describe('any history', () => {
  it('keeps every cap at every instant, admits what fits, and ends every hold once', async () => {
    const { database } = await open();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        run += 1;
        const history = new History(database, `ten_${run}`);
        await history.begin();
        for (const one of steps) await history.take(one);
        await history.finish();
        const { differences } = await database.read(audit);
        expect(differences).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('admit' as const), key: fc.nat(1), cents: fc.integer({ min: 0, max: 90 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(20),
      share: fc.option(fc.integer({ min: 0, max: 100 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 400 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('cap' as const),
      owner: fc.nat(2),
      period: fc.constantFrom(...BUDGET_PERIODS),
      cents: fc.option(fc.integer({ min: 0, max: 300 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), key: fc.nat(1) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A tenant of two keys, and what a clerk with a pencil would have written down. */
class History {
  private readonly database: Database;
  private readonly tenantId: string;
  private readonly jobs: { row: JobRow; settled: Micros; open: boolean }[] = [];
  private readonly caps = new Map<string, BudgetName & { cap: Micros }>();
  private readonly revoked = new Set<string>();
  private nowMs = Date.UTC(2026, 11, 30, 20);

  constructor(database: Database, tenantId: string) {
    this.database = database;
    this.tenantId = tenantId;
  }

  async begin(): Promise<void> {
    await this.database.write(async (tx) => {
      const fields = { name: 'N', createdAtMs: this.nowMs };
      await tx.insert(tenants).values({ id: this.tenantId, markupPercent: '0', policy: '{}', ...fields });
      for (const id of [this.keyId(0), this.keyId(1)]) {
        const shown = { prefix: 'sk', lastFour: 'wxyz', digest: id };
        await tx.insert(apiKeys).values({ id, tenantId: this.tenantId, ...shown, ...fields });
      }
    });
  }

  async take(one: Step): Promise<void> {
    if (one.do === 'wait') this.nowMs += one.hours * 3_600_000;
    else if (one.do === 'admit') await this.admit(this.keyId(one.key), micros(BigInt(one.cents) * 10_000n));
    else if (one.do === 'end') await this.end(one.which, one.share);
    else if (one.do === 'revoke') await this.revoke(this.keyId(one.key));
    else await this.cap(one);
    await this.compare();
  }

  /** Ends what is open still, and finds nothing held. */
  async finish(): Promise<void> {
    for (const job of this.jobs.filter(({ open }) => open)) await this.endJob(job, null);
    await this.compare();
    const mine = await this.states();
    for (const { heldMicros } of mine) expect(heldMicros).toBe(0n);
  }

  private async admit(keyId: string, hold: Micros): Promise<void> {
    if (this.revoked.has(keyId)) return;
    const row = jobRow({
      id: `video_${this.tenantId}_${this.jobs.length}`,
      ...{ tenantId: this.tenantId, keyId, holdMicros: hold, createdAtMs: this.nowMs },
    });
    const fits = [...this.caps.values()]
      .filter((budget) => budget.scope === 'tenant' || budget.ownerId === keyId)
      .every((budget) => {
        const [settled, held] = this.usedOf(budget, this.nowMs);
        return settled + held + hold <= budget.cap;
      });
    const admitted = await admitRow(this.database, row).then(
      () => true,
      (error) => {
        expect(error).toBeInstanceOf(BudgetFull);
        return false;
      },
    );
    expect(admitted).toBe(fits);
    if (admitted) this.jobs.push({ row, settled: micros(0n), open: true });
  }

  private async end(which: number, share: number | null): Promise<void> {
    const open = this.jobs.filter((job) => job.open);
    const job = open[which % Math.max(1, open.length)];
    if (job) await this.endJob(job, share);
  }

  private async endJob(job: History['jobs'][number], share: number | null): Promise<void> {
    const amount = share === null ? null : micros((job.row.holdMicros * BigInt(share)) / 100n);
    await end(this.database, job.row.id, amount, this.nowMs);
    job.open = false;
    job.settled = amount ?? micros(0n);
    // A hold ends once.
    await expect(end(this.database, job.row.id, amount, this.nowMs)).rejects.toThrow();
  }

  private async revoke(keyId: string): Promise<void> {
    await this.database.write((tx) => revokeKey(tx, keyId, this.nowMs));
    this.revoked.add(keyId);
  }

  private async cap(change: Extract<Step, { do: 'cap' }>): Promise<void> {
    const { period, cents } = change;
    const owner =
      change.owner === 2
        ? ({ scope: 'tenant', ownerId: this.tenantId } as const)
        : ({ scope: 'key', ownerId: this.keyId(change.owner) } as const);
    const name = { ...owner, period };
    const at = `${owner.ownerId} ${period}`;
    if (cents === null) {
      const removed = await this.database.write((tx) => removeBudget(tx, name));
      expect(removed).toBe(this.caps.delete(at));
      return;
    }
    const cap = micros(BigInt(cents) * 10_000n);
    const wanted = { ...name, tenantId: this.tenantId, capMicros: cap, alertPercent: 80 };
    await this.database.write((tx) => setBudget(tx, wanted, { nowMs: this.nowMs, mint }));
    this.caps.set(at, { ...name, cap });
  }

  /** What the jobs come to, by hand. */
  private usedOf({ scope, ownerId, period }: BudgetName, atMs: number): [settled: bigint, held: bigint] {
    const span = spanOf(period, atMs);
    const mine = this.jobs.filter(
      ({ row }) => (scope === 'tenant' || row.keyId === ownerId) && spanOf(period, row.createdAtMs) === span,
    );
    const settled = sumMicros(...mine.map((job) => job.settled));
    return [settled, sumMicros(...mine.filter(({ open }) => open).map(({ row }) => row.holdMicros))];
  }

  private async compare(): Promise<void> {
    for (const { budget, settledMicros, heldMicros } of await this.states()) {
      expect([budget.ownerId, budget.period, settledMicros, heldMicros]).toEqual([
        budget.ownerId,
        budget.period,
        ...this.usedOf(budget, this.nowMs),
      ]);
    }
  }

  private async states() {
    return await this.database.read(async (tx) => [
      ...(await budgetsOfCaller(tx, { tenantId: this.tenantId, keyId: this.keyId(0) }, this.nowMs)),
      ...(await budgetsOfCaller(tx, { tenantId: this.tenantId, keyId: this.keyId(1) }, this.nowMs)),
    ]);
  }

  private keyId(which: number): string {
    return `key_${this.tenantId}_${which}`;
  }
}

/** The store of one tenant with two keys. */
async function open(): Promise<{ readonly database: Database; readonly folder: string }> {
  const folder = temporaryFolder();
  const database = await openStoreWithTenant(folder);
  await database.write(async (tx) => {
    const shown = { name: 'two', digest: 'two', prefix: 'sk', lastFour: 'wxyz', createdAtMs: MADE_AT_MS };
    await tx.insert(apiKeys).values({ id: 'key_two', tenantId: 'ten_acme', ...shown });
  });
  return { database, folder };
}

async function set(
  database: Database,
  name: BudgetName,
  capMicros: Micros,
  nowMs = MADE_AT_MS,
  alertPercent: number | null = null,
): Promise<readonly BudgetAlert[]> {
  const wanted = { ...name, tenantId: 'ten_acme', capMicros, alertPercent };
  const { state, alerts } = await database.write((tx) => setBudget(tx, wanted, at(nowMs)));
  expect(leftOf(state)).toBeGreaterThanOrEqual(0n);
  return alerts;
}

const admit = (database: Database, change: Partial<JobRow>): Promise<BudgetAlert[]> =>
  admitRow(database, jobRow(change));

/** Job and hold, as an admission writes them. */
async function admitRow(database: Database, row: JobRow): Promise<BudgetAlert[]> {
  return await database.write(async (tx) => {
    await tx.insert(jobs).values(row);
    return await placeHold(tx, row, 'dearest of a', at(row.createdAtMs));
  });
}

async function raisedBy(database: Database, change: Partial<JobRow>): Promise<number[]> {
  return (await admit(database, change)).map(({ data }) => data.percent);
}

/** Ends the job: settled at the amount, or released where that is null. */
async function end(database: Database, id: string, amount: Micros | null, nowMs = MADE_AT_MS): Promise<void> {
  await database.write(async (tx) => {
    const [job] = await tx.select().from(jobs).where(eq(jobs.id, id));
    if (!job) throw new Error(`no job ${id}`);
    const change = amount === null ? FAILED : { ...COMPLETED, settledMicros: amount };
    await tx.update(jobs).set(change).where(eq(jobs.id, id));
    if (amount === null) await releaseHold(tx, job, at(nowMs));
    else await settleHold(tx, job, { amountMicros: amount, ...by }, at(nowMs));
  });
}

/** Settled and held of the tenant's budget, or of the key's where it has none. */
async function used(database: Database, period: BudgetPeriod): Promise<[bigint, bigint]> {
  const rows = await database.read((tx) =>
    tx
      .select({ settled: budgetCounters.settledMicros, held: budgetCounters.heldMicros })
      .from(budgetCounters)
      .innerJoin(budgets, eq(budgets.id, budgetCounters.budgetId))
      .where(eq(budgets.period, period)),
  );
  const [first] = rows;
  return [first?.settled ?? -1n, first?.held ?? -1n];
}
