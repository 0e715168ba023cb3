/** Packs: which one a clip draws on, what is left, and what lapses if things go on as they were. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { micros, usd } from '../../src/ground/money.ts';
import { type Draw, lapsingOf, marginalCost, openPacks, type Pack, takeStock } from '../../src/pricing/packs.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 21, 12);
const day = (days: number): number => NOW_MS + days * DAY_MS;
const pack = (id: string, units: bigint, bought: number, expires: number): Pack => ({
  id,
  units,
  boughtAtMs: day(bought),
  expiresAtMs: day(expires),
});
const draw = (days: number, units: bigint): Draw => ({ atMs: day(days), units });
const stock = (packs: Pack[], draws: Draw[], takeMs = 0) => {
  const inventory = takeStock(packs, draws, NOW_MS, undefined, takeMs);
  const { packs: states, next, uncovered } = inventory;
  return {
    left: Object.fromEntries(states.map((one) => [one.pack.id, one.left])),
    next: next?.id ?? null,
    uncovered,
    states,
    lapsing: lapsingOf(inventory, NOW_MS, takeMs),
    open: openPacks(inventory, NOW_MS).map(({ id }) => id),
  };
};

describe('a clip', () => {
  it('draws on the pack that expires first, whenever it was bought', () => {
    const packs = [pack('long', 100n, -50, 100), pack('short', 100n, -5, 20)];
    expect(stock(packs, [draw(-3, 30n)])).toMatchObject({ left: { long: 100n, short: 70n }, next: 'short' });
  });

  it('draws on what was valid then, not on what is now', () => {
    const packs = [pack('over', 100n, -40, -10), pack('now', 100n, -20, 50)];
    const { left, next } = stock(packs, [draw(-30, 5n), draw(-15, 7n), draw(-1, 9n)]);
    expect({ left, next }).toEqual({ left: { over: 88n, now: 91n }, next: 'now' });
  });

  it('takes the rest from the next pack, and what no pack could pay is told, since there are packs', () => {
    const packs = [pack('a', 10n, -5, 20), pack('b', 10n, -5, 30)];
    const { left, uncovered, next } = stock(packs, [draw(-1, 8n), draw(-1, 8n), draw(-1, 8n), draw(-10, 3n)]);
    expect({ left, uncovered, next }).toEqual({ left: { a: 0n, b: 0n }, uncovered: 4n, next: null });
  });

  it('leaves as much as it did not draw, over any history', () => {
    const packs = [pack('a', 1_000n, -60, 5), pack('b', 500n, -20, 40), pack('c', 800n, -90, -30)];
    const draws = fc.array(fc.record({ atMs: fc.integer({ min: day(-90), max: NOW_MS }), units: fc.bigInt(0n, 400n) }));
    fc.assert(
      fc.property(draws, (history) => {
        const { packs: states, uncovered } = takeStock(packs, history, NOW_MS);
        const drawn = states.reduce((sum, state) => sum + state.drawn, 0n);
        expect(drawn + uncovered).toBe(history.reduce((sum, { units }) => sum + units, 0n));
        for (const { pack: of, left } of states) expect(left >= 0n && left <= of.units).toBe(true);
      }),
    );
  });
});

describe('the forecast', () => {
  const expiring = (packs: Pack[], draws: Draw[]) => stock(packs, draws).states.map((state) => state.expiring);

  it('is unknown without a clip in the last 14 days', () => {
    expect(expiring([pack('a', 100n, -60, 10)], [draw(-20, 5n)])).toEqual([null]);
  });

  it('plays the last 14 days once more, until each pack lapses', () => {
    const everyDay = Array.from({ length: 14 }, (_, index) => draw(-index - 0.5, 2n));
    // 72 left; two a day for ten days.
    expect(expiring([pack('a', 100n, -30, 10)], everyDay)).toEqual([52n]);
    expect(expiring([pack('a', 100n, -30, 60)], everyDay)).toEqual([0n]);
  });

  it('draws on the pack that expires first there, too', () => {
    const everyDay = Array.from({ length: 14 }, (_, index) => draw(-index - 0.5, 2n));
    const packs = [pack('short', 48n, -30, 5), pack('long', 100n, -30, 30)];
    // 20 left of the short one lasts five of its ten days; the long one pays for 25 days at two a day.
    expect(expiring(packs, everyDay)).toEqual([10n, 50n]);
  });

  it('takes demand from before there were packs, but not what was drawn only because it would lapse', () => {
    const everyDay = Array.from({ length: 14 }, (_, index) => draw(-index - 0.5, 2n));
    expect(expiring([pack('new', 100n, 0, 10)], everyDay)).toEqual([80n]);
    const burned = everyDay.map((each) => ({ ...each, lapsing: 1n }));
    expect(expiring([pack('new', 100n, 0, 10)], burned)).toEqual([90n]);
  });

  it('reckons a young gateway by the days there were', () => {
    const days = [0.5, 1.5, 2.5].map((ago) => draw(-ago, 2n));
    expect(expiring([pack('new', 100n, 0, 30)], days)).toEqual([40n]);
    expect(stock([pack('new', 100n, 0, 30)], days).lapsing).toBe(40n);
    // Less than a day says too little to give units away.
    expect(stock([pack('new', 100n, 0, 30)], [draw(-0.5, 2n)]).lapsing).toBe(0n);
  });

  it('adds up what the packs that are open now leave over', () => {
    const everyDay = Array.from({ length: 14 }, (_, index) => draw(-index - 0.5, 2n));
    const packs = [pack('short', 20n, 0, 5), pack('long', 100n, 0, 30), pack('later', 100n, 1, 40)];
    expect(expiring(packs, everyDay)).toEqual([10n, 50n, 80n]);
    expect(stock(packs, everyDay).lapsing).toBe(60n);
  });

  it('gives away only what lasts until the clip is done: units are taken at its end', () => {
    const everyDay = Array.from({ length: 14 }, (_, index) => draw(-index - 0.5, 2n));
    const [short, long] = [pack('short', 300n, -29, 120_000 / DAY_MS), pack('long', 100n, -29, 10)];
    const at = (takeMs: number, packs = [short, long]) => {
      const { next, lapsing, open } = stock(packs, everyDay, takeMs);
      return { next, lapsing, open };
    };
    const open = ['short', 'long'];
    // 28 were drawn from the short pack, which leaves 272; at two a day the long one keeps 80 of its hundred.
    expect(at(119_999)).toEqual({ next: 'short', lapsing: 272n + 80n, open });
    expect(at(120_000)).toEqual({ next: 'long', lapsing: 80n, open });
    expect(at(120_000, [short])).toEqual({ next: null, lapsing: 0n, open: ['short'] });
  });

  it('has nothing to say of a pack that is over', () => {
    expect(expiring([pack('over', 100n, -60, -1), pack('a', 10n, -5, 20)], [draw(-2, 1n)])[0]).toBeNull();
  });
});

describe('the marginal cost', () => {
  it.each([
    [3n, 0n, 420_000n],
    [3n, 1n, 280_000n],
    [3n, 3n, 0n],
    [3n, 99n, 0n],
    [0n, 99n, 420_000n],
    [7n, 1n, 360_000n],
    [1_000_000_007n, 1n, 420_000n],
  ])('of %s units, %s of which would lapse, is %s', (units, lapsing, expected) => {
    expect(marginalCost(usd('0.42'), units, lapsing)).toBe(micros(expected));
  });
});
