/** What holds for every decision, whatever the prices, the slots and the health; and for every queue. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FailureKind } from '../../providers/contract.ts';
import { type Micros, micros, usd } from '../../src/ground/money.ts';
import { choose, optionsOf } from '../../src/routing/choose.ts';
import { choosingOf, readDecision, routeOf, writeDecision } from '../../src/routing/decision.ts';
import { FAILURE_RULES } from '../../src/routing/failure.ts';
import { linesOf, planQueue, type QueueState } from '../../src/routing/fair.ts';
import { combinePolicy, FALLBACKS, NO_ROUTING, type RequestRouting, SORTS } from '../../src/routing/policy.ts';
import { decide, type Route } from '../../src/routing/route.ts';
import { type Conditions, idleConditions } from '../../src/routing/score.ts';
import type { InFlight, LaneOption, Waiter } from '../../src/routing/waiter.ts';
import { offer } from '../support/rows.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;
const DRAWS = 'c';
const UNWELL = 'circuit open';

interface Case {
  readonly cents: readonly number[];
  readonly conditions: readonly Conditions[];
  readonly request: RequestRouting;
}

const conditions: fc.Arbitrary<Conditions> = fc.record({
  slots: fc.integer({ min: 1, max: 6 }),
  running: fc.nat(8),
  queuedAhead: fc.nat(20),
  generationSeconds: fc.option(fc.integer({ min: 1, max: 400 }), { nil: null }),
  successRate: fc.double({ min: 0.05, max: 1, noNaN: true }),
  recentFailures: fc.nat(5),
  blocked: fc.constantFrom(null, null, null, 'isolated'),
  unhealthy: fc.constantFrom(null, null, null, UNWELL),
  lapsing: fc.constantFrom(0n, 0n, 4n, 10n),
});
const cases: fc.Arbitrary<Case> = fc.record({
  cents: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: NAMES.length }),
  conditions: fc.array(conditions, { minLength: NAMES.length, maxLength: NAMES.length }),
  request: fc
    .record({
      fallback: fc.constantFrom(...FALLBACKS),
      sort: fc.constantFrom(null, ...SORTS),
      maxPremium: fc.constantFrom(null, 0, 0.1, 2),
      maxPriceMicros: fc.constantFrom(null, usd(0.4), usd(1.5)),
      order: fc.subarray([...NAMES], { maxLength: 2 }),
    })
    .map((wishes) => ({ ...NO_ROUTING, ...wishes })),
});

function routed({ cents, conditions: given, request }: Case, without: readonly string[] = []): Route {
  // One of them draws on prepaid units.
  const unitsOf = (name: string) => ({ units: name === DRAWS ? 10n : 0n });
  const offers = cents.map((price, index) => offer(NAMES[index] ?? '', price / 100, unitsOf(NAMES[index] ?? '')));
  return decide({
    offers: offers.filter(({ provider }) => !without.includes(provider)),
    policy: combinePolicy({}, request, null),
    conditionsOf: ({ provider }) => given[NAMES.indexOf(provider as 'a')] ?? idleConditions(5),
  });
}

const names = (route: Route): string[] => route.route.map(({ provider }) => provider);

describe('a decision', () => {
  it('is a function of its inputs: the same inputs give the same bytes', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const written = () => writeDecision(routed(given), { markup: '0', warnings: [] });
        expect(written()).toBe(written());
      }),
    );
  });

  it('never ranks lower what is cheaper and otherwise equal', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 50 }), (given, less) => {
        const [price = 1, ...others] = given.cents;
        const same = given.conditions.map((each, index) => (index === 1 ? (given.conditions[0] ?? each) : each));
        const cents = [price + less, price, ...others.slice(1)];
        const route = names(routed({ ...given, cents, conditions: same, request: { ...given.request, order: [] } }));
        // a is b, but dearer: where both are asked, b comes first; where a is, so is b.
        if (given.request.sort === null || given.request.sort === 'price') {
          if (route.includes('a')) expect(route.indexOf('b')).toBeLessThan(route.indexOf('a'));
        } else if (route.includes('a') && given.request.fallback === 'any') expect(route).toContain('b');
      }),
    );
  });

  it('is not changed by a provider that is left out', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom(...NAMES), (given, name) => {
        const without = routed(given, [name]);
        const ignored = routed({ ...given, request: { ...given.request, ignore: [name] } });
        expect(names(ignored)).toEqual(names(without));
        expect(ignored.holdMicros).toBe(without.holdMicros);
      }),
    );
  });

  it('is not changed by a provider that is too dear for max_price', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const max = given.request.maxPriceMicros;
        const dear = NAMES.filter((_, index) => max !== null && (given.cents[index] ?? 0) * 10_000 > Number(max));
        // What lapses may be given away at the price of others, so nobody burns any here.
        const conditions = given.conditions.map((each) => ({ ...each, lapsing: 0n }));
        const [route, without] = [routed({ ...given, conditions }), routed({ ...given, conditions }, dear)];
        expect([names(route), route.holdMicros]).toEqual([names(without), without.holdMicros]);
      }),
    );
  });

  it('never gets dearer by what a provider does: a ceiling is reckoned whatever slots and health', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const { route, holdMicros } = routed(given);
        const cheapest = Math.min(...given.cents.map((price) => price * 10_000));
        const ordered = given.request.order.flatMap((name) => given.cents[NAMES.indexOf(name as 'a')] ?? []);
        const base = Math.max(cheapest, (ordered[0] ?? 0) * 10_000);
        const ceiling = Math.ceil(base * (1 + (given.request.maxPremium ?? 0.25)) + 1e-6);
        expect(Number(holdMicros)).toBeLessThanOrEqual(ceiling);
        for (const candidate of route) {
          expect(Number(candidate.offer?.quote.priceMicros)).toBeLessThanOrEqual(Number(holdMicros));
        }
      }),
    );
  });
});

describe('units that would lapse', () => {
  it('make nobody dearer, and whoever burns them no dearer than the cheapest other', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const { candidates } = routed(given);
        for (const { provider, offer: of } of candidates) {
          const own = Math.round((given.cents[NAMES.indexOf(provider as 'a')] ?? 0) * 10_000);
          const others = given.cents.filter((_, index) => NAMES[index] !== provider).map((price) => price * 10_000);
          const burns = provider === DRAWS && (given.conditions[NAMES.indexOf(DRAWS)]?.lapsing ?? 0n) > 0n;
          expect(Number(of?.quote.priceMicros)).toBe(burns ? Math.min(own, ...others) : own);
        }
      }),
    );
  });

  it('never bring anybody else past a rule; past bad health only where the lower price leaves nobody who is well', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const none = { ...given, conditions: given.conditions.map((each) => ({ ...each, lapsing: 0n })) };
        const [burning, without] = [routed(given), routed(none)];
        for (const { excluded, provider } of without.candidates) {
          if (excluded === null || provider === DRAWS || /fallback/.test(excluded)) continue;
          const triedAsLeastBad = excluded === UNWELL && burning.warnings.length > 0;
          if (!triedAsLeastBad) expect(names(burning)).not.toContain(provider);
        }
      }),
    );
  });

  it('lower what a named first choice asks, and so what max_premium lets follow it', () => {
    const well = { ...idleConditions(5), lapsing: 0n };
    const unwell = { ...well, unhealthy: UNWELL };
    const request = { ...NO_ROUTING, order: [DRAWS] };
    const given = (lapsing: bigint): Case => ({
      cents: [100, 200, 200],
      conditions: [unwell, well, { ...unwell, lapsing }],
      request,
    });
    // c at $2 lets b follow at $2; c at the $1 of the cheapest does not, and then only who is unwell is left.
    expect(names(routed(given(0n)))).toEqual(['b']);
    const burning = routed(given(10n));
    expect(names(burning)).toEqual(['c', 'a']);
    expect(burning.warnings).toEqual(['no provider is healthy: c (circuit open) is tried as the least bad']);
    expect(burning.holdMicros).toBe(usd(1));
  });
});

describe('going on after failures', () => {
  const kinds = Object.keys(FAILURE_RULES) as FailureKind[];

  it('never breaks direction, ceiling or hold, wherever each step finds the others', () => {
    fc.assert(
      fc.property(
        cases,
        fc.array(fc.tuple(fc.constantFrom(...kinds), fc.array(conditions, { minLength: 5, maxLength: 5 })), {
          maxLength: 12,
        }),
        (given, steps) => {
          const decision = readDecision(writeDecision(routed(given), { markup: '0', warnings: [] }));
          const route = routeOf(decision);
          const choosing = choosingOf(decision);
          const failures: { account: string; model: string; kind: FailureKind }[] = [];
          let first: Micros | null = null;
          for (const [kind, now] of steps) {
            const left = optionsOf(route, choosing, failures);
            if (left.kind === 'end') break;
            const chosen = choose(left.options, choosing, ({ provider }) => {
              return now[NAMES.indexOf(provider as 'a')] ?? idleConditions(5);
            });
            if (!chosen) continue;
            const { option } = chosen;
            expect(option.priceMicros <= decision.hold).toBe(true);
            expect(route.map(({ account }) => account)).toContain(option.account);
            if (choosing.fallback === 'cheaper' && first !== null) expect(option.priceMicros <= first).toBe(true);
            if (choosing.fallback === 'none') expect(option.account).toBe(route[0]?.account);
            if (!['concurrency_limited', 'rate_limited'].includes(kind)) first ??= option.priceMicros;
            failures.push({ account: option.account, model: option.model, kind });
          }
        },
      ),
    );
  });

  it('goes back into the queue when there is no room, also when a limit of the rate means that', () => {
    const decision = readDecision(
      writeDecision(routed({ cents: [100], conditions: [], request: NO_ROUTING }), { markup: '0', warnings: [] }),
    );
    const leads = (kind: FailureKind, times: number) => {
      const failures = Array.from({ length: times }, () => ({ account: 'a', model: 'm', kind }));
      return optionsOf(routeOf(decision), choosingOf(decision), failures).kind;
    };
    expect([1, 7, 40].map((times) => leads('concurrency_limited', times))).toEqual(Array(3).fill('options'));
    expect([1, 4, 40].map((times) => leads('rate_limited', times))).toEqual(Array(3).fill('options'));
    expect([1, 2, 3].map((times) => leads('unavailable', times))).toEqual(['options', 'options', 'end']);
  });
});

describe('a queue', () => {
  const option = (lane: string, cents: number): LaneOption => ({
    provider: lane,
    account: lane,
    model: 'm',
    upstream: 'u',
    lane,
    offer: `${lane}/m`,
    costMicros: usd(cents / 100),
    priceMicros: usd(cents / 100),
    failed: 'free',
    units: 0n,
    again: false,
  });
  const choosing = routed({ cents: [1], conditions: [], request: NO_ROUTING }).choosing;
  const waiter = (tenantId: string, number: number, options: readonly LaneOption[]): Waiter => ({
    ...{ jobId: `${tenantId}${number}`, tenantId, createdAtMs: number, untilMs: 1_800_000, options, choosing },
    holdMicros: usd(1),
  });
  const state = (
    waiters: readonly Waiter[],
    slots: Readonly<Record<string, number>>,
    running: Readonly<Record<string, Partial<InFlight>>> = {},
  ): QueueState => ({
    nowMs: 0,
    lines: linesOf(waiters),
    lanes: [...new Map(waiters.flatMap(({ options }) => options.map((each) => [each.lane, each]))).values()],
    laneOf: ({ lane }) => ({ slots: slots[lane] ?? 0, taken: 0 }),
    inFlightOf: (tenantId) => ({ tasks: 0, micros: micros(0n), tasksMax: null, ...running[tenantId] }),
    conditionsOf: () => idleConditions(0),
  });
  const served = (of: QueueState): string[] => planQueue(of, true).grants.map((grant) => grant.waiter.jobId);
  const one = [option('x', 10)];

  it('serves the tenant with the fewest dollars in flight, and its oldest job first', () => {
    const waiters = [...[5, 3, 4].map((at) => waiter('flood', at, one)), waiter('small', 9, one)];
    expect(served(state(waiters, { x: 3 }))).toEqual(['flood3', 'small9', 'flood4']);
    expect(served(state(waiters, { x: 2 }, { flood: { micros: usd(5) } }))).toEqual(['small9', 'flood3']);
    expect(served(state(waiters, { x: 2 }, { small: { micros: usd(5) } }))).toEqual(['flood3', 'flood4']);
  });

  it('passes over a tenant that has as many tasks as it may, and holds nobody else up', () => {
    const waiters = [waiter('narrow', 1, one), waiter('narrow', 2, one), waiter('wide', 3, one)];
    expect(served(state(waiters, { x: 3 }, { narrow: { tasksMax: 1 } }))).toEqual(['narrow1', 'wide3']);
    expect(served(state(waiters, { x: 3 }, { narrow: { tasksMax: 1, tasks: 1 } }))).toEqual(['wide3']);
  });

  it('waits for the cheaper as long as that is worth it, then takes the slot that stands idle', () => {
    const both = [option('cheap', 100), option('dear', 120)];
    const waiters = Array.from({ length: 12 }, (_, index) => waiter('t', index, both));
    const { grants, places } = planQueue(state(waiters, { cheap: 1, dear: 1 }));
    // Each one before it costs two minutes, six cents: the fifth would wait for more than the twenty cents it saves.
    expect(grants.map((grant) => `${grant.waiter.jobId} ${grant.option.lane}`)).toEqual(['t0 cheap', 't4 dear']);
    expect(['t1', 't2', 't3'].map((id) => places.get(id)?.position)).toEqual([1, 2, 3]);
    expect(places.get('t1')?.seconds).toBe(120);
  });

  it('keeps every limit and gives no job two slots; no usable slot stays free while a job of one provider waits', () => {
    const arbitrary = fc.record({
      jobs: fc.array(fc.tuple(fc.constantFrom('t', 'u', 'v'), fc.constantFrom('x', 'y', 'z')), { maxLength: 40 }),
      slots: fc.record({ x: fc.nat(5), y: fc.nat(5), z: fc.nat(5) }),
    });
    fc.assert(
      fc.property(arbitrary, ({ jobs, slots }) => {
        const waiters = jobs.map(([tenant, lane], index) => waiter(tenant, index, [option(lane, 10)]));
        const { grants } = planQueue(state(waiters, slots), true);
        expect(new Set(grants.map((grant) => grant.waiter.jobId)).size).toBe(grants.length);
        for (const lane of ['x', 'y', 'z'] as const) {
          const given = grants.filter((grant) => grant.option.lane === lane).length;
          expect(given).toBe(Math.min(slots[lane], jobs.filter(([, wanted]) => wanted === lane).length));
        }
      }),
    );
  });

  it('sends one job to a half-open circuit, and the next ones elsewhere', () => {
    const both = [option('healing', 100), option('well', 110)];
    const waiters = [0, 1, 2].map((index) => waiter('t', index, both));
    const { grants } = planQueue({
      ...state(waiters, { healing: 5, well: 5 }),
      conditionsOf: ({ lane }) => ({ ...idleConditions(0), probe: lane === 'healing' }),
    });
    expect(grants.map((grant) => grant.option.lane)).toEqual(['healing', 'well', 'well']);
  });

  it('is within 5 % of the best assignment there is, in price and wait at the value of time', () => {
    const prices = fc.tuple(fc.integer({ min: 100, max: 130 }), fc.integer({ min: 100, max: 130 }));
    fc.assert(
      fc.property(
        prices,
        fc.integer({ min: 1, max: 14 }),
        fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 2, 3)),
        (cents, jobs, slots) => {
          const lanes = ['x', 'y'].map((lane, at) => ({ lane, cents: cents[at] ?? 0, slots: slots[at] ?? 1 }));
          const options = lanes.map(({ lane, cents: price }) => option(lane, price));
          const waiters = Array.from({ length: jobs }, (_, index) => waiter('t', index, options));
          const plan = planQueue(state(waiters, Object.fromEntries(lanes.map((each) => [each.lane, each.slots]))));
          const taken = [
            ...plan.grants.map((grant) => grant.option.lane),
            ...[...plan.places.values()].map((place) => place.option.lane),
          ];
          const costOf = (inX: number): number => laneCost(lanes[0], inX) + laneCost(lanes[1], jobs - inX);
          const best = Math.min(...Array.from({ length: jobs + 1 }, (_, inX) => costOf(inX)));
          expect(costOf(taken.filter((lane) => lane === 'x').length)).toBeLessThanOrEqual(best * 1.05);
        },
      ),
    );
  });
});

/** What `count` jobs cost in a lane: their prices, and for those past its slots the wait at $0.0005 a second. */
function laneCost(lane: { cents: number; slots: number } | undefined, count: number): number {
  if (!lane) return 0;
  let dollars = 0;
  for (let number = 1; number <= count; number += 1) {
    const waitSeconds = Math.max(0, number - lane.slots) * (120 / lane.slots);
    dollars += lane.cents / 100 + waitSeconds * 0.0005;
  }
  return dollars;
}
