/** A long queue does not slow a dispatch: who is looked at are those whose turn may come, not all who wait. */
import { expect, it } from 'vitest';
import { micros, usd } from '../../src/ground/money.ts';
import { planQueue, type QueueState } from '../../src/routing/fair.ts';
import { idleConditions } from '../../src/routing/score.ts';
import type { LaneOption, Waiter } from '../../src/routing/waiter.ts';

const LONG = 10_000;

const option: LaneOption = {
  ...{ provider: 'x', account: 'x', model: 'm', upstream: 'u', lane: 'x', offer: 'x/m' },
  ...{ costMicros: usd(1), priceMicros: usd(1), failed: 'free', units: 0n, again: false },
};

const line = (tenantId: string, length: number): Waiter[] =>
  Array.from({ length }, (_, at) => ({
    ...{ jobId: `${tenantId}${at}`, tenantId, createdAtMs: at, untilMs: 1_800_000, holdMicros: usd(1) },
    options: [option],
    choosing: {
      ...{ models: ['m'], order: [], sort: null, valueOfTimeMicrosPerSecond: 500, queueSeconds: 1_800 },
      ...{ fallback: 'any', inDoubt: 'wait', contentFallback: false },
    },
  }));

/** The line, and how many of its jobs were looked at. */
function watched(waiters: readonly Waiter[]): { line: readonly Waiter[]; looks: () => number } {
  const seen = new Set<string>();
  const proxy = new Proxy(waiters, {
    get(target, name, receiver) {
      if (typeof name === 'string' && /^\d+$/.test(name)) seen.add(name);
      return Reflect.get(target, name, receiver);
    },
  });
  return { line: proxy, looks: () => seen.size };
}

const state = (lines: readonly (readonly Waiter[])[], free: number, narrow = ''): QueueState => ({
  nowMs: 0,
  lines,
  lanes: [option],
  laneOf: () => ({ slots: 9, taken: 9 - free }),
  inFlightOf: (tenant) => ({ tasks: 0, micros: micros(0n), tasksMax: tenant === narrow ? 1 : null }),
  conditionsOf: () => idleConditions(0),
});

it('with every slot taken nobody in the line is looked at', () => {
  const { line: waiting, looks } = watched(line('flood', LONG));
  expect(planQueue(state([waiting], 0), true).grants).toEqual([]);
  expect(looks()).toBe(0);
});

it('two free slots look at the first few of each line, however long it is', () => {
  const flood = watched(line('flood', LONG));
  const small = watched(line('small', 3));
  const { grants } = planQueue(state([flood.line, small.line], 2), true);
  expect(grants.map(({ waiter }) => waiter.jobId)).toEqual(['flood0', 'small0']);
  expect(flood.looks()).toBeLessThanOrEqual(3);
});

it('a tenant that has all the tasks it may is passed over with its whole line', () => {
  const narrow = watched(line('narrow', LONG));
  const wide = watched(line('wide', 2));
  const { grants } = planQueue(state([narrow.line, wide.line], 4, 'narrow'), true);
  expect(grants.map(({ waiter }) => waiter.jobId)).toEqual(['narrow0', 'wide0', 'wide1']);
  expect(narrow.looks()).toBeLessThanOrEqual(3);
});
