/** What a request asked of its routing comes back from storage as it was, and a policy that is tried overrules it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { micros } from '../../src/ground/money.ts';
import { overruledBy, readAsked, writeAsked } from '../../src/routing/asked.ts';
import { FALLBACKS, NO_ROUTING, type RequestRouting, SORTS } from '../../src/routing/policy.ts';

const names = fc.array(fc.constantFrom('kling', 'fal', 'atlas'), { maxLength: 3 });
const routings = fc.record({
  models: names,
  order: names,
  only: fc.option(names),
  ignore: names,
  allowFallbacks: fc.boolean(),
  fallback: fc.option(fc.constantFrom(...FALLBACKS)),
  sort: fc.option(fc.constantFrom(...SORTS)),
  maxPremium: fc.option(fc.constantFrom(0, 0.25, 2)),
  maxPriceMicros: fc.option(fc.bigInt({ min: 1n, max: 10n ** 18n }).map(micros)),
  requireParameters: fc.constant(false),
});

describe('what a request asked', () => {
  it('comes back from storage as it was', () => {
    fc.assert(
      fc.property(routings, (routing: RequestRouting) => {
        const stored = JSON.parse(JSON.stringify({ asked: writeAsked(routing, routing.models) }));
        expect(readAsked(stored.asked)).toEqual(routing);
      }),
    );
    expect(writeAsked(NO_ROUTING, [])).toEqual({});
    expect(readAsked(undefined)).toEqual(NO_ROUTING);
    expect(() => readAsked({ only: 'fal' })).toThrow();
  });

  it('counts on in a replay, but for what the policy that is tried says itself', () => {
    const asked: RequestRouting = {
      ...NO_ROUTING,
      order: ['fal'],
      only: ['fal'],
      ignore: ['kling'],
      allowFallbacks: false,
      fallback: 'cheaper',
      sort: 'latency',
      maxPremium: 1,
      maxPriceMicros: micros(5n),
    };
    expect(overruledBy({}, asked)).toEqual(asked);
    expect(overruledBy({ value_of_time_usd_per_hour: 0 }, asked)).toEqual(asked);
    expect(overruledBy({ only: ['atlas'] }, asked)).toEqual({ ...asked, only: null, ignore: [], order: [] });
    expect(overruledBy({ fallback: 'any' }, asked)).toEqual({ ...asked, fallback: null, allowFallbacks: true });
    expect(overruledBy({ sort: 'price' }, asked)).toEqual({ ...asked, sort: null, order: [] });
    expect(overruledBy({ max_premium: 0, max_price_usd: 1 }, asked)).toEqual({
      ...asked,
      maxPremium: null,
      maxPriceMicros: null,
    });
  });
});
