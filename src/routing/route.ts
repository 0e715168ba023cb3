import {
  ceilToMicros,
  formatUsd,
  type Micros,
  maxMicros,
  plus,
  ratio,
  ratioOfMicros,
  times,
  ZERO_MICROS,
} from '../ground/money.ts';
import type { NoOffer, Offer } from '../pricing/offers.ts';
import { pricedWhileLapsing } from './lapsing.ts';
import type { Policy } from './policy.ts';
import { compareCandidates, type Rankable, type Ranking, withoutUnhealthy } from './rank.ts';
import { type Conditions, type Score, scoreOf } from './score.ts';

/** An offer that has been looked at: in the route, or excluded with a reason a user understands. */
export interface Candidate {
  readonly provider: string;
  readonly account: string;
  readonly model: string;
  /** Null when there is no price because there is no offer. */
  readonly offer: Offer | null;
  readonly score: Score | null;
  /** Null for the candidates of the route. */
  readonly excluded: string | null;
}

/** The choice: candidates in order, the first ones the route, then the excluded. */
export interface Route {
  readonly candidates: readonly Candidate[];
  readonly route: readonly Candidate[];
  /** The dearest price that this route can end in: what is held. Zero for an empty route. */
  readonly holdMicros: Micros;
  /** The cheapest price of any offer that `max_price` alone shut out; for the error that names it. */
  readonly cheapestOverMaxPrice: Micros | null;
  /** What the decision has to say for itself: that everybody is unwell, and the least bad is tried. */
  readonly warnings: readonly string[];
  /** The rules by which the job is scored again as long as it waits. */
  readonly choosing: Choosing;
}

/** What of the policy still counts after admission. */
export interface Choosing extends Ranking, Pick<Policy, 'fallback' | 'inDoubt' | 'contentFallback'> {}

export interface DecisionInput {
  /** Every seller once per model, in the order of the models and then of the list of providers. */
  readonly offers: readonly (Offer | NoOffer)[];
  readonly policy: Policy;
  readonly conditionsOf: (offer: Offer) => Conditions;
}

interface Ranked extends Candidate, Rankable {
  readonly offer: Offer;
  readonly score: Score;
}

/**
 * Orders the offers by expected cost in dollars and says of every other one why it is out.
 *
 * Hard rules come first: what cannot serve, what the policy or the request leaves out, what is above a ceiling. The
 * premium ceiling is reckoned from the cheapest offer that could serve among those `only`, `ignore` and `max_price`
 * leave, whatever its slots or health, so that a busy day never makes a dear provider look cheap.
 */
export function decide(input: DecisionInput): Route {
  const { policy } = input;
  const excluded: Candidate[] = [];
  const allowed: { offer: Offer; position: number }[] = [];
  for (const [position, offer] of input.offers.entries()) {
    const reason = offer.kind === 'none' ? offer.reason : notAllowed(offer.provider, policy);
    if (offer.kind === 'offer' && reason === null) allowed.push({ offer, position });
    else excluded.push(out(offer, reason ?? ''));
  }
  const able = atTheirPrices(allowed, input.conditionsOf);

  const affordable = able.filter(({ offer }) => aboveMaxPrice(offer.quote.priceMicros, policy) === null);
  const ceiling = premiumCeiling(affordable, policy);
  const ranked: Ranked[] = [];
  let cheapestOverMaxPrice: Micros | null = null;
  for (const { offer, position } of able) {
    const price = offer.quote.priceMicros;
    const conditions = input.conditionsOf(offer);
    const overMaxPrice = aboveMaxPrice(price, policy);
    const otherReason = abovePremium(price, policy, ceiling) ?? conditions.blocked;
    if (
      overMaxPrice !== null &&
      otherReason === null &&
      (cheapestOverMaxPrice === null || price < cheapestOverMaxPrice)
    ) {
      cheapestOverMaxPrice = price;
    }
    const reason = overMaxPrice ?? otherReason;
    const score = scoreOf(offer.quote, conditions, policy.valueOfTimeMicrosPerSecond);
    if (reason !== null) excluded.push({ ...out(offer, reason), score });
    else ranked.push({ ...out(offer, null), offer, score, conditions, position });
  }

  const { candidates: well, panic } = withoutUnhealthy(ranked);
  const unwell = ranked
    .filter((candidate) => !well.includes(candidate))
    .map((candidate): Candidate => ({ ...candidate, excluded: candidate.conditions.unhealthy ?? null }));
  const choosing = choosingOf(input.offers, policy);
  const { route, dropped } = applyDirection(well.toSorted(compareCandidates(choosing, panic)), policy);
  return {
    candidates: [...route, ...dropped, ...unwell, ...excluded],
    route,
    holdMicros: maxMicros(ZERO_MICROS, ...route.map((candidate) => candidate.offer.quote.priceMicros)),
    cheapestOverMaxPrice,
    warnings: panic ? [panicWarning(route)] : [],
    choosing,
  };
}

/** What each asks of the tenant, which is less where the clip uses up what would lapse. */
function atTheirPrices<A extends { readonly offer: Offer }>(
  allowed: readonly A[],
  conditionsOf: DecisionInput['conditionsOf'],
) {
  const priced = pricedWhileLapsing(
    allowed.map(({ offer }) => offer),
    conditionsOf,
  );
  return allowed.map((each, index) => ({ ...each, offer: priced[index] ?? each.offer }));
}

function choosingOf(offers: readonly (Offer | NoOffer)[], policy: Policy): Choosing {
  const { order, sort, valueOfTimeMicrosPerSecond, queueSeconds, fallback, inDoubt, contentFallback } = policy;
  const models = [...new Set(offers.map((offer) => offer.model))];
  return { models, order, sort, valueOfTimeMicrosPerSecond, queueSeconds, fallback, inDoubt, contentFallback };
}

function panicWarning(route: readonly Ranked[]): string {
  const [first] = route;
  return `no provider is healthy: ${first?.account} (${first?.conditions.unhealthy}) is tried as the least bad`;
}

function out(offer: Offer | NoOffer, excluded: string | null): Candidate {
  const { provider, account, model } = offer;
  return { provider, account, model, offer: offer.kind === 'offer' ? offer : null, score: null, excluded };
}

/** Why a provider is out that the operator lets the tenant not use. */
export const NOT_FOR_TENANT = "not allowed by the tenant's policy";
/** Why a provider is out that the API key is not made for. */
export const NOT_FOR_KEY = 'not allowed for this API key';

function notAllowed(provider: string, policy: Policy): string | null {
  if (policy.forbidden(provider)) return NOT_FOR_TENANT;
  if (policy.keyProviders !== null && !policy.keyProviders.includes(provider)) return NOT_FOR_KEY;
  if (policy.only !== null && !policy.only.includes(provider)) return 'not among provider.only';
  if (policy.ignore.includes(provider)) return 'listed in provider.ignore';
  return null;
}

interface Ceiling {
  readonly base: Micros;
  readonly micros: Micros;
}

/**
 * The most a candidate may cost by `max_premium`: reckoned from the cheapest offer of the first model that has
 * one, or from the first choice that `order` names when that is dearer.
 */
function premiumCeiling(affordable: readonly { offer: Offer }[], policy: Policy): Ceiling | null {
  const [first] = affordable;
  if (!first) return null;
  const offers = affordable.map(({ offer }) => offer).filter((offer) => offer.model === first.offer.model);
  const priceOf = (offer: Offer): Micros => offer.quote.priceMicros;
  const cheapest = offers.map(priceOf).reduce((a, b) => (b < a ? b : a));
  const firstOrdered = policy.order.flatMap((slug) => offers.filter((offer) => offer.provider === slug))[0];
  const base = firstOrdered ? maxMicros(cheapest, priceOf(firstOrdered)) : cheapest;
  const factor = plus(ratio(1), ratio(policy.maxPremium.toFixed(6)));
  return { base, micros: ceilToMicros(times(ratioOfMicros(base), factor)) };
}

function aboveMaxPrice(price: Micros, { maxPriceMicros }: Policy): string | null {
  if (maxPriceMicros === null || price <= maxPriceMicros) return null;
  return `${formatUsd(price)} is above max_price ${formatUsd(maxPriceMicros)}`;
}

function abovePremium(price: Micros, policy: Policy, ceiling: Ceiling | null): string | null {
  if (ceiling === null || price <= ceiling.micros) return null;
  const percent = Math.round(policy.maxPremium * 1_000) / 10;
  return `${formatUsd(price)} is more than ${percent} % above the cheapest possible ${formatUsd(ceiling.base)}`;
}

/** What may follow the first choice: anything, only what is not dearer, or nothing. */
function applyDirection(ranked: readonly Ranked[], policy: Policy): { route: Ranked[]; dropped: Candidate[] } {
  const [first, ...others] = ranked;
  if (!first) return { route: [], dropped: [] };
  const firstPrice = first.offer.quote.priceMicros;
  const route = [first];
  const dropped: Candidate[] = [];
  for (const candidate of others) {
    const dearer = candidate.offer.quote.priceMicros > firstPrice;
    if (policy.fallback === 'none') dropped.push({ ...candidate, excluded: 'no fallback is wanted' });
    else if (policy.fallback === 'cheaper' && dearer) {
      const reason = `fallback "cheaper": dearer than the first choice at ${formatUsd(firstPrice)}`;
      dropped.push({ ...candidate, excluded: reason });
    } else route.push(candidate);
  }
  return { route, dropped };
}
