/** Drift: what providers report against what their card rows expect, and the row that would have been right. */
import { stringify } from 'yaml';
import { dividedBy, type Ratio, times, toDisplayNumber } from '../ground/money.ts';
import type { RateCards } from './cards.ts';
import { type Expected, expectedOf, ofBillionths, reportedAs, toBillionths } from './expected.ts';
import type { Rate, RateCard } from './rate-card.ts';

/** Attempts that are alike: one row, one length, one report. */
export interface ReportedAttempts {
  /** `card@effective`. */
  readonly card: string;
  readonly rate: string;
  readonly lengthMs: number;
  readonly usage: { readonly quantity: string; readonly unit: string };
  readonly count: number;
}

export interface DriftRow {
  readonly card: string;
  readonly effective: string;
  readonly rate: string;
  readonly unit: Expected['unit'] | null;
  /** Attempts whose report could be compared, and those whose could not. */
  readonly attempts: number;
  readonly unread: number;
  readonly reported: number;
  readonly expected: number;
  /** Reported by expected; null where nothing could be compared. */
  readonly ratio: number | null;
  readonly state: 'agrees' | 'differs' | 'differs_consistently' | 'unread';
  /** A row in the form of the card's file; null unless the reports differ consistently. */
  readonly proposal: string | null;
}

/** Reports closer than this to the card are rounding: some bill 5.04 s for 5. */
const TOLERANCE: Ratio = { n: 1n, d: 100n };
const ATTEMPTS_MIN = 5;

interface Comparison {
  readonly expected: Expected;
  readonly reported: Ratio;
  readonly count: number;
}

/**
 * One row for each card row that attempts were priced by, the widest drift first. `differs_consistently` takes five
 * attempts that all report the same share of what was expected, to a hundredth, and more than that off the card.
 */
export function driftOf(attempts: readonly ReportedAttempts[], cards: RateCards): DriftRow[] {
  const byRow = new Map<string, ReportedAttempts[]>();
  for (const attempt of attempts) {
    const key = JSON.stringify([attempt.card, attempt.rate]);
    const ofRow = byRow.get(key) ?? [];
    ofRow.push(attempt);
    byRow.set(key, ofRow);
  }
  const rows = [...byRow.values()].flatMap((ofRow) => rowOf(ofRow, cards));
  const width = ({ ratio }: DriftRow): number => (ratio === null ? -1 : Math.abs(ratio - 1));
  return rows.sort((a, b) => width(b) - width(a) || a.card.localeCompare(b.card) || a.rate.localeCompare(b.rate));
}

function rowOf(ofRow: readonly ReportedAttempts[], cards: RateCards): DriftRow[] {
  const [first] = ofRow;
  if (!first) return [];
  const [name = '', effective = ''] = first.card.split('@');
  const card = cards.all.find((dated) => dated.card === name && dated.effective === effective);
  const compared = card ? ofRow.flatMap((attempt) => compare(card, attempt)) : [];
  const attempts = countOf(compared);
  const reported = sum(compared.map((each) => [each.reported, each.count]));
  const expected = sum(compared.map((each) => [each.expected.quantity, each.count]));
  const share = expected > 0n ? dividedBy(ofBillionths(reported), ofBillionths(expected)) : null;
  const state = share === null ? 'unread' : stateOf(compared, share, attempts);
  const rate = compared[0]?.expected.rate;
  const proposal = state === 'differs_consistently' && rate && share ? proposalOf(rate, share, attempts) : null;
  return [
    {
      card: name,
      effective,
      rate: first.rate,
      unit: compared[0]?.expected.unit ?? null,
      attempts,
      unread: countOf(ofRow) - attempts,
      reported: toDisplayNumber(ofBillionths(reported)),
      expected: toDisplayNumber(ofBillionths(expected)),
      ratio: share && toDisplayNumber(share),
      state,
      proposal,
    },
  ];
}

function compare(card: RateCard, { rate, lengthMs, usage, count }: ReportedAttempts): Comparison[] {
  const expected = expectedOf(card, rate, lengthMs);
  const reported = expected && reportedAs(expected, usage);
  return expected && reported ? [{ expected, reported, count }] : [];
}

const countOf = (attempts: readonly { readonly count: number }[]): number =>
  attempts.reduce((total, { count }) => total + count, 0);

const sum = (amounts: readonly (readonly [Ratio, number])[]): bigint =>
  amounts.reduce((total, [amount, count]) => total + toBillionths(amount) * BigInt(count), 0n);

function stateOf(compared: readonly Comparison[], share: Ratio, attempts: number): DriftRow['state'] {
  if (isClose(share, ONE)) return 'agrees';
  const alike = compared.every(({ reported, expected }) => isClose(dividedBy(reported, expected.quantity), share));
  return alike && attempts >= ATTEMPTS_MIN ? 'differs_consistently' : 'differs';
}

const ONE: Ratio = { n: 1n, d: 1n };

/** Whether the two are within a hundredth of the second. */
function isClose(a: Ratio, b: Ratio): boolean {
  const difference = a.n * b.d - b.n * a.d;
  return (difference < 0n ? -difference : difference) * TOLERANCE.d <= b.n * a.d * TOLERANCE.n;
}

const PRICES = ['usd_per_second', 'units_per_second', 'credits_per_second'] as const;
const BLOCKS = ['usd_per_block', 'units_per_block'] as const;

/** The row as its file has it, at the price that was reported. What the row leaves to the card is left to it again. */
function proposalOf(rate: Rate, share: Ratio, attempts: number): string {
  const scaled = (price: Ratio): number => toDisplayNumber(times(price, share));
  const { model, tasks, resolution, audio, input, orientation } = rate;
  const prices = PRICES.flatMap((field) => (rate[field] ? [[field, scaled(rate[field])] as const] : []));
  const blocks = BLOCKS.flatMap((field) =>
    rate[field]
      ? [[field, Object.fromEntries(Object.entries(rate[field]).map(([s, each]) => [s, scaled(each)]))] as const]
      : [],
  );
  const scope = {
    model,
    tasks,
    resolution,
    audio,
    ...(rate.voice_control && { voice_control: true }),
    input,
    orientation,
  };
  const note = `${attempts} attempts reported ${toDisplayNumber(share)} times what the row before expected.`;
  return stringify([{ ...scope, ...Object.fromEntries([...prices, ...blocks]), note }]);
}
