/**
 * Whether a provider stood idle while a job waited too long: reckoned from the rows of a run alone, apart from the
 * router. A job may wait although a slot is free elsewhere; but only as long as what it saves by it is worth.
 */
import { SECOND_MS } from '../../src/ground/time.ts';
import { readDecision, routeOf, type StoredCandidate } from '../../src/routing/decision.ts';
import type { Ran } from './stage.ts';

/** A job that waited although somebody had a free slot. All in seconds. */
export interface Idled {
  readonly jobId: string;
  /** Where it ended up, and who was idle. */
  readonly made: string;
  readonly idle: string;
  /** How long the other one had a free slot while the job waited, all in all. */
  readonly idled: number;
  /** How long the job went on to wait from the first such moment: what nobody could know then. */
  readonly waited: number;
  /** How long waiting was worth it: for where it ended up, or where it meant to go, whichever saved more. */
  readonly worth: number;
  /** The same for where it ended up alone. */
  readonly worthInTheEnd: number;
}

export interface IdleTerms {
  /** Tasks at once, by account. */
  readonly slotsOf: (account: string) => number;
  /** Seconds that a clip of the job takes at the account. */
  readonly secondsAt: (ran: Ran, account: string) => number;
  /** Dollars per second. */
  readonly valueOfTime: number;
}

/** Each job with each candidate of its route that had a free slot while it waited. */
export function idleWhileWaiting(all: readonly Ran[], terms: IdleTerms): readonly Idled[] {
  const known = new Map<string, readonly Free[]>();
  const freeAt = (account: string): readonly Free[] => {
    const free = known.get(account) ?? freeTimes(all, account, terms.slotsOf(account));
    known.set(account, free);
    return free;
  };
  return all.flatMap((ran) => {
    const [attempt] = ran.attempts;
    const route = routeOf(readDecision(ran.job.decision));
    const [meant] = route;
    const made = route.find(({ account }) => account === attempt?.account);
    if (!attempt || !made || !meant) return [];
    const waits = { fromMs: ran.job.createdAtMs, toMs: attempt.createdAtMs };
    return route.flatMap((idle): Idled[] => {
      const stretches = freeAt(idle.account).flatMap((free) => overlapOf(free, waits) ?? []);
      const [first] = stretches;
      if (idle === made || !first) return [];
      const [inTheEnd, atFirst] = [made, meant].map((other) => worthOf(ran, idle, other, terms));
      return [
        {
          jobId: ran.job.id,
          made: made.account,
          idle: idle.account,
          idled: stretches.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) / SECOND_MS,
          waited: (waits.toMs - first.fromMs) / SECOND_MS,
          worth: Math.max(inTheEnd ?? 0, atFirst ?? 0),
          worthInTheEnd: inTheEnd ?? 0,
        },
      ];
    });
  });
}

/** So many seconds may be waited for the one while the other is idle: the money saved at the value of time, and speed. */
function worthOf(ran: Ran, idle: StoredCandidate, other: StoredCandidate, terms: IdleTerms): number {
  const dearer = (usdOf(idle) - usdOf(other)) / terms.valueOfTime;
  return dearer + terms.secondsAt(ran, idle.account) - terms.secondsAt(ran, other.account);
}

function overlapOf(a: Free, b: Free): Free | null {
  const [fromMs, toMs] = [Math.max(a.fromMs, b.fromMs), Math.min(a.toMs, b.toMs)];
  return toMs > fromMs ? { fromMs, toMs } : null;
}

/** What the clip is reckoned to cost there: its price, and the share of it that is lost when a take fails. */
const usdOf = ({ cost, score }: StoredCandidate): number => Number((cost ?? 0n) + (score?.failures ?? 0n)) / 1_000_000;

/** A stretch of time in which the account had a slot free. */
interface Free {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Stretches with fewer tasks than slots, first to last, open at both ends. A stretch of no length is none. */
function freeTimes(all: readonly Ran[], account: string, slots: number): Free[] {
  const own = all.flatMap(({ attempts }) => attempts.filter((attempt) => attempt.account === account));
  const steps = own
    .flatMap(({ createdAtMs, endedAtMs }) => [
      { atMs: createdAtMs, by: 1 },
      { atMs: endedAtMs ?? Number.POSITIVE_INFINITY, by: -1 },
    ])
    .sort((a, b) => a.atMs - b.atMs || b.by - a.by);
  const found: Free[] = [];
  let running = 0;
  let fromMs: number | null = Number.NEGATIVE_INFINITY;
  for (const { atMs, by } of steps) {
    running += by;
    if (running >= slots && fromMs !== null) {
      if (atMs > fromMs) found.push({ fromMs, toMs: atMs });
      fromMs = null;
    } else if (running < slots && fromMs === null) fromMs = atMs;
  }
  if (fromMs !== null) found.push({ fromMs, toMs: Number.POSITIVE_INFINITY });
  return found;
}
