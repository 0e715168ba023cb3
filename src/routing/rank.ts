import type { Micros } from '../ground/money.ts';
import type { Policy } from './policy.ts';
import type { Conditions, Score } from './score.ts';

/** What must be known of a candidate to set it before or behind another. */
export interface Rankable {
  readonly provider: string;
  readonly model: string;
  readonly score: Score;
  readonly conditions: Conditions;
  /** Its place in the list, which settles what nothing else does. */
  readonly position: number;
}

/** What orders candidates: kept with the job, so that it is scored again by the rules it was admitted under. */
export interface Ranking extends Pick<Policy, 'order' | 'sort' | 'valueOfTimeMicrosPerSecond'> {
  /** Models in the order asked for. */
  readonly models: readonly string[];
  /** How long the job may still wait for a slot. */
  readonly queueSeconds: number;
}

/** A wait for a slot that takes more than this share of the time left is too long while another candidate is left. */
const LONGEST_SHARE = 0.5;

/**
 * Which of two candidates comes first: those whose slot comes in time, then models in the order asked for, then the
 * providers that `order` names, then by score; ties by failures, then by the list. In a panic the least bad comes before
 * all that: the highest success rate.
 */
export function compareCandidates(ranking: Ranking, panic = false): (a: Rankable, b: Rankable) => number {
  const { models, order, sort, queueSeconds } = ranking;
  const late = ({ score }: Rankable): number => (score.slotSeconds > queueSeconds * LONGEST_SHARE ? 1 : 0);
  const wish = ({ provider }: Rankable): number => {
    const place = order.indexOf(provider);
    return place === -1 ? order.length : place;
  };
  const byTime = sort === 'latency' || sort === 'throughput';
  const rank = ({ score }: Rankable): Micros | number => (byTime ? score.expectedSeconds : score.totalMicros);
  return (a, b) =>
    (panic ? b.conditions.successRate - a.conditions.successRate : 0) ||
    late(a) - late(b) ||
    models.indexOf(a.model) - models.indexOf(b.model) ||
    wish(a) - wish(b) ||
    (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0) ||
    a.conditions.recentFailures - b.conditions.recentFailures ||
    a.position - b.position;
}

/**
 * Those that may be asked: all whose circuit is closed; when none of them has, all of them, because the last one
 * standing is never held back by a circuit. `panic` says that it has come to that.
 */
export function withoutUnhealthy<C extends { readonly conditions: Conditions }>(
  candidates: readonly C[],
): { readonly candidates: readonly C[]; readonly panic: boolean } {
  const healthy = candidates.filter(({ conditions }) => (conditions.unhealthy ?? null) === null);
  if (healthy.length > 0 || candidates.length === 0) return { candidates: healthy, panic: false };
  return { candidates, panic: true };
}
