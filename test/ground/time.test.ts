/** A wall clock that is set while we run: durations stay durations, and time never goes back. */
import { describe, expect, it } from 'vitest';
import { slewed } from '../../src/ground/time.ts';
import { ManualClock } from '../support/manual-clock.ts';

const HOUR_MS = 3_600_000;

describe('a slewed clock', () => {
  it('is the wall clock as long as nobody sets it', () => {
    const wall = new ManualClock();
    const clock = slewed(wall);
    for (let hour = 0; hour < 48; hour += 1) {
      wall.advance(HOUR_MS);
      expect(clock.nowMs()).toBe(wall.nowMs());
    }
  });

  it.each([HOUR_MS, 24 * HOUR_MS, -1_000, -24 * HOUR_MS])(
    'a jump of %i ms moves no deadline by more than a tenth',
    (jump) => {
      const wall = new ManualClock();
      const clock = slewed(wall);
      const before = clock.nowMs();
      wall.jump(jump);
      expect(clock.nowMs()).toBe(before);
      wall.advance(HOUR_MS);
      expect(Math.abs(clock.nowMs() - before - HOUR_MS)).toBeLessThanOrEqual(0.1 * HOUR_MS + 1);
    },
  );

  it('arrives at the new time in the end, and never goes back on the way', () => {
    const wall = new ManualClock();
    const clock = slewed(wall);
    wall.jump(-HOUR_MS);
    let last = clock.nowMs();
    for (let minute = 0; minute < 11 * 60; minute += 1) {
      wall.advance(60_000);
      expect(clock.nowMs()).toBeGreaterThanOrEqual(last);
      last = clock.nowMs();
    }
    expect(clock.nowMs()).toBe(wall.nowMs());
  });
});
