/** Outcomes added up: money, waits and failures, for what happened and for what a replay says. */
import type { FailureKind } from '../../providers/contract.ts';
import { type Micros, minusMicros, sumMicros, ZERO_MICROS } from '../ground/money.ts';
import type { Offer } from '../pricing/offers.ts';
import type { ChargeOnFailure } from '../pricing/rate-card.ts';
import { offerKey } from './replay-chance.ts';
import type { Value } from './replay-money.ts';

/** What became of one request. */
export interface Outcome {
  /** Null: it was delivered. */
  readonly code: string | null;
  /** Who delivered; null for nobody. */
  readonly provider: string | null;
  readonly priceMicros: Micros;
  /** Everything that providers charged, failed attempts included. */
  readonly costMicros: Micros;
  /** The part of it that failed attempts cost. */
  readonly failureMicros: Micros;
  /** What may have been charged: nobody says so. */
  readonly suspectedMicros: Micros;
  /** From the request to its first attempt, or to its end where there was none. */
  readonly waitMs: number;
  readonly doneMs: number;
  readonly attempts: number;
  /** How often it went on to another candidate. */
  readonly failovers: number;
  /** The providers of the attempts that failed. */
  readonly failedAt: readonly string[];
  /** The offer that was asked last, to see whether the next one is another. */
  readonly lastOffer: string | null;
}

export const NOTHING_YET: Outcome = {
  code: null,
  provider: null,
  priceMicros: ZERO_MICROS,
  costMicros: ZERO_MICROS,
  failureMicros: ZERO_MICROS,
  suspectedMicros: ZERO_MICROS,
  waitMs: 0,
  doneMs: 0,
  attempts: 0,
  failovers: 0,
  failedAt: [],
  lastOffer: null,
};

interface Attempted {
  readonly offer: Offer;
  /** Null: it delivered. */
  readonly kind: FailureKind | null;
  readonly charged: ChargeOnFailure;
  readonly value: Value;
}

/** The outcome with one attempt more. */
export function addAttempt(before: Outcome, { offer, kind, charged, value }: Attempted): Outcome {
  const key = offerKey(offer);
  const moved = before.lastOffer !== null && before.lastOffer !== key ? 1 : 0;
  const sums = {
    ...before,
    attempts: before.attempts + 1,
    failovers: before.failovers + moved,
    lastOffer: key,
  };
  const { provider } = offer;
  const add = (sum: Micros, when: boolean): Micros => (when ? sumMicros(sum, value.costMicros) : sum);
  if (kind === null) {
    return { ...sums, provider, priceMicros: value.priceMicros, costMicros: add(before.costMicros, true) };
  }
  return {
    ...sums,
    failedAt: [...before.failedAt, provider],
    costMicros: add(before.costMicros, charged === 'charged'),
    failureMicros: add(before.failureMicros, charged === 'charged'),
    suspectedMicros: add(before.suspectedMicros, charged === 'unknown'),
  };
}

export interface Percentiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

export interface ProviderShare {
  readonly provider: string;
  readonly clips: number;
  readonly priceMicros: Micros;
  readonly costMicros: Micros;
  readonly failedAttempts: number;
}

/** Many outcomes as one. */
export interface Tally {
  readonly completed: number;
  readonly failed: number;
  readonly priceMicros: Micros;
  readonly costMicros: Micros;
  readonly marginMicros: Micros;
  readonly failureMicros: Micros;
  readonly suspectedMicros: Micros;
  readonly attempts: number;
  readonly failovers: number;
  /** Of all requests; null where there were none. */
  readonly wait: Percentiles | null;
  /** Of those that were delivered; null where none was. */
  readonly done: Percentiles | null;
  /** Requests that were not delivered, by code, sorted. */
  readonly failures: readonly (readonly [code: string, count: number])[];
  /** By name. Clips and money of what each delivered; the attempts that failed there. */
  readonly providers: readonly ProviderShare[];
}

/** The outcomes added up; zeros for none. */
export function tally(outcomes: readonly Outcome[]): Tally {
  const delivered = outcomes.filter(({ code }) => code === null);
  const total = (pick: (outcome: Outcome) => Micros): Micros =>
    outcomes.reduce((sum, each) => sumMicros(sum, pick(each)), ZERO_MICROS);
  const count = (pick: (outcome: Outcome) => number): number => outcomes.reduce((sum, each) => sum + pick(each), 0);
  const priceMicros = total((outcome) => outcome.priceMicros);
  const costMicros = total((outcome) => outcome.costMicros);
  return {
    completed: delivered.length,
    failed: outcomes.length - delivered.length,
    priceMicros,
    costMicros,
    marginMicros: minusMicros(priceMicros, costMicros),
    failureMicros: total((outcome) => outcome.failureMicros),
    suspectedMicros: total((outcome) => outcome.suspectedMicros),
    attempts: count((outcome) => outcome.attempts),
    failovers: count((outcome) => outcome.failovers),
    wait: percentilesOf(outcomes.map(({ waitMs }) => waitMs)),
    done: percentilesOf(delivered.map(({ doneMs }) => doneMs)),
    failures: countBy(outcomes.flatMap(({ code }) => code ?? [])),
    providers: sharesOf(outcomes),
  };
}

/** Nearest rank. */
function percentilesOf(values: readonly number[]): Percentiles | null {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  return sorted.length === 0 ? null : { p50Ms: rank(0.5), p95Ms: rank(0.95) };
}

function countBy(words: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

function sharesOf(outcomes: readonly Outcome[]): ProviderShare[] {
  const shares = new Map<string, ProviderShare>();
  const change = (provider: string, by: (share: ProviderShare) => Partial<ProviderShare>): void => {
    const none = { provider, clips: 0, priceMicros: ZERO_MICROS, costMicros: ZERO_MICROS, failedAttempts: 0 };
    const share = shares.get(provider) ?? none;
    shares.set(provider, { ...share, ...by(share) });
  };
  for (const { code, provider, priceMicros, costMicros, failureMicros, failedAt } of outcomes) {
    for (const failed of failedAt) change(failed, (share) => ({ failedAttempts: share.failedAttempts + 1 }));
    if (code !== null || provider === null) continue;
    change(provider, (share) => ({
      clips: share.clips + 1,
      priceMicros: sumMicros(share.priceMicros, priceMicros),
      costMicros: sumMicros(share.costMicros, minusMicros(costMicros, failureMicros)),
    }));
  }
  return [...shares.values()].sort((a, b) => (a.provider < b.provider ? -1 : 1));
}
