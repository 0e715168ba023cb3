import type { Resolution, Task } from '../ground/models.ts';
import {
  ceilToMicros,
  ceilToWhole,
  dividedBy,
  halfUpToCents,
  type Micros,
  maxMicros,
  minMicros,
  nearestWhole,
  type Ratio,
  ratio,
  times,
} from '../ground/money.ts';
import {
  type ChargeOnFailure,
  type Limits,
  type Rate,
  type RateCard,
  type ResourcePackage,
  sellsSeconds,
} from './rate-card.ts';

/** The part of a request that a rate card looks at. */
export interface Billable {
  readonly model: string;
  readonly task: Task;
  /** Null: the asker does not know; only a row that is the same in every resolution prices it. */
  readonly resolution: Resolution | null;
  readonly audio: boolean;
  readonly voiceControl: boolean;
  readonly input: 'text' | 'image' | 'multi-image' | 'video';
  readonly orientation: 'image' | 'video' | null;
  /** Length in milliseconds: ordered lengths are whole seconds, delivered ones need not be. */
  readonly lengthMs: number;
  /** The portal's formula prices by mode; nothing else does. */
  readonly mode: 'std' | 'pro' | '4k' | null;
}

/** The mode that stands for a resolution, as Kling names them. */
export const MODE_OF = { '720p': 'std', '1080p': 'pro', '4k': '4k' } as const satisfies Record<Resolution, string>;

/** One line of a price: quantity x rate. `rate` and `usd` are null on a card that knows credits but not their price. */
export interface PriceLine {
  readonly what: string;
  readonly quantity: Ratio;
  readonly unit: 'second' | 'unit' | 'credit' | 'clip';
  readonly rate: Ratio | null;
  readonly usd: Micros | null;
}

export interface Price {
  readonly kind: 'priced';
  /** The row that priced it. */
  readonly rate: string;
  readonly failed: ChargeOnFailure;
  /** Null on a card of credits without a price. */
  readonly usd: Micros | null;
  readonly lines: readonly PriceLine[];
  readonly billableSeconds: number;
}

/** Why a card does not price a clip, in words for the person who asked. */
export interface Unpriced {
  readonly kind: 'unpriced';
  readonly reason: string;
}

/** How a price is reckoned where the card leaves it open. */
export interface PricingOptions {
  /** Whose unit price turns Kling's units into dollars: a resource package of the card. */
  readonly packageId?: string;
  /** What a unit costs, where the pack was bought at a price of its own. */
  readonly unitPrice?: Ratio;
  /** Where no row in force prices the clip, one that is kept for reference may; for comparing, never for offering. */
  readonly references?: true;
}

/**
 * What the card asks for the clip: exact, and rounded up once, on the total. A clip that no row prices comes back as
 * `unpriced` with the reason; it is never free. Rows marked `reference` are passed over unless the options take them.
 */
export function priceOn(card: RateCard, billable: Billable, options: PricingOptions = {}): Price | Unpriced {
  if (card.kind === 'formula') return priceByFormula(card, billable);
  const covering = card.rates.filter((rate) => covers(rate, billable));
  const inForce = covering.filter((rate) => !rate.reference);
  const inScope = options.references ? [...inForce, ...covering.filter((rate) => rate.reference)] : inForce;
  const [first] = inScope;
  if (!first) return unpriced(`${card.card} has no price for ${describe(billable)}`);
  for (const rate of inScope) {
    const seconds = billableSeconds(rate, billable.lengthMs);
    if (sellsSeconds(rate.limits, seconds)) return priceByRate(card, rate, seconds, options);
  }
  return unpriced(wrongLength(card, first.limits, billable));
}

function wrongLength({ card }: RateCard, { seconds, min_seconds, max_seconds }: Limits, billable: Billable): string {
  const sold = seconds ? seconds.join(' or ') : `${min_seconds} to ${max_seconds}`;
  return `${card} sells ${billable.model} in ${sold} seconds, not ${billable.lengthMs / 1000}`;
}

/** The length in whole seconds that the row charges for: rounded by its rule, and at least its minimum. */
export function billableSeconds(rate: Rate, lengthMs: number): number {
  const length: Ratio = { n: BigInt(Math.round(lengthMs)), d: 1000n };
  const whole = rate.rounding === 'ceil' ? ceilToWhole(length) : nearestWhole(length);
  return Math.max(Number(whole), rate.minimum_seconds);
}

function unpriced(reason: string): Unpriced {
  return { kind: 'unpriced', reason };
}

function covers(rate: Rate, billable: Billable): boolean {
  const input = billable.input === 'multi-image' ? 'image' : billable.input;
  return (
    rate.model === billable.model &&
    rate.tasks.includes(billable.task) &&
    (rate.resolution === undefined || rate.resolution === billable.resolution) &&
    (rate.audio === undefined || rate.audio === billable.audio) &&
    rate.voice_control === billable.voiceControl &&
    (rate.input === undefined || rate.input === input) &&
    (rate.orientation === undefined || rate.orientation === billable.orientation)
  );
}

function describe(billable: Billable): string {
  const sound = billable.voiceControl ? 'with voice control' : billable.audio ? 'with audio' : 'silent';
  return [billable.model, billable.task, billable.resolution ?? 'in an unstated resolution', sound].join(' ');
}

function priceByRate(card: RateCard, rate: Rate, seconds: number, options: PricingOptions): Price | Unpriced {
  const length = ratio(seconds);
  const block = (rate.usd_per_block ?? rate.units_per_block)?.[String(seconds)];
  if (rate.usd_per_second) return single(rate, seconds, 'second', length, rate.usd_per_second);
  if (rate.usd_per_block && block) return single(rate, seconds, 'clip', ratio(1), block);
  const units = rate.units_per_second ? times(rate.units_per_second, length) : block;
  if (units) {
    const bought = packageOf(card, options.packageId);
    if (options.unitPrice) return single(rate, seconds, 'unit', units, options.unitPrice);
    if (!bought) {
      return unpriced(`${card.card} has no package "${options.packageId ?? LIST_PACKAGE}"; it has ${packageIds(card)}`);
    }
    return single(rate, seconds, 'unit', units, bought.unit_price_usd);
  }
  if (rate.credits_per_second) {
    const credit = card.credit_price ? dividedBy(card.credit_price.usd, card.credit_price.credits) : null;
    return single(rate, seconds, 'credit', times(rate.credits_per_second, length), credit);
  }
  return unpriced(`${card.card} row "${rate.name}" has no price`);
}

/** The first standard package: its unit price is the list price. */
const LIST_PACKAGE = 'package-1';

function packageIds(card: RateCard): string {
  return card.packages.map((bought) => bought.id).join(', ');
}

/** The package of that id; without an id, the first standard one, whose unit price is the list price. */
export function packageOf(card: RateCard, packageId: string | undefined): ResourcePackage | undefined {
  return card.packages.find((bought) => bought.id === (packageId ?? LIST_PACKAGE));
}

function single(rate: Rate, seconds: number, unit: PriceLine['unit'], quantity: Ratio, each: Ratio | null): Price {
  const usd = each && ceilToMicros(times(quantity, each));
  const line: PriceLine = {
    what: `${rate.name}, ${seconds} s`,
    quantity,
    unit,
    rate: each,
    usd,
  };
  return { kind: 'priced', rate: rate.name, failed: rate.failed, usd, lines: [line], billableSeconds: seconds };
}

/**
 * The portal's formula: `ceil(s) x base(mode) x resolution x input x model`, rounded to cents with halves up, clamped.
 * It always takes the 720p factor, because the portal does.
 */
function priceByFormula(card: RateCard, billable: Billable): Price | Unpriced {
  const formula = card.formula;
  if (!formula) return unpriced(`${card.card} has no formula`);
  const seconds = Number(ceilToWhole({ n: BigInt(Math.round(billable.lengthMs)), d: 1000n }));
  if (!sellsSeconds(card.limits, seconds)) return unpriced(wrongLength(card, card.limits, billable));
  const mode = billable.mode ?? 'std';
  const base = formula.base_usd_per_second[mode];
  const resolution = formula.resolution_factors['720p'];
  const input = formula.input_factors[billable.input];
  const missing = [
    base ? '' : `base_usd_per_second.${mode}`,
    resolution ? '' : 'resolution_factors.720p',
    input ? '' : `input_factors.${billable.input}`,
  ].filter(Boolean);
  if (!base || !resolution || !input) {
    return unpriced(`${card.card} lacks ${missing.join(', ')}: its document lost them, fill them in in the card`);
  }
  const known = Object.hasOwn(formula.model_factors, billable.model);
  const model = (known ? formula.model_factors[billable.model] : undefined) ?? formula.unknown_model_factor;
  const perSecond = times(times(base, resolution), times(input, model));
  const raw = halfUpToCents(times(perSecond, ratio(seconds)));
  const usd = maxMicros(formula.minimum_usd, minMicros(formula.maximum_usd, raw));
  const what = `${mode} x 720p x ${billable.input} x ${billable.model}, ${seconds} s`;
  const line: PriceLine = { what, quantity: ratio(seconds), unit: 'second', rate: perSecond, usd };
  return { kind: 'priced', rate: 'formula', failed: card.failed, usd, lines: [line], billableSeconds: seconds };
}
