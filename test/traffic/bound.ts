/**
 * What no plan can undercut: a lower bound by Lagrangian relaxation. Slots are not limited but let by the second, at a
 * rent that changes with time; each clip then goes where price, time and rent come to the least, and what the slots
 * would have earned is taken off. Whatever the rents are, the sum is below the cost of every plan that keeps the limits
 * (the rent such a plan pays is at most what all slots earn), so the best of many rents is the bound. Nothing is
 * rounded: between the edges of the bins a rent is constant, so the least is found at an edge or at the arrival.
 */
import type { Problem } from './offline.ts';

const BIN_SECONDS = 10;
const ROUNDS = 1_500;

/** The rents of one provider's slots: dollars per second, by bin. */
class Rents {
  readonly usd: Float64Array;
  readonly used: Float64Array;
  private readonly before: Float64Array;

  constructor(bins: number) {
    this.usd = new Float64Array(bins);
    this.used = new Float64Array(bins);
    this.before = new Float64Array(bins + 1);
  }

  /** Adds the rents up again after they have changed. */
  add(): void {
    for (let bin = 0; bin < this.usd.length; bin += 1) {
      this.before[bin + 1] = (this.before[bin] ?? 0) + (this.usd[bin] ?? 0) * BIN_SECONDS;
    }
    this.used.fill(0);
  }

  /** The rent of a slot from the beginning until then. After the last bin there is none. */
  until(second: number): number {
    const bin = Math.floor(second / BIN_SECONDS);
    if (bin >= this.usd.length) return this.total;
    return (this.before[bin] ?? 0) + (this.usd[bin] ?? 0) * (second - bin * BIN_SECONDS);
  }

  get total(): number {
    return this.before[this.usd.length] ?? 0;
  }

  use(from: number, to: number): void {
    for (let bin = Math.floor(from / BIN_SECONDS); bin < this.used.length && bin * BIN_SECONDS < to; bin += 1) {
      const seconds = Math.min(to, (bin + 1) * BIN_SECONDS) - Math.max(from, bin * BIN_SECONDS);
      this.used[bin] = (this.used[bin] ?? 0) + seconds;
    }
  }
}

/** Starts of clips of one length at one provider: the only ones at which the least can be, and the best from each on. */
interface Starts {
  readonly at: Float64Array;
  readonly best: Int32Array;
  readonly usd: Float64Array;
}

/** A lower bound on the cost of every plan, in dollars. `known`: the cost of a plan; it only steers the search. */
export function lowerBound({ jobs, slots, valueOfTime }: Problem, known: number, horizonSeconds: number): number {
  const bins = Math.ceil(horizonSeconds / BIN_SECONDS);
  const rents = slots.map(() => new Rents(bins));
  const lengths = slots.map((_, provider) => new Set(jobs.map((job) => job.choices[provider]?.seconds ?? 0)));
  const starts = lengths.map((seconds) => new Map([...seconds].map((each) => [each, startsOf(each, bins)] as const)));
  let best = Number.NEGATIVE_INFINITY;
  let pace = 1;
  let stale = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [provider, of] of rents.entries()) {
      of.add();
      for (const [seconds, at] of starts[provider] ?? []) reckon(at, seconds, of, valueOfTime);
    }
    let bound = 0;
    for (const job of jobs) bound += cheapest(job, rents, starts, valueOfTime);
    for (const [provider, of] of rents.entries()) bound -= (slots[provider] ?? 0) * of.total;
    stale = bound > best ? 0 : stale + 1;
    best = Math.max(best, bound);
    if (stale === 20) {
      pace /= 1.5;
      stale = 0;
    }
    raise(rents, slots, pace * (known - bound));
  }
  return best;
}

function startsOf(seconds: number, bins: number): Starts {
  const edges = Array.from({ length: bins + 1 }, (_, bin) => bin * BIN_SECONDS);
  const at = [...new Set([...edges, ...edges.map((edge) => edge - seconds)])].filter((edge) => edge >= 0);
  const sorted = Float64Array.from(at.sort((a, b) => a - b));
  return { at: sorted, best: new Int32Array(sorted.length), usd: new Float64Array(sorted.length) };
}

function reckon({ at, best, usd }: Starts, seconds: number, rents: Rents, valueOfTime: number): void {
  for (let index = at.length - 1; index >= 0; index -= 1) {
    const start = at[index] ?? 0;
    usd[index] = valueOfTime * start + rents.until(start + seconds) - rents.until(start);
    const later = best[index + 1] ?? index;
    best[index] = index + 1 < at.length && (usd[later] ?? 0) < (usd[index] ?? 0) ? later : index;
  }
}

/** The least that this clip comes to at these rents; the slot it would take is counted as used. */
function cheapest(
  { arrival, choices }: Problem['jobs'][number],
  rents: readonly Rents[],
  starts: readonly ReadonlyMap<number, Starts>[],
  valueOfTime: number,
): number {
  let least = { usd: Number.POSITIVE_INFINITY, provider: 0, start: 0, seconds: 0 };
  for (const [provider, { usd, seconds }] of choices.entries()) {
    const of = rents[provider];
    const known = starts[provider]?.get(seconds);
    if (!of || !known) continue;
    const fixed = usd + valueOfTime * (seconds - arrival);
    const now = fixed + valueOfTime * arrival + of.until(arrival + seconds) - of.until(arrival);
    if (now < least.usd) least = { usd: now, provider, start: arrival, seconds };
    const later = known.best[firstFrom(known.at, arrival)] ?? 0;
    const then = fixed + (known.usd[later] ?? Number.POSITIVE_INFINITY);
    if (then < least.usd) least = { usd: then, provider, start: known.at[later] ?? 0, seconds };
  }
  rents[least.provider]?.use(least.start, least.start + least.seconds);
  return least.usd;
}

/** The index of the first start that is not before the instant; of the last one where all are. */
function firstFrom(at: Float64Array, instant: number): number {
  let low = 0;
  let high = at.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[middle] ?? 0) < instant) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Raises the rent where more is used than there is, and lowers it where less is, never below nothing. */
function raise(rents: readonly Rents[], slots: readonly number[], gap: number): void {
  let square = 0;
  const excess = (of: Rents, provider: number, bin: number): number => {
    const over = (of.used[bin] ?? 0) - (slots[provider] ?? 0) * BIN_SECONDS;
    return over < 0 && of.usd[bin] === 0 ? 0 : over;
  };
  for (const [provider, of] of rents.entries()) {
    for (let bin = 0; bin < of.usd.length; bin += 1) square += excess(of, provider, bin) ** 2;
  }
  if (square === 0) return;
  const step = gap / square;
  for (const [provider, of] of rents.entries()) {
    for (let bin = 0; bin < of.usd.length; bin += 1) {
      of.usd[bin] = Math.max(0, (of.usd[bin] ?? 0) + step * excess(of, provider, bin));
    }
  }
}
