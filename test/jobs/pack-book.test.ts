/**
 * Prepaid packs in the router's scores: units that would lapse are burned in time, units that will be needed are worth
 * their price, and whoever's clip burns some pays what the cheapest other asks. Days pass on a clock of our own; the
 * cards, the offers, the decision, the store and the book of packs are the real ones.
 */
import { describe, expect, it } from 'vitest';
import { PROVIDERS } from '../../providers/index.ts';
import { usd } from '../../src/ground/money.ts';
import { DAY_MS } from '../../src/ground/time.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { PackBook, type PackDeps, takeStocks } from '../../src/jobs/packages.ts';
import { insertPackage } from '../../src/ledger/package.ts';
import { loadRateCards } from '../../src/pricing/cards.ts';
import { toBillionths } from '../../src/pricing/expected.ts';
import type { Seller } from '../../src/pricing/offers.ts';
import { type Choice, choose, type Option, optionsOf } from '../../src/routing/choose.ts';
import { consider } from '../../src/routing/consider.ts';
import { choosingOf, readDecision, routeOf, writeDecision } from '../../src/routing/decision.ts';
import { NO_ROUTING, type RequestRouting } from '../../src/routing/policy.ts';
import { type Conditions, idleConditions } from '../../src/routing/score.ts';
import type { Database } from '../../src/store/database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { attemptRow, COMPLETED, jobRow, openStoreWithTenant, ROOT, store } from '../support/rows.ts';

const cards = loadRateCards(`${ROOT}/rate-cards`);
const request: VideoRequest = {
  ...{ model: 'kling-v3', task: 'text_to_video', prompt: 'a red kite', seconds: 5, resolution: '720p' },
  ...{ aspectRatio: '16:9', audio: false, references: [], elements: [], voices: [], watermark: false },
};
const sellers = PROVIDERS.filter(({ id }) => id === 'kling' || id === 'atlas').map(
  ({ id, capabilities, settings }): Seller => ({
    ...{ provider: id, account: id, capabilities, credentials: settings.credentialVariables.flat() },
    refuses: () => null,
  }),
);
const accounts = new Map(PROVIDERS.map((provider) => [provider.id, { id: provider.id, provider }]));
/** Five seconds of VIDEO 3.0 in 720p without sound take three units. */
const UNITS = 3n * 1_000_000_000n;
/** What a clip is expected to take as long as nothing is measured. */
const TAKE_MS = 120_000;

/** A gateway with an account at Kling and one at Atlas; time passes by its clock. */
async function openShop() {
  const database = await openStoreWithTenant();
  const clock = new ManualClock(Date.UTC(2026, 10, 21));
  const log = { info() {}, warn() {}, error() {}, flush() {} };
  const book = new PackBook({ database, clock, cards, accounts, log } as unknown as PackDeps);
  return {
    database,
    clock,
    book,
    stocks: () => takeStocks({ database, clock, cards, accounts } as unknown as PackDeps),
  };
}
type Shop = Awaited<ReturnType<typeof openShop>>;

const buy = async (
  { database, clock, book }: Shop,
  units: number,
  daysLeft: number,
  sold: { readonly package: string; readonly concurrency: number } = { package: 'package-1', concurrency: 20 },
): Promise<void> => {
  const pack = { id: `pack_${units}`, account: 'kling', units: String(units), ...sold };
  const price = { priceMicros: usd((units * 0.14).toFixed(6)), boughtAtMs: clock.nowMs() };
  const times = { expiresAtMs: clock.nowMs() + daysLeft * DAY_MS, createdAtMs: clock.nowMs() };
  const unreported = { reportedId: null, reportedLeft: null, reportedAtMs: null };
  await database.write((tx) => insertPackage(tx, { ...pack, ...price, ...times, ...unreported }));
  await book.refresh();
};

let made = 0;
/** A clip that was finished then. */
async function finish(
  database: Database,
  account: 'kling' | 'atlas',
  atMs: number,
  lapsingUnits = 0n,
  tookMs = TAKE_MS,
): Promise<void> {
  made += 1;
  const card = cards.ofProvider(account, '2026-11-21');
  const rate = card?.rates.find(
    ({ name }) => name.startsWith('kling-v3 text_to_video') && name.includes('720p silent'),
  );
  await store(database, {
    jobs: [jobRow({ ...COMPLETED, id: `video_${made}`, createdAtMs: atMs, endedAtMs: atMs })],
    attempts: [
      attemptRow({
        ...{ id: `att_${made}`, jobId: `video_${made}`, state: 'succeeded', slotHeld: false, createdAtMs: atMs },
        ...{ provider: account, account, lane: account, acceptedAtMs: atMs - tookMs, endedAtMs: atMs, lapsingUnits },
        ...{ taskId: `task_${made}`, handle: '{}' },
        ...{ card: `${card?.card}@${card?.effective}`, rate: rate?.name ?? '' },
      }),
    ],
  });
}

/** So many clips a day were made there in the last fourteen days. */
async function remember({ database, clock }: Shop, account: 'kling' | 'atlas', perDay: number): Promise<void> {
  for (let clip = 0; clip < 14 * perDay; clip += 1) {
    await finish(database, account, clock.nowMs() - ((clip + 0.5) * DAY_MS) / perDay);
  }
}

const conditionsIn =
  ({ book }: Shop) =>
  ({ account }: { account: string }): Conditions => ({
    ...idleConditions(20),
    lapsing: book.lapsingOf(account, TAKE_MS),
  });

function decideIn(shop: Shop, routing: Partial<RequestRouting> = {}) {
  const route = consider({
    ...{ requests: [request], routing: { ...NO_ROUTING, ...routing }, cards, nowMs: shop.clock.nowMs() },
    asker: { policy: {}, maxPriceMicros: null, markupPercent: '10' },
    sellers: shop.book.sellers(sellers),
    conditionsOf: conditionsIn(shop),
  });
  const decision = readDecision(writeDecision(route, { markup: '10', warnings: [] }));
  return { route, decision };
}

/** Which candidate gets the clip now, as the queue chooses it from the stored decision. */
function chooseIn(shop: Shop, routing: Partial<RequestRouting> = {}): Choice<Option> {
  const { decision } = decideIn(shop, routing);
  const left = optionsOf(routeOf(decision), choosingOf(decision), []);
  const chosen = left.kind === 'options' && choose(left.options, choosingOf(decision), conditionsIn(shop));
  if (!chosen) throw new Error('nobody can make the clip');
  return chosen;
}

describe('a pack', () => {
  it('with 300 units and 3 days left is burned before it expires, and what will be needed is left for it', async () => {
    const shop = await openShop();
    await remember(shop, 'kling', 10);
    await buy(shop, 300, 3);
    // Ten clips a day need ninety units in three days.
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(70n * UNITS);
    const burned: string[] = [];
    for (let clip = 0; clip < 3 * 60; clip += 1) {
      // Every sixth clip has to be made there, as before; the others go where it is cheapest.
      const bound = clip % 6 === 0;
      const { option, lapsing } = chooseIn(shop, bound ? { only: ['kling'] } : {});
      if (!bound && option.account === 'kling') burned.push(`${option.priceMicros}`);
      expect(lapsing).toBe(bound || option.account === 'atlas' ? 0n : UNITS);
      await finish(shop.database, option.account === 'kling' ? 'kling' : 'atlas', shop.clock.nowMs(), lapsing);
      shop.clock.advance(DAY_MS / 60);
      await shop.book.refresh();
    }
    expect(burned).toHaveLength(70);
    // Atlas asks $0.355 and ten percent; at its own price Kling would cost $0.462.
    expect(new Set(burned)).toEqual(new Set([`${usd('0.3905')}`]));
    const [stock] = await shop.stocks();
    expect(stock?.inventory.packs.map(({ left }) => left)).toEqual([0n]);
  });

  it.each([
    ['5,000 units, 170 days left and thirty units a day', 10, 5_000, 170, 0n],
    ['300 units, 3 days left and no history', 0, 300, 3, 0n],
    ['5,000 units, 170 days left and no history', 0, 5_000, 170, 0n],
    ['300 units, 3 days left, all of them needed', 34, 300, 3, 0n],
  ] as const)('of %s is not preferred to a cheaper aggregator', async (_, perDay, units, days, lapsing) => {
    const shop = await openShop();
    if (perDay > 0) await remember(shop, 'kling', perDay);
    await buy(shop, units, days);
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(lapsing);
    const { route } = decideIn(shop);
    expect(route.route.map(({ account }) => account)).toEqual(['atlas', 'kling']);
    expect(route.route.map(({ offer }) => offer?.quote.priceMicros)).toEqual([usd('0.3905'), usd('0.462')]);
  });

  it('is worth nothing to keep where fourteen days have drawn nothing on it, and full price on the first day', async () => {
    const shop = await openShop();
    await buy(shop, 300, 30);
    await finish(shop.database, 'atlas', shop.clock.nowMs() - DAY_MS / 2);
    await shop.book.refresh();
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(0n);
    await finish(shop.database, 'atlas', shop.clock.nowMs() - 2 * DAY_MS);
    await shop.book.refresh();
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(100n * UNITS);
  });

  it('counts what was burned as used, but not as demand', async () => {
    const shop = await openShop();
    await remember(shop, 'atlas', 1);
    await buy(shop, 300, 3);
    for (let clip = 0; clip < 50; clip += 1) await finish(shop.database, 'kling', shop.clock.nowMs(), UNITS);
    await shop.book.refresh();
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(50n * UNITS);
  });

  it('gives each unit that would lapse away once: what runs, and what was just taken, is spoken for', async () => {
    const shop = await openShop();
    await remember(shop, 'atlas', 1);
    await buy(shop, 9, 3);
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(3n * UNITS);
    shop.book.took('kling', 2n * UNITS);
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(UNITS);
    shop.book.took('kling', 2n * UNITS);
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(0n);
    const running = { lapsingUnits: UNITS, state: 'running', account: 'kling', taskId: 'task' } as const;
    await store(shop.database, { jobs: [jobRow()], attempts: [attemptRow(running)] });
    await shop.book.refresh();
    expect(shop.book.lapsingOf('kling', TAKE_MS)).toBe(2n * UNITS);
  });
});

describe('packs beside one another', () => {
  const TRIAL = { package: 'trial-l', concurrency: 5 };
  const unitPrice = ({ book }: Shop) => book.sellers(sellers).find(({ account }) => account === 'kling')?.packageId;

  it('let as many tasks run as the largest limit among those that are open and have units left, not as the next one', async () => {
    const shop = await openShop();
    expect(shop.book.concurrencyOf('kling')).toBeNull();
    await buy(shop, 9, 30, TRIAL);
    expect(shop.book.concurrencyOf('kling')).toBe(5);
    await buy(shop, 6, 300);
    expect([shop.book.concurrencyOf('kling'), unitPrice(shop)]).toEqual([20, 'trial-l']);
    // The trial is used up by three clips, and the standard pack by two more.
    for (let clip = 0; clip < 3; clip += 1) await finish(shop.database, 'kling', shop.clock.nowMs());
    await shop.book.refresh();
    expect([shop.book.concurrencyOf('kling'), unitPrice(shop)]).toEqual([20, 'package-1']);
    for (let clip = 0; clip < 2; clip += 1) await finish(shop.database, 'kling', shop.clock.nowMs());
    await shop.book.refresh();
    expect([shop.book.concurrencyOf('kling'), unitPrice(shop)]).toEqual([null, undefined]);
  });

  it('let their own number run to the second in which they expire, without another look', async () => {
    const shop = await openShop();
    await buy(shop, 300, 1);
    await buy(shop, 30, 30, TRIAL);
    shop.clock.advance(DAY_MS - 1);
    expect(shop.book.concurrencyOf('kling')).toBe(20);
    shop.clock.advance(1);
    expect(shop.book.concurrencyOf('kling')).toBe(5);
  });

  it('price a clip by the pack that is still open when it is done, and give away nothing that lapses before', async () => {
    const shop = await openShop();
    await remember(shop, 'atlas', 1);
    await buy(shop, 300, 1, TRIAL);
    await buy(shop, 30, 2);
    const both = shop.book.lapsingOf('kling', TAKE_MS);
    expect([unitPrice(shop), both]).toEqual(['trial-l', 110n * UNITS]);
    // Thirty seconds before the trial is over: a clip of two minutes will draw on the other.
    shop.clock.advance(DAY_MS - 30_000);
    expect([unitPrice(shop), shop.book.lapsingOf('kling', TAKE_MS)]).toEqual(['package-1', 10n * UNITS]);
    expect(shop.book.lapsingOf('kling', 29_000)).toBe(110n * UNITS);
    // Measured: clips take ten seconds.
    await finish(shop.database, 'kling', shop.clock.nowMs(), 0n, 10_000);
    await shop.book.refresh();
    expect(unitPrice(shop)).toBe('trial-l');
  });
});

describe('the price of a clip that burns units', () => {
  it('is the cheapest other one, with a line that says so; the operator sees what the units had cost', async () => {
    const shop = await openShop();
    await remember(shop, 'atlas', 1);
    await buy(shop, 300, 3);
    const { decision } = decideIn(shop);
    const [first, second] = decision.candidates;
    expect([first?.account, first?.price, first?.cost]).toEqual(['kling', usd('0.3905'), usd('0.42')]);
    expect(first?.score?.cost).toBe(0n);
    expect(first?.price).toBe(second?.price);
    const sum = first?.lines.reduce((total, line) => total + line.usd, 0);
    expect(sum).toBeCloseTo(0.3905, 9);
    expect(first?.lines.at(-1)?.what).toMatch(/would lapse/);
    expect(decision.hold).toBe(usd('0.3905'));
  });

  it('is its own where nobody else may make it', async () => {
    const shop = await openShop();
    await remember(shop, 'atlas', 1);
    await buy(shop, 300, 3);
    expect(decideIn(shop, { only: ['kling'] }).decision.hold).toBe(usd('0.462'));
    expect(chooseIn(shop, { only: ['kling'] }).lapsing).toBe(0n);
  });

  it('counts units to the billionth', () => expect(toBillionths({ n: 3n, d: 1n })).toBe(UNITS));
});
