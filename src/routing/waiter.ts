import type { Micros } from '../ground/money.ts';
import type { Option } from './choose.ts';
import type { Choosing } from './route.ts';

/** An option, and where its slot is counted. */
export interface LaneOption extends Option {
  readonly lane: string;
  /** Whose circuit it is: the account and the model. */
  readonly offer: string;
  /** The job was refused here a moment ago and may not ask again before. Absent or past: it may ask now. */
  readonly notBeforeMs?: number;
}

/** A job that needs a slot. */
export interface Waiter {
  readonly jobId: string;
  readonly tenantId: string;
  readonly createdAtMs: number;
  /** The dearest price it can end in: its weight while nobody knows who makes it. */
  readonly holdMicros: Micros;
  /** Until when it may wait. */
  readonly untilMs: number;
  readonly options: readonly LaneOption[];
  readonly choosing: Choosing;
}

export interface Lane {
  readonly slots: number;
  readonly taken: number;
}

/** What a tenant has running now. */
export interface InFlight {
  readonly tasks: number;
  readonly micros: Micros;
  /** How many tasks it may have at once; null: as many as there are slots. */
  readonly tasksMax: number | null;
}
