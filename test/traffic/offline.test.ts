/** The yardstick itself: the planner finds what can be found by trying everything, and the bound is never above it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lowerBound } from './bound.ts';
import { type PlannedJob, type Problem, planOffline } from './offline.ts';

/** The cheapest plan of all, by trying every order of the jobs and every provider for each of them. */
function bestOfAll({ jobs, slots, valueOfTime }: Problem): number {
  const walk = (left: readonly number[], free: readonly (readonly number[])[]): number => {
    if (left.length === 0) return 0;
    let best = Number.POSITIVE_INFINITY;
    for (const job of left) {
      for (const provider of slots.keys()) {
        const { arrival = 0, choices = [] } = jobs[job] ?? {};
        const { usd = 0, seconds = 0 } = choices[provider] ?? {};
        const [soonest = 0, ...others] = [...(free[provider] ?? [])].sort((a, b) => a - b);
        const end = Math.max(soonest, arrival) + seconds;
        const rest = left.filter((other) => other !== job);
        const after = free.with(provider, [end, ...others]);
        best = Math.min(best, usd + (end - arrival) * valueOfTime + walk(rest, after));
      }
    }
    return best;
  };
  const idle = slots.map((count) => Array.from({ length: count }, () => 0));
  return walk([...jobs.keys()], idle);
}

const choice = fc.record({ usd: fc.integer({ min: 10, max: 90 }), seconds: fc.integer({ min: 20, max: 200 }) });
const job: fc.Arbitrary<PlannedJob> = fc.record({
  arrival: fc.integer({ min: 0, max: 150 }),
  choices: fc.tuple(choice, choice).map((both) => both.map(({ usd, seconds }) => ({ usd: usd / 100, seconds }))),
});
const problem: fc.Arbitrary<Problem> = fc.record({
  jobs: fc.array(job, { minLength: 1, maxLength: 5 }),
  slots: fc.constantFrom([1, 1], [2, 1], [1, 2]),
  valueOfTime: fc.constantFrom(0.0005, 0.01),
});

describe('the offline plan', () => {
  it('is the best there is wherever all can be tried, keeps every limit, and is never below the bound', () => {
    fc.assert(
      fc.property(problem, (of) => {
        const plan = planOffline(of, [1]);
        expect(plan.usd).toBeCloseTo(bestOfAll(of), 6);
        expect(lowerBound(of, plan.usd, 1_200)).toBeLessThanOrEqual(plan.usd + 1e-9);
        for (const { start, provider, job: own } of plan.placed) {
          const atOnce = plan.placed.filter((other) => {
            return other.provider === provider && other.start <= start && other.end > start;
          });
          expect(atOnce.length).toBeLessThanOrEqual(of.slots[provider] ?? 0);
          expect(start).toBeGreaterThanOrEqual(of.jobs[own]?.arrival ?? 0);
        }
        expect(plan.placed.map(({ job: own }) => own).sort((a, b) => a - b)).toEqual([...of.jobs.keys()]);
      }),
      { numRuns: 15, seed: 1 },
    );
  });

  it('has a bound that is tight where slots are many: each clip at its cheapest', () => {
    const jobs = [0, 40, 90].map((arrival) => ({ arrival, choices: [{ usd: 1, seconds: 100 }] }));
    const of = { jobs, slots: [3], valueOfTime: 0.01 };
    expect(planOffline(of, [1]).usd).toBeCloseTo(6, 9);
    expect(lowerBound(of, 6, 400)).toBeCloseTo(6, 9);
  });
});
