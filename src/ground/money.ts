/**
 * Money: whole micro-dollars, and exact fractions of dollars until the one rounding that makes micro-dollars of them.
 *
 * This room owns every rounding of money in reelay. `Micros` is a branded bigint: it does not mix with numbers, and
 * sums of any size are exact.
 */
import { assert } from './assert.ts';

declare const unit: unique symbol;

/** An amount of US dollars in millionths. */
export type Micros = bigint & { readonly [unit]: 'micro-usd' };

/** An exact fraction, used for rates and products of rates. `d` is positive. */
export interface Ratio {
  readonly n: bigint;
  readonly d: bigint;
}

const MICROS_PER_USD = 1_000_000n;

/** Names a whole number of micro-dollars as money. */
export function micros(value: bigint): Micros {
  return value as Micros;
}

export const ZERO_MICROS = micros(0n);

/** The sum; zero for no amounts. */
export function sumMicros(...amounts: readonly Micros[]): Micros {
  return micros(amounts.reduce<bigint>((sum, amount) => sum + amount, 0n));
}

/** `a - b`, which may be negative. */
export function minusMicros(a: Micros, b: Micros): Micros {
  return micros(a - b);
}

export function maxMicros(first: Micros, ...others: readonly Micros[]): Micros {
  return others.reduce((largest, amount) => (amount > largest ? amount : largest), first);
}

export function minMicros(first: Micros, ...others: readonly Micros[]): Micros {
  return others.reduce((smallest, amount) => (amount < smallest ? amount : smallest), first);
}

const DECIMAL = /^(-?)(\d{1,15})(?:\.(\d{1,15}))?$/;

/**
 * The exact value of a decimal number such as `0.0794` or `-3`. A number is read by its shortest decimal text, so that
 * a YAML or JSON `0.0794` means exactly what was written. Throws a RangeError on anything else (exponents included).
 */
export function ratio(decimal: string | number): Ratio {
  const match = DECIMAL.exec(String(decimal));
  if (!match) throw new RangeError(`not a plain decimal number: ${JSON.stringify(decimal)}`);
  const [, sign, whole = '', fraction = ''] = match;
  const n = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  return { n, d: 10n ** BigInt(fraction.length) };
}

export const ZERO_RATIO: Ratio = { n: 0n, d: 1n };

export function times(a: Ratio, b: Ratio): Ratio {
  return { n: a.n * b.n, d: a.d * b.d };
}

export function plus(a: Ratio, b: Ratio): Ratio {
  return { n: a.n * b.d + b.n * a.d, d: a.d * b.d };
}

/** `a / b`; `b` must not be zero or negative, because no rate, credit or percentage base is. */
export function dividedBy(a: Ratio, b: Ratio): Ratio {
  assert(b.n > 0n, 'a positive divisor');
  return { n: a.n * b.d, d: a.d * b.n };
}

/** Negative, zero or positive as `a` is below, at or above `b`. */
export function compareRatio(a: Ratio, b: Ratio): number {
  const difference = a.n * b.d - b.n * a.d;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Money as an exact fraction of a dollar, to go on multiplying. */
export function ratioOfMicros(amount: Micros): Ratio {
  return { n: amount, d: MICROS_PER_USD };
}

/** Dollars to micro-dollars, rounded up: the price and the cost of a clip. The fraction must not be negative. */
export function ceilToMicros(usd: Ratio): Micros {
  assert(usd.n >= 0n, 'an amount of at least zero');
  const scaled = usd.n * MICROS_PER_USD;
  return micros((scaled + usd.d - 1n) / usd.d);
}

/** Dollars to whole cents, halves up, as the portal's `round(…, 2)` means it. The fraction must not be negative. */
export function halfUpToCents(usd: Ratio): Micros {
  assert(usd.n >= 0n, 'an amount of at least zero');
  const cents = (usd.n * 100n * 2n + usd.d) / (usd.d * 2n);
  return micros(cents * (MICROS_PER_USD / 100n));
}

/** The next whole number at or above the fraction, which must not be negative. */
export function ceilToWhole(value: Ratio): bigint {
  assert(value.n >= 0n, 'a value of at least zero');
  return (value.n + value.d - 1n) / value.d;
}

/** The nearest whole number, halves up. The fraction must not be negative. */
export function nearestWhole(value: Ratio): bigint {
  assert(value.n >= 0n, 'a value of at least zero');
  return (value.n * 2n + value.d) / (value.d * 2n);
}

/** An exact amount written in dollars with at most six decimals, such as `9.80`. Throws a RangeError otherwise. */
export function usd(decimal: string | number): Micros {
  const value = ratio(decimal);
  const scaled = value.n * MICROS_PER_USD;
  if (scaled % value.d !== 0n) throw new RangeError(`more than six decimals of a dollar: ${decimal}`);
  return micros(scaled / value.d);
}

/** The amount as a JSON number of dollars with at most six decimals. Exact up to eight billion dollars. */
export function toUsdNumber(amount: Micros): number {
  return Number(amount) / Number(MICROS_PER_USD);
}

/** A fraction as a JSON number with at most six decimals: for showing a rate, never for reckoning with it. */
export function toDisplayNumber(value: Ratio): number {
  return Math.round((Number(value.n) / Number(value.d)) * 1e6) / 1e6;
}

/** `$0.355`, `$1.20`, `-$0.000001`: at least two decimals, at most six. */
export function formatUsd(amount: Micros): string {
  const absolute = amount < 0n ? -amount : amount;
  const fraction = (absolute % MICROS_PER_USD).toString().padStart(6, '0').replace(/0+$/, '').padEnd(2, '0');
  return `${amount < 0n ? '-' : ''}$${absolute / MICROS_PER_USD}.${fraction}`;
}
