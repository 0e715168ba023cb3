/**
 * Whose turn it is among those who wait: always the tenant with the fewest dollars, its oldest job first. The dollars are
 * those in flight with what was just given; for a job that has to wait also those of its tenant's jobs that wait in the
 * same lane before it. So lanes are apart: a long wait in one puts no job back in another. Pure.
 */
import TinyQueue from 'tinyqueue';
import { type Micros, sumMicros, ZERO_MICROS } from '../ground/money.ts';
import type { Choice } from './choose.ts';
import type { InFlight, LaneOption, Waiter } from './waiter.ts';

/** The waiting jobs of one tenant as a plan goes through them, and what it has in flight with what the plan gave it. */
export interface Line {
  readonly jobs: readonly Waiter[];
  readonly tasksMax: number;
  tasks: number;
  micros: Micros;
  /** How many of the jobs were taken up: each once, oldest first. */
  taken: number;
  /** Those of its jobs that are to wait, by lane. */
  readonly waiting: Map<string, Waiting>;
}

interface Waiting {
  /** What all of them hold. */
  micros: Micros;
  /** In the order in which they came, and how many of them had their turn. Only the next one stands among the turns. */
  readonly turns: Turn[];
  had: number;
}

export interface Turn {
  readonly line: Line;
  readonly waiter: Waiter;
  /** Where it is to wait; null until it was looked at. */
  readonly wait: Wait | null;
  /** The dollars it is in order by. What has become of them since is seen when its turn comes. */
  readonly micros: Micros;
}

export interface Wait {
  readonly lane: string;
  /** What its tenant's jobs hold that are to wait in this lane before it. */
  readonly before: Micros;
  /** By what it chose the lane; null where that was not asked, because nothing was free that it could use. */
  readonly chosen: Choice<LaneOption> | null;
  /** It has found another lane better already, when its turn was there. */
  readonly moved: boolean;
}

export class Turns {
  readonly lines: readonly Line[];
  private readonly queue = new TinyQueue<Turn>([], byTurn);

  /** The lines whose turns these are: each tenant's jobs, oldest first. */
  constructor(lines: readonly (readonly Waiter[])[], inFlightOf: (tenantId: string) => InFlight) {
    this.lines = lines.map((jobs) => {
      const { tasks, micros, tasksMax } = inFlightOf(jobs[0]?.tenantId ?? '');
      return { jobs, tasks, micros, tasksMax: tasksMax ?? Number.POSITIVE_INFINITY, taken: 0, waiting: new Map() };
    });
    for (const line of this.lines) this.takeUp(line);
  }

  /** The next turn; undefined when all had theirs. */
  next(): Turn | undefined {
    for (let turn = this.queue.pop(); turn; turn = this.queue.pop()) {
      const { line, wait } = turn;
      const micros = wait ? sumMicros(line.micros, wait.before) : line.micros;
      if (micros === turn.micros) {
        if (wait) this.bringNext(waitingOf(line, wait.lane));
        return turn;
      }
      // Its tenant was given something meanwhile: another may have fewer now.
      this.queue.push({ ...turn, micros });
    }
    return undefined;
  }

  /** The line brings its next job. */
  takeUp(line: Line): void {
    const waiter = line.jobs[line.taken];
    line.taken += 1;
    if (waiter) this.queue.push({ line, waiter, wait: null, micros: line.micros });
  }

  /** The job is to wait in the lane: its next turn comes when all have had theirs that wait there before it. */
  putOff({ line, waiter }: Turn, wait: Omit<Wait, 'before'>): void {
    const waiting = waitingOf(line, wait.lane);
    const before = waiting.micros;
    const turn = { line, waiter, wait: { ...wait, before }, micros: sumMicros(line.micros, before) };
    waiting.micros = sumMicros(before, waiter.holdMicros);
    waiting.turns.push(turn);
    if (waiting.turns.length === waiting.had + 1) this.queue.push(turn);
  }

  private bringNext(waiting: Waiting): void {
    waiting.had += 1;
    const next = waiting.turns[waiting.had];
    if (next) this.queue.push(next);
  }
}

/** How many jobs of the line are to wait in the lane that have no place there yet. */
export function unplacedIn(line: Line, lane: string): number {
  const waiting = line.waiting.get(lane);
  return waiting ? waiting.turns.length - waiting.had : 0;
}

function waitingOf(line: Line, lane: string): Waiting {
  const waiting = line.waiting.get(lane) ?? { micros: ZERO_MICROS, turns: [], had: 0 };
  line.waiting.set(lane, waiting);
  return waiting;
}

function byTurn(a: Turn, b: Turn): number {
  return a.micros === b.micros ? byAge(a.waiter, b.waiter) : a.micros < b.micros ? -1 : 1;
}

/** Older jobs first; of two that are equally old, always the same one. */
export function byAge(a: Waiter, b: Waiter): number {
  return a.createdAtMs - b.createdAtMs || (a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : 0);
}
