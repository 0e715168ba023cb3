/**
 * The plan of somebody who knows the whole trace: every arrival, every price, every generation time. Written apart from
 * the router and sharing nothing with it. Simulated annealing over who makes which clip in which order, from several
 * seeds, then improved until moving no clip and swapping no two of them makes it any cheaper.
 */
import { Chance } from '../simulation/chance.ts';

/** Who could make a clip, for how much and how fast. Dollars and seconds: a yardstick, not money. */
export interface Choice {
  readonly usd: number;
  readonly seconds: number;
}

export interface PlannedJob {
  /** Seconds after the beginning. */
  readonly arrival: number;
  /** By provider, in the order of `slots`. */
  readonly choices: readonly Choice[];
}

export interface Problem {
  readonly jobs: readonly PlannedJob[];
  /** Tasks at once, by provider. */
  readonly slots: readonly number[];
  /** Dollars per second from the arrival of a clip to its end. */
  readonly valueOfTime: number;
}

/** Where a clip is made, and when it begins and ends. */
export interface Placed {
  readonly job: number;
  readonly provider: number;
  readonly start: number;
  readonly end: number;
}

export interface Plan {
  /** Dollars: prices, and time at its value. */
  readonly usd: number;
  readonly placed: readonly Placed[];
}

/** One slot of a provider: the clips it makes, one after another. */
interface Slot {
  readonly provider: number;
  readonly jobs: number[];
  usd: number;
}

const MOVES_PER_JOB = 1_300;
const MOVES_MIN = 20_000;
const COOLEST = 1e-4;

/** The best plan of so many seeds. */
export function planOffline(problem: Problem, seeds: readonly number[]): Plan {
  const plans = seeds.map((seed) => new Search(problem, new Chance(seed)).run());
  return plans.reduce((best, plan) => (plan.usd < best.usd ? plan : best));
}

class Search {
  private readonly problem: Problem;
  private readonly chance: Chance;
  private readonly slots: Slot[];

  constructor(problem: Problem, chance: Chance) {
    this.problem = problem;
    this.chance = chance;
    this.slots = problem.slots.flatMap((count, provider) =>
      Array.from({ length: count }, () => ({ provider, jobs: [], usd: 0 })),
    );
    // Dealt out in the order of arrival, each to the slot where it adds the least: a fair first guess.
    for (const job of problem.jobs.keys()) {
      const added = this.slots.map((slot) => this.costOf(slot.provider, [...slot.jobs, job]) - slot.usd);
      const slot = this.slots[added.indexOf(Math.min(...added))];
      if (slot) this.replace(slot, [...slot.jobs, job]);
    }
  }

  run(): Plan {
    this.anneal();
    while (this.improve()) {
      // Until nothing helps.
    }
    const placed = this.slots.flatMap((slot) => this.place(slot));
    return { usd: this.slots.reduce((sum, { usd }) => sum + usd, 0), placed };
  }

  private anneal(): void {
    const { jobs, valueOfTime } = this.problem;
    // At first a move may cost what a minute of a clip is worth, or a dime.
    const hottest = Math.max(0.1, 60 * valueOfTime);
    const moves = Math.max(MOVES_MIN, jobs.length * MOVES_PER_JOB);
    for (let move = 0; move < moves; move += 1) {
      const heat = hottest * (COOLEST / hottest) ** (move / moves);
      const from = this.chance.pick(this.slots);
      if (from.jobs.length === 0) continue;
      const to = this.chance.pick(this.slots);
      const at = this.chance.between(0, from.jobs.length - 1);
      if (this.chance.happens(0.5) || jobs.length < 2) this.tryMove(from, at, to, heat);
      else if (to !== from && to.jobs.length > 0) this.trySwap(from, at, to, this.placeNear(from, at, to), heat);
    }
  }

  /** A place in the other slot at about the same time: swaps across an hour never help. */
  private placeNear(from: Slot, at: number, to: Slot): number {
    const share = from.jobs.length < 2 ? 0 : at / (from.jobs.length - 1);
    const near = Math.round(share * (to.jobs.length - 1)) + this.chance.between(-2, 2);
    return Math.max(0, Math.min(to.jobs.length - 1, near));
  }

  private tryMove(from: Slot, at: number, to: Slot, heat: number): boolean {
    const [job = 0] = from.jobs.slice(at, at + 1);
    const rest = from.jobs.toSpliced(at, 1);
    if (to === from) return this.accept([[from, rest.toSpliced(this.chance.between(0, rest.length), 0, job)]], heat);
    const place = this.chance.between(0, to.jobs.length);
    return this.accept(
      [
        [from, rest],
        [to, to.jobs.toSpliced(place, 0, job)],
      ],
      heat,
    );
  }

  private trySwap(from: Slot, at: number, to: Slot, place: number, heat: number): boolean {
    const [one = 0, other = 0] = [from.jobs[at], to.jobs[place]];
    return this.accept(
      [
        [from, from.jobs.with(at, other)],
        [to, to.jobs.with(place, one)],
      ],
      heat,
    );
  }

  /** Takes the change if it is cheaper, or with a chance that falls with what it costs and with the heat. */
  private accept(changes: readonly (readonly [Slot, number[]])[], heat: number): boolean {
    let more = 0;
    for (const [slot, jobs] of changes) more += this.costOf(slot.provider, jobs) - slot.usd;
    if (more > -1e-9 && !(heat > 0 && this.chance.happens(Math.exp(-more / heat)))) return false;
    for (const [slot, jobs] of changes) this.replace(slot, jobs);
    return more < -1e-9;
  }

  /** Every move and every swap once; false when none has helped. */
  private improve(): boolean {
    let helped = false;
    for (const from of this.slots) {
      for (const to of this.slots) {
        for (let at = 0; at < from.jobs.length; at += 1) {
          for (let place = 0; place <= to.jobs.length; place += 1) helped = this.better(from, at, to, place) || helped;
        }
      }
    }
    return helped;
  }

  private better(from: Slot, at: number, to: Slot, place: number): boolean {
    const job = from.jobs[at];
    if (job === undefined) return false;
    const rest = from.jobs.toSpliced(at, 1);
    if (to === from) return this.accept([[from, rest.toSpliced(place, 0, job)]], 0);
    const moved = this.accept(
      [
        [from, rest],
        [to, to.jobs.toSpliced(place, 0, job)],
      ],
      0,
    );
    return moved || (place < to.jobs.length && this.trySwap(from, at, to, place, 0));
  }

  private replace(slot: Slot, jobs: number[]): void {
    slot.usd = this.costOf(slot.provider, jobs);
    slot.jobs.splice(0, slot.jobs.length, ...jobs);
  }

  private costOf(provider: number, jobs: readonly number[]): number {
    let free = 0;
    let usd = 0;
    for (const job of jobs) {
      const planned = this.problem.jobs[job];
      const choice = planned?.choices[provider];
      if (!planned || !choice) continue;
      free = Math.max(free, planned.arrival) + choice.seconds;
      usd += choice.usd + (free - planned.arrival) * this.problem.valueOfTime;
    }
    return usd;
  }

  private place({ provider, jobs }: Slot): Placed[] {
    let free = 0;
    return jobs.map((job) => {
      const planned = this.problem.jobs[job];
      const start = Math.max(free, planned?.arrival ?? 0);
      free = start + (planned?.choices[provider]?.seconds ?? 0);
      return { job, provider, start, end: free };
    });
  }
}
