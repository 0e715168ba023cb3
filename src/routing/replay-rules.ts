/** The other rules of a replay, made into the terms of one: policy, day of the cards, package, limits. Pure. */
import { usd } from '../ground/money.ts';
import { SECOND_MS, utcDay } from '../ground/time.ts';
import type { RateCards } from '../pricing/cards.ts';
import type { Offer, Seller } from '../pricing/offers.ts';
import type { ResourcePackage } from '../pricing/rate-card.ts';
import { overruledBy } from './asked.ts';
import type { Asker } from './consider.ts';
import { DEFAULT_QUEUE_SECONDS, type TenantPolicy } from './policy.ts';
import { measure, offerKey } from './replay-chance.ts';
import type { LaneRule } from './replay-lanes.ts';
import type { ReplayPacks } from './replay-lapsing.ts';
import type { PastRequest, ReplayAsker, ReplayTerms } from './replay-terms.ts';
import { type DecidedBy, policyThen } from './replay-then.ts';

/** What is tried; everything that is absent stays as it is. */
export interface ReplayRules {
  /** Its fields take the place of each tenant's own, and of what requests asked for. */
  readonly policy: TenantPolicy;
  readonly pricedAtMs: number | null;
  readonly packageId: string | null;
  /** Tasks at once, by account or by provider. */
  readonly limits: Readonly<Record<string, number>>;
  readonly seed: number;
}

/** What there is now. */
export interface ReplayGround {
  readonly sellers: readonly Seller[];
  readonly cards: RateCards;
  /** An instant of the day by which packages are looked up. */
  readonly nowMs: number;
  readonly tenantOf: (tenant: string) => Omit<Asker, 'keyProviders'> & { readonly concurrency: number | null };
  /** The lane of an offer and its slots today. */
  readonly laneOf: (offer: Offer) => LaneRule;
  /** The packs that are registered; they count while no other package is tried. */
  readonly packs?: ReplayPacks;
}

/** The requests as the rules leave them, and the terms that they are replayed on. */
export function underRules(
  past: readonly PastRequest[],
  rules: ReplayRules,
  ground: ReplayGround,
): { readonly past: readonly PastRequest[]; readonly terms: ReplayTerms } {
  const { sellers, cards, nowMs } = ground;
  const askerOf = askersUnder(rules.policy, ground);
  const packageOf = ({ provider }: Pick<Seller, 'provider'>): ResourcePackage | null => {
    const card = cards.ofProvider(provider, utcDay(rules.pricedAtMs ?? nowMs));
    return card?.packages.find(({ id }) => id === rules.packageId) ?? null;
  };
  const laneOf = (offer: Offer): LaneRule => {
    const { lane, slots } = ground.laneOf(offer);
    const limit = rules.limits[offer.account] ?? rules.limits[offer.provider];
    return { lane, slots: limit ?? packageOf(offer)?.concurrent_tasks ?? slots };
  };
  const lanes = new Map<string, LaneRule>();
  return {
    past: overruled(past, rules.policy),
    terms: {
      sellers: sellers.map((seller) => drawingOn(seller, packageOf(seller))),
      cards,
      pricedAtMs: rules.pricedAtMs,
      askerOf,
      laneOf(offer) {
        const key = offerKey(offer);
        const rule = lanes.get(key) ?? laneOf(offer);
        lanes.set(key, rule);
        return rule;
      },
      measured: measure(past.flatMap(({ seen }) => seen)),
      seed: rules.seed,
      ...(ground.packs && rules.packageId === null && { packs: ground.packs }),
    },
  };
}

function overruled(past: readonly PastRequest[], policy: TenantPolicy): readonly PastRequest[] {
  if (Object.keys(policy).length === 0) return past;
  return past.map((one) => ({ ...one, routing: overruledBy(policy, one.routing) }));
}

/** A package that is tried costs what the card says, whatever an own pack was bought at. */
function drawingOn(seller: Seller, sold: ResourcePackage | null): Seller {
  if (!sold) return seller;
  const { unitPrice: _, ...plain } = seller;
  return { ...plain, packageId: sold.id };
}

/** Each tenant under what is tried, by the rules of today and by those of then; each made once. */
function askersUnder(tried: TenantPolicy, { sellers, tenantOf }: ReplayGround): ReplayTerms['askerOf'] {
  const providers = [...new Set(sellers.map(({ provider }) => provider))];
  const askers = new Map<DecidedBy | null, Map<string, ReplayAsker>>();
  return (name, then) => {
    const known = askers.get(then ?? null) ?? new Map<string, ReplayAsker>();
    askers.set(then ?? null, known);
    const tenant = tenantOf(name);
    const asker = known.get(name) ?? askerUnder(tried, then ? tenantThen(tenant, then, providers) : tenant);
    known.set(name, asker);
    return asker;
  };
}

type TenantNow = ReturnType<ReplayGround['tenantOf']>;

function tenantThen(tenant: TenantNow, then: DecidedBy, providers: readonly string[]): TenantNow {
  const { markupPercent, queueTimeoutMs } = then;
  const policy = policyThen(tenant.policy, then, providers);
  return { ...tenant, markupPercent, policy: { ...policy, queue_timeout_seconds: queueTimeoutMs / SECOND_MS } };
}

function askerUnder(tried: TenantPolicy, tenant: TenantNow): ReplayAsker {
  const policy = { ...tenant.policy, ...tried };
  const { max_price_usd: maxPrice, queue_timeout_seconds: queueSeconds = DEFAULT_QUEUE_SECONDS } = policy;
  return {
    ...tenant,
    policy,
    maxPriceMicros: maxPrice === undefined ? null : usd(maxPrice.toFixed(6)),
    queueTimeoutMs: queueSeconds * SECOND_MS,
  };
}
