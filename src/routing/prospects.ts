/**
 * Whether a look at the queue can still deal anything out. Slots may be free that nobody will take: their circuit is open,
 * or they are dear and everybody would rather wait. Then all who wait need not be weighed to find it out. Pure.
 */
import { SECOND_MS } from '../ground/time.ts';
import { compareCandidates, type Rankable } from './rank.ts';
import { type Conditions, scoreOf } from './score.ts';
import type { Line } from './turns.ts';
import type { LaneOption, Waiter } from './waiter.ts';

/** What a look knows at this moment. */
export interface Outset {
  readonly nowMs: number;
  /** All whose turns these are; at most so many can come before one of them. */
  readonly lines: readonly Line[];
  /** One option of each offer that somebody waits for. */
  readonly offers: readonly LaneOption[];
  /** Lanes with a slot that somebody may use. */
  readonly free: ReadonlySet<string>;
  /** The conditions as they are now, with what was dealt out. */
  readonly conditionsOf: (option: LaneOption) => Conditions;
  /** How many slots were dealt out. */
  readonly dealt: () => number;
}

/** Time left is taken as this much less at most, so that jobs of about the same age are judged once. */
const STEP_MS = 60 * SECOND_MS;

/**
 * Goes through those who wait and stops at the first that may still take a free slot; asked again, it goes on from there.
 *
 * It says that nobody is left only where that is certain, because whatever a look does makes every lane worse or leaves it:
 * a slot dealt out makes its lane fuller, whoever is placed makes its queue longer, a circuit that has its probe and an
 * account that has its trial are out for the rest, and units that lapse become fewer. So who cannot take a slot when
 * everything stands at its best for the free lanes, and at its worst for the others, cannot take one later in the look;
 * whoever was passed is never asked again.
 */
export class Prospects {
  private readonly outset: Outset;
  private readonly waiting: number;
  /** Those who had their slot or have their place: nothing more comes to them in this look. */
  private readonly finished = new Set<Waiter>();
  /** From which end of the wait on jobs of a kind are known to take nothing: who has more time left waits rather. */
  private readonly hopelessFromMs = new Map<Kind, number>();
  /** Offers that one job is to try, and accounts: once it does, they are out for the others. */
  private readonly infirm = new Set<string>();
  private at = { line: 0, job: 0 };
  /** After how many deals the job that it has stopped at was judged. */
  private judgedAt = -1;

  constructor(outset: Outset) {
    this.outset = outset;
    this.waiting = outset.lines.reduce((sum, { jobs }) => sum + jobs.length, 0);
    for (const option of outset.offers) {
      const { probe, trial } = outset.conditionsOf(option);
      if (probe) this.infirm.add(option.offer);
      if (trial) this.infirm.add(option.account);
    }
  }

  finish(waiter: Waiter): void {
    this.finished.add(waiter);
  }

  /** Whether somebody may still take a slot; false is certain. */
  areLeft(): boolean {
    const { lines, dealt } = this.outset;
    for (let line = lines[this.at.line]; line; line = lines[this.at.line]) {
      while (line.tasks < line.tasksMax) {
        const waiter = line.jobs[this.at.job];
        if (!waiter) break;
        if (!this.finished.has(waiter)) {
          if (this.judgedAt === dealt()) return true;
          if (!this.isHopeless(waiter)) {
            this.judgedAt = dealt();
            return true;
          }
        }
        this.judgedAt = -1;
        this.at.job += 1;
      }
      this.judgedAt = -1;
      this.at = { line: this.at.line + 1, job: 0 };
    }
    return false;
  }

  private isHopeless(waiter: Waiter): boolean {
    const { nowMs } = this.outset;
    const { kind, heldOffUntilMs } = kindOf(waiter);
    const isLikeItsKind = heldOffUntilMs <= nowMs;
    if (isLikeItsKind && waiter.untilMs >= (this.hopelessFromMs.get(kind) ?? Number.POSITIVE_INFINITY)) return true;
    const untilMs = Math.floor(waiter.untilMs / STEP_MS) * STEP_MS;
    const isHopeless = !this.mayTake(waiter, Math.max(0, untilMs - nowMs) / SECOND_MS);
    if (isHopeless && isLikeItsKind) this.hopelessFromMs.set(kind, untilMs);
    return isHopeless;
  }

  /** Whether any of the free lanes may be the best of the job's options at some time in this look. */
  private mayTake({ options, choosing }: Waiter, queueSeconds: number): boolean {
    const { conditionsOf, free, nowMs } = this.outset;
    const open = options
      .map((option, position) => ({ option, position, conditions: conditionsOf(option) }))
      .filter(({ conditions }) => conditions.blocked === null);
    // Nobody gets well during a look: where all are unwell it stays so, and where one stays well none of the others counts.
    const panic = open.every(({ conditions }) => isUnwell(conditions));
    const firm = open.filter((each) => this.isFirm(each, panic));
    const compare = compareCandidates({ ...choosing, queueSeconds }, panic);
    return open.some((each) => {
      const { option, conditions } = each;
      if (!free.has(option.lane) || isHeldOff(option, nowMs)) return false;
      // Without one that stays well, all may come to be unwell; and who was asked last is asked again if it has a slot.
      if (firm.length === 0) return true;
      if (!panic && isUnwell(conditions)) return false;
      if (option.again) return true;
      const others = firm.filter((other) => other.option.lane !== option.lane);
      const atBest = weighed(each, { queuedAhead: 0 }, choosing.valueOfTimeMicrosPerSecond);
      return !this.isBeaten(others, (other, queuedAhead) => {
        const atWorst = weighed(other, { queuedAhead, lapsing: 0n }, choosing.valueOfTimeMicrosPerSecond);
        return compare(atWorst, atBest) < 0;
      });
    });
  }

  /** Nothing that this look deals out puts it out of the question. */
  private isFirm({ option, conditions }: Open, panic: boolean): boolean {
    if (this.infirm.has(option.account)) return false;
    return panic || !(isUnwell(conditions) || this.infirm.has(option.offer));
  }

  /**
   * Whether one of the others is better at any time. Everybody else who waits is before the job in one lane at most: so if
   * there are fewer of them than it takes to make all the other lanes worse, one of those is still better.
   */
  private isBeaten(others: readonly Open[], isBetterBehind: (other: Open, ahead: number) => boolean): boolean {
    const rooms = new Map<string, number>();
    for (const other of others) {
      let [better, worse] = [-1, this.waiting - 1];
      if (isBetterBehind(other, worse)) return true;
      while (worse - better > 1) {
        const middle = Math.floor((better + worse) / 2);
        if (isBetterBehind(other, middle)) better = middle;
        else worse = middle;
      }
      rooms.set(other.option.lane, Math.max(rooms.get(other.option.lane) ?? 0, worse));
    }
    return [...rooms.values()].reduce((sum, room) => sum + room, 0) >= this.waiting;
  }
}

interface Open {
  readonly option: LaneOption;
  readonly position: number;
  readonly conditions: Conditions;
}

function weighed({ option, position, conditions }: Open, than: Partial<Conditions>, valueOfTime: number): Rankable {
  const { provider, model } = option;
  const changed = { ...conditions, ...than };
  return { provider, model, position, conditions: changed, score: scoreOf(option, changed, valueOfTime) };
}

const isUnwell = ({ unhealthy }: Conditions): boolean => (unhealthy ?? null) !== null;

const isHeldOff = ({ notBeforeMs = 0 }: LaneOption, nowMs: number): boolean => notBeforeMs > nowMs;

/** What jobs have in common that would choose alike. */
type Kind = symbol;

interface Known {
  readonly kind: Kind;
  /** From when on it may ask all its options. */
  readonly heldOffUntilMs: number;
}

/** Kept, because the same jobs are looked at again and again. */
const known = new WeakMap<Waiter, Known>();
/** So many kinds are told apart at a time; of one that is forgotten and comes again, the jobs are judged twice. */
const KINDS_MAX = 1_000;
const kinds = new Map<string, Kind>();

function kindOf(waiter: Waiter): Known {
  const before = known.get(waiter);
  if (before) return before;
  const { options, choosing } = waiter;
  const { models, order, sort, valueOfTimeMicrosPerSecond } = choosing;
  const offered = options.map(
    ({ provider, account, model, upstream, lane, offer, costMicros, failed, units, again }) => [
      ...[provider, account, model, upstream, lane, offer],
      ...[String(costMicros), failed, String(units), again],
    ],
  );
  const text = JSON.stringify([models, order, sort, valueOfTimeMicrosPerSecond, offered]);
  if (kinds.size >= KINDS_MAX) kinds.clear();
  const kind = kinds.get(text) ?? Symbol('kind');
  kinds.set(text, kind);
  const made = { kind, heldOffUntilMs: Math.max(0, ...options.map(({ notBeforeMs = 0 }) => notBeforeMs)) };
  known.set(waiter, made);
  return made;
}
