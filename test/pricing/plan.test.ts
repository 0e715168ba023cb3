/**
 * The planner answers what the price documents of 2026 answer, to the cent, and what they leave open: its mix is never
 * dearer than any plain way of buying, and loses no take. Held against the shipped cards and against plain counting.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Micros, ratio, toDisplayNumber, toUsdNumber, usd, ZERO_RATIO } from '../../src/ground/money.ts';
import type { Capability } from '../../src/pricing/capability.ts';
import { loadRateCards } from '../../src/pricing/cards.ts';
import { makePlan, type Plan, type PlanRules } from '../../src/pricing/plan.ts';
import { type Clips, readDistribution } from '../../src/pricing/plan-clips.ts';
import { EVEN_SHARE } from '../../src/pricing/plan-load.ts';
import type { Mix } from '../../src/pricing/plan-mix.ts';
import { sumRatios } from '../../src/pricing/plan-ratio.ts';
import type { Shop } from '../../src/pricing/plan-shops.ts';
import type { RateCard } from '../../src/pricing/rate-card.ts';
import { cardOf, MADE_AT_MS, ROOT, rate } from '../support/rows.ts';

const shipped = loadRateCards(`${ROOT}/rate-cards`);
const DAY = '2026-11-21';

const sells = (change: Partial<Capability> = {}): Capability => ({
  model: 'kling-v3',
  task: 'text_to_video',
  resolutions: ['720p', '1080p', '4k'],
  sound: 'optional',
  takes: {},
  upstream: 'x',
  ...change,
});
const EVERYTHING = [sells(), sells({ task: 'image_to_video' }), sells({ model: 'kling-o3' })];

const provider = (id: string, card: RateCard, capabilities: readonly Capability[] = EVERYTHING): Shop => ({
  id,
  card,
  capabilities,
  slots: 10,
});
const reference = (id: string): Shop => ({ id, card: card(id), capabilities: null, slots: null });
function card(id: string): RateCard {
  const found = shipped.inForce(id, DAY);
  if (!found) throw new Error(`no card ${id}`);
  return found;
}
const kling = provider('kling', card('kling-official'));
const LISTED = ['atlas-listed', 'piapi-listed', 'fal-listed', 'evolink-listed'].map(reference);

const clips = (change: Partial<Clips> = {}): Clips => ({
  model: 'kling-v3',
  task: 'text_to_video',
  seconds: 5,
  resolution: '720p',
  audio: false,
  count: 1_000,
  ...change,
});
const image = (change: Partial<Clips> = {}) => clips({ task: 'image_to_video', ...change });

const RULES: PlanRules = {
  success: ratio(1),
  takesAt: null,
  audioLater: false,
  days: 30,
  generationSeconds: 120,
  peakShare: EVEN_SHARE,
  trialPacksMax: 1,
  storageUsdPerGb: null,
  volumes: [100, 500, 1_000],
};
const plan = (rows: readonly Clips[], shops: readonly Shop[], rules: Partial<PlanRules> = {}): Plan =>
  makePlan(rows, shops, { ...RULES, ...rules }, MADE_AT_MS);

function mixOf({ mix }: Plan): Mix {
  if ('reason' in mix) throw new Error(mix.reason);
  return mix;
}
const dollars = (amount: Micros | null | undefined) =>
  amount === null || amount === undefined ? amount : toUsdNumber(amount);
const shopOf = ({ shops }: Plan, id: string) => shops.find(({ shop }) => shop.id === id);
const packageOf = ({ packages }: Plan, id: string) => packages.find((outlook) => outlook.id === id);
const atVolumes = (made: Plan, id: string) => shopOf(made, id)?.usdAtVolumes?.map(toUsdNumber);
const breakEven = ({ breakEven: found }: Plan, packageId: string, shop: string) =>
  found.find((each) => each.packageId === packageId && each.shop === shop);

describe('the figures of the documents', () => {
  it('costs 100, 500 and 1,000 ten-second clips at 1080p with audio as printed', () => {
    const cards = [kling, reference('kling-per-second-2026')];
    const long = { seconds: 10, resolution: '1080p', audio: true } as const;
    const [v3, o3] = [plan([clips(long)], cards), plan([clips({ ...long, model: 'kling-o3' })], cards)];
    expect(atVolumes(v3, 'kling-per-second-2026')).toEqual([150, 750, 1_500]);
    expect(atVolumes(o3, 'kling-per-second-2026')).toEqual([125, 625, 1_250]);
    const o1 = clips({ model: 'kling-o1', task: 'image_to_video', seconds: 10 });
    expect(atVolumes(plan([o1], cards), 'kling-per-second-2026')).toEqual([111.1, 555.5, 1_111]);
  });

  it('costs ten-second clips as the official units and the aggregators list them', () => {
    const made = plan([image({ seconds: 10, count: 1 })], [kling, ...LISTED]);
    const each = (id: string) => dollars(shopOf(made, id)?.usdPerClip);
    expect([each('kling'), ...LISTED.map(({ id }) => each(id))]).toEqual([0.84, 0.71, 1, 0.84, 0.79]);
    const pro = plan([image({ seconds: 10, resolution: '1080p', audio: true })], [kling]);
    expect(dollars(shopOf(pro, 'kling')?.usdPerClip)).toBe(1.68);
  });

  it('takes about 1.4 times as much at a first-take success of 70 %', () => {
    const made = plan([image({ count: 700 })], [kling, ...LISTED], { success: ratio('0.7') });
    expect(toDisplayNumber(made.takesPerClip)).toBe(1.428571);
    expect(made.takesPerMonth).toEqual({ n: 1_000n, d: 1n });
    expect(dollars(shopOf(made, 'atlas-listed')?.usdPerMonth)).toBe(355);
    // Rounded once, up: a clip alone would be 0.507142857...
    expect(dollars(shopOf(made, 'atlas-listed')?.usdPerClip)).toBe(0.507143);
  });

  it('pays Trial S back against Atlas at 28 clips, package 1 against PiAPI at 7,000 seconds', () => {
    const made = plan([image()], [kling, ...LISTED]);
    expect(breakEven(made, 'trial-s', 'atlas-listed')).toMatchObject({ clips: 28n, seconds: 139n, packs: 1 });
    expect(breakEven(made, 'package-1', 'piapi-listed')).toMatchObject({ clips: 1_400n, seconds: 7_000n, packs: 1 });
    expect(breakEven(made, 'package-3', 'evolink-listed')).toMatchObject({ seconds: 71_773n });
  });

  it('tells whether the plan makes as many before the pack lapses or the plan ends', () => {
    const reached = (days: number, count: number) => {
      const found = breakEven(plan([image({ count })], [kling, ...LISTED], { days }), 'package-1', 'piapi-listed');
      return found?.kind === 'volume' && found.reached;
    };
    expect([reached(30, 1_399), reached(30, 1_400), reached(42, 1_000), reached(41, 1_000)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect([reached(360, 233), reached(360, 234)]).toEqual([false, true]);
  });

  it('never pays packages 1 to 4 back against Atlas, nor a pack that only equals a price', () => {
    const made = plan([image()], [kling, ...LISTED]);
    const kinds = ['package-1', 'package-2', 'package-3', 'package-4'].map(
      (id) => breakEven(made, id, 'atlas-listed')?.kind,
    );
    expect(kinds).toEqual(['never', 'never', 'never', 'never']);
    // 0.6 units at 0.14 are fal's 0.084 to the cent.
    expect(breakEven(made, 'package-1', 'fal-listed')?.kind).toBe('never');
    expect(breakEven(made, 'package-3', 'fal-listed')?.kind).toBe('volume');
  });

  it('counts break-even in takes, so that success does not move it', () => {
    const made = plan([image()], [kling, ...LISTED], { success: ratio('0.7') });
    expect(breakEven(made, 'trial-s', 'atlas-listed')).toMatchObject({ clips: 28n, seconds: 139n });
  });

  it('says what a card that does not sell the clip lacks instead of a break-even', () => {
    const made = plan([clips()], [kling, ...LISTED]);
    expect(breakEven(made, 'trial-s', 'atlas-listed')).toMatchObject({ kind: 'unknown' });
    expect(shopOf(made, 'atlas-listed')?.reason).toMatch(
      /no price for kling-v3 text_to_video .*one for image_to_video/,
    );
  });

  it('buys more than one pack where one runs out before it pays', () => {
    // 12 units a clip: a pack of 100 makes 8 clips, and by the clip 9 cost less than it.
    const dear = provider('dear', cardOf({ rates: [rate({ usd_per_second: 0.118 })] }));
    const packs = cardOf({
      kind: 'units',
      packages: [
        { id: 'p', price_usd: 9.8, units: 100, unit_price_usd: 0.098, validity_days: 30, concurrent_tasks: 5 },
      ],
      rates: [rate({ units_per_second: 1.2 })],
    });
    const made = plan([clips({ seconds: 10 })], [provider('packed', packs), dear]);
    // For one pack 9 clips, 108 units; for two 17, 204; for three 25 clips cost 29.50 and take their 300 units.
    expect(breakEven(made, 'p', 'dear')).toMatchObject({ kind: 'volume', packs: 3, clips: 25n, seconds: 250n });
  });
});

describe('packs', () => {
  it('are counted with what expires of them, and with what that costs', () => {
    const made = plan([clips()], [kling]);
    expect(packageOf(made, 'package-1')).toMatchObject({ packs: 1, usd: usd(700), usdWastedPerMonth: usd(280) });
    const { unitsNeeded, unitsExpiring } = packageOf(made, 'package-1') ?? {};
    expect([unitsNeeded, unitsExpiring].map((units) => units && toDisplayNumber(units))).toEqual([3_000, 2_000]);
    expect(dollars(packageOf(made, 'package-1')?.usdPerMonthGoingOn)).toBe(420);
    expect(packageOf(made, 'trial-s')).toMatchObject({ packs: 30, usd: usd(294) });
  });

  it('that lapse are bought again, and lose what is left each time', () => {
    // 30 units a month: a trial of 100 loses 70 every 30 days; package 1 outlives the half-year it is bought for.
    const made = plan([clips({ count: 10 })], [kling], { days: 90 });
    const trial = packageOf(made, 'trial-s');
    expect(trial).toMatchObject({
      packs: 3,
      usd: usd('29.4'),
      usdPerMonth: usd('9.8'),
      usdPerMonthGoingOn: usd('9.8'),
    });
    expect([trial?.unitsExpiring, trial?.unitsExpiringEach]).toEqual([
      { n: 210n, d: 1n },
      { n: 70n, d: 1n },
    ]);
    expect(packageOf(made, 'package-1')).toMatchObject({ packs: 1, unitsExpiring: { n: 4_910n, d: 1n } });
    expect(packageOf(made, 'package-1')?.unitsExpiringEach).toEqual({ n: 4_820n, d: 1n });
  });

  it('are held against the tasks at once of the busiest hour', () => {
    // 9,000 takes a month are 300 a day; with half of them in one hour, 150 an hour for 120 s each are 5 at once.
    const at = (count: number) => plan([clips({ count })], [kling], { peakShare: ratio('0.5') });
    expect(at(9_000).load).toMatchObject({ needed: 5 });
    expect(toDisplayNumber(at(9_000).load.average)).toBe(0.416667);
    expect([packageOf(at(9_000), 'trial-l')?.carriesPeak, packageOf(at(9_001), 'trial-l')?.carriesPeak]).toEqual([
      true,
      false,
    ]);
    expect(at(9_001).load.needed).toBe(6);
    expect(packageOf(at(36_001), 'package-4')?.carriesPeak).toBe(false);
  });

  it('warn that a trial carries no more than 5 at once, nor past 30 days', () => {
    const { warnings } = plan([clips({ count: 9_001 })], [kling], { peakShare: ratio('0.5'), days: 60 });
    expect(warnings[0]).toBe(
      'trial-s: a pack of 100 units cannot carry more than 5 at once, nor past 30 days; ' +
        'this plan needs 6 at once in its busiest hour; this plan runs for 60 days',
    );
    expect(warnings).toContainEqual(expect.stringMatching(/^trial-s: \d+ of them are reckoned/));
    expect(warnings).not.toContainEqual(expect.stringContaining('package-1'));
  });
});

describe('the mix', () => {
  const units = (change: object) =>
    cardOf({
      kind: 'units',
      packages: [{ id: 'p', price_usd: 7, units: 100, unit_price_usd: 0.07, validity_days: 30, concurrent_tasks: 5 }],
      rates: [rate({ units_per_second: 0.6 }), rate({ resolution: '1080p', units_per_second: 0.8 })],
      ...change,
    });

  it('makes each kind of clip where it is cheapest', () => {
    const one = cardOf({ rates: [rate({ usd_per_second: 0.1 }), rate({ resolution: '1080p', usd_per_second: 0.3 })] });
    const two = cardOf({ rates: [rate({ usd_per_second: 0.2 }), rate({ resolution: '1080p', usd_per_second: 0.2 })] });
    const rows = [clips({ count: 10 }), clips({ resolution: '1080p', count: 10 })];
    const mix = mixOf(plan(rows, [provider('one', one), provider('two', two)]));
    expect(mix.shares.map(({ shop }) => shop)).toEqual(['one', 'two']);
    expect(mix).toMatchObject({ usd: usd(15), packageId: null, packs: 0 });
  });

  it('buys a pack for what saves most with it, and pays the rest by the clip', () => {
    const some = cardOf({
      rates: [rate({ usd_per_second: 0.03 }), rate({ resolution: '1080p', usd_per_second: 0.3 })],
    });
    const one = cardOf({ rates: [rate({ usd_per_second: 0.05 }), rate({ resolution: '1080p', usd_per_second: 0.3 })] });
    const many = [clips({ count: 100 }), clips({ resolution: '1080p', count: 30 })];
    // 30 x 4 units of 1080p: one pack makes 25; a second makes 5 more for 1.50 each, and 26.67 small ones with what is left.
    const mix = mixOf(plan(many, [provider('packed', units({})), provider('one', some)]));
    expect(mix).toMatchObject({ packageId: 'p', packs: 2, usd: usd(25), unitsExpiring: ZERO_RATIO });
    const half = mixOf(
      plan(
        [clips({ count: 10 }), clips({ resolution: '1080p', count: 28 })],
        [provider('packed', units({})), provider('one', one)],
      ),
    );
    expect(half).toMatchObject({ packageId: 'p', packs: 1, usd: usd('14') });
    expect(half.shares.map(({ shop, count }) => [shop, toDisplayNumber(count)])).toEqual([
      ['packed', 25],
      ['one', 3],
      ['one', 10],
    ]);
  });

  it('buys packs for what nobody sells by the clip, and says so where nobody sells it at all', () => {
    const one = provider('one', cardOf({ rates: [rate({ usd_per_second: 0.01 })] }));
    const rows = [clips(), clips({ resolution: '1080p', count: 1 })];
    expect(mixOf(plan(rows, [provider('packed', units({})), one]))).toMatchObject({ packs: 1, packageId: 'p' });
    expect(plan(rows, [one]).mix).toEqual({ reason: expect.stringContaining('1080p silent') });
  });

  it('never buys from a reference card, nor more trial packs than it may', () => {
    const cheap = { ...provider('cheap', cardOf({ rates: [rate({ usd_per_second: 0.001 })] })), capabilities: null };
    const one = provider('one', cardOf({ rates: [rate({ usd_per_second: 0.1 })] }));
    expect(mixOf(plan([clips()], [one, cheap])).shares).toMatchObject([{ shop: 'one' }]);
    const trials = [kling, provider('atlas', card('atlas'))];
    expect(mixOf(plan([clips()], trials))).toMatchObject({ packageId: 'trial-l', packs: 1 });
    expect(mixOf(plan([clips()], trials, { trialPacksMax: 3 }))).toMatchObject({ packageId: 'trial-l', packs: 3 });
    expect(mixOf(plan([clips()], trials, { trialPacksMax: 0 })).packageId).toBeNull();
    // A trial lapses after 30 days: in 90 it still makes only 333 of the 3,000 clips.
    const long = mixOf(plan([clips()], trials, { days: 90 }));
    expect(long.shares.map(({ count }) => toDisplayNumber(count))).toEqual([333.333333, 2_666.666667]);
  });

  it('draws no more from a pack than its tasks at once carry in the busiest hour', () => {
    const one = provider('one', cardOf({ rates: [rate({ usd_per_second: 1 })] }));
    // 5 tasks of 3,600 s at a time, half a day's takes in one hour: 10 takes a day, 300 a month.
    const rules = { generationSeconds: 3_600, peakShare: ratio('0.5') };
    const mix = mixOf(plan([clips()], [provider('packed', units({})), one], rules));
    expect(mix.shares.map(({ shop, count }) => [shop, toDisplayNumber(count)])).toEqual([
      ['packed', 300],
      ['one', 700],
    ]);
  });

  it('is the cheapest number of packs of all, counted one by one, and loses no take', () => {
    const cases = fc.record({
      count: fc.integer({ min: 1, max: 3_000 }),
      price: fc.integer({ min: 1, max: 300 }),
      days: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(cases, ({ count, price, days }) => {
        const cents = cardOf({ rates: [rate({ usd_per_second: price / 1_000 })] });
        const shops = [provider('packed', units({})), provider('one', cents)];
        const mix = mixOf(plan([clips({ count })], shops, { days, generationSeconds: 1 }));
        // In thirtieths of a micro-dollar and of a unit, so that everything is whole.
        const [takes, perTake] = [count * days, price * 5_000];
        const costs = Array.from({ length: Math.ceil((takes * 3) / 3_000) + 2 }, (_, packs) => {
          const rest = Math.max(0, takes - packs * 1_000);
          return packs * 210_000_000 + rest * perTake;
        });
        expect(Number(mix.usd)).toBe(Math.ceil(Math.min(...costs) / 30));
        const made = sumRatios(mix.shares.map((share) => share.count));
        expect(made.n * 30n).toBe(BigInt(count * days) * made.d);
      }),
    );
  });

  it('is never dearer than any one provider, nor than packs of one kind', () => {
    const row = fc.record({
      seconds: fc.integer({ min: 3, max: 15 }),
      resolution: fc.constantFrom('720p', '1080p'),
      audio: fc.boolean(),
      count: fc.integer({ min: 1, max: 20_000 }),
    });
    const shops = [kling, ...['atlas', 'piapi', 'evolink', 'fal'].map((id) => provider(id, card(id)))];
    const distributions = fc.array(row, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(distributions, fc.integer({ min: 1, max: 400 }), (rows, days) => {
        const made = plan(rows.map(clips), shops, { days, trialPacksMax: 100_000, generationSeconds: 1 });
        const { usd: cost, usdPerMonth } = mixOf(made);
        for (const { shop, usdPerMonth: other } of made.shops) {
          if (shop.id !== 'kling' && other !== null) expect(usdPerMonth <= other).toBe(true);
        }
        for (const outlook of made.packages) expect(cost <= outlook.usd).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

describe('ways of working', () => {
  const prices = cardOf({
    rates: [
      rate({ usd_per_second: 0.075 }),
      rate({ audio: true, usd_per_second: 0.113 }),
      rate({ resolution: '1080p', usd_per_second: 0.1 }),
      rate({ resolution: '1080p', audio: true, usd_per_second: 0.15 }),
    ],
  });
  const shop = provider('one', prices);
  const rows = [clips({ seconds: 10, resolution: '1080p', audio: true, count: 100 })];
  const half = { success: ratio('0.5') };

  it('drafts at 720p until a take is right, then makes it once as ordered', () => {
    const made = plan(rows, [shop], { ...half, takesAt: '720p' });
    expect(
      made.takes.map(({ stage, resolution, audio, takes }) => [stage, resolution, audio, toDisplayNumber(takes)]),
    ).toEqual([
      ['draft', '720p', true, 200],
      ['production', '1080p', true, 100],
    ]);
    expect(dollars(shopOf(made, 'one')?.usdPerMonth)).toBe(200 * 1.13 + 100 * 1.5);
  });

  it('leaves sound to the chosen take', () => {
    const made = plan(rows, [shop], { ...half, audioLater: true });
    expect(dollars(shopOf(made, 'one')?.usdPerMonth)).toBe(200 * 1 + 100 * 1.5);
    const both = plan(rows, [shop], { ...half, audioLater: true, takesAt: '720p' });
    expect(dollars(shopOf(both, 'one')?.usdPerMonth)).toBe(200 * 0.75 + 100 * 1.5);
  });

  it('drafts nothing where a draft would be the clip itself, or larger', () => {
    const small = [clips({ count: 100 })];
    const made = plan(small, [shop], { ...half, takesAt: '1080p', audioLater: true });
    expect(made.takes).toMatchObject([{ stage: 'take', resolution: '720p', takes: { n: 200n, d: 1n } }]);
    expect(made.advice).toEqual([expect.objectContaining({ id: 'as_ordered', chosen: true })]);
  });

  it('says what each way costs, and below which success drafting pays', () => {
    const { advice } = plan(rows, [shop], half);
    expect(advice.map(({ id, usdPerMonth }) => [id, dollars(usdPerMonth)])).toEqual([
      ['as_ordered', 300],
      ['drafts_720p', 376],
      ['audio_later', 350],
      ['drafts_720p_audio_later', 300],
      ['dubbed', 200],
    ]);
    // Silent at 720p a take is half as dear: with half of the takes good, drafting costs exactly the same.
    const single = plan([clips({ seconds: 5, resolution: '1080p', audio: true, count: 1 })], [shop], half).advice;
    for (const found of [advice, single]) {
      const paysBelow = found.map(({ paysBelowSuccess }) => paysBelowSuccess && toDisplayNumber(paysBelowSuccess));
      expect(paysBelow).toEqual([null, 0.246667, 0.333333, 0.5, null]);
    }
    const worse = plan(rows, [shop], { success: ratio('0.49') }).advice;
    const [ordered, , , drafted] = worse.map(({ usdPerMonth }) => usdPerMonth ?? 0n);
    expect((drafted ?? 0n) < (ordered ?? 0n)).toBe(true);
  });

  it('adds what it costs to keep every take', () => {
    const made = plan(rows, [shop], { ...half, storageUsdPerGb: ratio('0.5') });
    // 200 takes of 10 s at 8 Mbit/s are 2 GB.
    expect(made.storage).toEqual({ gigabytes: { n: 2n, d: 1n }, usd: usd(1) });
    expect(plan(rows, [shop], { storageUsdPerGb: ZERO_RATIO }).storage?.usd).toBe(0n);
  });

  it('prices sound that cannot be switched off', () => {
    const loud = provider('loud', prices, [sells({ sound: 'always' })]);
    const mute = provider('mute', prices, [sells({ sound: 'never' })]);
    const made = plan([clips()], [loud, mute]);
    expect([dollars(shopOf(made, 'loud')?.usdPerClip), dollars(shopOf(made, 'mute')?.usdPerClip)]).toEqual([
      0.565, 0.375,
    ]);
    expect(shopOf(plan(rows, [mute]), 'mute')?.reason).toMatch(/^mute does not make 10 s .* with audio/);
  });
});

describe('a distribution', () => {
  const USUAL = { model: 'kling-v3', task: 'text_to_video' };
  const read = (text: string) => readDistribution(text, 'clips.csv', USUAL);

  it('is read in any order of columns, with and without model and task, and like rows are joined', () => {
    const text =
      '\uFEFFcount,audio,resolution,seconds,model\r\n10,yes,1080P,5,\r\n\r\n 2 ,no,720p,10,kling-o1\r\n5,true,1080p,5,kling-v3\r\n';
    expect(read(text)).toEqual([
      clips({ count: 15, audio: true, resolution: '1080p' }),
      clips({ count: 2, model: 'kling-o1', seconds: 10 }),
    ]);
    expect(read('seconds,resolution,audio,count,model\n5,720p,no,1,kling-v3-turbo\n')).toMatchObject([{ audio: true }]);
  });

  it.each([
    ['', /^clips\.csv: is empty; its first line names the columns seconds,resolution,audio,count/],
    ['seconds,resolution,audio,count\n', /has no rows/],
    ['seconds,resolution,count\n5,720p,1\n', /line 1: column audio is missing/],
    ['seconds,resolution,audio,count,colour\n', /line 1: no column is called "colour"; there are seconds/],
    ['seconds,seconds,audio,count\n', /line 1: column seconds stands there twice/],
    ['H\n2,720p,no,1\n', /line 2, column seconds: expected 3 to 15 whole seconds for kling-v3 text_to_video, got "2"/],
    ['H\n5,720p,no,1\n5.5,720p,no,1\n', /line 3, column seconds: .* got "5\.5"/],
    ['H\n5,8k,no,1\n', /line 2, column resolution: expected 720p or 1080p or 4k .* got "8k"/],
    ['H\n5,720p,maybe,1\n', /line 2, column audio: expected yes or no, got "maybe"/],
    ['H\n5,720p,no,0\n', /line 2, column count: expected a whole number of clips a month from 1 to 100000000, got "0"/],
    ['H\n5,720p,no,-3\n', /column count: .* got "-3"/],
    ['H\n5,720p,no\n', /line 2: has 3 values for 4 columns/],
    ['H\n5,720p,"no,1\n', /is not CSV/],
    ['H,model\n5,720p,no,1,sora-9\n', /line 2, column model: expected one of kling-v4, .* got "sora-9"/],
    ['H,task\n5,720p,no,1,extension\n', /column task: expected a task of kling-v3: text_to_video, .* got "extension"/],
    ['H,model\n5,720p,yes,1,kling-o1\n', /column audio: expected no, because kling-o1 makes no sound, got "yes"/],
    ['H\n5,720p,no,99999999\n5,720p,no,99\n', /100000098 clips a month; a plan takes at most 100000000/],
  ])('%j is refused with its place, value and rule', (text, says) => {
    expect(() => read(text.replace('H', 'seconds,resolution,audio,count'))).toThrow(says);
  });
});
