import type { Clock } from '../../src/ground/time.ts';

interface Timer {
  readonly dueMs: number;
  readonly action: () => void;
}

/** Time that stands still until a test moves it. Actions run inside `advance`, each at its own instant, in order. */
export class ManualClock implements Clock {
  private wallMs: number;
  private elapsedMs = 0;
  private readonly timers = new Set<Timer>();

  constructor(startAtMs = Date.UTC(2026, 10, 21)) {
    this.wallMs = startAtMs;
  }

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { dueMs: this.elapsedMs + Math.max(0, delayMs), action };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Lets time pass on both clocks; timers that are set on the way and fall due within it run too. */
  advance(ms: number): void {
    const endMs = this.elapsedMs + ms;
    for (let next = this.earliest(endMs); next !== null; next = this.earliest(endMs)) {
      this.timers.delete(next);
      this.pass(next.dueMs - this.elapsedMs);
      next.action();
    }
    this.pass(endMs - this.elapsedMs);
  }

  /** Moves the wall clock alone, as an administrator or a time server may. */
  jump(ms: number): void {
    this.wallMs += ms;
  }

  /** Timers that are set and have not run. */
  get pending(): number {
    return this.timers.size;
  }

  private earliest(endMs: number): Timer | null {
    const due = [...this.timers].filter(({ dueMs }) => dueMs <= endMs);
    return due.sort((a, b) => a.dueMs - b.dueMs)[0] ?? null;
  }

  private pass(ms: number): void {
    this.elapsedMs += ms;
    this.wallMs += ms;
  }
}
