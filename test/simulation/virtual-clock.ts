import TinyQueue from 'tinyqueue';
import type { Clock } from '../../src/ground/time.ts';

interface Timer {
  readonly dueMs: number;
  readonly number: number;
  readonly action: () => void;
  cancelled: boolean;
}

/** Time that goes from one timer straight to the next. Timers of one instant run in the order in which they were set. */
export class VirtualClock implements Clock {
  private wallMs = Date.UTC(2026, 10, 21, 23, 50);
  private elapsedMs = 0;
  private numbers = 0;
  /** Whether the wall clock was ever set ahead. */
  wasSetAhead = false;
  /** Whether it was ever set back. */
  wasSetBack = false;
  private readonly timers = new TinyQueue<Timer>([], (a, b) => a.dueMs - b.dueMs || a.number - b.number);

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  after(delayMs: number, action: () => void): () => void {
    this.numbers += 1;
    const timer = { dueMs: this.elapsedMs + Math.max(0, delayMs), number: this.numbers, action, cancelled: false };
    this.timers.push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Resolves after so much time. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Goes to the next timer and runs it; false when none is set. */
  step(): boolean {
    for (let next = this.timers.pop(); next !== undefined; next = this.timers.pop()) {
      if (next.cancelled) continue;
      this.wallMs += next.dueMs - this.elapsedMs;
      this.elapsedMs = next.dueMs;
      next.action();
      return true;
    }
    return false;
  }

  /** Moves the wall clock alone. */
  jump(ms: number): void {
    this.wallMs += ms;
    if (ms > 0) this.wasSetAhead = true;
    else this.wasSetBack = true;
  }
}
