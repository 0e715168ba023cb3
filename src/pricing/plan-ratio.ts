import { compareRatio, plus, type Ratio, ratio, times, ZERO_RATIO } from '../ground/money.ts';

/** The same value in lowest terms: sums over thousands of rows stay small enough to reckon with. */
export function reduced(value: Ratio): Ratio {
  let [a, b] = [value.n < 0n ? -value.n : value.n, value.d];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? ZERO_RATIO : { n: value.n / a, d: value.d / a };
}

/** The exact sum, in lowest terms; zero for none. */
export function sumRatios(values: readonly Ratio[]): Ratio {
  return values.reduce((sum, value) => reduced(plus(sum, value)), ZERO_RATIO);
}

/** The exact product, in lowest terms; one for none. */
export function productOf(...factors: readonly Ratio[]): Ratio {
  return factors.reduce((product, factor) => reduced(times(product, factor)), ratio(1));
}

/** `a - b`, which may be negative. */
export function minus(a: Ratio, b: Ratio): Ratio {
  return reduced(plus(a, { n: -b.n, d: b.d }));
}

export function minRatio(a: Ratio, b: Ratio): Ratio {
  return compareRatio(a, b) <= 0 ? a : b;
}

/** The next whole number at or below the fraction, which must not be negative. */
export function floorToWhole(value: Ratio): bigint {
  return value.n / value.d;
}
