/** A replay of this gateway's own past: read from one snapshot, run in small pieces, both sides added up. */

import { utcDay } from '../ground/time.ts';
import { historyOfClips } from '../ledger/package.ts';
import { listTenants, type Tenant, underPolicy } from '../ledger/tenant.ts';
import type { Seller } from '../pricing/offers.ts';
import type { Draw } from '../pricing/packs.ts';
import type { TenantPolicy } from '../routing/policy.ts';
import { type Replayed, replaying } from '../routing/replay.ts';
import type { ReplayPacks } from '../routing/replay-lapsing.ts';
import { packsAsNeeded, type Shelf, tallyUnits, type UnitsTally } from '../routing/replay-packs.ts';
import { type ReplayRules, underRules } from '../routing/replay-rules.ts';
import type { Sums } from '../routing/replay-show.ts';
import { tally } from '../routing/replay-tally.ts';
import { isChanged } from '../routing/replay-then.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { laneOf } from './lane.ts';
import { type AccountShelf, type PackDeps, packageNamed, readShelves, unitCard, unitPriceOf } from './packages.ts';
import { type Past, type PastQuery, readPast } from './past.ts';

export interface ReplayOrder {
  readonly query: PastQuery;
  readonly rules: ReplayRules;
  readonly sellers: readonly Seller[];
  /** What holds for every tenant whose own policy does not say otherwise. */
  readonly usual: TenantPolicy;
  /** The tasks that the account was given to run at once, in each of its lanes. */
  readonly slotsOf: (account: ProviderAccount) => number;
}

export interface ReplayReport {
  readonly past: Past;
  readonly happened: Sums;
  readonly replayed: Sums;
  /** Requests that were decided by another policy or markup than their tenants have today. */
  readonly changed: number;
  /** Offers that the replay asked although nothing was measured of them. */
  readonly unmeasured: readonly string[];
}

/** Lets everything else that waits have a turn. */
const giveWay = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What happened in the period, and what would have under the rules. Reads only. */
export async function replayPast(deps: PackDeps, order: ReplayOrder): Promise<ReplayReport> {
  const { query, rules } = order;
  const { past, tenants } = await deps.database.snapshot(async (tx) => ({
    past: await readPast(tx, query, giveWay),
    tenants: new Map((await listTenants(tx)).map((tenant) => [tenant.id, underPolicy(tenant, order.usual)])),
  }));
  await giveWay();
  const shelves = await readShelves(deps);
  const firstClipAtMs = (await deps.database.read(historyOfClips)).firstAtMs;
  const under = underRules(past.requests, rules, {
    sellers: order.sellers,
    cards: deps.cards,
    nowMs: deps.clock.nowMs(),
    tenantOf: (id) => tenants.get(id) ?? NOBODY,
    laneOf: (offer) => {
      const account = deps.accounts.get(offer.account);
      if (!account) return { lane: offer.account, slots: 1 };
      return { lane: laneOf(account, offer.model), slots: order.slotsOf(account) };
    },
    ...(query.tenantId === null && { packs: packsBefore(shelves, query.fromMs, firstClipAtMs) }),
  });
  const replayed = await drive(replaying(under.past, under.terms));
  const happened = { tally: tally(past.outcomes), units: unitsThen(shelves, query) };
  await giveWay();
  const asked = new Set(replayed.outcomes.flatMap(({ lastOffer }) => lastOffer ?? []));
  return {
    past,
    happened,
    replayed: { tally: tally(replayed.outcomes), units: unitsNow(deps, shelves, order, replayed) },
    changed: past.requests.filter(({ tenant, decidedBy }) => {
      return decidedBy !== undefined && isChanged(tenants.get(tenant) ?? NOBODY, decidedBy);
    }).length,
    unmeasured: [...asked].filter((offer) => !under.terms.measured.has(offer)).sort(),
  };
}

/** What the packs held when the period began. They are everybody's: a replay of one tenant leaves them out. */
const packsBefore = (shelves: readonly AccountShelf[], fromMs: number, firstClipAtMs: number | null): ReplayPacks => ({
  shelves: new Map(shelves.map(({ account, packs, draws }) => [account, { packs, draws: before(draws, fromMs) }])),
  firstClipAtMs: firstClipAtMs !== null && firstClipAtMs < fromMs ? firstClipAtMs : null,
});

/** For a tenant that is gone; none ever is. */
const NOBODY: Pick<Tenant, 'policy' | 'maxPriceMicros' | 'markupPercent' | 'concurrency'> = {
  policy: {},
  maxPriceMicros: null,
  markupPercent: '0',
  concurrency: null,
};

async function drive(steps: Generator<number, Replayed>): Promise<Replayed> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await giveWay();
  }
}

const priced = ({ packs, draws }: AccountShelf): Shelf => ({
  packs: packs.map((pack) => ({ ...pack, unitPrice: unitPriceOf(pack.row) })),
  draws,
});

const before = (draws: readonly Draw[], untilMs: number): Draw[] => draws.filter(({ atMs }) => atMs < untilMs);

/** What was drawn is known for all tenants together only. */
function unitsThen(shelves: readonly AccountShelf[], { fromMs, toMs, tenantId }: PastQuery): UnitsTally | null {
  if (tenantId !== null) return null;
  const then = shelves.map((shelf) => ({ ...shelf, draws: before(shelf.draws, toMs) }));
  return tallyUnits(then.map(priced), fromMs, toMs);
}

/**
 * What the replay draws, in the place of what was drawn in the period: from the registered packs, or from packs of the
 * kind that is tried, bought as they are needed. Registered packs are everybody's, so one tenant's replay has no say.
 */
function unitsNow(
  deps: PackDeps,
  shelves: readonly AccountShelf[],
  { query, rules }: ReplayOrder,
  { draws }: Replayed,
): UnitsTally | null {
  const { fromMs, toMs } = query;
  const drawnBy = (account: string): Draw[] => draws.filter((draw) => draw.account === account);
  if (rules.packageId === null) {
    if (query.tenantId !== null) return null;
    const now = shelves.map((shelf) => ({
      ...shelf,
      draws: [...before(shelf.draws, fromMs), ...drawnBy(shelf.account)],
    }));
    return tallyUnits(now.map(priced), fromMs, toMs);
  }
  const day = utcDay(rules.pricedAtMs ?? deps.clock.nowMs());
  const tried = [...deps.accounts.values()].flatMap((account): Shelf[] => {
    const card = unitCard(deps, account, day);
    const sold = card && packageNamed(card, rules.packageId ?? '');
    const own = drawnBy(account.id);
    return sold ? [{ packs: packsAsNeeded(sold, own), draws: own }] : [];
  });
  // Clips of the last minutes are done a little after the period; a pack bought for them counts.
  const endMs = draws.reduce((latest, { atMs }) => Math.max(latest, atMs + 1), toMs);
  return tallyUnits(tried, fromMs, endMs);
}
