/** Where a clip may go, in which order, for how much at most: money moves only in the direction that is allowed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FailureKind } from '../../providers/contract.ts';
import { type Micros, usd } from '../../src/ground/money.ts';
import type { NoOffer, Offer } from '../../src/pricing/offers.ts';
import { readDecision, showDecision, writeDecision } from '../../src/routing/decision.ts';
import { backoffMs } from '../../src/routing/failure.ts';
import { type Choice, nextCandidate, type PastFailure } from '../../src/routing/next.ts';
import {
  combinePolicy,
  FALLBACKS,
  NO_ROUTING,
  type RequestRouting,
  type TenantPolicy,
} from '../../src/routing/policy.ts';
import { decide, type Route } from '../../src/routing/route.ts';
import { type Conditions, idleConditions } from '../../src/routing/score.ts';
import { offer } from '../support/rows.ts';

describe('a route', () => {
  it('goes from the cheapest on, and holds the dearest price it can end in', () => {
    const route = routed([offer('a', 1.2), offer('b', 1), offer('c', 1.1)]);
    expect(shown(route)).toEqual(['b', 'c', 'a']);
    expect(route.holdMicros).toBe(usd(1.2));
  });

  it('that may fall back to anything, to what is not dearer, or not at all, says so of each it leaves out', () => {
    const offers = [offer('a', 1), offer('b', 1.1), offer('c', 1.2), offer('d', 1.1)];
    const by = (fallback: RequestRouting['fallback']) => routed(offers, { order: ['b'], fallback });
    expect(shown(by('any'))).toEqual(['b', 'a', 'd', 'c']);
    const dearer = 'c: fallback "cheaper": dearer than the first choice at $1.10';
    expect(shown(by('cheaper'))).toEqual(['b', 'a', 'd', dearer]);
    expect(shown(by('none'))).toEqual(['b', ...['a', 'd', 'c'].map((name) => `${name}: no fallback is wanted`)]);
  });

  it('ends at the premium over the cheapest possible, to the micro-dollar', () => {
    const route = routed([offer('a', 1), offer('b', 1.25), offer('c', 1.250001)]);
    expect(shown(route)).toEqual(['a', 'b', 'c: $1.250001 is more than 25 % above the cheapest possible $1.00']);
    const equal = routed([offer('a', 1), offer('b', 1), offer('c', 1.000001)], { maxPremium: 0 });
    expect(equal.route.map(({ provider }) => provider)).toEqual(['a', 'b']);
  });

  it('reckons the premium from the cheapest even while nothing may be sent there', () => {
    const route = routed([offer('a', 1), offer('b', 1.2), offer('c', 1.3)], {}, {}, { a: { blocked: 'isolated' } });
    expect(shown(route)).toEqual(['b', 'a: isolated', expect.stringContaining('c: $1.30 is more than 25 %')]);
  });

  it('reckons the premium without those that the request or the tenant leaves out', () => {
    const offers = [offer('a', 1), offer('b', 1.2), offer('c', 1.4)];
    expect(shown(routed(offers, { ignore: ['a'] }))).toEqual(['b', 'c', 'a: listed in provider.ignore']);
    expect(shown(routed(offers, {}, { ignore: ['a'] }))).toEqual(['b', 'c', "a: not allowed by the tenant's policy"]);
    expect(shown(routed(offers, { only: ['c', 'b'] }))).toEqual(['b', 'c', 'a: not among provider.only']);
    expect(shown(routed(offers, { only: ['a'] }, { only: ['b'] }))[0]).toMatch(/^a: not allowed by the tenant/);
  });

  it('reckons the premium from a dearer first choice that `order` names, and from no cheaper one', () => {
    const offers = [offer('a', 1), offer('b', 2), offer('c', 2.5), offer('d', 2.6)];
    const route = routed(offers, { order: ['nobody', 'b', 'c'] });
    expect(shown(route).slice(0, 3)).toEqual(['b', 'c', 'a']);
    expect(route.holdMicros).toBe(usd(2.5));
    expect(routed(offers, { order: ['a', 'b'] }).holdMicros).toBe(usd(1));
  });

  it('leaves out what is above max_price and knows the cheapest of it', () => {
    const offers = [offer('a', 1.1), offer('b', 1), offer('c', 1.2)];
    const some = routed(offers, { maxPriceMicros: usd(1.1) });
    expect(shown(some)).toEqual(['b', 'a', 'c: $1.20 is above max_price $1.10']);
    expect(some.cheapestOverMaxPrice).toBe(usd(1.2));
    const none = routed(offers, { maxPriceMicros: usd(0.5) });
    expect([none.route, none.holdMicros, none.cheapestOverMaxPrice]).toEqual([[], 0n, usd(1)]);
    expect(routed(offers).cheapestOverMaxPrice).toBeNull();
  });

  it('settles a tie by fewer failures, then by the order of the list', () => {
    const offers = ['a', 'b', 'c', 'd'].map((name) => offer(name, 1));
    const route = routed(offers, {}, {}, { a: { recentFailures: 2 }, c: { recentFailures: 1 } });
    expect(shown(route)).toEqual(['b', 'd', 'c', 'a']);
  });

  it('tries models in the order asked for, within the premium of the first that is sold', () => {
    const no: NoOffer = { kind: 'none', provider: 'a', account: 'a', model: 'm1', reason: 'does not sell m1' };
    const sold = [offer('a', 1.1, { model: 'm2' }), offer('b', 1.2, { model: 'm2' })];
    const route = routed([no, ...sold, offer('c', 1, { model: 'm3' }), offer('d', 1.4, { model: 'm3' })]);
    const dearer = 'd: $1.40 is more than 25 % above the cheapest possible $1.10';
    expect(shown(route)).toEqual(['a', 'b', 'c', 'a: does not sell m1', dearer]);
  });

  it('counts failures that are charged and waiting as dollars, and can be told to count time alone or not at all', () => {
    const offers = [offer('sure', 1.02), offer('risky', 1, { failed: 'charged' }), offer('busy', 1)];
    const busy = { running: 30, generationSeconds: 60 };
    const conditions = { sure: { generationSeconds: 90 }, risky: { successRate: 0.9 }, busy };
    expect(shown(routed(offers, {}, {}, conditions))).toEqual(['sure', 'risky', 'busy']);
    expect(shown(routed(offers, { sort: 'price' }, {}, conditions))).toEqual(['busy', 'sure', 'risky']);
    expect(shown(routed(offers, { sort: 'latency' }, {}, conditions))).toEqual(['sure', 'risky', 'busy']);
    const [sure, risky] = routed(offers, {}, {}, conditions).route.map(({ score }) => score);
    expect(sure).toMatchObject({ costMicros: usd(1.02), failuresMicros: 0n, waitMicros: usd(0.047368) });
    expect(risky).toMatchObject({ costMicros: usd(1), failuresMicros: usd(0.1), waitMicros: usd(0.066667) });
  });

  it('keeps every rule whatever the prices, and says of each candidate where it stands', () => {
    const prices = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(prices, fc.nat({ max: 200 }), fc.constantFrom(...FALLBACKS), (cents, percent, fallback) => {
        const offers = cents.map((price, index) => offer(`p${index}`, price / 100));
        const { route, candidates, holdMicros } = routed(offers, { fallback, maxPremium: percent / 100 });
        const ends = route.map((candidate) => Number(candidate.offer?.quote.priceMicros));
        expect(candidates.map(({ provider }) => provider).sort()).toEqual(offers.map(({ provider }) => provider));
        expect(candidates.map(({ excluded }) => excluded === null)).toEqual(cents.map((_, at) => at < route.length));
        expect(Number(holdMicros)).toBe(Math.max(...ends));
        expect(Math.max(...ends) <= Math.min(...cents) * 100 * (100 + percent)).toBe(true);
        if (fallback === 'none') expect(route.length).toBe(1);
        if (fallback === 'cheaper') expect(Math.max(...ends)).toBe(ends[0]);
      }),
    );
  });
});

describe('the policy of a request', () => {
  it.each([
    ['none', 'none none none none'],
    ['cheaper', 'none cheaper cheaper cheaper'],
    ['any', 'none cheaper any any'],
  ] as const)('is never looser than what the tenant allows: %s', (fallback, expected) => {
    const asked = [...FALLBACKS, null].map((wish) => combined({ fallback }, { fallback: wish }).fallback);
    expect(asked.join(' ')).toBe(expected);
    expect(combined({ fallback }, { fallback: 'any', allowFallbacks: false }).fallback).toBe('none');
  });

  it('has the lower premium and the lower max_price of the two, and the usual ones where nobody says', () => {
    expect(combined({ max_premium: 0.5 }, { maxPremium: 0.1 }).maxPremium).toBe(0.1);
    expect(combined({ max_premium: 0 }, { maxPremium: 1 }).maxPremium).toBe(0);
    expect(combined({}, { maxPremium: 1 }).maxPremium).toBe(1);
    expect(combined({}, { maxPriceMicros: usd(2) }, usd(1)).maxPriceMicros).toBe(usd(1));
    expect(combined({}, { maxPriceMicros: usd(2) }, usd(3)).maxPriceMicros).toBe(usd(2));
    const usual = { fallback: 'any', maxPremium: 0.25, maxPriceMicros: null, valueOfTimeMicrosPerSecond: 500 };
    expect(combined({}, {})).toMatchObject(usual);
  });
});

describe('after a failure', () => {
  const [a, b] = [{ account: 'a', model: 'm' } as const, { account: 'b', model: 'm' } as const];
  const failures = (...kinds: FailureKind[]) => kinds.map((kind) => ({ ...a, kind }));

  it.each([
    ['invalid_request', 'invalid_input'],
    ['offer_refused', 'b m, asked 0 times'],
    ['content_rejected', 'moderation_blocked'],
    ['unauthorized', 'b m, asked 0 times'],
    ['out_of_credit', 'b m, asked 0 times'],
    ['rate_limited', 'a m, asked 1 times'],
    ['concurrency_limited', 'a m, asked 0 times'],
    ['unavailable', 'a m, asked 1 times'],
    ['generation_failed', 'b m, asked 0 times'],
    ['task_not_found', 'provider_outcome_unknown'],
    ['video_missing', 'b m, asked 0 times'],
    ['protocol_error', 'provider_outcome_unknown'],
  ] satisfies [FailureKind, string][])('of the kind %s comes: %s', (kind, expected) => {
    expect(goesOn([a, b], failures(kind))).toBe(expected);
  });

  it('a candidate is asked again as often as its failure allows, and never after', () => {
    expect(goesOn([a, b], failures('unavailable', 'unavailable'))).toBe('a m, asked 2 times');
    expect(goesOn([a, b], failures('unavailable', 'unavailable', 'unavailable'))).toBe('b m, asked 0 times');
    expect(goesOn([a, b], failures('rate_limited', 'rate_limited', 'rate_limited'))).toBe('a m, asked 3 times');
    expect(goesOn([a, b], failures(...Array(4).fill('rate_limited')))).toBe('b m, asked 0 times');
    const both = [...failures('unauthorized'), { ...b, kind: 'unauthorized' as const }];
    expect(goesOn([a, b], both)).toBe('provider_error');
    expect(goesOn([a, b, { account: 'a', model: 'm2' }], both)).toBe('a m2, asked 0 times');
  });

  it('refused content moves on only where the tenant allows it', () => {
    expect(goesOn([a, b], failures('content_rejected'), true)).toBe('b m, asked 0 times');
    expect(goesOn([a], failures('content_rejected'), true)).toBe('moderation_blocked');
  });

  it('the end comes after six attempts or five candidates, however often there was no room', () => {
    const many = Array.from({ length: 9 }, (_, index) => ({ account: `p${index}`, model: 'm' }));
    const failed = many.map((candidate) => ({ ...candidate, kind: 'unauthorized' as const }));
    expect(goesOn([], [])).toBe('no_provider_available');
    expect(goesOn(many, failed.slice(0, 4))).toBe('p4 m, asked 0 times');
    expect(goesOn(many, failed.slice(0, 5))).toBe('provider_error');
    const five = [...failures('unavailable', 'unavailable', 'unavailable'), ...failed.slice(0, 2)];
    const full = failures(...Array(50).fill('concurrency_limited'));
    expect(goesOn([a, ...many], [...five, ...full])).toBe('p2 m, asked 0 times');
    expect(goesOn([a, ...many], [...five, ...full, ...failed.slice(2, 3)])).toBe('provider_error');
  });

  it('the next try waits as long as the provider wishes up to five minutes, else a random while that doubles', () => {
    expect(backoffMs({ retryAfterMs: 7_000 }, 0, 0.5)).toBe(7_000);
    expect(backoffMs({ retryAfterMs: 3_600_000 }, 0, 0.5)).toBe(300_000);
    expect([0, 1, 4, 5, 50].map((repeat) => backoffMs({}, repeat, 0.5))).toEqual([500, 1_000, 8_000, 15_000, 15_000]);
    expect(backoffMs({}, 3, 0)).toBe(0);
  });
});

describe('a stored decision', () => {
  const dear = offer('b', 9_007_199_254.740993, { cost: 5 });
  const offers = [offer('a', 1.1, { cost: 1, failed: 'charged' }), dear, offer('c', 1.2)];
  const route = routed(offers, { maxPremium: 100 });
  const stored = readDecision(writeDecision(route, { markup: '10', warnings: ['old'] }));

  it('reads back as it was written, to the micro-dollar', () => {
    expect(stored).toMatchObject({ hold: route.holdMicros, markup: '10', warnings: ['old'] });
    const written = route.candidates.map(({ provider, excluded, offer: of }) => {
      return { provider, excluded, rate: of?.quote.rate, price: of?.quote.priceMicros, cost: of?.quote.costMicros };
    });
    expect(stored.candidates).toMatchObject(written);
    const score = { total: usd(1.113158), cost: usd(1), failures: usd(0.05), wait: usd(0.063158) };
    const first = { upstream: 'a/m', lines: offers[0]?.quote.lines, failed: 'charged' };
    expect(stored.candidates[0]).toMatchObject({ ...first, score });
  });

  it('shows a tenant prices, and an operator cost and margin as well', () => {
    const [tenant, operator] = [showDecision(stored, 'tenant'), showDecision(stored, 'operator')];
    expect(tenant).toMatchObject({ route: ['a', 'c'], hold_usd: 1.2, max_cost_usd: 1.2, warnings: ['old'] });
    expect(tenant.candidates[0]).toMatchObject({ price_usd: 1.1, excluded: false, reason: null });
    expect(tenant.candidates.flatMap((candidate) => Object.keys(candidate)).join()).not.toMatch(/cost|margin/);
    expect(operator.candidates[0]).toMatchObject({ price_usd: 1.1, cost_usd: 1, margin_usd: 0.1, score: { cost: 1 } });
  });

  it('shows whoever looks the score that the route was ordered by; the markup is a line of the price', () => {
    // At the tenant's prices b would come first: 0.504 + 0.05 against 0.426 + 0.123, and the route would seem wrong.
    const busy = { a: { generationSeconds: 95 }, b: { generationSeconds: 234 } };
    const pair = [offer('a', 0.504, { cost: 0.42 }), offer('b', 0.426, { cost: 0.355 })];
    const shown = readDecision(writeDecision(routed(pair, {}, {}, busy), { markup: '20', warnings: [] }));
    for (const viewer of ['tenant', 'operator'] as const) {
      const { candidates, route: providers } = showDecision(shown, viewer);
      expect(providers).toEqual(['a', 'b']);
      expect(candidates.map(({ score }) => score)).toEqual([
        { total: 0.47, cost: 0.42, failures: 0, wait: 0.05 },
        { total: 0.478158, cost: 0.355, failures: 0, wait: 0.123158 },
      ]);
    }
  });

  it('that is not one is refused', () => {
    expect(() => readDecision('{"candidates":[],"hold":"1","markup":"0","warnings":[],"secret":1}')).toThrow();
  });
});

const combined = (tenant: TenantPolicy, request: Partial<RequestRouting>, maxPrice: Micros | null = null) =>
  combinePolicy(tenant, { ...NO_ROUTING, ...request }, maxPrice);

function routed(
  offers: readonly (Offer | NoOffer)[],
  request: Partial<RequestRouting> = {},
  tenant: TenantPolicy = {},
  conditions: Readonly<Record<string, Partial<Conditions>>> = {},
): Route {
  const conditionsOf = (of: Offer): Conditions => ({ ...idleConditions(5), ...conditions[of.provider] });
  return decide({ offers, policy: combined(tenant, request), conditionsOf });
}

/** The providers of the route, then each of the others with its reason. */
const shown = (route: Route): string[] =>
  route.candidates.map(({ provider, excluded }) => (excluded === null ? provider : `${provider}: ${excluded}`));

/** Where a job goes on: to which candidate, or to which end. */
function goesOn(route: readonly Choice[], past: readonly PastFailure[], contentMayMove = false): string {
  const next = nextCandidate(route, past, contentMayMove);
  if (next.kind === 'end') return next.code;
  return `${next.candidate.account} ${next.candidate.model}, asked ${next.repeat} times`;
}
