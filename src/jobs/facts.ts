import type { FailureKind } from '../../providers/contract.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import { FAILURE_RULES, ruleFor } from '../routing/failure.ts';
import type { Outcome, Standing } from '../routing/health.ts';
import { offerOf } from './lane.ts';
import type { AttemptFact } from './outlook-rows.ts';
import { SEND_WITHIN_MS } from './submit.ts';

/** Older attempts have decayed to next to nothing. */
export const FACTS_AGE_MAX_MS = 6 * HOUR_MS;
/** Per offer: more would not change a rate that has decayed over an hour. */
const FACTS_MAX = 600;
const FACTS_KEPT = 500;

/** Failed reads of one task that count: one task that nobody can read opens a circuit by itself, and no more. */
const READS_COUNTED = 5;

/** A submission without an answer for so long counts as one whose answer is lost, until it is answered. */
export const UNANSWERED_MS = 10 * SECOND_MS;

/** Repeats of submissions at an account: at most this share of a minute's submissions, but at least so many. */
const REPEAT_SHARE = 0.1;
const REPEATS_MIN = 3;

/** The recent attempts as they stand, by offer. Read from rows and never more than that: a restart reads them again. */
export class Facts {
  private readonly byOffer = new Map<string, Map<string, AttemptFact>>();
  /** Offers whose facts have changed since they were asked for last. */
  readonly changed = new Set<string>();

  /** Puts down how attempts stand now, in place of how they stood. */
  note(facts: readonly AttemptFact[], nowMs: number): void {
    for (const fact of facts) {
      const offer = offerOf(fact);
      const known = this.byOffer.get(offer) ?? new Map<string, AttemptFact>();
      this.byOffer.set(offer, known);
      const before = known.get(fact.id);
      if (before && isSame(before, fact)) continue;
      known.set(fact.id, fact);
      this.changed.add(offer);
      if (known.size > FACTS_MAX) forgetOldest(known, nowMs);
    }
  }

  of(offer: string): AttemptFact[] {
    return [...(this.byOffer.get(offer)?.values() ?? [])];
  }

  ofAccount(account: string): AttemptFact[] {
    return [...this.byOffer.entries()].flatMap(([offer, facts]) =>
      offer.startsWith(`${account}/`) ? [...facts.values()].filter((fact) => fact.account === account) : [],
    );
  }
}

const isSame = (a: AttemptFact, b: AttemptFact): boolean =>
  a.state === b.state &&
  a.sendByMs === b.sendByMs &&
  a.acceptedAtMs === b.acceptedAtMs &&
  a.endedAtMs === b.endedAtMs &&
  a.readFailures === b.readFailures &&
  a.troubledAtMs === b.troubledAtMs &&
  a.lostAtMs === b.lostAtMs;

function forgetOldest(known: Map<string, AttemptFact>, nowMs: number): void {
  const byAge = [...known.values()].sort((a, b) => a.createdAtMs - b.createdAtMs);
  for (const [index, fact] of byAge.entries()) {
    if (index < byAge.length - FACTS_KEPT || fact.createdAtMs < nowMs - FACTS_AGE_MAX_MS) known.delete(fact.id);
  }
}

/**
 * What the attempts have shown since then and until now, in the order of time. Each read of a task that failed, one after
 * another, is a failure of the provider; a read that is answered again takes them back. An answer that was lost stays so,
 * whatever becomes of its attempt. Pure.
 */
export function outcomesOf(
  facts: readonly AttemptFact[],
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): Outcome[] {
  const outcomes = facts.flatMap((fact): Outcome[] => {
    const { acceptedAtMs, endedAtMs, createdAtMs: madeAtMs } = fact;
    const end = endedAtMs === null ? null : endKindOf(fact);
    const unread = isReadTrouble(fact) ? Math.min(fact.readFailures, READS_COUNTED) : 0;
    const overdueAtMs = overdueAtOf(fact);
    const doubtAtMs = lostAtOf(fact) ?? (overdueAtMs <= nowMs ? overdueAtMs : null);
    const certain = acceptedAtMs === null && end === 'failed' ? { certain: true as const } : {};
    return [
      ...(acceptedAtMs === null ? [] : [{ atMs: acceptedAtMs, madeAtMs, kind: 'accepted' as const }]),
      ...(doubtAtMs === null ? [] : [{ atMs: doubtAtMs, madeAtMs, kind: 'doubt' as const }]),
      ...Array.from({ length: unread }, () => ({ atMs: fact.troubledAtMs ?? 0, madeAtMs, kind: 'failed' as const })),
      ...(endedAtMs === null || end === null ? [] : [{ atMs: endedAtMs, madeAtMs, kind: end, ...certain }]),
    ];
  });
  return outcomes.filter(({ atMs }) => atMs >= sinceMs).sort((a, b) => a.atMs - b.atMs);
}

/** When the next submission after now will have been without an answer for too long; infinite where none is under way. */
export function nextOverdueAtMs(facts: readonly AttemptFact[], nowMs: number): number {
  return Math.min(Number.POSITIVE_INFINITY, ...facts.map(overdueAtOf).filter((atMs) => atMs > nowMs));
}

/**
 * When the answer of its submission counts as lost: when that was written down, or from when on it had taken too long,
 * whichever was first. So an opening has the same date before and after the answer is given up. Null where it was not lost;
 * also where our own process ended before the answer, which says nothing of the provider.
 */
function lostAtOf(fact: AttemptFact): number | null {
  const lostAtMs = lossOf(fact);
  return lostAtMs === null ? null : Math.min(lostAtMs, fact.createdAtMs + UNANSWERED_MS);
}

type Trouble = Pick<AttemptFact, 'acceptedAtMs' | 'troubledAtMs' | 'lostAtMs'>;

/**
 * When the answer of a submission was written down as lost; null where it was not. Whoever notes other news of an attempt in
 * `troubledAtMs` keeps this in `lostAtMs`: what happens to its task later does not give the answer back. Pure.
 */
export function lossOf(trouble: Trouble): number | null {
  return trouble.lostAtMs ?? (isReadTrouble(trouble) ? null : trouble.troubledAtMs);
}

/** After the acceptance it is the task that is in trouble; before it there was none to read. */
const isReadTrouble = ({ acceptedAtMs, troubledAtMs }: Trouble): boolean =>
  acceptedAtMs !== null && troubledAtMs !== null && troubledAtMs > acceptedAtMs;

/** From when on a submission that is under way has been without an answer for too long; infinite where none is. */
function overdueAtOf({ state, endedAtMs, sendByMs }: AttemptFact): number {
  const isUnderWay = state === 'submitting' && endedAtMs === null;
  return isUnderWay ? sendByMs - SEND_WITHIN_MS + UNANSWERED_MS : Number.POSITIVE_INFINITY;
}

/** When the account was last seen to answer, by a submission that it took or a read of a task; null: not lately. Pure. */
export function lastAnswerOf(ofAccount: readonly AttemptFact[]): number | null {
  const times = ofAccount.flatMap(({ state, acceptedAtMs, endedAtMs, troubledAtMs, readFailures }) => {
    if (acceptedAtMs === null) return [];
    const readAgainAtMs = state === 'running' && readFailures === 0 ? (troubledAtMs ?? 0) : 0;
    return [Math.max(acceptedAtMs, readAgainAtMs, state === 'succeeded' ? (endedAtMs ?? 0) : 0)];
  });
  return times.length === 0 ? null : Math.max(...times);
}

function endKindOf(fact: AttemptFact): 'made' | 'spoiled' | 'failed' | null {
  // Trouble after the end: its video could not be had.
  const isLost = (fact.troubledAtMs ?? 0) > (fact.endedAtMs ?? 0);
  if (fact.state === 'succeeded') return isLost ? 'spoiled' : 'made';
  const kind = fact.state === 'failed' ? kindOf(fact) : null;
  if (kind === null) return null;
  const { health } = ruleFor(kind);
  if (health === 'trips') return 'failed';
  return health === 'rate' ? 'spoiled' : null;
}

function kindOf({ failureKind }: AttemptFact): FailureKind | null {
  return failureKind !== null && isFailureKind(failureKind) ? failureKind : null;
}

const isFailureKind = (text: string): text is FailureKind => Object.hasOwn(FAILURE_RULES, text);

/** When the lane refused a task for want of a slot: each refusal of its own kind, and each too-many past the repeats. */
export function refusalsOf(facts: readonly AttemptFact[], lane: string): number[] {
  const limited = new Map<string, number>();
  return facts
    .filter((fact) => fact.lane === lane)
    .sort((a, b) => a.createdAtMs - b.createdAtMs)
    .flatMap((fact) => {
      const kind = kindOf(fact);
      if (fact.endedAtMs === null || kind === null) return [];
      if (ruleFor(kind).requeue === true) return [fact.endedAtMs];
      if (kind !== 'rate_limited') return [];
      const count = (limited.get(`${fact.jobId} ${fact.model}`) ?? 0) + 1;
      limited.set(`${fact.jobId} ${fact.model}`, count);
      return count > ruleFor(kind).repeats ? [fact.endedAtMs] : [];
    });
}

/** The last refusal for money or key that no later acceptance at the account has disproved. */
export function shutOf(
  ofAccount: readonly AttemptFact[],
  since: { readonly healthMs: number; readonly keyMs: number },
): Standing['shut'] {
  const acceptedAtMs = Math.max(0, ...ofAccount.map((fact) => fact.acceptedAtMs ?? 0));
  let shut: Standing['shut'] = null;
  for (const fact of ofAccount) {
    const kind = kindOf(fact);
    const atMs = fact.endedAtMs ?? 0;
    if ((kind !== 'out_of_credit' && kind !== 'unauthorized') || atMs < since.healthMs || atMs <= acceptedAtMs)
      continue;
    // Keys are read when the process starts: what an earlier one was refused with may have been another key.
    if (kind === 'unauthorized' && atMs < since.keyMs) continue;
    if (shut === null || atMs > shut.atMs) shut = { kind, atMs };
  }
  return shut;
}

/** When the provider last refused the offer itself, if nothing was accepted there since. */
export function offerRefusalOf(facts: readonly AttemptFact[], upstream: string, sinceMs: number): number | null {
  const own = facts.filter((fact) => fact.upstream === upstream);
  const refused = own.filter((fact) => kindOf(fact) === 'offer_refused' && (fact.endedAtMs ?? 0) >= sinceMs);
  if (refused.length === 0) return null;
  const atMs = Math.max(...refused.map((fact) => fact.endedAtMs ?? 0));
  return own.some((fact) => (fact.acceptedAtMs ?? 0) > atMs) ? null : atMs;
}

/** Whether one more repeat of a submission is within what an account bears: a tenth of a minute's submissions, or three. */
export function mayRepeat(ofAccount: readonly AttemptFact[], nowMs: number): boolean {
  const recent = ofAccount.filter((fact) => fact.createdAtMs > nowMs - MINUTE_MS);
  const firsts = new Set(recent.map((fact) => `${fact.jobId} ${fact.model}`)).size;
  const repeats = recent.length - firsts;
  return repeats < Math.max(REPEATS_MIN, recent.length * REPEAT_SHARE);
}
