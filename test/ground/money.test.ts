/**
 * Money is exact: decimals are read as they were written, and the few roundings do what their names say. Held against
 * plain bigint arithmetic that shares no line with the code.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/ground/assert.ts';
import {
  ceilToMicros,
  ceilToWhole,
  compareRatio,
  dividedBy,
  formatUsd,
  halfUpToCents,
  maxMicros,
  micros,
  minMicros,
  minusMicros,
  nearestWhole,
  plus,
  type Ratio,
  ratio,
  ratioOfMicros,
  sumMicros,
  times,
  toDisplayNumber,
  toUsdNumber,
  usd,
  ZERO_MICROS,
  ZERO_RATIO,
} from '../../src/ground/money.ts';

describe('a ratio', () => {
  it('is exactly the decimal that was written', () => {
    fc.assert(
      fc.property(decimalParts(), ({ sign, whole, fraction }) => {
        const { n, d } = ratio(`${sign}${whole}${fraction && '.'}${fraction}`);
        const inTrillionths = BigInt(`${sign}${whole}${fraction.padEnd(15, '0')}`);
        expect(d > 0n && n * 10n ** 15n === inTrillionths * d).toBe(true);
      }),
    );
  });

  it('of a number is that of its shortest text, so that 0.0794 in a file means 0.0794', () => {
    expect(isSame(ratio(0.0794), { n: 794n, d: 10_000n })).toBe(true);
    expect(isSame(ratio(-3), { n: -3n, d: 1n })).toBe(true);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), fc.integer({ min: 0, max: 6 }), (digits, decimals) => {
        expect(isSame(ratio(digits / 10 ** decimals), { n: BigInt(digits), d: 10n ** BigInt(decimals) })).toBe(true);
      }),
    );
  });

  it.each([
    ...['', ' 1', '1 ', '1\n', '.5', '5.', '1.2.3', '1,5', '1_000', '+1', '--1', '- 1', '1e3', '0x10', '٣', 'one'],
    ...['1234567890123456', '0.1234567890123456'],
    ...[1e21, 1e-7, Number.NaN, Number.POSITIVE_INFINITY],
  ])('of %j is refused', (text) => {
    expect(() => ratio(text)).toThrow(RangeError);
  });

  it('adds, multiplies and compares as millionths do', () => {
    fc.assert(
      fc.property(millionths(), millionths(), (a, b) => {
        const [left, right] = [ratioOfMicros(micros(a)), ratioOfMicros(micros(b))];
        expect(isSame(plus(left, right), { n: a + b, d: 1_000_000n })).toBe(true);
        expect(isSame(times(left, right), { n: a * b, d: 10n ** 12n })).toBe(true);
        expect(Math.sign(compareRatio(left, right))).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  it('divided by what it was multiplied with is what it was', () => {
    fc.assert(
      fc.property(millionths(), fc.bigInt({ min: 1n, max: 10n ** 12n }), (a, b) => {
        const [left, right] = [ratioOfMicros(micros(a)), ratioOfMicros(micros(b))];
        expect(isSame(dividedBy(times(left, right), right), left)).toBe(true);
      }),
    );
  });

  it('is not divided by zero or less', () => {
    expect(() => dividedBy(ratio(1), ZERO_RATIO)).toThrow(AssertionError);
    expect(() => dividedBy(ratio(1), ratio(-2))).toThrow(AssertionError);
  });
});

describe('a rounding', () => {
  it('up to micro-dollars gives the smallest amount that is not less', () => {
    fc.assert(
      fc.property(fractions(), ({ n, d }) => {
        const amount = ceilToMicros({ n, d });
        expect(amount * d >= n * 1_000_000n).toBe(true);
        expect((amount - 1n) * d < n * 1_000_000n).toBe(true);
      }),
    );
  });

  it('to cents gives the nearest cent, and the upper of two that are as near', () => {
    fc.assert(
      fc.property(fractions(), ({ n, d }) => {
        const amount = halfUpToCents({ n, d });
        expect(amount % 10_000n).toBe(0n);
        const error = 2n * ((amount / 10_000n) * d - n * 100n);
        expect(error > -d && error <= d).toBe(true);
      }),
    );
  });

  it.each([
    ['1.005', 1.01],
    ['2.675', 2.68],
    ['0.125', 0.13],
    ['0.005', 0.01],
    ['0.004999999', 0],
    ['0.015', 0.02],
    ['7', 7],
  ])('to cents makes %s dollars %d, where floating point may not', (exact, cents) => {
    expect(toUsdNumber(halfUpToCents(ratio(exact)))).toBe(cents);
  });

  it('to whole numbers goes up, or to the nearest with halves up', () => {
    fc.assert(
      fc.property(fractions(), ({ n, d }) => {
        const [up, nearest] = [ceilToWhole({ n, d }), nearestWhole({ n, d })];
        expect(up * d >= n && (up - 1n) * d < n).toBe(true);
        expect(2n * (nearest * d - n) <= d && 2n * (nearest * d - n) > -d).toBe(true);
      }),
    );
  });

  it.each([ceilToMicros, halfUpToCents, ceilToWhole, nearestWhole])('of a negative value is a bug: %o', (round) => {
    expect(() => round({ n: -1n, d: 3n })).toThrow(AssertionError);
    expect(round(ZERO_RATIO)).toBe(0n);
  });
});

describe('an amount in dollars', () => {
  it('is read back from the text it is shown as', () => {
    fc.assert(
      fc.property(millionths(), (amount) => {
        const shown = formatUsd(micros(amount));
        expect(shown).toMatch(/^-?\$\d+\.\d{2}(\d{0,3}[1-9])?$/);
        expect(usd(shown.replace('$', ''))).toBe(amount);
      }),
    );
  });

  it.each([
    [355_000n, '$0.355'],
    [1_200_000n, '$1.20'],
    [0n, '$0.00'],
    [-1n, '-$0.000001'],
    [1_234_567_890_000_000n, '$1234567890.00'],
  ])('of %d micro-dollars is shown as %s', (amount, shown) => {
    expect(formatUsd(micros(amount))).toBe(shown);
  });

  it('is the same as a JSON number', () => {
    // A double tells neighbouring micro-dollars apart up to 2^33 dollars.
    const most = 2n ** 33n * 1_000_000n;
    fc.assert(
      fc.property(fc.bigInt({ min: -most, max: most }), (amount) => {
        expect(usd(JSON.stringify(toUsdNumber(micros(amount))))).toBe(amount);
      }),
    );
  });

  it('may have six decimals that count, and no more', () => {
    expect(usd('9.80')).toBe(9_800_000n);
    expect(usd(0.000001)).toBe(1n);
    expect(usd('0.123456000')).toBe(123_456n);
    expect(() => usd('0.1234567')).toThrow(/more than six decimals of a dollar: 0.1234567/);
    expect(() => usd('ten')).toThrow(RangeError);
  });

  it('adds up and compares exactly where numbers no longer do', () => {
    const large = micros(2n ** 60n);
    const larger = micros(2n ** 60n + 1n);
    expect(sumMicros(large, micros(1n))).toBe(larger);
    expect(minusMicros(large, larger)).toBe(-1n);
    expect(maxMicros(large, larger, ZERO_MICROS)).toBe(larger);
    expect(minMicros(larger, large)).toBe(large);
    expect(sumMicros()).toBe(ZERO_MICROS);
  });
});

describe('a shown fraction', () => {
  it('has at most six decimals', () => {
    expect(toDisplayNumber(dividedBy(ratio(1), ratio(3)))).toBe(0.333333);
    expect(toDisplayNumber(dividedBy(ratio('5.4'), ratio(68)))).toBe(0.079412);
    expect(toDisplayNumber(ratio('0.0794'))).toBe(0.0794);
  });
});

const isSame = (a: Ratio, b: Ratio): boolean => a.n * b.d === b.n * a.d;

const digits = (minLength: number) => fc.string({ unit: fc.constantFrom(...'0123456789'), minLength, maxLength: 15 });

const decimalParts = () => fc.record({ sign: fc.constantFrom('', '-'), whole: digits(1), fraction: digits(0) });

const millionths = () => fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n });

const fractions = (): fc.Arbitrary<Ratio> =>
  fc.record({ n: fc.bigInt({ min: 0n, max: 10n ** 24n }), d: fc.bigInt({ min: 1n, max: 10n ** 9n }) });
