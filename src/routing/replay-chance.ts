/** What becomes of one attempt of a replay: as it was seen, else drawn with a seeded chance. */
import type { FailureKind } from '../../providers/contract.ts';
import type { ChargeOnFailure } from '../pricing/rate-card.ts';
import { ruleFor } from './failure.ts';
import { HALF_LIFE_MS, PRIOR } from './health.ts';
import type { Choice } from './next.ts';
import { UNMEASURED_SECONDS } from './score.ts';

/** An attempt of the past. */
export interface SeenAttempt extends Choice {
  /** Null: it delivered. */
  readonly kind: FailureKind | null;
  /** From its submission to its end. */
  readonly seconds: number;
  readonly charged: ChargeOnFailure;
}

/** What the attempts of one offer have shown: how long takes last, and how many of them are good. */
export interface Measured {
  /** Of good takes, shortest first. */
  readonly seconds: readonly number[];
  readonly good: number;
  readonly bad: number;
}

export const UNMEASURED: Measured = { seconds: [], good: 0, bad: 0 };

/** How an attempt ends. `kind` null: it delivers. */
export interface Fate {
  readonly kind: FailureKind | null;
  readonly seconds: number;
  readonly charged: ChargeOnFailure;
}

/** How good the takes of each offer have been so far, as the router reckons it: what is older counts for less. */
export class SuccessRates {
  private readonly byOffer = new Map<string, { good: number; all: number; atMs: number }>();

  /** A take of the offer has ended; `kind` null: it was good. A tenant's own fault says nothing of a provider. */
  note(offer: string, kind: FailureKind | null, nowMs: number): void {
    if (kind !== null && ruleFor(kind).health === 'none') return;
    const { good, all } = this.at(offer, nowMs);
    this.byOffer.set(offer, { good: good + (kind === null ? 1 : 0), all: all + 1, atMs: nowMs });
  }

  /** The rate, in (0, 1]: 0.95 where nothing was observed. */
  of(offer: string, nowMs: number): number {
    const { good, all } = this.at(offer, nowMs);
    return (good + PRIOR.good) / (all + PRIOR.all);
  }

  private at(offer: string, nowMs: number): { readonly good: number; readonly all: number } {
    const known = this.byOffer.get(offer);
    if (!known) return { good: 0, all: 0 };
    const left = 0.5 ** ((nowMs - known.atMs) / HALF_LIFE_MS);
    return { good: known.good * left, all: known.all * left };
  }
}

/**
 * The share of takes that fail in a replay, in [0, 1]: what was observed, of at least as many takes as the router's prior
 * weighs. Where no failure was observed none is made up, so that a few clips are not told to fail.
 */
export function failureShareOf({ good, bad }: Measured): number {
  return bad / Math.max(good + bad, PRIOR.all);
}

/** The median length of a take in seconds; null where none was measured. */
export function medianSeconds({ seconds }: Measured): number | null {
  return seconds[Math.ceil(seconds.length / 2) - 1] ?? null;
}

/** What the attempts of the past say of each offer, by `offerKey`. A tenant's own fault says nothing of a provider. */
export function measure(attempts: Iterable<SeenAttempt>): Map<string, Measured> {
  const found = new Map<string, { seconds: number[]; good: number; bad: number }>();
  for (const attempt of attempts) {
    const key = offerKey(attempt);
    const sums = found.get(key) ?? { seconds: [], good: 0, bad: 0 };
    found.set(key, sums);
    if (attempt.kind === null) {
      sums.good += 1;
      sums.seconds.push(attempt.seconds);
    } else if (ruleFor(attempt.kind).health !== 'none') sums.bad += 1;
  }
  for (const sums of found.values()) sums.seconds.sort((a, b) => a - b);
  return found;
}

/** Ends that are the request's own fault: it would have come to the same elsewhere. */
const REFUSALS: Readonly<Record<string, FailureKind>> = {
  moderation_blocked: 'content_rejected',
  invalid_input: 'invalid_request',
};

/** How a request was refused that ended with this code; null where it was not refused for its own sake. */
export const refusalOf = (code: string | null): FailureKind | null => REFUSALS[code ?? ''] ?? null;

/** The name of an account's offer of a model. */
export const offerKey = ({ account, model }: Choice): string => `${account} ${model}`;

interface Draw {
  readonly seed: number;
  readonly jobId: string;
  readonly offer: Choice;
  /** How often this job has been sent there before. */
  readonly earlier: number;
  readonly measured: Measured;
  readonly charged: ChargeOnFailure;
}

/**
 * The fate of an attempt about which nothing was seen. It depends on the seed, the job, the offer and the repeat alone,
 * so that another policy or limit never changes the luck of what stays as it was.
 */
export function drawFate({ seed, jobId, offer, earlier, measured, charged }: Draw): Fate {
  const words = `${seed} ${jobId} ${offerKey(offer)} ${earlier}`;
  const { seconds } = measured;
  const place = Math.floor(fractionOf(`${words} seconds`) * seconds.length);
  const fails = fractionOf(words) < failureShareOf(measured);
  return { kind: fails ? 'generation_failed' : null, seconds: seconds[place] ?? UNMEASURED_SECONDS, charged };
}

/**
 * A number in [0, 1) that depends on the text alone: FNV-1a with the finalizer of MurmurHash3, both in the public domain
 * (http://www.isthe.com/chongo/tech/comp/fnv/, https://github.com/aappleby/smhasher, read 2026-11-21).
 */
export function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
