/** Faults that were found once: each test here failed before its fault was mended. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createMint, systemRandom } from '../src/ground/id.ts';
import { micros, usd } from '../src/ground/money.ts';
import { systemClock } from '../src/ground/time.ts';
import { bookCost, entriesOfJob, placeHold, settleHold } from '../src/ledger/account.ts';
import { audit } from '../src/ledger/audit.ts';
import { loadRateCards } from '../src/pricing/cards.ts';
import { priceOn } from '../src/pricing/price.ts';
import { quoteOn } from '../src/pricing/quote.ts';
import { parseRateCard, RateCardError } from '../src/pricing/rate-card.ts';
import { readDecision, showDecision, writeDecision } from '../src/routing/decision.ts';
import { combinePolicy, NO_ROUTING } from '../src/routing/policy.ts';
import { decide } from '../src/routing/route.ts';
import { idleConditions } from '../src/routing/score.ts';
import type { Tx } from '../src/store/database.ts';
import { jobs, lanes } from '../src/store/schema.ts';
import {
  billable,
  COMPLETED,
  cardOf,
  jobRow,
  MADE_AT_MS,
  offer,
  openStore,
  openStoreWithTenant,
  PACKAGES,
  rate,
  store,
} from './support/rows.ts';
import { temporaryFolder } from './support/temporary.ts';

const add = (tx: Tx, lane: string) => tx.insert(lanes).values({ lane, running: 0 });
const rows = (tx: Tx) => tx.select({ lane: lanes.lane }).from(lanes);

describe('store/sqlite.ts', () => {
  it('a unit that waits for something foreign does not take its neighbours with it', async () => {
    const database = openStore();
    const bad = database.write(() => new Promise(() => {}));
    const good = database.write(async (tx) => {
      await add(tx, 'a');
      await add(tx, 'b');
    });
    const outcomes = await Promise.allSettled([bad, good]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });
  it('a write that was refused leaves no rows', async () => {
    const database = openStore();
    const bad = database.write(() => new Promise(() => {}));
    const good = database.write(async (tx) => {
      await add(tx, 'a');
      await add(tx, 'b');
      await add(tx, 'c');
    });
    const after = database.write((tx) => add(tx, 'd'));
    await Promise.allSettled([bad, good, after]);
    const found = (await database.read(rows)).map(({ lane }) => lane).filter((lane) => lane !== 'd');
    expect([0, 3]).toContain(found.length);
  });
  it('what the refused unit writes later is not committed on its own', async () => {
    const database = openStore();
    let over: (value: unknown) => void = () => {};
    const foreign = new Promise((resolve) => {
      over = resolve;
    });
    await database
      .write(async (tx) => {
        await foreign;
        await add(tx, 'late');
      })
      .catch(() => {});
    over(0);
    await nextTurn();
    expect(await database.read(rows)).toEqual([]);
  });
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'an audit begun %d microtasks before a commit ends sees one moment',
    async (ticks) => {
      const database = await openStoreWithTenant();
      const job = jobRow();
      const found: Promise<unknown>[] = [];
      await database.write(async (tx) => {
        await tx.insert(jobs).values(job);
        await placeHold(tx, job, 'x', { nowMs: MADE_AT_MS, mint: () => 'ent_1' });
        const later = async () => {
          for (let tick = 0; tick < ticks; tick += 1) await null;
          return database.snapshot(audit);
        };
        found.push(later());
      });
      expect(await found[0]).toMatchObject({ ok: true });
    },
  );
  it('a completed job of null bytes is refused by jobs_file', async () => {
    const database = await openStoreWithTenant();
    await expect(store(database, { jobs: [jobRow({ ...COMPLETED, fileBytes: null })] })).rejects.toThrow('jobs_file');
  });
});

describe('routing', () => {
  const policy = (request: object) => combinePolicy({}, { ...NO_ROUTING, ...request }, null);
  it('an operator sees a decision whose margin is zero', () => {
    const route = decide({ offers: [offer('a', 1)], policy: policy({}), conditionsOf: () => idleConditions(5) });
    const stored = readDecision(writeDecision(route, { markup: '0', warnings: [] }));
    expect(JSON.parse(JSON.stringify(showDecision(stored, 'operator'))).candidates[0].margin_usd).toBe(0);
  });
  it('cheapestOverMaxPrice names only what max_price alone shut out', () => {
    const conditionsOf = () => ({ ...idleConditions(5), blocked: 'circuit open' });
    const route = decide({ offers: [offer('a', 2)], policy: policy({ maxPriceMicros: usd(1) }), conditionsOf });
    expect(route.cheapestOverMaxPrice).toBeNull();
  });
});

describe('pricing', () => {
  const from = (min_seconds: number, max_seconds: number, seconds?: number[]) => ({
    limits: { min_seconds, max_seconds, seconds },
  });
  it('the charge on failure is that of the row that priced', () => {
    const rates = [
      rate({ usd_per_second: 0.1, failed: 'free', ...from(3, 5) }),
      rate({ usd_per_second: 0.1, failed: 'charged', ...from(6, 15) }),
    ];
    expect(quoteOn(cardOf({ rates }), billable({ lengthMs: 10_000 }), { markupPercent: '0', nowMs: 0 })).toMatchObject({
      failed: 'charged',
    });
  });
  it('a row with the price field of another kind is refused', () => {
    const rates = [rate({ kind: 'credits', credits_per_second: 6, usd_per_second: 0.5 })];
    expect(() => cardOf({ credit_price: { usd: 1, credits: 68 }, rates })).toThrow(RateCardError);
  });
  it('rows that overlap in a listed length outside min..max are refused', () => {
    expect(() =>
      cardOf({ rates: [rate({ usd_per_second: 0.1, ...from(3, 5, [10]) }), rate({ usd_per_second: 0.2 })] }),
    ).toThrow(RateCardError);
  });
  it('a gap is found however the tasks of its rows are ordered', () => {
    const tasks = ['text_to_video', 'image_to_video'];
    const rates = [
      rate({ tasks, usd_per_second: 0.1, ...from(3, 5) }),
      rate({ tasks: tasks.toReversed(), usd_per_second: 0.1, ...from(8, 15) }),
    ];
    expect(() => cardOf({ rates })).toThrow(RateCardError);
  });
  it('a card never prices a clip at zero', () => {
    expect(() => cardOf({ rates: [rate({ usd_per_second: 0 })] })).toThrow(RateCardError);
  });
  it('a credit price over zero credits is refused with its card, not met as an AssertionError at the first quote', () => {
    expect(() =>
      cardOf({ kind: 'credits', credit_price: { usd: 1, credits: 0 }, rates: [rate({ credits_per_second: 6 })] }),
    ).toThrow(RateCardError);
  });
  it('a file that is not YAML is a RateCardError that names it', () => {
    expect(() => parseRateCard('card: [', 'a/2026-01-01.yaml')).toThrow(/^a\/2026-01-01\.yaml/);
  });
  it('a stray file beside the cards does not keep the gateway from starting', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'README.md'), '');
    expect(loadRateCards(folder).all).toEqual([]);
  });
  it('a date that is none is refused', () => {
    expect(() => cardOf({ source: { document: 'd', date: '2026-99-99', read: '2026-01-01' } })).toThrow(RateCardError);
  });
  it('a card of units without package-1 does not speak of package "undefined"', () => {
    const card = cardOf({ kind: 'units', packages: PACKAGES.slice(0, 1), rates: [rate({ units_per_second: 1 })] });
    expect(priceOn(card, billable({}))).toMatchObject({ reason: expect.not.stringContaining('undefined') });
  });
});

describe('ledger', () => {
  it('entries come in the order they were written, within one millisecond too', async () => {
    const database = await openStoreWithTenant();
    const job = jobRow();
    const frozen = { ...systemClock, nowMs: () => MADE_AT_MS };
    const stamp = { nowMs: MADE_AT_MS, mint: createMint(frozen, systemRandom) };
    const by = { amountMicros: micros(1n), attemptId: 'att_1', pricedBy: 'x' };
    await database.write(async (tx) => {
      await placeHold(tx, job, 'x', stamp);
      await settleHold(tx, job, by, stamp);
      await bookCost(tx, job, { kind: 'cost', ...by }, stamp);
    });
    const found = await database.read((tx) => entriesOfJob(tx, job.id));
    expect(found.map(({ kind }) => kind)).toEqual(['hold', 'settlement', 'cost']);
  });
});
