import { PROVIDERS } from '../../providers/index.ts';
import { DAY_MS, systemClock, utcDay } from '../ground/time.ts';
import { packagesInForce } from '../pricing/card-quotes.ts';
import type { RateCards } from '../pricing/cards.ts';
import type { Offer, Seller } from '../pricing/offers.ts';
import { PlanInputError } from '../pricing/plan-clips.ts';
import type { TenantPolicy } from '../routing/policy.ts';
import { replay } from '../routing/replay.ts';
import { offerKey } from '../routing/replay-chance.ts';
import { readTraffic, type Traffic } from '../routing/replay-csv.ts';
import type { LaneRule } from '../routing/replay-lanes.ts';
import { packsAsNeeded, type Shelf, tallyUnits } from '../routing/replay-packs.ts';
import { type ReplayGround, type ReplayRules, underRules } from '../routing/replay-rules.ts';
import { type Difference, differenceOf, type Side, type Sums, showSums } from '../routing/replay-show.ts';
import { tally } from '../routing/replay-tally.ts';
import type { PastRequest } from '../routing/replay-terms.ts';
import { Failure } from './client.ts';

/** A replay as the gateway answers one; `unchanged` stands for what happened where nobody knows it. */
export interface ShownReplay {
  readonly happened: Side | null;
  /** The same traffic under the rules as they are. */
  readonly unchanged?: Side;
  readonly replayed: Side;
  readonly difference: Difference;
  readonly jobs: number;
  readonly cut: boolean;
  readonly notes: readonly string[];
}

/** What is tried, in the words of the admin API. */
export interface ReplayAsked {
  readonly from?: string;
  readonly to?: string;
  readonly tenant?: string;
  readonly policy: TenantPolicy;
  readonly cards_date?: string;
  readonly package?: string;
  readonly limits: Readonly<Record<string, number>>;
  readonly value_of_time?: number;
  readonly seed?: number;
}

/**
 * A replay of a CSV on the cards of this installation: all five providers with their usual slots, at cost and the markup
 * that is given (a decimal percent). Throws a Failure (exit code 2) that names the place, the value and the rule for what it cannot use.
 */
export function replayOffline(
  csv: { text: string; file: string },
  cards: RateCards,
  { markup, ...asked }: ReplayAsked & { readonly markup?: string },
): ShownReplay {
  const traffic = within(readWords(csv), asked);
  const rules = rulesOf(asked, cards);
  const shop = { cards, markupPercent: markup ?? '0' };
  const replayed = sumsUnder(traffic, rules, shop);
  const nothing: ReplayRules = { policy: {}, pricedAtMs: null, packageId: null, limits: {}, seed: rules.seed };
  const known = traffic.outcomes && { tally: tally(traffic.outcomes), units: null };
  const base = known ?? sumsUnder(traffic, nothing, shop).sums;
  const notes = replayed.unmeasured.map(
    (offer) => `nothing of ${offer} is told: takes of 120 s that do not fail are assumed`,
  );
  if (traffic.cancelled.length > 0) notes.push(`${traffic.cancelled.length} cancelled videos are left out`);
  if (markup === undefined && known && soldAboveCost(traffic)) notes.push(AT_COST);
  return {
    happened: known && showSums(known),
    ...(!known && { unchanged: showSums(base) }),
    replayed: showSums(replayed.sums),
    difference: differenceOf(base, replayed.sums),
    jobs: traffic.requests.length,
    cut: false,
    notes,
  };
}

const AT_COST = 'the replay sells at cost: where the prices of the file hold a markup, give it with --markup';

const soldAboveCost = ({ outcomes }: Traffic): boolean =>
  outcomes?.some(({ code, priceMicros, costMicros }) => code === null && priceMicros !== costMicros) ?? false;

function readWords({ text, file }: { text: string; file: string }): Traffic {
  try {
    return readTraffic(text, file);
  } catch (error) {
    if (error instanceof PlanInputError) throw new Failure(error.message, 2);
    throw error;
  }
}

/** The rows of the period and the tenant. */
function within({ requests, outcomes, cancelled }: Traffic, { from, to, tenant }: ReplayAsked): Traffic {
  const fromMs = from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from);
  const toMs = to === undefined ? Number.POSITIVE_INFINITY : Date.parse(to) + (to.length === 10 ? DAY_MS : 0);
  const isMeant = (one: PastRequest | undefined): boolean =>
    one !== undefined && one.atMs >= fromMs && one.atMs < toMs && (tenant === undefined || one.tenant === tenant);
  return {
    requests: requests.filter(isMeant),
    outcomes: outcomes?.filter((_, index) => isMeant(requests[index])) ?? null,
    cancelled: cancelled.filter(isMeant),
  };
}

function rulesOf(asked: ReplayAsked, cards: RateCards): ReplayRules {
  const { policy, cards_date: cardsDate, package: tried, limits, value_of_time: valueOfTime, seed = 1 } = asked;
  const pricedAtMs = cardsDate === undefined ? null : Date.parse(cardsDate);
  const providers = PROVIDERS.map(({ id }) => id);
  assertKnown('--only', policy.only ?? [], providers);
  assertKnown('--ignore', policy.ignore ?? [], providers);
  assertKnown('--limit', Object.keys(limits), providers);
  const day = utcDay(pricedAtMs ?? systemClock.nowMs());
  if (tried !== undefined) assertKnown('--package', [tried], packagesInForce(cards, day));
  const worth = valueOfTime === undefined ? {} : { value_of_time_usd_per_hour: valueOfTime };
  return { policy: { ...policy, ...worth }, pricedAtMs, packageId: tried ?? null, limits, seed };
}

function assertKnown(option: string, named: readonly string[], known: readonly string[]): void {
  const stranger = named.find((name) => !known.includes(name));
  if (stranger === undefined) return;
  throw new Failure(`${option}: expected one of ${known.join(', ')}, got ${JSON.stringify(stranger)}`, 2);
}

function sumsUnder(
  { requests }: Traffic,
  rules: ReplayRules,
  { cards, markupPercent }: { readonly cards: RateCards; readonly markupPercent: string },
): { readonly sums: Sums; readonly unmeasured: readonly string[] } {
  const tenant = { policy: {}, maxPriceMicros: null, markupPercent, concurrency: null };
  const ground: ReplayGround = { sellers: SELLERS, cards, nowMs: systemClock.nowMs(), tenantOf: () => tenant, laneOf };
  const { past, terms } = underRules(requests, rules, ground);
  const { outcomes, draws } = replay(past, terms);
  const endMs = draws.reduce((latest, { atMs }) => Math.max(latest, atMs + 1), 0);
  const day = utcDay(rules.pricedAtMs ?? ground.nowMs);
  const shelves = SELLERS.flatMap(({ provider, account }): Shelf[] => {
    const sold = cards.ofProvider(provider, day)?.packages.find(({ id }) => id === rules.packageId);
    const own = draws.filter((draw) => draw.account === account);
    return sold ? [{ packs: packsAsNeeded(sold, own), draws: own }] : [];
  });
  const asked = [...new Set(outcomes.flatMap(({ lastOffer }) => lastOffer ?? []))]
    .filter((offer) => !terms.measured.has(offer))
    .sort();
  return { sums: { tally: tally(outcomes), units: tallyUnits(shelves, 0, endMs) }, unmeasured: asked };
}

/** All that the providers sell, to somebody who has every key of theirs. */
const SELLERS: readonly Seller[] = PROVIDERS.map(({ id, capabilities }) => ({
  provider: id,
  account: id,
  capabilities,
  credentials: capabilities.flatMap(({ credential }) => credential ?? []),
  refuses: () => null,
}));

function laneOf(offer: Offer): LaneRule {
  const { slotsPer = 'account', slotsDefault = 1 } = PROVIDERS.find(({ id }) => id === offer.provider)?.settings ?? {};
  return { lane: slotsPer === 'model' ? offerKey(offer) : offer.account, slots: slotsDefault };
}
