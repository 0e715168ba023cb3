/**
 * A clip costs what the card says, rounded up once, on the total; what no row prices is never free. Held against cards
 * of every kind, and against integer arithmetic on the decimals as they were written.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RESOLUTIONS } from '../../src/ground/models.ts';
import { formatUsd, type Micros, sumMicros, usd } from '../../src/ground/money.ts';
import { collectRateCards } from '../../src/pricing/cards.ts';
import { type Billable, type PricingOptions, priceOn } from '../../src/pricing/price.ts';
import { type QuoteTerms, quoteOn } from '../../src/pricing/quote.ts';
import type { RateCard } from '../../src/pricing/rate-card.ts';
import { billable, cardOf, DAY_MS, PACKAGES, rate } from '../support/rows.ts';

describe('a card', () => {
  it('per second charges each second of the row that fits', () => {
    const silent = [rate({ usd_per_second: 0.071 }), rate({ resolution: '1080p', usd_per_second: 0.095 })];
    const sound = rate({ audio: true, usd_per_second: 0.126 });
    const either = rate({ resolution: '4k', audio: undefined, usd_per_second: 0.42 });
    const voices = rate({ voice_control: true, usd_per_second: 0.154 });
    const card = cardOf({ rates: [...silent, sound, either, voices] });
    expect(priced(card, {})).toBe('$0.355');
    expect(priced(card, { audio: true })).toBe('$0.63');
    expect(priced(card, { resolution: '1080p', lengthMs: 15_000 })).toBe('$1.425');
    expect(priced(card, { resolution: '4k', audio: true })).toBe('$2.10');
    expect(priced(card, { resolution: '4k', audio: false })).toBe('$2.10');
    expect(priced(card, { voiceControl: true })).toBe('$0.77');
  });

  it('of units charges them at the unit price of the package drawn on', () => {
    const card = cardOf({ kind: 'units', packages: PACKAGES, rates: [rate({ units_per_second: 0.6 })] });
    expect(priced(card, {})).toBe('$0.42');
    expect(priced(card, {}, { packageId: 'package-1' })).toBe('$0.42');
    expect(priced(card, {}, { packageId: 'trial' })).toBe('$0.294');
    const missing = 'test-card has no package "package-9"; it has trial, package-1';
    expect(reasonOf(card, {}, { packageId: 'package-9' })).toBe(missing);
  });

  it('of blocks charges the block of the length, and sells no other length', () => {
    const blocks = { kind: 'block', limits: { min_seconds: 5, max_seconds: 10, seconds: [5, 10] } };
    const dollars = cardOf({ ...blocks, rates: [rate({ usd_per_block: { 5: 0.28, 10: 0.49 } })] });
    const units = cardOf({ ...blocks, packages: PACKAGES, rates: [rate({ units_per_block: { 5: 2, 10: 3.5 } })] });
    for (const card of [dollars, units]) {
      expect(priced(card, { lengthMs: 5_000 })).toBe('$0.28');
      expect(priced(card, { lengthMs: 10_000 })).toBe('$0.49');
    }
    expect(reasonOf(dollars, { lengthMs: 7_000 })).toBe('test-card sells kling-v3 in 5 or 10 seconds, not 7');
  });

  it('of credits keeps the credit a fraction and rounds up once, on the total', () => {
    const rates = [rate({ credits_per_second: 5.4 }), rate({ resolution: '1080p', credits_per_second: 7.2036 })];
    const card = cardOf({ ...CREDITS, rates });
    expect(priced(card, {})).toBe('$0.397059');
    // Rounded second by second it would be 1.589040.
    expect(priced(card, { resolution: '1080p', lengthMs: 15_000 })).toBe('$1.58903');
  });

  it('of credits that have no price counts them and names no dollars', () => {
    const card = cardOf({ kind: 'credits', rates: [rate({ credits_per_second: 6 })] });
    const line = { unit: 'credit', quantity: { n: 30n, d: 1n }, rate: null, usd: null };
    expect(priceOn(card, billable({}))).toMatchObject({ kind: 'priced', usd: null, lines: [line] });
    expect(quoteOn(card, billable({}), TERMS)).toMatchObject({ kind: 'unpriced' });
  });

  it('charges a delivered length by its own rounding, and at least its minimum', () => {
    const nearest = rate({ audio: true, usd_per_second: 0.1, rounding: 'nearest' });
    const card = cardOf({ rates: [rate({ usd_per_second: 0.1, minimum_seconds: 5 }), nearest] });
    const prices = (change: object) =>
      [3_000, 5_001, 5_499, 5_500].map((lengthMs) => priced(card, { lengthMs, ...change })).join(' ');
    expect(prices({})).toBe('$0.50 $0.60 $0.60 $0.60');
    expect(prices({ audio: true })).toBe('$0.30 $0.50 $0.50 $0.60');
  });

  it.each([
    ['another model', { model: 'kling-o3' }, 'test-card has no price for kling-o3 text_to_video 720p silent'],
    ['another task', { task: 'image_to_video' }, 'test-card has no price for kling-v3 image_to_video 720p silent'],
    ['another resolution', { resolution: '4k' }, 'test-card has no price for kling-v3 text_to_video 4k silent'],
    ['an unknown one', { resolution: null }, /no price for kling-v3 text_to_video in an unstated resolution silent/],
    ['sound', { audio: true }, 'test-card has no price for kling-v3 text_to_video 720p with audio'],
    ['voice control', { voiceControl: true }, /with voice control$/],
    ['a shorter clip', { lengthMs: 2_000 }, 'test-card sells kling-v3 in 3 to 15 seconds, not 2'],
    ['a longer clip', { lengthMs: 15_001 }, 'test-card sells kling-v3 in 3 to 15 seconds, not 15.001'],
  ] satisfies [string, Partial<Billable>, string | RegExp][])('that has no row for %s says so', (_, change, says) => {
    expect(reasonOf(cardOf(), change)).toMatch(says);
  });

  it('never prices by a row that is only there to be compared', () => {
    const rates = [rate({ usd_per_second: 0.084, reference: true })];
    expect(reasonOf(cardOf({ rates }), {})).toMatch(/has no price for/);
    expect(priced(cardOf({ rates: [...rates, rate({ usd_per_second: 0.071 })] }), {})).toBe('$0.355');
  });
});

describe('the formula of the portal', () => {
  it.each([
    ['1.005 goes up to 1.01, where floating point would go down', {}, { std: 0.201 }, '$1.01'],
    ['what is below a half goes down', {}, { std: 0.0249999 }, '$0.12'],
    ['a started second counts', { lengthMs: 4_001 }, { std: 0.1 }, '$0.50'],
    ['4k is charged with the factor of 720p', { mode: '4k', resolution: '4k' }, { '4k': 0.3 }, '$1.50'],
    ['no mode is the standard one', { mode: null }, { std: 0.2 }, '$1.00'],
    ['several images have a factor of their own', { input: 'multi-image' }, { std: 0.1 }, '$1.00'],
    ['a model has its factor', { model: 'kling-v2-1-master' }, { std: 0.1 }, '$0.75'],
    ['an unknown model has the unknown one', { model: 'kling-v9' }, { std: 0.1 }, '$0.60'],
    ['a clip costs at least a cent', {}, { std: 0.0001 }, '$0.01'],
    ['a clip costs at most ten dollars', {}, { std: 2.001 }, '$10.00'],
  ] satisfies [string, Partial<Billable>, object, string][])('%s', (_, change, base_usd_per_second, expected) => {
    expect(priced(formulaCard({ base_usd_per_second }), { mode: 'std', ...change })).toBe(expected);
  });

  it('names the factors that its document lost instead of guessing them', () => {
    const lost = formulaCard({ base_usd_per_second: {}, resolution_factors: { '4k': 2 }, input_factors: {} });
    const lacks = /^test-card lacks base_usd_per_second\.pro, resolution_factors\.720p, input_factors\.image: /;
    expect(reasonOf(lost, { mode: 'pro', input: 'image' })).toMatch(lacks);
  });
});

describe('a price', () => {
  it('equals the decimals multiplied by hand and rounded up at the end', () => {
    fc.assert(
      fc.property(decimals(), millis(), ({ text, digits, scale }, lengthMs) => {
        const dollars = cardOf({ rates: [rate({ usd_per_second: text })] });
        const units = cardOf({ kind: 'units', packages: PACKAGES, rates: [rate({ units_per_second: text })] });
        const credits = cardOf({ ...CREDITS, rates: [rate({ credits_per_second: text })] });
        const total = digits * ceilDivide(BigInt(lengthMs), 1_000n) * 1_000_000n;
        expect(microsOf(dollars, { lengthMs })).toBe(ceilDivide(total, scale));
        expect(microsOf(units, { lengthMs })).toBe(ceilDivide(total * 14n, scale * 100n));
        expect(microsOf(credits, { lengthMs })).toBe(ceilDivide(total, scale * 68n));
      }),
    );
  });

  it('never falls as a clip gets longer', () => {
    fc.assert(
      fc.property(decimals(), millis(), millis(), fc.constantFrom('ceil', 'nearest'), ({ text }, a, b, rounding) => {
        const card = cardOf({ rounding, rates: [rate({ usd_per_second: text })] });
        const [shorter, longer] = [Math.min(a, b), Math.max(a, b)];
        expect(microsOf(card, { lengthMs: shorter }) <= microsOf(card, { lengthMs: longer })).toBe(true);
      }),
    );
  });

  it('does not depend on the order of the rows', () => {
    const scopes = RESOLUTIONS.flatMap((resolution) => [
      { resolution, audio: true, limits: { min_seconds: 3, max_seconds: 9 } },
      { resolution, audio: true, limits: { min_seconds: 10, max_seconds: 15 } },
      { resolution, audio: false },
    ]);
    const rows = scopes.map((scope, index) => rate({ ...scope, usd_per_second: (index + 1) / 100 }));
    const inOrder = cardOf({ rates: rows });
    const shuffled = fc.shuffledSubarray(rows, { minLength: rows.length });
    const clip = fc.record({ resolution: fc.constantFrom(...RESOLUTIONS), audio: fc.boolean(), lengthMs: millis() });
    fc.assert(
      fc.property(shuffled, clip, (rates, change) => {
        expect(microsOf(cardOf({ rates }), change)).toBe(microsOf(inOrder, change));
      }),
    );
  });
});

describe('a quote', () => {
  it('has lines that add up to the price exactly, the markup among them, and never sells below cost', () => {
    const percent = fc.integer({ min: 0, max: 50_000 }).map((hundredths) => (hundredths / 100).toFixed(2));
    fc.assert(
      fc.property(decimals(), millis(), percent, ({ text }, lengthMs, markupPercent) => {
        const card = cardOf({ rates: [rate({ usd_per_second: text })] });
        const quote = quoted(card, { lengthMs }, { ...TERMS, markupPercent });
        const cents = BigInt(markupPercent.replace('.', ''));
        expect(quote.priceMicros).toBe(ceilDivide(quote.costMicros * (10_000n + cents), 10_000n));
        expect(sumMicros(...quote.lines.map((line) => usd(JSON.stringify(line.usd))))).toBe(quote.priceMicros);
        expect(quote.lines.length).toBe(quote.priceMicros === quote.costMicros ? 1 : 2);
      }),
    );
  });

  it('names its card, its row, and how each line came about', () => {
    const { card, rate: row, lines } = quoted(cardOf(), {}, { ...TERMS, markupPercent: '12.5' });
    expect(card).toEqual({ id: 'test-card', effective: '2026-11-01', source: 'a price page' });
    expect(row).toBe('kling-v3 text_to_video 720p silent');
    expect(lines).toEqual([
      { what: `${row}, 5 s`, quantity: 5, unit: 'second', rate_usd: 0.1, usd: 0.5 },
      { what: 'markup', quantity: 12.5, unit: 'percent', rate_usd: null, usd: 0.0625 },
    ]);
  });

  it('warns from the day on which its source is older than 90 days', () => {
    const onDay = (days: number) => quoted(cardOf(), {}, { ...TERMS, nowMs: NOW_MS + days * DAY_MS }).warnings;
    expect(onDay(90)).toEqual([]);
    expect(onDay(91)).toEqual(['the source of test-card is 91 days old (2026-11-01): verify the live price']);
  });

  it('warns that V2.1 replaces V1.5', () => {
    const model = 'kling-v1-5';
    const { warnings } = quoted(cardOf({ rates: [rate({ model, usd_per_second: 0.1 })] }), { model });
    expect(warnings).toEqual(['kling-v2-1 replaces kling-v1-5 at the same price']);
  });

  it('is made on the newest card that is not after the day', () => {
    const effective = ['2026-03-01', '2026-01-01', '2026-02-01'];
    const cards = collectRateCards(effective.map((day) => cardOf({ effective: day, provider: 'atlas' })));
    const days = ['2025-12-31', '2026-01-01', '2026-02-28', '2026-03-01', '2030-01-01'];
    const expected = [undefined, '2026-01-01', '2026-02-01', '2026-03-01', '2026-03-01'];
    expect(days.map((day) => cards.inForce('test-card', day)?.effective)).toEqual(expected);
    expect(days.map((day) => cards.ofProvider('atlas', day)?.effective)).toEqual(expected);
    expect(cards.inForce('other-card', '2030-01-01')).toBeUndefined();
    expect(cards.ofProvider('fal', '2030-01-01')).toBeUndefined();
  });
});

const NOW_MS = Date.parse('2026-11-01');
const TERMS: QuoteTerms = { markupPercent: '0', nowMs: NOW_MS };
const CREDITS = { kind: 'credits', credit_price: { usd: 1, credits: 68 } };

function microsOf(card: RateCard, change: Partial<Billable>, options?: PricingOptions): Micros {
  const price = priceOn(card, billable(change), options);
  if (price.kind === 'unpriced' || price.usd === null) throw new Error(`no dollars: ${price.kind}`);
  return price.usd;
}

const priced = (...asked: Parameters<typeof microsOf>): string => formatUsd(microsOf(...asked));

function reasonOf(card: RateCard, change: Partial<Billable>, options?: PricingOptions): string {
  const price = priceOn(card, billable(change), options);
  return price.kind === 'unpriced' ? price.reason : `priced at ${price.usd}`;
}

function quoted(card: RateCard, change: Partial<Billable>, terms = TERMS) {
  const quote = quoteOn(card, billable(change), terms);
  if ('kind' in quote) throw new Error(quote.reason);
  return quote;
}

function formulaCard(change: object): RateCard {
  const factors = { resolution_factors: { '720p': 1, '4k': 9 }, input_factors: { text: 1, 'multi-image': 2 } };
  const models = { model_factors: { 'kling-v3': 1, 'kling-v2-1-master': 1.5 }, unknown_model_factor: 1.2 };
  const formula = { ...factors, ...models, minimum_usd: 0.01, maximum_usd: 10, ...change };
  return cardOf({ kind: 'formula', rates: [], formula });
}

const ceilDivide = (n: bigint, d: bigint): bigint => n / d + (n % d > 0n ? 1n : 0n);

/** A decimal as it may stand in a file, and the same as digits over a power of ten. */
const decimals = () =>
  fc.tuple(fc.integer({ min: 1, max: 999_999 }), fc.integer({ min: 1, max: 7 })).map(([digits, places]) => {
    const padded = String(digits).padStart(places + 1, '0');
    const text = `${padded.slice(0, -places)}.${padded.slice(-places)}`;
    return { text, digits: BigInt(digits), scale: 10n ** BigInt(places) };
  });

const millis = () => fc.integer({ min: 3_000, max: 15_000 });
