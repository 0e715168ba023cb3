/** Whether our entries explain what an account has lost between two readings. Pure; amounts in billionths. */

import type { BookedAttempt } from '../ledger/balances.ts';
import type { RateCards } from '../pricing/cards.ts';
import { expectedOf, reportedAs, toBillionths } from '../pricing/expected.ts';
import type { BalanceUnit } from '../store/schema-alarms.ts';

const BILLIONTHS_PER_MICRO = 1_000n;

/** What is unknown up to here is rounding: five cents, or one unit (house rule of the reconciliation). */
export const UNKNOWN_MAX: Readonly<Record<BalanceUnit, bigint>> = { usd: 50_000_000n, unit: 1_000_000_000n };

/** What attempts took of the account: for certain between the two readings, and perhaps. */
export interface Explained {
  readonly certain: bigint;
  /** More that may have been taken: tasks that ran at one of the readings, and costs that are only suspected. */
  readonly perhaps: bigint;
}

export interface Period {
  readonly unit: BalanceUnit;
  readonly fromMs: number;
  readonly toMs: number;
  /** How far behind the provider's figure may be. */
  readonly lagMs: number;
}

/** What the attempts explain of the period. An attempt counts for certain when its whole life lies between the readings. */
export function explainedBy(attempts: readonly BookedAttempt[], period: Period, cards: RateCards): Explained {
  let [certain, perhaps] = [0n, 0n];
  for (const attempt of attempts) {
    const { endedAtMs } = attempt;
    const whole = attempt.createdAtMs > period.fromMs && endedAtMs !== null && endedAtMs <= period.toMs - period.lagMs;
    if (whole && !attempt.open && attempt.suspectedMicros <= 0n) certain += takenBy(attempt, period.unit, cards, false);
    else if (endedAtMs === null || endedAtMs > period.fromMs - period.lagMs)
      perhaps += takenBy(attempt, period.unit, cards, true);
  }
  return { certain, perhaps };
}

/** What the attempt took as booked; with `atMost`, what it may have taken if its provider charged for it. */
function takenBy(attempt: BookedAttempt, unit: BalanceUnit, cards: RateCards, atMost: boolean): bigint {
  const { bookedMicros, quotedMicros } = attempt;
  if (bookedMicros <= 0n && !atMost) return 0n;
  if (unit === 'unit') return unitsOf(attempt, cards);
  const dollars = atMost && quotedMicros > bookedMicros ? quotedMicros : bookedMicros;
  return dollars * BILLIONTHS_PER_MICRO;
}

function unitsOf({ card, rate, lengthMs, usage }: BookedAttempt, cards: RateCards): bigint {
  const [name = '', effective = ''] = card.split('@');
  const dated = cards.all.find((each) => each.card === name && each.effective === effective);
  const expected = dated ? expectedOf(dated, rate, lengthMs) : null;
  if (expected?.unit !== 'unit') return 0n;
  const reported = usage === null ? null : reportedAs(expected, JSON.parse(usage));
  return toBillionths(reported ?? expected.quantity);
}

/**
 * What is left unexplained of the loss: positive where more is gone than our attempts can have taken, negative where
 * less is (a top-up, or a refund), zero in between.
 */
export function unknownOf(lost: bigint, { certain, perhaps }: Explained): bigint {
  if (lost > certain + perhaps) return lost - certain - perhaps;
  return lost < certain ? lost - certain : 0n;
}
