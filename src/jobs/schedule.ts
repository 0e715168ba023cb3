import TinyQueue from 'tinyqueue';
import type { Clock } from '../ground/time.ts';

interface Entry {
  readonly jobId: string;
  readonly dueMs: number;
}

/**
 * Which job is due when: a heap of thin records and one timer for the earliest. Memory only; the truth is in the rows,
 * and a restart fills it again. A job stands in it once, at the time it was put there last.
 */
export class Schedule {
  private readonly clock: Clock;
  private readonly onDue: () => void;
  private readonly heap = new TinyQueue<Entry>([], (a, b) => a.dueMs - b.dueMs);
  private readonly dueByJob = new Map<string, number>();
  private cancelTimer: (() => void) | null = null;
  private timerDueMs = Number.POSITIVE_INFINITY;
  private stopped = false;

  /** `onDue` is called when the earliest job falls due; it takes what is due and may put things back. */
  constructor(clock: Clock, onDue: () => void) {
    this.clock = clock;
    this.onDue = onDue;
  }

  /** Puts the job down for `inMs` from now, in place of any time it stood at before. */
  put(jobId: string, inMs: number): void {
    if (this.stopped) return;
    const dueMs = this.clock.monotonicMs() + inMs;
    this.dueByJob.set(jobId, dueMs);
    this.heap.push({ jobId, dueMs });
    this.arm();
  }

  /** Puts the job down for `inMs` from now, unless it is due sooner than that; whether it was put there. */
  hasten(jobId: string, inMs: number): boolean {
    const dueMs = this.dueByJob.get(jobId) ?? Number.POSITIVE_INFINITY;
    if (this.stopped || dueMs <= this.clock.monotonicMs() + inMs) return false;
    this.put(jobId, inMs);
    return true;
  }

  /** Takes the job out; harmless when it is not there. */
  remove(jobId: string): void {
    this.dueByJob.delete(jobId);
  }

  /** The next job that is due now, taken out; null when none is. */
  take(): string | null {
    const nowMs = this.clock.monotonicMs();
    for (let next = this.heap.peek(); next !== undefined && next.dueMs <= nowMs; next = this.heap.peek()) {
      this.heap.pop();
      // A record whose job has been put elsewhere since is only a shadow.
      if (this.dueByJob.get(next.jobId) !== next.dueMs) continue;
      this.dueByJob.delete(next.jobId);
      return next.jobId;
    }
    return null;
  }

  /** Sets the timer for what is in the heap now; called after taking. */
  arm(): void {
    const next = this.heap.peek();
    if (next === undefined || next.dueMs === this.timerDueMs) return;
    this.cancelTimer?.();
    this.timerDueMs = next.dueMs;
    this.cancelTimer = this.clock.after(next.dueMs - this.clock.monotonicMs(), () => {
      this.timerDueMs = Number.POSITIVE_INFINITY;
      this.onDue();
    });
  }

  /** Nothing falls due any more. */
  stop(): void {
    this.stopped = true;
    this.cancelTimer?.();
    this.dueByJob.clear();
  }

  get size(): number {
    return this.dueByJob.size;
  }
}
