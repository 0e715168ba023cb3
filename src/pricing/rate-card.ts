/**
 * Pricing owns what a clip costs: rate cards in, quotes out, all of it pure.
 *
 * A rate card is one dated YAML file; this file is its schema and the rules that a schema cannot say.
 */
import { parse } from 'yaml';
import { z } from 'zod';
import { RESOLUTIONS, TASKS } from '../ground/models.ts';
import { compareRatio, type Micros, type Ratio, ratio, usd } from '../ground/money.ts';

/** A decimal written as a YAML number or string; kept exact. */
const decimal = z.union([z.number(), z.string()]).transform((value, context): Ratio => {
  try {
    const parsed = ratio(value);
    if (parsed.n >= 0n) return parsed;
  } catch {
    // Told below, together with the negative ones.
  }
  context.addIssue({
    code: 'custom',
    message: `expected a decimal number of at least 0, got ${JSON.stringify(value)}`,
  });
  return z.NEVER;
});

/** A price: nothing that is sold is free. */
const price = decimal.refine((value) => value.n > 0n, 'expected a price above 0');

const money = z.union([z.number(), z.string()]).transform((value, context): Micros => {
  try {
    return usd(value);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not an amount' });
    return z.NEVER;
  }
});

const day = z.iso.date('expected a date such as "2026-11-20"');

export const CARD_KINDS = ['per_second', 'units', 'block', 'credits', 'formula'] as const;
export type CardKind = (typeof CARD_KINDS)[number];

/** Whether the provider charges for a task that failed. */
const failedSchema = z.enum(['free', 'charged', 'unknown']);
export type ChargeOnFailure = z.infer<typeof failedSchema>;

/** How a delivered length becomes billable seconds. An ordered length is whole already. */
const roundingSchema = z.enum(['ceil', 'nearest']);

const limitsSchema = z
  .strictObject({
    min_seconds: z.number().int().positive(),
    max_seconds: z.number().int().positive(),
    seconds: z.array(z.number().int().positive()).nonempty().optional(),
  })
  .refine((limits) => limits.min_seconds <= limits.max_seconds, 'min_seconds is above max_seconds');
export type Limits = z.infer<typeof limitsSchema>;

const blocks = z.record(z.string().regex(/^\d+$/), price);

const rateSchema = z.strictObject({
  model: z.string(),
  tasks: z.array(z.enum(TASKS)).nonempty(),
  /** Absent: the price is the same in every resolution. */
  resolution: z.enum(RESOLUTIONS).optional(),
  /** Absent: the price is the same with and without sound. */
  audio: z.boolean().optional(),
  voice_control: z.boolean().default(false),
  /** Absent: whatever the request brings. */
  input: z.enum(['text', 'image', 'video']).optional(),
  orientation: z.enum(['image', 'video']).optional(),
  kind: z.enum(CARD_KINDS).optional(),
  limits: limitsSchema.optional(),
  failed: failedSchema.optional(),
  rounding: roundingSchema.optional(),
  minimum_seconds: z.number().int().positive().optional(),
  usd_per_second: price.optional(),
  units_per_second: price.optional(),
  credits_per_second: price.optional(),
  usd_per_block: blocks.optional(),
  units_per_block: blocks.optional(),
  /** Kept to be read and compared, never offered: a list price beside the sale price in force, say. */
  reference: z.boolean().default(false),
  note: z.string().optional(),
});

const packageSchema = z.strictObject({
  id: z.string(),
  price_usd: money,
  units: decimal,
  unit_price_usd: decimal,
  validity_days: z.number().int().positive(),
  concurrent_tasks: z.number().int().positive(),
  note: z.string().optional(),
});

const factors = z.record(z.string(), decimal);

const formulaSchema = z.strictObject({
  /** Dollars per second by mode; the document lost them, so the operator fills them in. */
  base_usd_per_second: factors,
  resolution_factors: factors,
  input_factors: factors,
  model_factors: factors,
  unknown_model_factor: decimal,
  minimum_usd: money,
  maximum_usd: money,
});

const cardSchema = z.strictObject({
  card: z.string().regex(/^[a-z0-9-]+$/),
  /** The provider that this card prices; absent on reference cards, which are quoted and compared, never routed. */
  provider: z.string().optional(),
  effective: day,
  source: z.strictObject({ document: z.string().min(1), date: day, read: day, note: z.string().optional() }),
  currency: z.literal('USD'),
  kind: z.enum(CARD_KINDS),
  limits: limitsSchema,
  failed: failedSchema,
  rounding: roundingSchema.default('ceil'),
  minimum_seconds: z.number().int().positive().default(1),
  /** `credits`: what a credit costs, as a fraction; absent, the card quotes credits only. */
  credit_price: z.strictObject({ usd: price, credits: price }).optional(),
  packages: z.array(packageSchema).default([]),
  formula: formulaSchema.optional(),
  rates: z.array(rateSchema).default([]),
  notes: z.array(z.string()).default([]),
});

export type ResourcePackage = z.infer<typeof packageSchema>;

/** One priced row, with the card's defaults filled in. */
export interface Rate
  extends Omit<z.infer<typeof rateSchema>, 'kind' | 'limits' | 'failed' | 'rounding' | 'minimum_seconds'> {
  /** Names the row within its card, whatever the order of the file: `kling-v3 text_to_video 720p silent`. */
  readonly name: string;
  readonly kind: CardKind;
  readonly limits: Limits;
  readonly failed: ChargeOnFailure;
  readonly rounding: 'ceil' | 'nearest';
  readonly minimum_seconds: number;
}

export interface RateCard extends Omit<z.infer<typeof cardSchema>, 'rates'> {
  readonly rates: readonly Rate[];
}

/** A rate card that cannot be used: which file, which field or row, and the rule it breaks. */
export class RateCardError extends Error {
  override readonly name = 'RateCardError';
}

/** The price field that each kind of row must carry. */
const PRICE_FIELDS = {
  per_second: ['usd_per_second'],
  units: ['units_per_second'],
  block: ['usd_per_block', 'units_per_block'],
  credits: ['credits_per_second'],
  formula: [],
} as const satisfies Record<CardKind, readonly (keyof Rate)[]>;

const ALL_PRICE_FIELDS = Object.values(PRICE_FIELDS).flat();

/** The card in the file's text. Throws a RateCardError that names `file`, the place and the rule. */
export function parseRateCard(text: string, file: string): RateCard {
  const parsed = cardSchema.safeParse(parseYaml(text, file));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new RateCardError(`${file}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'not a rate card'}`);
  }
  const card = parsed.data;
  const rates = card.rates.map(
    (row): Rate => ({
      ...row,
      name: rowName(row),
      kind: row.kind ?? card.kind,
      limits: row.limits ?? card.limits,
      failed: row.failed ?? card.failed,
      rounding: row.rounding ?? card.rounding,
      minimum_seconds: row.minimum_seconds ?? card.minimum_seconds,
    }),
  );
  const complete = { ...card, rates };
  for (const fault of faultsOf(complete)) throw new RateCardError(`${file}: ${fault}`);
  return complete;
}

function parseYaml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new RateCardError(`${file}: not YAML: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
  }
}

function rowName(row: z.infer<typeof rateSchema>): string {
  const parts: (string | undefined)[] = [
    row.model,
    row.tasks.join('+'),
    row.input && `from ${row.input}`,
    row.resolution,
    row.audio === undefined ? undefined : row.audio ? 'audio' : 'silent',
    row.voice_control ? 'voice control' : undefined,
    row.orientation && `${row.orientation} orientation`,
    row.reference ? 'reference' : undefined,
  ];
  return parts.filter(Boolean).join(' ');
}

function* faultsOf(card: RateCard): Generator<string> {
  if (card.kind === 'formula' && !card.formula) yield 'a formula card needs "formula"';
  if (card.kind !== 'formula' && card.rates.length === 0) yield 'the card has no rates';
  for (const rate of card.rates) {
    const fields: readonly (keyof Rate)[] = PRICE_FIELDS[rate.kind];
    const given = ALL_PRICE_FIELDS.filter((field) => rate[field] !== undefined);
    if (given.length !== 1 || !given.every((field) => fields.includes(field))) {
      yield `row "${rate.name}": kind ${rate.kind} needs ${fields.join(' or ')}, and no other price`;
    }
    yield* blockFaults(rate);
    const usesUnits = rate.units_per_second !== undefined || rate.units_per_block !== undefined;
    if (usesUnits && card.packages.length === 0)
      yield `row "${rate.name}": priced in units, but the card has no packages`;
  }
  for (const bought of card.packages) {
    // Compared crosswise: price = units x unit price, exactly.
    const product = { n: bought.units.n * bought.unit_price_usd.n, d: bought.units.d * bought.unit_price_usd.d };
    if (compareRatio(product, { n: bought.price_usd, d: 1_000_000n }) !== 0) {
      yield `package "${bought.id}": price_usd is not units x unit_price_usd`;
    }
  }
  yield* overlapFaults(card.rates.filter((rate) => !rate.reference));
  yield* gapFaults(card.rates.filter((rate) => !rate.reference));
}

/** Every length that a block row sells has its block, and every block is sold. */
function* blockFaults(rate: Rate): Generator<string> {
  const priced = rate.usd_per_block ?? rate.units_per_block;
  if (!priced) return;
  const sold = rate.limits.seconds ?? [];
  const missing = sold.filter((seconds) => priced[String(seconds)] === undefined);
  const unsold = Object.keys(priced).filter((seconds) => !sold.includes(Number(seconds)));
  if (sold.length === 0) yield `row "${rate.name}": a block row needs limits.seconds`;
  if (missing.length > 0) yield `row "${rate.name}": no block for ${missing.join(', ')} seconds`;
  if (unsold.length > 0)
    yield `row "${rate.name}": the block of ${unsold.join(', ')} seconds is outside limits.seconds`;
}

function* overlapFaults(rates: readonly Rate[]): Generator<string> {
  for (const [index, a] of rates.entries()) {
    for (const b of rates.slice(index + 1)) {
      if (sameScope(a, b) && lengthsMeet(a.limits, b.limits))
        yield `rows "${a.name}" and "${b.name}" price the same clip`;
    }
  }
}

/** Rows of the same scope that sell neighbouring lengths leave no length between them unpriced. */
function* gapFaults(rates: readonly Rate[]): Generator<string> {
  for (const rate of rates) {
    if (rate.limits.seconds) continue;
    const later = rates
      .filter((other) => sameScope(other, rate) && other.limits.min_seconds > rate.limits.max_seconds)
      .map((other) => other.limits.min_seconds);
    const next = Math.min(...later);
    if (later.length > 0 && next > rate.limits.max_seconds + 1) {
      yield `row "${rate.name}": nothing prices ${rate.limits.max_seconds + 1} to ${next - 1} seconds`;
    }
  }
}

const meets = <T>(a: T | undefined, b: T | undefined): boolean => a === undefined || b === undefined || a === b;

function sameScope(a: Rate, b: Rate): boolean {
  return (
    a.model === b.model &&
    a.tasks.some((task) => b.tasks.includes(task)) &&
    meets(a.resolution, b.resolution) &&
    meets(a.audio, b.audio) &&
    a.voice_control === b.voice_control &&
    meets(a.input, b.input) &&
    meets(a.orientation, b.orientation)
  );
}

function lengthsMeet(a: Limits, b: Limits): boolean {
  const lengths = Array.from({ length: a.max_seconds - a.min_seconds + 1 }, (_, index) => a.min_seconds + index);
  return (a.seconds ?? lengths).some((seconds) => sellsSeconds(b, seconds));
}

/** Whether whole `seconds` are within the limits. */
export function sellsSeconds(limits: Limits, seconds: number): boolean {
  if (limits.seconds) return limits.seconds.includes(seconds);
  return seconds >= limits.min_seconds && seconds <= limits.max_seconds;
}
