/** A look ends as soon as nobody can take a slot any more, and has dealt out what it would have after weighing everybody. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { usd } from '../../src/ground/money.ts';
import { linesOf, planQueue, type QueueState } from '../../src/routing/fair.ts';
import { SORTS } from '../../src/routing/policy.ts';
import { type Conditions, idleConditions } from '../../src/routing/score.ts';
import type { LaneOption, Waiter } from '../../src/routing/waiter.ts';

const LANES = ['a', 'b', 'c', 'd'] as const;
const MODELS = ['m', 'n'] as const;
const OFFERS = LANES.flatMap((lane) => MODELS.map((model) => ({ lane, model, offer: `${lane}/${model}` })));
const NOW_MS = 1_000_000;

const optionAt = ({ lane, model, offer }: (typeof OFFERS)[number], cents: number): LaneOption => ({
  // Two of the lanes are one account's: its credit, its units.
  ...{ provider: lane, account: lane === 'b' ? 'a' : lane, model, upstream: 'u', lane, offer, notBeforeMs: 0 },
  ...{ costMicros: usd(cents / 100), priceMicros: usd(cents / 100), failed: 'free', units: 0n, again: false },
});

const lanes = fc.record({
  slots: fc.nat(4),
  /** Mostly everything is taken. */
  free: fc.constantFrom(0, 0, 0, 1, 2, 4),
  trial: fc.constantFrom(false, false, false, true),
  lapsing: fc.constantFrom(0n, 0n, 5n, 30n),
});

const conditions = fc.record({
  generationSeconds: fc.constantFrom(null, 10, 60, 300),
  successRate: fc.constantFrom(0.5, 0.9, 0.95, 1),
  recentFailures: fc.nat(2),
  blocked: fc.constantFrom(null, null, null, null, 'isolated'),
  unhealthy: fc.constantFrom(null, null, null, 'circuit open'),
  probe: fc.constantFrom(false, false, false, true),
});

/** Jobs come in kinds, as they do: the same wishes, the same options, another age. */
const kinds = fc.record({
  options: fc.subarray(OFFERS, { minLength: 1 }),
  cents: fc.array(fc.integer({ min: 35, max: 60 }), { minLength: OFFERS.length, maxLength: OFFERS.length }),
  failed: fc.constantFrom('free' as const, 'charged' as const),
  units: fc.constantFrom(0n, 0n, 10n),
  again: fc.constantFrom(-1, -1, -1, 0, 1),
  heldOff: fc.constantFrom(-1, -1, -1, 0, 1),
  sort: fc.constantFrom(null, 'price' as const, 'price' as const, ...SORTS),
  valueOfTime: fc.constantFrom(0, 0, 500, 5_000),
  order: fc.subarray([...LANES], { maxLength: 2 }),
  untilMs: fc.constantFrom(0, 60_000, 600_000, 3_600_000, 36_000_000),
});

const cases = fc.record({
  lanes: fc.array(lanes, { minLength: LANES.length, maxLength: LANES.length }),
  conditions: fc.array(conditions, { minLength: OFFERS.length, maxLength: OFFERS.length }),
  kinds: fc.array(kinds, { minLength: 1, maxLength: 4 }),
  jobs: fc.array(fc.tuple(fc.nat(3), fc.constantFrom('t', 't', 'u', 'v'), fc.nat(120_000)), {
    ...{ maxLength: 80, size: 'max' },
  }),
  inFlight: fc.record({ t: fc.nat(300), u: fc.nat(300), v: fc.nat(300) }),
  tasksMax: fc.record({ t: fc.constantFrom(null, null, 2), u: fc.constantFrom(null, 0, 1), v: fc.constant(null) }),
});
type Case = typeof cases extends fc.Arbitrary<infer Drawn> ? Drawn : never;

function waiterOf(kind: Case['kinds'][number], tenantId: 't' | 'u' | 'v', at: number, olderMs: number): Waiter {
  const { options, cents, failed, units, again, heldOff, sort, valueOfTime, order, untilMs } = kind;
  return {
    ...{
      jobId: `${tenantId}${at}`,
      tenantId,
      createdAtMs: at,
      untilMs: NOW_MS + untilMs + olderMs,
      holdMicros: usd(0.4),
    },
    options: options.map((offer, place) => ({
      ...{ ...optionAt(offer, cents[OFFERS.indexOf(offer)] ?? 40), failed, units, again: place === again },
      notBeforeMs: place === heldOff ? NOW_MS + 30_000 : 0,
    })),
    choosing: {
      ...{ models: MODELS, order, sort, valueOfTimeMicrosPerSecond: sort === 'price' ? 0 : valueOfTime },
      ...{ queueSeconds: 1_800, fallback: 'any', inDoubt: 'wait', contentFallback: false },
    },
  };
}

/** The state, and how often it was asked for the conditions of an offer. */
function stateOf(drawn: Case): { state: QueueState; asked: () => number } {
  let asked = 0;
  const laneAt = (name: string) => drawn.lanes[LANES.findIndex((lane) => lane === name)];
  const waiters = drawn.jobs.flatMap(([index, tenant, olderMs], at) => {
    const kind = drawn.kinds[index % drawn.kinds.length];
    return kind ? [waiterOf(kind, tenant, at, olderMs)] : [];
  });
  const used = waiters.flatMap(({ options }) => options.map((option) => [option.offer, option] as const));
  const state: QueueState = {
    nowMs: NOW_MS,
    lines: linesOf(waiters),
    lanes: [...new Map(used).values()],
    laneOf: ({ lane }) => {
      const { slots = 0, free = 0 } = laneAt(lane) ?? {};
      return { slots, taken: Math.max(0, slots - free) };
    },
    inFlightOf: (tenant) => {
      const name = tenant === 't' || tenant === 'u' ? tenant : 'v';
      return { tasks: 0, micros: usd(drawn.inFlight[name] / 100), tasksMax: drawn.tasksMax[name] };
    },
    conditionsOf: ({ account, offer }): Conditions => {
      asked += 1;
      const { trial = false, lapsing = 0n } = laneAt(account) ?? {};
      const own = drawn.conditions[OFFERS.findIndex((each) => each.offer === offer)];
      return { ...idleConditions(0), ...own, trial, lapsing };
    },
  };
  return { state, asked: () => asked };
}

describe('a look that ends when nobody can take a slot any more', () => {
  it('deals out what one does that weighs everybody, in the same order and for the same reasons', () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        expect(planQueue(stateOf(drawn).state, true).grants).toEqual(planQueue(stateOf(drawn).state).grants);
      }),
      { numRuns: 250 },
    );
  });
});

it('who would wait too long for the cheap one takes the dear one, however far behind it stands', () => {
  const waiters = (count: number) =>
    Array.from({ length: count }, (_, at): Waiter => {
      const [a, d] = [
        optionAt({ lane: 'a', model: 'm', offer: 'a/m' }, 40),
        optionAt({ lane: 'd', model: 'm', offer: 'd/m' }, 60),
      ];
      return {
        ...{ jobId: `j${at}`, tenantId: 't', createdAtMs: at, untilMs: NOW_MS + 1_800_000, holdMicros: usd(0.6) },
        options: [a, d],
        choosing: {
          ...{ models: MODELS, order: [], sort: 'price', valueOfTimeMicrosPerSecond: 0, queueSeconds: 1_800 },
          ...{ fallback: 'any', inDoubt: 'wait', contentFallback: false },
        },
      };
    });
  const dealt = (count: number) => {
    const { grants } = planQueue(
      {
        ...{ nowMs: NOW_MS, lines: linesOf(waiters(count)), lanes: waiters(1)[0]?.options ?? [] },
        laneOf: ({ lane }) => ({ slots: 10, taken: lane === 'd' ? 9 : 10 }),
        inFlightOf: () => ({ tasks: 0, micros: usd(0), tasksMax: null }),
        conditionsOf: () => idleConditions(0),
      },
      true,
    );
    return grants.map(({ waiter, option }) => `${waiter.jobId} ${option.lane}`);
  };
  // Ten slots that come free every 120 s: 75 before it are 912 s, more than half of the 1,800 s that it has left.
  expect([75, 76, 200].map(dealt)).toEqual([[], ['j75 d'], ['j75 d']]);
});

it.each([
  ['the trial of the account', { trial: true }, 0n],
  ['the units that lapse', { lapsing: 10n }, 10n],
])('who waits at an account takes the other when a job in another lane of it has had %s', (_, own, units) => {
  const at = (lane: (typeof LANES)[number], cents: number) => ({
    ...optionAt({ lane, model: 'm', offer: `${lane}/m` }, cents),
    units: lane === 'd' ? 0n : units,
  });
  const waiter = (tenantId: string, createdAtMs: number, options: readonly LaneOption[]): Waiter => ({
    ...{ jobId: tenantId, tenantId, createdAtMs, untilMs: NOW_MS + 36_000_000, holdMicros: usd(0.4), options },
    choosing: {
      ...{ models: MODELS, order: [], sort: 'price', valueOfTimeMicrosPerSecond: 0, queueSeconds: 1_800 },
      ...{ fallback: 'any', inDoubt: 'wait', contentFallback: false },
    },
  });
  // The older one has more in flight, so its turn comes later. Without the other one it would rather wait.
  const [cheap, dear] = [units > 0n ? 40 : 36, 38];
  const older = waiter('rich', 1, [at('b', cheap), at('d', dear)]);
  const state = (waiters: readonly Waiter[]): QueueState => ({
    ...{ nowMs: NOW_MS, lines: linesOf(waiters), lanes: [at('a', cheap), at('b', cheap), at('d', dear)] },
    laneOf: ({ lane }) => ({ slots: 5, taken: lane === 'b' ? 5 : 4 }),
    inFlightOf: (tenant) => ({ tasks: 0, micros: usd(tenant === 'rich' ? 9 : 0), tasksMax: null }),
    conditionsOf: ({ account }) => ({ ...idleConditions(0), ...(account === 'a' ? own : {}) }),
  });
  const dealt = (waiters: readonly Waiter[]) =>
    planQueue(state(waiters), true).grants.map(({ waiter: { jobId }, option: { lane } }) => `${jobId} ${lane}`);
  expect(dealt([older])).toEqual([]);
  expect(dealt([older, waiter('poor', 2, [at('a', cheap), at('d', dear)])])).toEqual(['poor a', 'rich d']);
});

describe('ten thousand who wait are not weighed for a free slot that none of them takes', () => {
  const all = OFFERS.filter(({ model }) => model === 'm');
  const jobs = (count: number, sort: 'price' | null): Waiter[] =>
    Array.from({ length: count }, (_, at) => ({
      ...{ jobId: `j${at}`, tenantId: `t${at % 20}`, createdAtMs: at, untilMs: NOW_MS + 100 * 3_600_000 + at },
      ...{ holdMicros: usd(0.4), options: all.map((offer, place) => optionAt(offer, 40 + place)) },
      choosing: {
        ...{ models: MODELS, order: [], sort, valueOfTimeMicrosPerSecond: sort === 'price' ? 0 : 500 },
        ...{ queueSeconds: 1_800, fallback: 'any', inDoubt: 'wait', contentFallback: false },
      },
    }));
  /** Who is dealt what, and how often the conditions of an offer were asked for. */
  const look = (waiters: readonly Waiter[], free: string, own: Partial<Conditions> = {}, freed = '') => {
    let asked = 0;
    const { grants } = planQueue(
      {
        ...{ nowMs: NOW_MS, lines: linesOf(waiters), lanes: all.map((offer) => optionAt(offer, 40)) },
        laneOf: ({ lane }) => ({ slots: 10, taken: lane === free ? 0 : lane === freed ? 9 : 10 }),
        inFlightOf: () => ({ tasks: 0, micros: usd(0), tasksMax: null }),
        conditionsOf: ({ lane }) => {
          asked += 1;
          return { ...idleConditions(0), ...(lane === free ? own : {}) };
        },
      },
      true,
    );
    return { asked, dealt: grants.map(({ waiter, option }) => `${waiter.jobId} ${option.lane}`) };
  };

  it('because its circuit is open', () => {
    const own = { unhealthy: 'circuit open' };
    const { asked, dealt } = look(jobs(10_000, null), 'a', own);
    expect(dealt).toEqual([]);
    expect(asked).toBeLessThan(100);
    const freed = look(jobs(10_000, null), 'a', own, 'b');
    expect(freed.dealt).toEqual(['j0 b']);
    expect(freed.asked).toBeLessThan(200);
  });

  it('because its circuit is half open, and one of them tries it', () => {
    const { asked, dealt } = look(jobs(10_000, null), 'a', { probe: true });
    expect(dealt).toEqual(['j0 a']);
    expect(asked).toBeLessThan(200);
  });

  it('because it is dear, and they would rather wait', () => {
    const { asked, dealt } = look(jobs(10_000, 'price'), 'd');
    expect(dealt).toEqual([]);
    expect(asked).toBeLessThan(100);
    const freed = look(jobs(10_000, 'price'), 'd', {}, 'a');
    expect(freed.dealt).toEqual(['j0 a']);
    expect(freed.asked).toBeLessThan(200);
  });
});
