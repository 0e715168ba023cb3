/** What attempts that came to nothing mean for those who wait: read from a real store, dealt by the real queue. */
import { setImmediate as turn } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { silentLog } from '../../src/ground/log.ts';
import { usd } from '../../src/ground/money.ts';
import type { Deps } from '../../src/jobs/deps.ts';
import { Outlook } from '../../src/jobs/outlook.ts';
import { SlotQueue } from '../../src/jobs/queue.ts';
import type { Waiter } from '../../src/routing/waiter.ts';
import { type AttemptRow, attempts } from '../../src/store/schema.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { attemptRow, FAILED, jobRow, MADE_AT_MS, openStoreWithTenant, store } from '../support/rows.ts';

const SIX_MINUTES = 6 * 60_000;
const PLACE = { account: 'one', lane: 'one', model: 'm', upstream: 'u' } as const;

async function setting() {
  const database = await openStoreWithTenant();
  const clock = new ManualClock(MADE_AT_MS);
  const provider = { id: 'atlas', settings: { slotsPer: 'account' }, capabilities: [{ model: 'm', upstream: 'u' }] };
  const accounts = new Map([['one', { id: 'one', provider, slots: 5 }]]);
  const deps = { database, clock, log: silentLog, accounts, settings: {} } as unknown as Deps;
  const called: string[] = [];
  const outlook = new Outlook(deps);
  const queue = new SlotQueue(deps, outlook, (jobId) => called.push(jobId));
  const attempt = async (jobId: string, change: Partial<AttemptRow>): Promise<void> => {
    const row = { id: `att_${jobId}`, jobId, ...PLACE, createdAtMs: clock.nowMs(), ...change };
    await store(database, { jobs: [jobRow({ id: jobId, ...FAILED })], attempts: [attemptRow(row)] });
  };
  const becomes = async (jobId: string, change: Partial<AttemptRow>): Promise<void> => {
    await database.write((tx) =>
      tx
        .update(attempts)
        .set(change)
        .where(eq(attempts.id, `att_${jobId}`)),
    );
  };
  const refused = () =>
    ({ state: 'failed', slotHeld: false, failureKind: 'out_of_credit', endedAtMs: clock.nowMs() }) as const;
  return { clock, outlook, queue, called, attempt, becomes, refused };
}

const waiter = (jobId: string): Waiter => ({
  ...{ jobId, tenantId: 'ten_acme', createdAtMs: jobId.charCodeAt(0), untilMs: Number.MAX_SAFE_INTEGER },
  holdMicros: usd(1),
  options: [
    {
      ...{ provider: 'atlas', account: 'one', model: 'm', upstream: 'u', lane: 'one', offer: 'one/m' },
      ...{ costMicros: usd(1), priceMicros: usd(1), failed: 'free', units: 0n, again: false },
    },
  ],
  choosing: {
    ...{ models: ['m'], order: [], sort: null, valueOfTimeMicrosPerSecond: 500, queueSeconds: 1_800 },
    ...{ fallback: 'any', inDoubt: 'wait', contentFallback: false },
  },
});

async function looked(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await turn();
}

it('five minutes after "out of credit" one job asks again, and the others wait for what it finds', async () => {
  const { clock, queue, called, attempt, becomes, refused } = await setting();
  await attempt('early', refused());
  expect(await queue.ask(waiter('a'))).toBeNull();
  clock.advance(SIX_MINUTES);
  await looked();
  const [b, c] = [await queue.ask(waiter('b')), await queue.ask(waiter('c'))];
  expect([called, b, c]).toEqual([['a'], null, null]);
  // While it asks, whether its row was read already or not.
  queue.settle('a', true);
  queue.wake();
  await looked();
  await attempt('a', {});
  queue.wake();
  await looked();
  expect(called).toEqual(['a']);
  // Still empty: five more minutes.
  await becomes('a', refused());
  queue.leave('a');
  await looked();
  clock.advance(SIX_MINUTES - 120_000);
  await looked();
  expect(called).toEqual(['a']);
  clock.advance(120_000);
  await looked();
  expect(called).toEqual(['a', 'b']);
  queue.settle('b', true);
  await attempt('b', { state: 'running', taskId: 'task_b', acceptedAtMs: clock.nowMs() });
  queue.leave('b');
  await looked();
  expect(called).toEqual(['a', 'b', 'c']);
});

it('money in doubt is not in flight: its tenant is not put back for it, though its tasks count', async () => {
  const { outlook, attempt } = await setting();
  await attempt('lost', { state: 'in_doubt', priceMicros: usd(50) });
  await attempt('runs', { state: 'running', taskId: 'task_r', acceptedAtMs: MADE_AT_MS, priceMicros: usd(2) });
  await outlook.refresh();
  expect(outlook.inFlightOf('ten_acme')).toMatchObject({ tasks: 2, micros: usd(2) });
});
