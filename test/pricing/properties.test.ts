/**
 * What must hold for any clip on any card that is shipped: its price is that of the figures in the file, multiplied by
 * integer arithmetic on the decimals as they are written there; more seconds never cost less; nothing sold is free; the
 * order of a file does not matter; and what no row prices is refused. Clips are random; a failure prints its seed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { GatewayError } from '../../src/ground/errors.ts';
import { MODELS, RESOLUTIONS, TASKS } from '../../src/ground/models.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { assertServable } from '../../src/jobs/admit.ts';
import { collectRateCards, loadRateCards } from '../../src/pricing/cards.ts';
import { type Billable, priceOn } from '../../src/pricing/price.ts';
import { quoteOn } from '../../src/pricing/quote.ts';
import { parseRateCard, type RateCard } from '../../src/pricing/rate-card.ts';
import { consider } from '../../src/routing/consider.ts';
import { NO_ROUTING } from '../../src/routing/policy.ts';
import { idleConditions } from '../../src/routing/score.ts';
import { cardOf, ROOT, rate } from '../support/rows.ts';

/** A row and a card as the file has them, every scalar still the text that was written. */
interface Written {
  readonly [field: string]: string | undefined | readonly string[] | Readonly<Record<string, string>>;
}
interface WrittenCard {
  readonly kind: string;
  readonly rounding?: string;
  readonly minimum_seconds?: string;
  readonly limits: { readonly min_seconds: string; readonly max_seconds: string; readonly seconds?: string[] };
  readonly credit_price?: { readonly usd: string; readonly credits: string };
  readonly packages?: { readonly id: string; readonly unit_price_usd: string }[];
  readonly rates?: Written[];
}
interface Shipped {
  readonly path: string;
  /** The values of the file, for writing it anew. */
  readonly values: { readonly rates: object[] };
  readonly card: RateCard;
  readonly written: WrittenCard;
}

const shipped: readonly Shipped[] = readdirSync(`${ROOT}/rate-cards`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.yaml'))
  .map((path) => {
    const text = readFileSync(`${ROOT}/rate-cards/${path}`, 'utf8');
    const [values, written] = [parse(text), parse(text, { schema: 'failsafe' })];
    return { path, values, card: parseRateCard(text, path), written };
  });
const rowed = shipped.filter(({ written }) => (written.rates ?? []).length > 0);
/** Every row that is sold, with its card. */
const sold = rowed.flatMap((one) =>
  (one.written.rates ?? []).filter((row) => row.reference !== 'true').map((row) => ({ ...one, row })),
);

const tasksOf = (row: Written): readonly string[] => (Array.isArray(row.tasks) ? row.tasks : []);
const limitsOf = ({ written, row }: { written: WrittenCard; row: Written }): WrittenCard['limits'] =>
  (row.limits as WrittenCard['limits'] | undefined) ?? written.limits;
const lengthsOf = (limits: WrittenCard['limits']): number[] => {
  const [min, max] = [Number(limits.min_seconds), Number(limits.max_seconds)];
  return limits.seconds?.map(Number) ?? Array.from({ length: max - min + 1 }, (_, index) => min + index);
};

const either = <T>(written: unknown, all: readonly T[], read: (text: string) => T = (text) => text as T) =>
  typeof written === 'string' ? fc.constant(read(written)) : fc.constantFrom(...all);

const INPUTS = ['text', 'image', 'multi-image', 'video'] as const;
const MODES = [null, 'std', 'pro', '4k'] as const;

/** A clip that the row covers, whatever the row leaves open, of a length that it sells. */
function clipOf(one: (typeof sold)[number]): fc.Arbitrary<Billable> {
  const { row } = one;
  const isTrue = (text: string): boolean => text === 'true';
  return fc.record({
    model: fc.constant(String(row.model)),
    task: fc.constantFrom(...tasksOf(row)) as fc.Arbitrary<Billable['task']>,
    resolution: either<Billable['resolution']>(row.resolution, RESOLUTIONS),
    audio: either(row.audio, [true, false], isTrue),
    voiceControl: fc.constant(row.voice_control === 'true'),
    input: either<Billable['input']>(row.input, INPUTS),
    orientation: either<Billable['orientation']>(row.orientation, [null, 'image', 'video']),
    lengthMs: fc.constantFrom(...lengthsOf(limitsOf(one))).map((seconds) => seconds * 1_000),
    mode: fc.constantFrom(...MODES),
  });
}

const anySold = () => fc.constantFrom(...sold).chain((one) => clipOf(one).map((clip) => ({ one, clip })));
const anyPackage = ({ written }: Shipped) => (written.packages ?? []).map(({ id }) => id);

function microsOn(card: RateCard, clip: Billable, packageId?: string): bigint | null {
  const price = priceOn(card, clip, packageId === undefined ? {} : { packageId });
  return price.kind === 'priced' ? price.usd : null;
}

describe('a clip that a shipped card sells', () => {
  it('costs what the figures of its row come to, at every package', () => {
    fc.assert(
      fc.property(anySold(), fc.nat(), ({ one, clip }, nth) => {
        const packages = anyPackage(one);
        const packageId = packages[nth % Math.max(packages.length, 1)];
        expect(microsOn(one.card, clip, packageId)).toBe(byHand(one, clip.lengthMs, packageId));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is never free, and says how it was reckoned', () => {
    fc.assert(
      fc.property(anySold(), ({ one, clip }) => {
        const price = priceOn(one.card, clip);
        if (price.kind === 'unpriced') throw new Error(`${one.path}: ${price.reason}`);
        expect(price.lines.every(({ quantity }) => quantity.n > 0n)).toBe(true);
        if (price.usd === null) expect(one.written.credit_price).toBeUndefined();
        else expect(price.usd > 0n).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never costs less for being longer', () => {
    fc.assert(
      fc.property(anySold(), fc.nat(), ({ one, clip }, nth) => {
        const lengths = lengthsOf(limitsOf(one));
        const other = (lengths[nth % lengths.length] ?? 0) * 1_000;
        const [shorter, longer] = [Math.min(clip.lengthMs, other), Math.max(clip.lengthMs, other)];
        const price = (lengthMs: number) => microsOn(one.card, { ...clip, lengthMs }) ?? 0n;
        expect(price(shorter) <= price(longer)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('costs the same however the rows of its file are ordered', () => {
    const shuffled = fc
      .constantFrom(...sold)
      .chain((one) =>
        fc.tuple(
          fc.constant(one),
          clipOf(one),
          fc.shuffledSubarray(one.values.rates, { minLength: one.values.rates.length }),
        ),
      );
    fc.assert(
      fc.property(shuffled, ([one, clip, rates]) => {
        const reordered = parseRateCard(JSON.stringify({ ...one.values, rates }), one.path);
        expect(priceOn(reordered, clip)).toEqual(priceOn(one.card, clip));
      }),
      { numRuns: 100 },
    );
  });
});

describe('a clip that no row covers', () => {
  const anyClip: fc.Arbitrary<Billable> = fc.record({
    model: fc.constantFrom(...MODELS.map(({ id }) => id), 'kling-v9', 'constructor'),
    task: fc.constantFrom(...TASKS),
    resolution: fc.constantFrom(...RESOLUTIONS, null),
    audio: fc.boolean(),
    voiceControl: fc.boolean(),
    input: fc.constantFrom(...INPUTS),
    orientation: fc.constantFrom('image' as const, 'video' as const, null),
    lengthMs: fc.integer({ min: 1, max: 40_000 }),
    mode: fc.constantFrom(...MODES),
  });

  it('has no price on any card, and one that a row covers has', () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.constantFrom(...rowed), anyClip, (one, clip) => {
        const price = priceOn(one.card, clip);
        const covered = (one.written.rates ?? []).some((row) => covers({ ...one, row }, clip));
        expect(price.kind).toBe(covered ? 'priced' : 'unpriced');
        if (price.kind === 'priced') return;
        refused += 1;
        expect(price.reason).toContain(one.card.card);
        expect(quoteOn(one.card, clip, { markupPercent: '20', nowMs: 0 })).toEqual(price);
      }),
      { numRuns: 3_000 },
    );
    expect(refused).toBeGreaterThan(0);
  });

  it('is refused at the door, with the reason of the card', () => {
    const task = { task: 'text_to_video', resolutions: RESOLUTIONS, sound: 'optional', takes: {} } as const;
    const seller = {
      provider: 'atlas',
      account: 'atlas',
      capabilities: [{ ...task, model: 'kling-v3', upstream: 'kling/v3' }],
      credentials: [],
      refuses: () => null,
    };
    const nothing = { references: [], elements: [], voices: [], audio: false, watermark: false };
    const shape = { seconds: 5, resolution: '4k', aspectRatio: '16:9' } as const;
    const request: VideoRequest = {
      model: 'kling-v3',
      task: 'text_to_video',
      prompt: 'a kite',
      ...shape,
      ...nothing,
    };
    const decision = consider({
      requests: [request],
      routing: NO_ROUTING,
      asker: { policy: {}, maxPriceMicros: null, markupPercent: '0' },
      sellers: [seller],
      cards: collectRateCards([cardOf({ provider: 'atlas', rates: [rate({ usd_per_second: 0.1 })] })]),
      conditionsOf: () => idleConditions(1),
      nowMs: Date.UTC(2026, 10, 21),
    });
    expect(decision.route).toEqual([]);
    expect(() => assertServable(decision)).toThrow(GatewayError);
    expect(() => assertServable(decision)).toThrow(/test-card has no price for kling-v3 text_to_video 4k silent/);
  });
});

describe('the shipped cards', () => {
  it('are those that the properties above were held against', () => {
    expect(shipped.map(({ card }) => card)).toHaveLength(loadRateCards(`${ROOT}/rate-cards`).all.length);
    expect(sold.length).toBeGreaterThan(100);
  });
});

/** The price in micro-dollars, from the text of the file; null where the file has no price of a credit. */
function byHand(one: (typeof sold)[number], lengthMs: number, packageId = 'package-1'): bigint | null {
  const { written, row } = one;
  const seconds = billable(one, lengthMs);
  const block = (row.usd_per_block ?? row.units_per_block) as Readonly<Record<string, string>> | undefined;
  const factors = [block?.[seconds] ?? perSecond(row), ...(block ? [] : [String(seconds)])];
  const bought = written.packages?.find(({ id }) => id === packageId)?.unit_price_usd;
  if (row.units_per_second !== undefined || row.units_per_block !== undefined) factors.push(bought ?? 'none');
  if (row.credits_per_second === undefined) return roundedUp(factors, '1');
  const credit = written.credit_price;
  return credit ? roundedUp([...factors, credit.usd], credit.credits) : null;
}

const perSecond = (row: Written): string =>
  String(row.usd_per_second ?? row.units_per_second ?? row.credits_per_second);

/** Whole seconds, at least the minimum; reckoned in milliseconds. */
function billable({ written, row }: (typeof sold)[number], lengthMs: number): number {
  const rounding = row.rounding ?? written.rounding ?? 'ceil';
  const whole = Math.floor((lengthMs + (rounding === 'ceil' ? 999 : 500)) / 1_000);
  return Math.max(whole, Number(row.minimum_seconds ?? written.minimum_seconds ?? 1));
}

/** The product of decimals over a divisor, in millionths, the last one rounded up. */
function roundedUp(factors: readonly string[], divisor: string): bigint {
  const digits = (text: string): bigint => BigInt(text.replace('.', ''));
  const places = (text: string): number => text.split('.')[1]?.length ?? 0;
  const product = factors.map(digits).reduce((a, b) => a * b, 1n);
  const scale = factors.map(places).reduce((a, b) => a + b, 0);
  const n = product * 10n ** BigInt(6 + places(divisor));
  const d = digits(divisor) * 10n ** BigInt(scale);
  return n % d === 0n ? n / d : n / d + 1n;
}

/** Whether the row, as it is written, is for this clip and sells its length. */
function covers(one: (typeof sold)[number], clip: Billable): boolean {
  const { row } = one;
  const open = (field: string, value: unknown): boolean => row[field] === undefined || row[field] === String(value);
  return (
    row.reference !== 'true' &&
    row.model === clip.model &&
    tasksOf(row).includes(clip.task) &&
    open('resolution', clip.resolution) &&
    open('audio', clip.audio) &&
    (row.voice_control ?? 'false') === String(clip.voiceControl) &&
    open('input', clip.input === 'multi-image' ? 'image' : clip.input) &&
    open('orientation', clip.orientation) &&
    lengthsOf(limitsOf(one)).includes(billable(one, clip.lengthMs))
  );
}
