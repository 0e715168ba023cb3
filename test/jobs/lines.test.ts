/** What is counted as jobs come and go is what counting them all would give, whatever the order of events. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { usd } from '../../src/ground/money.ts';
import { linesOf } from '../../src/routing/fair.ts';
import { Lines } from '../../src/routing/lines.ts';
import type { LaneOption, Waiter } from '../../src/routing/waiter.ts';

type Drawn<A> = A extends fc.Arbitrary<infer Value> ? Value : never;

const option = (account: string, units: number): LaneOption => ({
  ...{ provider: account, account, model: 'm', upstream: 'u', lane: `${account}/m`, offer: `${account}/m` },
  ...{ costMicros: usd(1), priceMicros: usd(1), failed: 'free', units: BigInt(units), again: false },
});

const arbitraryJob = fc.record({
  number: fc.nat(12),
  tenant: fc.constantFrom('t', 'u', 'v'),
  createdAtMs: fc.nat(5),
  accounts: fc.shuffledSubarray(['a', 'b', 'c'], { minLength: 1 }),
  units: fc.nat(3),
});

const waiterOf = ({ number, tenant, createdAtMs, accounts, units }: Drawn<typeof arbitraryJob>): Waiter => ({
  ...{ jobId: `video_${number}`, tenantId: tenant, createdAtMs, untilMs: 1_000, holdMicros: usd(1) },
  options: accounts.map((account) => option(account, units)),
  choosing: {
    ...{ models: ['m'], order: [], sort: null, valueOfTimeMicrosPerSecond: 500, queueSeconds: 1_800 },
    ...{ fallback: 'any', inDoubt: 'wait', contentFallback: false },
  },
});

const events = fc.array(fc.record({ job: arbitraryJob, enters: fc.boolean() }), { maxLength: 40 });

/** The lines after these events, and the jobs that must stand in them. */
function after(happened: Drawn<typeof events>): { lines: Lines; waiting: Waiter[] } {
  const lines = new Lines();
  const waiting = new Map<string, Waiter>();
  for (const { job, enters } of happened) {
    const waiter = waiterOf(job);
    if (enters) {
      lines.enter(waiter);
      waiting.set(waiter.jobId, waiter);
    } else {
      lines.exit(waiter.jobId);
      waiting.delete(waiter.jobId);
    }
  }
  return { lines, waiting: [...waiting.values()] };
}

const idsOf = (lines: readonly (readonly Waiter[])[]): string[] =>
  lines.map((line) => line.map(({ jobId }) => jobId).join(' ')).sort();

it('every tenant has a line, oldest first, of exactly the jobs that wait', () => {
  fc.assert(
    fc.property(events, (happened) => {
      const { lines, waiting } = after(happened);
      expect(idsOf(lines.ofTenants())).toEqual(idsOf(linesOf(waiting)));
      expect(lines.size).toBe(waiting.length);
    }),
  );
});

it('lanes, units and those ahead are counted as if all were looked through', () => {
  fc.assert(
    fc.property(events, (happened) => {
      const { lines, waiting } = after(happened);
      const lanesOfAll = waiting.flatMap(({ options }) => options.map(({ lane }) => lane));
      expect(new Set(lines.lanes().map(({ lane }) => lane))).toEqual(new Set(lanesOfAll));
      for (const account of ['a', 'b', 'c']) {
        const firsts = waiting.filter(({ options }) => options[0]?.account === account);
        const units = firsts.reduce((sum, { options }) => sum + (options[0]?.units ?? 0n), 0n);
        expect(lines.unitsAwaited(account)).toBe(units);
        expect(lines.waitingIn(`${account}/m`)).toBe(firsts.length);
        const of = (tenant: string): number => firsts.filter(({ tenantId }) => tenantId === tenant).length;
        const ahead = of('t') + Math.min(of('u'), of('t') + 1) + Math.min(of('v'), of('t') + 1);
        expect(lines.aheadOf('t', `${account}/m`)).toBe(ahead);
      }
    }),
  );
});
