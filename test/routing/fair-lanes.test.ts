/** The lanes of the fair queue are apart: what a tenant waits for in one of them does not put it back in another. */
import { describe, expect, it } from 'vitest';
import { micros, usd } from '../../src/ground/money.ts';
import { linesOf, planQueue, type QueueState } from '../../src/routing/fair.ts';
import { idleConditions } from '../../src/routing/score.ts';
import type { LaneOption, Waiter } from '../../src/routing/waiter.ts';

const option = (lane: string, cents = 40, notBeforeMs = 0): LaneOption => ({
  ...{ provider: lane, account: lane, model: 'm', upstream: 'u', lane, offer: `${lane}/m`, notBeforeMs },
  ...{ costMicros: usd(cents / 100), priceMicros: usd(cents / 100), failed: 'free', units: 0n, again: false },
});

const waiter = (tenantId: string, number: number, ...options: readonly LaneOption[]): Waiter => ({
  ...{
    jobId: `${tenantId}${number}`,
    tenantId,
    createdAtMs: number,
    untilMs: 1_800_000,
    holdMicros: usd(0.4),
    options,
  },
  choosing: {
    ...{ models: ['m'], order: [], sort: null, valueOfTimeMicrosPerSecond: 500, queueSeconds: 1_800 },
    ...{ fallback: 'any', inDoubt: 'wait', contentFallback: false },
  },
});

const line = (tenantId: string, from: number, count: number, lane: string): Waiter[] =>
  Array.from({ length: count }, (_, index) => waiter(tenantId, from + index, option(lane)));

interface Lanes {
  readonly free: Readonly<Record<string, number>>;
  readonly blocked?: string;
  /** Dollars in flight. */
  readonly running?: Readonly<Record<string, number>>;
}

const state = (waiters: readonly Waiter[], { free, blocked, running = {} }: Lanes): QueueState => ({
  nowMs: 0,
  lines: linesOf(waiters),
  lanes: [...new Map(waiters.flatMap(({ options }) => options.map((each) => [each.lane, each]))).values()],
  laneOf: ({ lane }) => ({ slots: 10, taken: 10 - (free[lane] ?? 0) }),
  inFlightOf: (tenantId) => ({ tasks: 0, micros: usd(running[tenantId] ?? 0), tasksMax: null }),
  conditionsOf: ({ lane }) => ({ ...idleConditions(0), blocked: lane === blocked ? 'out of credit' : null }),
});

const served = (of: QueueState): string[] => planQueue(of, true).grants.map(({ waiter: { jobId } }) => jobId);

describe('jobs that wait for one lane do not hold up younger ones of their tenant in another', () => {
  const waiting = (stuck: number) => [
    ...line('small', 0, stuck, 'kling'),
    waiter('small', 1_000, option('atlas')),
    ...line('flood', 2_000, 200, 'atlas'),
  ];

  it.each([0, 1, 10, 11, 100])('with %i of them stuck where nothing may be sent', (stuck) => {
    const lanes = { free: { atlas: 1, kling: 20 }, blocked: 'kling', running: { flood: 3.6 } };
    expect(served(state(waiting(stuck), lanes))).toEqual(['small1000']);
  });

  it.each([0, 1, 10, 11, 100])('with %i of them waiting where everything is full', (stuck) => {
    expect(served(state(waiting(stuck), { free: { atlas: 1 }, running: { flood: 3.6 } }))).toEqual(['small1000']);
    const { grants, places } = planQueue(state(waiting(stuck), { free: { atlas: 1 }, running: { flood: 3.6 } }));
    expect(grants.map(({ waiter: { jobId } }) => jobId)).toEqual(['small1000']);
    expect(places.get('flood2000')?.position).toBe(1);
  });

  it('and a tenant is charged for what it is given, whatever the lane', () => {
    const both = [...line('a', 0, 4, 'kling'), ...line('a', 10, 4, 'atlas'), ...line('b', 20, 4, 'atlas')];
    // With two slots of Kling it has eighty cents: so the other has had as much of Atlas before its first there.
    expect(served(state(both, { free: { kling: 2, atlas: 3 } }))).toEqual(['a0', 'b20', 'a1', 'b21', 'a10']);
  });
});

it('places are told for each lane by itself: a long wait in one is no long wait in another', () => {
  const waiters = [...line('a', 0, 10, 'kling'), ...line('a', 10, 3, 'atlas'), ...line('b', 20, 3, 'atlas')];
  const { places } = planQueue(state(waiters, { free: {} }));
  const positionsOf = (ids: readonly string[]) => ids.map((id) => places.get(id)?.position);
  expect(positionsOf(['a10', 'b20', 'a11', 'b21', 'a12', 'b22'])).toEqual([1, 2, 3, 4, 5, 6]);
  expect(positionsOf(['a0', 'a1', 'a9'])).toEqual([1, 2, 10]);
});

it('every place of a lane is had by one job, however many lanes and tenants there are', () => {
  const lanes = ['x', 'y', 'z'];
  const waiters = Array.from({ length: 90 }, (_, index) => {
    const [one = '', other = ''] = [lanes[index % 3], lanes[(index + (index % 2) + 1) % 3]];
    return waiter(['a', 'b', 'c', 'd'][(index * 7) % 4] ?? '', index, option(one, 40), option(other, 41));
  });
  const { places, queuedIn } = planQueue(state(waiters, { free: {} }));
  for (const lane of lanes) {
    const inLane = [...places.values()].filter((place) => place.option.lane === lane).map(({ position }) => position);
    expect(inLane.toSorted((a, b) => a - b)).toEqual(Array.from({ length: queuedIn(lane) }, (_, at) => at + 1));
  }
  expect(places.size).toBe(90);
});

describe('a job that may not ask an option yet', () => {
  const inTwoMinutes = 120_000;

  it('waits for it in first place where it has no other, and keeps nobody else from its free slots', () => {
    const alone = waiter('a', 1, option('atlas', 40, inTwoMinutes));
    const { grants, places } = planQueue(state([alone, waiter('b', 2, option('atlas'))], { free: { atlas: 1 } }));
    expect(grants.map(({ waiter: { jobId } }) => jobId)).toEqual(['b2']);
    expect(places.get('a1')).toMatchObject({ position: 1, seconds: 120, option: { lane: 'atlas' } });
  });

  it('takes another where that is cheaper than the wait, and waits where it is not', () => {
    const free = { atlas: 5, evolink: 5 };
    // Two minutes are worth six cents.
    const near = waiter('a', 1, option('atlas', 40, inTwoMinutes), option('evolink', 44));
    const far = waiter('b', 2, option('atlas', 40, inTwoMinutes), option('evolink', 48));
    const { grants, places } = planQueue(state([near, far], { free }));
    expect(grants.map(({ waiter: { jobId }, option: { lane } }) => `${jobId} ${lane}`)).toEqual(['a1 evolink']);
    expect(places.get('b2')?.seconds).toBe(120);
  });

  it('stands in line with the others where every slot is taken anyway', () => {
    const waiters = [waiter('a', 1, option('atlas')), waiter('a', 2, option('atlas', 40, 1_000))];
    expect(planQueue(state(waiters, { free: {} })).places.get('a2')?.position).toBe(2);
  });

  it('asks again when the time has come', () => {
    const asked = { ...state([waiter('a', 1, option('atlas', 40, 1_000))], { free: { atlas: 1 } }), nowMs: 1_000 };
    expect(served(asked)).toEqual(['a1']);
  });
});

it('nobody is given what costs nothing for ever: a tenant without dollars in flight is still served in turn', () => {
  const free = Array.from({ length: 3 }, (_, at) => ({ ...waiter('a', at, option('x', 0)), holdMicros: micros(0n) }));
  expect(served(state([...free, waiter('b', 9, option('x'))], { free: { x: 4 } }))).toEqual(['a0', 'a1', 'a2', 'b9']);
});
