/**
 * The sums that reports read are what the entries and the jobs come to, whatever happened in which order; the audit names
 * each that is not; and a report says of them what was asked, no more.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { eq } from 'drizzle-orm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { micros, usd } from '../../src/ground/money.ts';
import { bookCost, placeHold, releaseHold, settleHold } from '../../src/ledger/account.ts';
import { audit } from '../../src/ledger/audit.ts';
import { TAG_VALUES_A_DAY } from '../../src/ledger/rollup.ts';
import { fillSums } from '../../src/ledger/rollup-audit.ts';
import { type Grouping, spendReport } from '../../src/ledger/spend.ts';
import type { Database, Tx } from '../../src/store/database.ts';
import { attempts, type JobRow, jobs, spend, spendTags } from '../../src/store/schema.ts';
import {
  attemptRow,
  COMPLETED,
  countingMint,
  DAY_MS,
  FAILED,
  jobRow,
  MADE_AT_MS,
  openStoreWithTenant,
} from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const mint = countingMint();
const stamp = { nowMs: MADE_AT_MS, mint };
const tagged = (metadata: object) => ({ presentation: JSON.stringify({ metadata }) });
const ALL = { from: '2026-11-01', to: '2026-11-30', tenantId: null };

/** One job's life, as the steps of the gateway write it. */
interface Life {
  readonly days: number;
  readonly model: string;
  readonly team: string | null;
  /** What each attempt came to, in the order made; where a clip was made, the last one made it. */
  readonly attempts: readonly { provider: string; cost: number; end: 'free' | 'charged' | 'suspected' | 'resolved' }[];
  readonly end: 'open' | 'completed' | 'failed' | 'cancelled' | 'cancelled_late' | 'lost';
}

const lives = fc.array(
  fc.record<Life>({
    days: fc.integer({ min: 0, max: 3 }),
    model: fc.constantFrom('kling-v3', 'kling-o3'),
    team: fc.constantFrom('red', 'blue', null),
    attempts: fc.array(
      fc.record({
        provider: fc.constantFrom('atlas', 'fal', 'kling'),
        cost: fc.integer({ min: 0, max: 2_000_000 }),
        end: fc.constantFrom('free', 'charged', 'suspected', 'resolved'),
      }),
      { maxLength: 3 },
    ),
    end: fc.constantFrom('open', 'completed', 'failed', 'cancelled', 'cancelled_late', 'lost'),
  }),
  { minLength: 1, maxLength: 12 },
);

async function live(database: Database, id: string, life: Life): Promise<void> {
  const made = { createdAtMs: MADE_AT_MS - life.days * DAY_MS, model: life.model };
  const job = jobRow({ id, ...made, ...(life.team === null ? {} : tagged({ team: life.team })) });
  await database.write(async (tx) => {
    await tx.insert(jobs).values(job);
    await placeHold(tx, job, 'dearest', stamp);
  });
  let last: { provider: string; attemptId: string; cost: bigint } | null = null;
  for (const [index, { provider, cost, end }] of life.attempts.entries()) {
    const attemptId = `att_${id}_${index}`;
    last = { provider, attemptId, cost: BigInt(cost) };
    const ofJob = { jobId: id, number: index + 1, state: 'failed', slotHeld: false, provider } as const;
    await database.write(async (tx) => {
      await tx.insert(attempts).values(attemptRow({ id: attemptId, ...ofJob }));
      await tx.update(jobs).set({ provider }).where(eq(jobs.id, id));
      const made = ['completed', 'cancelled_late', 'lost'].includes(life.end);
      if (made && index === life.attempts.length - 1) return;
      const of = { attemptId, pricedBy: 'row', amountMicros: micros(BigInt(cost)) };
      if (end === 'charged') await bookCost(tx, job, { kind: 'cost', ...of }, stamp);
      if (end === 'suspected' || end === 'resolved') await bookCost(tx, job, { kind: 'suspected_cost', ...of }, stamp);
      if (end === 'resolved') await bookCost(tx, job, { kind: 'cost_resolution', ...of }, stamp);
    });
  }
  await database.write((tx) => finish(tx, job, life.end, last));
}

async function finish(
  tx: Tx,
  job: JobRow,
  end: Life['end'],
  last: { provider: string; attemptId: string; cost: bigint } | null,
): Promise<void> {
  const change = (set: Partial<JobRow>) => tx.update(jobs).set(set).where(eq(jobs.id, job.id));
  const of = { attemptId: last?.attemptId ?? 'att_none', pricedBy: 'row' };
  const cost = { kind: 'cost', amountMicros: micros(last?.cost ?? 0n), ...of } as const;
  const settledMicros = usd(0.4);
  if (end === 'completed' || end === 'cancelled_late') {
    const state = end === 'completed' ? COMPLETED : { ...FAILED, state: 'cancelled' as const };
    await change({ ...state, settledMicros });
    await settleHold(tx, job, { amountMicros: settledMicros, ...of }, stamp);
    await bookCost(tx, job, cost, stamp);
  } else if (end !== 'open') {
    await change({ ...FAILED, state: end === 'cancelled' ? 'cancelled' : 'failed' });
    await releaseHold(tx, job, stamp);
    if (end === 'lost') await bookCost(tx, job, cost, stamp);
  }
}

const differencesOf = async (database: Database): Promise<readonly string[]> =>
  (await database.snapshot(audit)).differences;

/** A store with one completed and one failed job of team red, and a completed one without a tag. */
async function openSpent(folder?: string): Promise<Database> {
  const database = await openStoreWithTenant(folder);
  const one = { days: 0, model: 'kling-v3', team: 'red' };
  const paid = { provider: 'atlas', cost: 355_000, end: 'free' } as const;
  await live(database, 'video_a', { ...one, attempts: [paid], end: 'completed' });
  await live(database, 'video_b', { ...one, attempts: [{ ...paid, end: 'charged' }], end: 'failed' });
  const fal = { provider: 'fal', cost: 420_000, end: 'free' } as const;
  await live(database, 'video_c', {
    ...one,
    days: 1,
    team: null,
    attempts: [{ ...paid, end: 'suspected' }, fal],
    end: 'completed',
  });
  return database;
}

describe('the sums of spend', () => {
  it('are what entries and jobs come to, over any history', async () => {
    await fc.assert(
      fc.asyncProperty(lives, async (history) => {
        const database = await openStoreWithTenant();
        for (const [index, life] of history.entries()) {
          await live(database, `video_${index}`, life);
          expect(await differencesOf(database)).toEqual([]);
        }
        const [total] = await database.read((tx) => spendReport(tx, { ...ALL, groupBy: [] }));
        expect(total?.sums.jobs).toBe(history.length);
        const completed = history.filter(({ end }) => end === 'completed');
        expect(total?.sums).toMatchObject({ completed: completed.length, deliveredMs: completed.length * 5_000 });
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('are made anew from a ledger that is older than they are, and equal', async () => {
    const database = await openSpent();
    const rows = () => database.read(async (tx) => [await tx.select().from(spend), await tx.select().from(spendTags)]);
    const kept = (await rows()).map((table) =>
      table.filter(({ jobs: count, costMicros }) => count > 0 || costMicros > 0n),
    );
    await database.write(async (tx) => {
      await tx.delete(spend);
      await tx.delete(spendTags);
      await fillSums(tx);
    });
    expect(await differencesOf(database)).toEqual([]);
    const made = (await rows()).map((table) =>
      table.filter(({ jobs: count, costMicros }) => count > 0 || costMicros > 0n),
    );
    expect(made.map((table) => new Set(table))).toEqual(kept.map((table) => new Set(table)));
    await database.write((tx) => fillSums(tx));
    expect(await differencesOf(database)).toEqual([]);
  });

  it.each([
    [
      'cost',
      `update spend set cost_micros = cost_micros + 1 where provider = 'fal'`,
      /fal .*: cost \$0\.420001, expected \$0\.42$/,
    ],
    ['count', `update spend set completed = 2 where provider = 'fal'`, /fal .*: completed 2, expected 1$/],
    ['missing cell', `delete from spend where provider = 'fal'`, /fal .*: settled \$0\.00, expected \$0\.40$/],
    ['tag', `update spend_tags set settled_micros = 7`, /team=red: settled \$0\.000007, expected \$0\.40$/],
    ['missing tag', `delete from spend_tags`, /team=red: jobs 0, expected 2$/],
    [
      'strange cell',
      `insert into spend_tags select day, tenant_id, key_id, model, provider, task, resolution, 'x', 'y', jobs, completed,
         failed, cancelled, settled_micros, delivered_micros, delivered_ms, cost_micros, failure_micros, suspected_micros
         from spend where provider = 'fal'`,
      /x=y: jobs 1, expected 0$/,
    ],
  ])('of another %s than the entries come to are named by the audit', async (_, planted, says) => {
    const folder = temporaryFolder();
    const database = await openSpent(folder);
    expect(await differencesOf(database)).toEqual([]);
    const connection = new Sqlite(join(folder, 'reelay.db'));
    connection.exec(planted);
    connection.close();
    const found = await differencesOf(database);
    expect(found.every((difference) => difference.startsWith('spend 2026-11-2'))).toBe(true);
    expect(found).toContainEqual(expect.stringMatching(says));
  });

  it('go back with what they belong to when the transaction is undone', async () => {
    const database = await openSpent();
    const before = await database.read((tx) => tx.select().from(spend));
    const undone = database.write(async (tx) => {
      const job = jobRow({ id: 'video_z' });
      await tx.insert(jobs).values(job);
      await placeHold(tx, job, 'dearest', stamp);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await database.read((tx) => tx.select().from(spend))).toEqual(before);
  });

  it('take no more different tags a day than the limit, and no overlong ones', async () => {
    const database = await openStoreWithTenant();
    const hold = (id: string, metadata: object) =>
      database.write(async (tx) => {
        const job = jobRow({ id, ...tagged(metadata) });
        await tx.insert(jobs).values(job);
        await placeHold(tx, job, 'dearest', stamp);
      });
    for (let index = 0; index < TAG_VALUES_A_DAY + 20; index += 1) await hold(`video_${index}`, { order: `n${index}` });
    await hold('video_known', { order: 'n0' });
    await hold('video_long', { order: 'x'.repeat(200), [`y${'y'.repeat(80)}`]: 'z' });
    await hold('video_many', Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`t${index}`, 'v'])));
    const groups = await database.read((tx) => spendReport(tx, { ...ALL, groupBy: ['tag:order'] }));
    expect(groups).toHaveLength(TAG_VALUES_A_DAY + 1);
    expect(groups.find(({ names }) => names[0] === 'n0')?.sums.jobs).toBe(2);
    expect(groups.at(-1)).toMatchObject({ names: [null], sums: { jobs: 22 } });
    expect(await differencesOf(database)).toEqual([]);
  }, 30_000);
});

describe('a report', () => {
  const by = async (...groupBy: Grouping[]) => {
    const database = await openSpent();
    const groups = await database.read((tx) => spendReport(tx, { ...ALL, groupBy }));
    return groups.map(({ names, sums }) => [
      ...names,
      sums.jobs,
      sums.settledMicros,
      sums.costMicros,
      sums.failureMicros,
    ]);
  };

  it.each<[string, Grouping[], unknown[]]>([
    ['nothing', [], [[3, usd(0.8), usd(1.13), usd(0.355)]]],
    [
      'day',
      ['day'],
      [
        ['2026-11-20', 1, usd(0.4), usd(0.42), usd(0)],
        ['2026-11-21', 2, usd(0.4), usd(0.71), usd(0.355)],
      ],
    ],
    ['month', ['month'], [['2026-11', 3, usd(0.8), usd(1.13), usd(0.355)]]],
    [
      'month and provider',
      ['month', 'provider'],
      [
        ['2026-11', 'atlas', 2, usd(0.4), usd(0.71), usd(0.355)],
        ['2026-11', 'fal', 1, usd(0.4), usd(0.42), usd(0)],
      ],
    ],
    [
      'a tag and model',
      ['tag:team', 'model'],
      [
        ['red', 'kling-v3', 2, usd(0.4), usd(0.71), usd(0.355)],
        [null, 'kling-v3', 1, usd(0.4), usd(0.42), usd(0)],
      ],
    ],
    ['a tag nobody has', ['tag:nobody'], [[null, 3, usd(0.8), usd(1.13), usd(0.355)]]],
  ])('by %s adds up', async (_, groupBy, expected) => {
    expect(await by(...groupBy)).toEqual(expected);
  });

  it('is of the days asked for, both included, and of the tenant asked for', async () => {
    const database = await openSpent();
    const count = async (change: object) => {
      const groups = await database.read((tx) => spendReport(tx, { ...ALL, groupBy: [], ...change }));
      return groups[0]?.sums.jobs ?? 0;
    };
    expect(await count({ from: '2026-11-21' })).toBe(2);
    expect(await count({ to: '2026-11-20' })).toBe(1);
    expect(await count({ tenantId: 'ten_acme' })).toBe(3);
    expect(await count({ tenantId: 'ten_other' })).toBe(0);
  });
});
