/** A job falls due once, at the time it was put down for last, by a clock that only goes forward. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Schedule } from '../../src/jobs/schedule.ts';
import { ManualClock } from '../support/manual-clock.ts';

interface Bench {
  readonly clock: ManualClock;
  readonly schedule: Schedule;
  /** `<job>@<ms>` for every job that fell due, in order. */
  readonly taken: string[];
}

/** A schedule whose owner takes all that is due, as the worker does; `atOnce` limits what it takes each time. */
function openBench(atOnce = Number.POSITIVE_INFINITY): Bench {
  const clock = new ManualClock();
  const taken: string[] = [];
  const schedule = new Schedule(clock, () => {
    for (let count = 0; count < atOnce; count += 1) {
      const job = schedule.take();
      if (job === null) break;
      taken.push(`${job}@${clock.monotonicMs()}`);
    }
    schedule.arm();
  });
  return { clock, schedule, taken };
}

describe('a job', () => {
  it('falls due at its time, not a millisecond before, and once', () => {
    const { clock, schedule, taken } = openBench();
    schedule.put('a', 100);
    clock.advance(99);
    expect(taken).toEqual([]);
    expect(schedule.take()).toBeNull();
    clock.advance(1);
    expect(taken).toEqual(['a@100']);
    clock.advance(10_000);
    expect(taken).toEqual(['a@100']);
  });

  it.each([0, -5])('put down for %i ms from now is due at once', (inMs) => {
    const { clock, schedule, taken } = openBench();
    schedule.put('a', inMs);
    clock.advance(0);
    expect(taken).toEqual(['a@0']);
  });

  it.each([
    ['later', 100, 300],
    ['sooner', 300, 100],
    ['for the same time', 200, 200],
  ])('put down again %s falls due at the last time only', (_, firstMs, lastMs) => {
    const { clock, schedule, taken } = openBench();
    schedule.put('a', firstMs);
    schedule.put('a', lastMs);
    expect(schedule.size).toBe(1);
    clock.advance(10_000);
    expect(taken).toEqual([`a@${lastMs}`]);
  });

  it('that was taken can be put down again, also for this very instant', () => {
    const { clock, schedule } = openBench();
    schedule.put('a', 0);
    expect([schedule.take(), schedule.take()]).toEqual(['a', null]);
    schedule.put('a', 0);
    expect([schedule.take(), schedule.take()]).toEqual(['a', null]);
    expect(clock.monotonicMs()).toBe(0);
  });

  it('that was taken out never falls due, and taking it out twice does no harm', () => {
    const { clock, schedule, taken } = openBench();
    schedule.put('a', 100);
    schedule.put('b', 200);
    schedule.remove('a');
    schedule.remove('a');
    schedule.remove('never there');
    expect(schedule.size).toBe(1);
    clock.advance(10_000);
    expect(taken).toEqual(['b@200']);
  });

  it('is not moved by a wall clock that jumps', () => {
    const { clock, schedule, taken } = openBench();
    schedule.put('a', 100);
    clock.jump(86_400_000);
    clock.advance(99);
    clock.jump(-172_800_000);
    expect(taken).toEqual([]);
    clock.advance(1);
    expect(taken).toEqual(['a@100']);
  });
});

describe('jobs', () => {
  it('fall due in the order of their times, whatever the order in which they were put down', () => {
    const { clock, schedule, taken } = openBench();
    for (const [job, inMs] of Object.entries({ d: 400, b: 200, e: 500, a: 100, c: 300 })) schedule.put(job, inMs);
    clock.advance(350);
    expect(taken).toEqual(['a@100', 'b@200', 'c@300']);
    expect(schedule.size).toBe(2);
    clock.advance(150);
    expect(taken.slice(3)).toEqual(['d@400', 'e@500']);
  });

  it('share one timer, that of the earliest', () => {
    const { clock, schedule } = openBench();
    for (const inMs of [300, 100, 200, 50, 400]) schedule.put(`job ${inMs}`, inMs);
    expect(clock.pending).toBe(1);
    clock.advance(50);
    expect(schedule.size).toBe(4);
    expect(clock.pending).toBe(1);
    clock.advance(350);
    expect([schedule.size, clock.pending]).toEqual([0, 0]);
  });

  it('that are due and were left for lack of hands stay due', () => {
    const { clock, schedule, taken } = openBench(1);
    for (const job of ['a', 'b', 'c']) schedule.put(job, 100);
    clock.advance(100);
    expect(taken.toSorted()).toEqual(['a@100', 'b@100', 'c@100']);
  });

  it('can be put down for later by what is done when they fall due', () => {
    const clock = new ManualClock();
    const polls: number[] = [];
    const schedule = new Schedule(clock, () => {
      for (let job = schedule.take(); job !== null; job = schedule.take()) {
        polls.push(clock.monotonicMs());
        if (polls.length < 4) schedule.put(job, 5_000);
      }
    });
    schedule.put('a', 1_000);
    clock.advance(60_000);
    expect(polls).toEqual([1_000, 6_000, 11_000, 16_000]);
  });

  it('no longer fall due once the schedule has stopped', () => {
    const { clock, schedule, taken } = openBench();
    schedule.put('a', 100);
    schedule.put('b', 0);
    schedule.stop();
    expect([schedule.size, clock.pending]).toEqual([0, 0]);
    clock.advance(10_000);
    expect(schedule.take()).toBeNull();
    expect(taken).toEqual([]);
  });
});

/** What a test may do, one after the other, and what a plain map of due times says must come of it. */
const action = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), job: fc.nat(5), ms: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ kind: fc.constant('remove' as const), job: fc.nat(5) }),
  fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 40 }) }),
);

it('does what a plain map of due times would do, whatever is put, removed and waited for', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const { clock, schedule, taken } = openBench();
      const dueMs = new Map<number, number>();
      const expected: string[] = [];
      for (const step of actions) {
        const nowMs = clock.monotonicMs();
        if (step.kind === 'put') {
          schedule.put(String(step.job), step.ms);
          dueMs.set(step.job, nowMs + step.ms);
        } else if (step.kind === 'remove') {
          schedule.remove(String(step.job));
          dueMs.delete(step.job);
        } else {
          clock.advance(step.ms);
          for (const [job, atMs] of dueMs) {
            if (atMs > nowMs + step.ms) continue;
            expected.push(`${job}@${atMs}`);
            dueMs.delete(job);
          }
        }
        expect(taken.toSorted()).toEqual(expected.toSorted());
        expect(schedule.size).toBe(dueMs.size);
      }
    }),
  );
});
