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

/**
 * The candidate to ask next, first ones first, each as often as the failure table lets it be repeated; or the reason
 * to end. Capacity refusals count neither as attempts nor as repeats: they are the queue's.
 */
export function nextCandidate<C extends Choice>(
  route: readonly C[],
  failures: readonly PastFailure[],
  contentMayMove: boolean,
): Next<C> {
  const counted = failures.filter((failure) => !ruleFor(failure.kind).requeue);
  const last = counted.at(-1);
  if (last) {
    const { next, code } = ruleFor(last.kind);
    const mayMove = next === 'yes' || (next === 'content' && contentMayMove);
    if (!mayMove || counted.length >= ATTEMPTS_MAX) return { kind: 'end', code };
  }
  for (const candidate of route.slice(0, CANDIDATES_MAX)) {
    const ofCandidate = counted.filter((failure) => isSame(failure, candidate));
    const latest = ofCandidate.at(-1);
    if (!latest || ofCandidate.length <= ruleFor(latest.kind).repeats) {
      return { kind: 'candidate', candidate, repeat: ofCandidate.length };
    }
  }
  return { kind: 'end', code: last ? ruleFor(last.kind).code : 'no_provider_available' };
}

function isSame(a: Choice, b: Choice): boolean {
  return a.account === b.account && a.model === b.model;
}
