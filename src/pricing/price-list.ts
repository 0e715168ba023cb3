/**
 * A price list is a CSV of prices that somebody printed or was told: a row a clip, with the card it should come from.
 * Read here, and held against the rate cards, row by row and to the micro-dollar.
 */
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { findModel, RESOLUTIONS, TASKS, type Task } from '../ground/models.ts';
import {
  compareRatio,
  formatUsd,
  type Micros,
  micros,
  type Ratio,
  ratio,
  times,
  toDisplayNumber,
  usd,
} from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import type { RateCards } from './cards.ts';
import { type Billable, MODE_OF, type Price, type PriceLine, priceOn } from './price.ts';
import { type CardReference, referenceTo } from './quote.ts';

/** A price list that cannot be read: which line and column, what it says, and what was expected. */
export class PriceListError extends Error {
  override readonly name = 'PriceListError';
}

/** One printed price. At least one of `usd` and `credits` is given, for `count` clips together. */
export interface PrintedPrice {
  readonly id: string;
  readonly card: string;
  /** The day whose card is meant; null: the day of the check. */
  readonly day: string | null;
  readonly packageId: string | null;
  readonly billable: Billable;
  readonly count: bigint;
  readonly usd: Micros | null;
  readonly credits: Ratio | null;
}

/** A printed price that the cards do not confirm. */
export interface Disagreement {
  readonly id: string;
  /** What the list says: `$0.42`, `6 credits`. */
  readonly says: string;
  /** What the card says; null when it has no price for this clip. */
  readonly finds: string | null;
  /** How the card got there, or why it did not. */
  readonly how: string;
  readonly card: CardReference | null;
}

const flag = z
  .enum(['yes', 'no', 'true', 'false'], { error: 'expected yes or no' })
  .transform((word) => word === 'yes' || word === 'true');

/** A decimal read exactly by `read`, which throws where it cannot. */
const decimal = <T>(read: (text: string) => T, expected: string) =>
  z.string().transform((text, context): T => {
    try {
      return read(text);
    } catch {
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    }
  });

const REQUIRED = ['card', 'model', 'task', 'seconds'] as const;

/** A row whose empty cells were left out. Columns that are not named here are let be. */
const rowSchema = z.object({
  id: z.string().optional(),
  card: z.string({ error: 'expected the name of a card' }),
  date: z.iso.date('expected a date such as 2026-11-20').optional(),
  model: z.string({ error: 'expected a model' }),
  task: z.enum(TASKS, { error: `expected one of ${TASKS.join(', ')}` }),
  resolution: z.enum(RESOLUTIONS, { error: `expected one of ${RESOLUTIONS.join(', ')}, or nothing` }).optional(),
  audio: flag.default(false),
  voice_control: flag.default(false),
  input: z
    .enum(['text', 'image', 'multi-image', 'video'], { error: 'expected text, image, multi-image or video' })
    .optional(),
  orientation: z.enum(['image', 'video'], { error: 'expected image or video' }).optional(),
  seconds: z
    .string({ error: 'expected seconds' })
    .regex(/^\d{1,5}(\.\d{1,3})?$/, 'expected seconds, such as 5 or 4.2')
    .transform((text) => Math.round(Number(text) * SECOND_MS)),
  plan: z.string().optional(),
  count: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'expected a whole number of clips, at least 1')
    .transform(BigInt)
    .default(1n),
  usd: decimal(usd, 'expected dollars with at most six decimals, such as 0.42').optional(),
  credits: decimal(ratio, 'expected a decimal number of credits').optional(),
});
type Row = z.infer<typeof rowSchema>;

const recordsSchema = z.array(
  z.object({ record: z.record(z.string(), z.string()), info: z.object({ lines: z.number() }) }),
);

/**
 * The printed prices of a CSV with a head of column names. Throws a PriceListError that names line, column and value
 * for a row that cannot be read, and for a list that has no rows: a check of nothing would pass.
 */
export function readPriceList(text: string): PrintedPrice[] {
  const records = recordsOf(text);
  const columns = Object.keys(records[0]?.record ?? {});
  const missing = REQUIRED.filter((column) => !columns.includes(column));
  if (records.length === 0) throw new PriceListError('the list has no rows below its head');
  if (missing.length > 0) throw new PriceListError(`the list has no column ${missing.join(', ')}`);
  return records.map(({ record, info }) => {
    const filled = Object.fromEntries(Object.entries(record).filter(([, cell]) => cell !== ''));
    const place = `line ${info.lines}${filled.id === undefined ? '' : ` (${filled.id})`}`;
    const parsed = rowSchema.safeParse(filled);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const column = String(issue?.path[0] ?? '');
      throw new PriceListError(`${place}: ${column}: ${issue?.message}, got ${JSON.stringify(filled[column] ?? '')}`);
    }
    const { usd: dollars, credits } = parsed.data;
    if (dollars === undefined && credits === undefined) {
      throw new PriceListError(`${place}: there is neither usd nor credits to compare`);
    }
    return printedPrice(parsed.data, `line ${info.lines}`);
  });
}

function recordsOf(text: string): z.infer<typeof recordsSchema> {
  try {
    return recordsSchema.parse(
      parse(text, { bom: true, columns: true, info: true, skip_empty_lines: true, trim: true }),
    );
  } catch (error) {
    throw new PriceListError(`not CSV: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
  }
}

function printedPrice(row: Row, line: string): PrintedPrice {
  const { task, resolution = null } = row;
  const billable: Billable = {
    model: findModel(row.model)?.id ?? row.model,
    task,
    resolution,
    audio: row.audio,
    voiceControl: row.voice_control,
    input: row.input ?? USUAL_INPUT[task],
    orientation: row.orientation ?? (task === 'motion_control' ? 'video' : null),
    lengthMs: row.seconds,
    mode: resolution === null ? null : MODE_OF[resolution],
  };
  const { id = line, card, date = null, plan = null, count, usd: dollars = null, credits = null } = row;
  return { id, card, day: date, packageId: plan, billable, count, usd: dollars, credits };
}

/** What a task is made from where the list does not say. */
const USUAL_INPUT = {
  text_to_video: 'text',
  image_to_video: 'image',
  reference_to_video: 'image',
  video_edit: 'video',
  motion_control: 'video',
  extension: 'video',
} as const satisfies Record<Task, Billable['input']>;

/**
 * The printed prices that the cards do not confirm, in the order of the list; empty when all agree. A price agrees when
 * it is equal to the micro-dollar, for all its clips together; rows kept for reference count as well as those in force.
 */
export function comparePriceList(list: readonly PrintedPrice[], cards: RateCards, today: string): Disagreement[] {
  return list.flatMap((printed) => compare(printed, cards, printed.day ?? today) ?? []);
}

function compare(printed: PrintedPrice, cards: RateCards, day: string): Disagreement | null {
  const { id, packageId } = printed;
  const says = [printed.usd !== null && formatUsd(printed.usd), printed.credits && inCredits(printed.credits)]
    .filter(Boolean)
    .join(' and ');
  const card = cards.inForce(printed.card, day);
  if (!card) return { id, says, finds: null, how: `there is no card ${printed.card} in force on ${day}`, card: null };
  const refused = (how: string): Disagreement => ({ id, says, finds: null, how, card: referenceTo(card) });
  if (packageId !== null && card.packages.length === 0) return refused(`${card.card} sells no packages`);
  const price = priceOn(card, printed.billable, { references: true, ...(packageId !== null && { packageId }) });
  if (price.kind === 'unpriced') return refused(price.reason);
  const found = foundBy(price, printed.count);
  const agrees =
    (printed.usd === null || printed.usd === found.usd) &&
    (printed.credits === null || (found.credits !== null && compareRatio(printed.credits, found.credits) === 0));
  if (agrees) return null;
  const finds = [
    printed.usd !== null && (found.usd === null ? 'no dollars' : formatUsd(found.usd)),
    printed.credits !== null && (found.credits === null ? 'no credits' : inCredits(found.credits)),
  ];
  return {
    id,
    says,
    finds: finds.filter(Boolean).join(' and '),
    how: howOf(price, printed.count),
    card: referenceTo(card),
  };
}

/** Dollars and credits of all the clips; null for what the card does not count in. */
function foundBy(price: Price, count: bigint): { usd: Micros | null; credits: Ratio | null } {
  const credits = price.lines.find(({ unit }) => unit === 'credit')?.quantity;
  return {
    usd: price.usd === null ? null : micros(price.usd * count),
    credits: credits ? times(credits, { n: count, d: 1n }) : null,
  };
}

const inCredits = (credits: Ratio): string => `${toDisplayNumber(credits)} credits`;

function howOf(price: Price, count: bigint): string {
  const clips = count === 1n ? '' : `, ${count} clips`;
  return price.lines.map(describeLine).join(' + ') + clips;
}

/** `kling-v3 text_to_video 720p silent, 5 s: 3 units x $0.14 = $0.42`. */
function describeLine({ what, quantity, unit, rate, usd: dollars }: PriceLine): string {
  const counted = `${what}: ${toDisplayNumber(quantity)} ${unit}s`;
  if (rate === null || dollars === null) return `${counted}, which have no price`;
  return `${counted} x $${toDisplayNumber(rate)} = ${formatUsd(dollars)}`;
}
