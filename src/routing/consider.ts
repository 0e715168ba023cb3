import type { Micros } from '../ground/money.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import type { RateCards } from '../pricing/cards.ts';
import { type Offer, offersFor, type Seller } from '../pricing/offers.ts';
import { combinePolicy, type RequestRouting, type TenantPolicy } from './policy.ts';
import { decide, type Route } from './route.ts';
import type { Conditions } from './score.ts';

/** Who asks: what the operator lets the tenant do, and at what markup. */
export interface Asker {
  readonly policy: TenantPolicy;
  readonly maxPriceMicros: Micros | null;
  /** Decimal percent. */
  readonly markupPercent: string;
  /** The providers that the API key is confined to; null or absent: all that the policy leaves. */
  readonly keyProviders?: readonly string[] | null;
}

export interface Considered {
  /** The request, and the same for each other model the caller would take; in the order of preference. */
  readonly requests: readonly VideoRequest[];
  readonly routing: RequestRouting;
  readonly asker: Asker;
  readonly sellers: readonly Seller[];
  readonly cards: RateCards;
  readonly conditionsOf: (offer: Offer) => Conditions;
  readonly nowMs: number;
}

/**
 * Prices the request at every seller and decides. The one function behind quotes, admissions, the command line and
 * replays; pure.
 */
export function consider(input: Considered): Route {
  const { asker, nowMs } = input;
  const terms = { markupPercent: asker.markupPercent, nowMs };
  const offers = input.requests.flatMap((request) => offersFor(request, input.sellers, input.cards, terms));
  const policy = combinePolicy(asker.policy, input.routing, asker.maxPriceMicros, asker.keyProviders ?? null);
  return decide({ offers, policy, conditionsOf: input.conditionsOf });
}

/** The warnings of the decision and of the prices that the route may end in, each once. */
export function warningsOf(route: Route): string[] {
  return [...new Set([...route.warnings, ...route.route.flatMap(({ offer }) => offer?.quote.warnings ?? [])])];
}
