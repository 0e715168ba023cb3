import type { FailureKind } from '../../providers/contract.ts';
import type { VideoFailureCode } from '../ground/errors.ts';
import { ruleFor } from './failure.ts';

/** What must be known of a candidate to choose among candidates. */
export interface Choice {
  readonly account: string;
  readonly model: string;
}

/** An attempt that has failed, in the order they were made. */
export interface PastFailure extends Choice {
  readonly kind: FailureKind;
}

export type Next<C extends Choice> =
  | {
      readonly kind: 'candidate';
      readonly candidate: C /** How often it has been asked already. */;
      readonly repeat: number;
    }
  | { readonly kind: 'end'; readonly code: VideoFailureCode };

const ATTEMPTS_MAX = 6;
const CANDIDATES_MAX = 5;

/** A candidate that may be asked, and how often it has been. */
export interface EligibleCandidate<C extends Choice> {
  readonly candidate: C;
  readonly repeat: number;
  /** It was asked last, and may be asked again. */
  readonly again: boolean;
}

export type Eligible<C extends Choice> =
  | {
      readonly kind: 'candidates';
      readonly candidates: readonly EligibleCandidate<C>[];
      /** What the job ends with, were none of them to be had after all. */
      readonly codeAtEnd: (last: FailureKind | undefined) => VideoFailureCode;
    }
  | { readonly kind: 'end'; readonly code: VideoFailureCode };

/**
 * The candidates that may be asked next, in the order of the route, each as often as the failure table lets it be
 * repeated; or the reason to end. Capacity refusals count neither as attempts nor as repeats: they are the queue's. So
 * are refusals that may mean either, once there are more of them than repeats: then the candidate comes last.
 */
export function eligibleCandidates<C extends Choice>(
  route: readonly C[],
  failures: readonly PastFailure[],
  contentMayMove: boolean,
): Eligible<C> {
  const crowded = route.filter((candidate) => isCrowded(candidate, failures));
  const isQueues = (failure: PastFailure): boolean =>
    ruleFor(failure.kind).requeue === true ||
    (failure.kind === 'rate_limited' && crowded.some((candidate) => isSame(failure, candidate)));
  const counted = failures.filter((failure) => !isQueues(failure));
  const last = counted.at(-1);
  if (last) {
    const { next, code } = ruleFor(last.kind);
    const mayMove = next === 'yes' || (next === 'content' && contentMayMove);
    if (!mayMove || counted.length >= ATTEMPTS_MAX) return { kind: 'end', code };
  }
  const asked = route.filter((candidate) => counted.some((failure) => isSame(failure, candidate)));
  const latest = failures.at(-1);
  const eligible = route.flatMap((candidate): EligibleCandidate<C>[] => {
    const ofCandidate = counted.filter((failure) => isSame(failure, candidate));
    const latestOf = ofCandidate.at(-1);
    const isNew = latestOf === undefined && asked.length < CANDIDATES_MAX;
    const mayRepeat = latestOf !== undefined && ofCandidate.length <= ruleFor(latestOf.kind).repeats;
    if (!isNew && !mayRepeat) return [];
    return [{ candidate, repeat: ofCandidate.length, again: mayRepeat && latest === latestOf }];
  });
  const codeAtEnd = (kind = last?.kind): VideoFailureCode => (kind ? ruleFor(kind).code : 'no_provider_available');
  if (eligible.length === 0) return { kind: 'end', code: codeAtEnd(last?.kind) };
  const isLast = ({ candidate }: EligibleCandidate<C>): boolean => crowded.includes(candidate);
  const candidates = [...eligible.filter((each) => !isLast(each)), ...eligible.filter(isLast)];
  return { kind: 'candidates', candidates, codeAtEnd };
}

/** The first of the eligible candidates, or the reason to end. */
export function nextCandidate<C extends Choice>(
  route: readonly C[],
  failures: readonly PastFailure[],
  contentMayMove: boolean,
): Next<C> {
  const eligible = eligibleCandidates(route, failures, contentMayMove);
  if (eligible.kind === 'end') return eligible;
  const [first] = eligible.candidates;
  return first ? { kind: 'candidate', ...first } : { kind: 'end', code: eligible.codeAtEnd(undefined) };
}

/** Whether a candidate has refused for its rate more often than it may be repeated: then it means its capacity. */
function isCrowded(candidate: Choice, failures: readonly PastFailure[]): boolean {
  const refusals = failures.filter((failure) => failure.kind === 'rate_limited' && isSame(failure, candidate));
  return refusals.length > ruleFor('rate_limited').repeats;
}

function isSame(a: Choice, b: Choice): boolean {
  return a.account === b.account && a.model === b.model;
}
