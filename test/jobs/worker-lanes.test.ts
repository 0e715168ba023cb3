/** Who waits for a slot is called by it; who cannot take it hands it on, so that a free slot is never slept over. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Micros, usd, ZERO_MICROS } from '../../src/ground/money.ts';
import type { Deps } from '../../src/jobs/deps.ts';
import type { Outlook } from '../../src/jobs/outlook.ts';
import { SlotQueue } from '../../src/jobs/queue.ts';
import { idleConditions } from '../../src/routing/score.ts';
import type { Waiter } from '../../src/routing/waiter.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** What the rows say: slots and running tasks of one lane, and the tenants that may have one task at once. */
interface Rows {
  slots: number;
  running: number;
  readonly tasks: Map<string, number>;
  readonly narrow: Set<string>;
  /** What one plan of the queue takes. */
  planMs: number;
}

function openQueue(change: Partial<Rows> = {}) {
  const rows: Rows = { slots: 1, running: 0, tasks: new Map(), narrow: new Set(), planMs: 0, ...change };
  const clock = new ManualClock();
  const called: string[] = [];
  const outlook = {
    refresh: async () => {},
    slotsOf: () => rows.slots,
    runningIn: () => rows.running,
    took: () => {
      rows.running += 1;
    },
    tookLapsing: () => {},
    inFlightOf: (tenant: string): { tasks: number; micros: Micros; tasksMax: number | null } => ({
      tasks: rows.tasks.get(tenant) ?? 0,
      micros: ZERO_MICROS,
      tasksMax: rows.narrow.has(tenant) ? 1 : null,
    }),
    // Asked once in a plan: all jobs here want the same offer.
    conditionsOf: () => {
      clock.advance(rows.planMs);
      return idleConditions(0);
    },
  } as unknown as Outlook;
  const log = { info() {}, warn() {}, error() {}, flush() {} };
  const deps = { clock, log, accounts: new Map([['fal', {}]]) } as unknown as Deps;
  return { rows, clock, called, queue: new SlotQueue(deps, outlook, (id) => called.push(id)) };
}

const waiter = (jobId: string, number: number, tenantId = 'ten_wide'): Waiter => ({
  ...{ jobId, tenantId, createdAtMs: number, untilMs: Number.MAX_SAFE_INTEGER, holdMicros: usd(1) },
  options: [
    {
      ...{ provider: 'fal', account: 'fal', model: 'm', upstream: 'u', lane: 'fal', offer: 'fal/m' },
      ...{ costMicros: usd(1), priceMicros: usd(1), failed: 'free', units: 0n, again: false },
    },
  ],
  choosing: {
    ...{ models: ['m'], order: [], sort: null, valueOfTimeMicrosPerSecond: 500, queueSeconds: 1_800 },
    ...{ fallback: 'any', inDoubt: 'wait', contentFallback: false },
  },
});

async function looked(): Promise<void> {
  for (let round = 0; round < 5; round += 1) await turn();
}

it('a job that has room is told so at once; the next ones wait, and the slot that is freed calls the oldest', async () => {
  const { queue, rows, called } = openQueue();
  const granted = await queue.ask(waiter('a', 1));
  expect(granted?.option.lane).toBe('fal');
  queue.settle('a', true);
  expect(await queue.ask(waiter('c', 3))).toBeNull();
  expect(await queue.ask(waiter('b', 2))).toBeNull();
  called.length = 0;
  rows.running = 0;
  queue.wake();
  await looked();
  expect(called).toEqual(['b']);
});

it('a slot calls the first of the tenant that has one task less', async () => {
  const { queue, rows, called } = openQueue({ slots: 9, narrow: new Set(['ten_narrow']) });
  rows.tasks.set('ten_narrow', 1);
  for (const [id, number] of [['c', 1] as const, ['d', 2] as const]) {
    expect(await queue.ask(waiter(id, number, 'ten_narrow'))).toBeNull();
  }
  rows.tasks.set('ten_narrow', 0);
  queue.wake();
  await looked();
  expect(called).toEqual(['c']);
});

it('a slot is promised to one job only until that has tried for it', async () => {
  const { queue, called } = openQueue();
  await queue.ask(waiter('a', 1));
  expect(await queue.ask(waiter('b', 2))).toBeNull();
  queue.wake();
  await looked();
  expect(called).toEqual(['a']);
});

it('whoever has ended meanwhile, or waits for something else, hands the slot on; whoever took it does not', async () => {
  const { queue, called } = openQueue();
  await queue.ask(waiter('a', 1));
  expect(await queue.ask(waiter('b', 2))).toBeNull();
  expect(await queue.ask(waiter('c', 3))).toBeNull();
  queue.leave('a');
  await looked();
  expect(called).toEqual(['a', 'b']);
  queue.settle('b', true);
  queue.leave('b');
  await looked();
  expect(called).toEqual(['a', 'b']);
});

it('a slot that was taken by another wakes nobody else in vain: the job waits on in its old place', async () => {
  const { queue, rows, called } = openQueue();
  await queue.ask(waiter('a', 1));
  expect(await queue.ask(waiter('b', 2))).toBeNull();
  rows.running = 1;
  queue.settle('a', false);
  await looked();
  expect(called).toEqual(['a']);
  expect([queue.placeOf('a')?.position, queue.placeOf('b')?.position]).toEqual([1, 2]);
  rows.running = 0;
  queue.wake();
  await looked();
  expect(called).toEqual(['a', 'a']);
});

it('those who wait are looked at again by themselves: limits recover while nothing happens', async () => {
  const { queue, rows, called, clock } = openQueue({ running: 1 });
  expect(await queue.ask(waiter('a', 1))).toBeNull();
  rows.slots = 2;
  clock.advance(5_000);
  await looked();
  expect(called).toEqual(['a']);
});

it('places are reckoned in a twentieth of the time at most; who comes meanwhile stands behind all of them', async () => {
  const { queue, rows, clock } = openQueue({ running: 1 });
  const placesOf = (ids: string): (number | undefined)[] => [...ids].map((id) => queue.placeOf(id)?.position);
  for (const [number, id] of [...'bcd'].entries()) await queue.ask(waiter(id, number + 2));
  rows.planMs = 50;
  expect(placesOf('bcd')).toEqual([1, 2, 3]);
  rows.planMs = 0;
  queue.leave('b');
  await queue.ask(waiter('a', 1));
  expect(placesOf('abcd')).toEqual([4, undefined, 2, 3]);
  clock.advance(949);
  expect(placesOf('acd')).toEqual([4, 2, 3]);
  clock.advance(1);
  expect(placesOf('acd')).toEqual([1, 2, 3]);
});
