/** The prepaid packs of each account: what is left of them, what the provider says is left, and what a unit costs now. */
import type { ReportedPack } from '../../providers/contract.ts';
import { dividedBy, type Ratio, ratio, ratioOfMicros } from '../ground/money.ts';
import { DAY_MS, MINUTE_MS, SECOND_MS, utcDay } from '../ground/time.ts';
import {
  clipsSince,
  type FinishedClip,
  historyOfClips,
  lapsingUnderWay,
  listPackages,
  noteReported,
} from '../ledger/package.ts';
import { expectedOf, reportedAs, toBillionths } from '../pricing/expected.ts';
import type { Seller } from '../pricing/offers.ts';
import {
  type Draw,
  type Inventory,
  lapsingOf,
  openPacks,
  type Pack,
  packFor,
  REPLAYED_DAYS,
  takeStock,
} from '../pricing/packs.ts';
import type { RateCard, ResourcePackage } from '../pricing/rate-card.ts';
import { UNMEASURED_SECONDS } from '../routing/score.ts';
import type { Tx } from '../store/database.ts';
import type { PackageRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { Deps } from './deps.ts';
import { measuredDurations } from './durations.ts';
import type { PackOutlook } from './outlook.ts';
import { offersThatMade } from './outlook-rows.ts';

export type PackDeps = Pick<Deps, 'database' | 'clock' | 'cards' | 'accounts' | 'wire' | 'log'>;

export interface BoughtPack extends Pack {
  readonly row: PackageRow;
}

export interface AccountStock {
  readonly account: string;
  readonly inventory: Inventory<BoughtPack>;
  /** How long a clip is expected to take there: as long as those of its slowest model, by the median. */
  readonly takeMs: number;
}

/** What one unit of the pack costs. */
export const unitPriceOf = ({ priceMicros, units }: PackageRow): Ratio =>
  dividedBy(ratioOfMicros(priceMicros), ratio(units));

const REFRESH_EVERY_MS = MINUTE_MS;

/** Knows which pack each account draws on now, so that a clip is priced by what its units cost. */
export class PackBook implements PackOutlook {
  private readonly deps: PackDeps;
  private stocks: ReadonlyMap<string, AccountStock> = new Map();
  /** Units that would lapse and that clips under way draw, by account, in billionths. */
  private spoken = new Map<string, bigint>();
  /** Sellers at the unit prices of the packs that are named. */
  private priced = new WeakMap<readonly Seller[], { readonly packs: string; readonly sellers: readonly Seller[] }>();
  private cancel: () => void = () => {};
  private stopped = false;

  constructor(deps: PackDeps) {
    this.deps = deps;
  }

  /** Looks now and once a minute from now on. */
  async start(): Promise<void> {
    await this.refresh();
    this.again();
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  /** Looks at the packs now: after one was registered, say. */
  async refresh(): Promise<void> {
    const underWay = await this.deps.database.read(lapsingUnderWay);
    const stocks = await takeStocks(this.deps);
    this.spoken = new Map(underWay);
    this.stocks = new Map(stocks.map((stock) => [stock.account, stock]));
  }

  /**
   * Billionths of units that would lapse unused and that a clip can draw which begins now and takes so long; zero where
   * there are none.
   */
  lapsingOf(account: string, takeMs: number): bigint {
    const stock = this.stocks.get(account);
    if (!stock) return 0n;
    const left = lapsingOf(stock.inventory, this.deps.clock.nowMs(), takeMs) - (this.spoken.get(account) ?? 0n);
    return left > 0n ? left : 0n;
  }

  /** A clip draws so many of those; known from the rows at the next look. */
  took(account: string, units: bigint): void {
    this.spoken.set(account, (this.spoken.get(account) ?? 0n) + units);
  }

  /**
   * How many tasks the account's packs let run at once: the most that any of them does which is valid and has units left,
   * whichever is drawn on first, and not their sum (Kling's concurrency rules, read 2026-11-20); null where there is none.
   */
  concurrencyOf(account: string): number | null {
    const stock = this.stocks.get(account);
    const open = stock ? openPacks(stock.inventory, this.deps.clock.nowMs()) : [];
    return open.reduce<number | null>((most, { row }) => Math.max(most ?? 0, row.concurrency), null);
  }

  /** The sellers, each at the unit price of the pack that a clip draws on now; those without a pack as they are. */
  sellers(all: readonly Seller[]): readonly Seller[] {
    const drawn = new Map<string, PackageRow>();
    for (const { account, inventory, takeMs } of this.stocks.values()) {
      const pack = packFor(inventory.packs, this.deps.clock.nowMs(), takeMs);
      if (pack) drawn.set(account, pack.row);
    }
    const packs = [...drawn.values()].map(({ id }) => id).join(' ');
    const known = this.priced.get(all);
    if (known?.packs === packs) return known.sellers;
    const sellers = all.map((seller): Seller => {
      const pack = drawn.get(seller.account);
      return pack ? { ...seller, packageId: pack.package, unitPrice: unitPriceOf(pack) } : seller;
    });
    this.priced.set(all, { packs, sellers });
    return sellers;
  }

  private again(): void {
    if (this.stopped) return;
    this.cancel = this.deps.clock.after(REFRESH_EVERY_MS, () => {
      this.refresh()
        .catch((error) => this.deps.log.error('background work failed', { error }))
        .finally(() => this.again());
    });
  }
}

/** What is left of every registered pack, by account. */
export async function takeStocks(deps: PackDeps): Promise<AccountStock[]> {
  const shelves = await readShelves(deps);
  if (shelves.length === 0) return [];
  const nowMs = deps.clock.nowMs();
  const [history, takes] = await deps.database.read(
    async (tx) => [await historyOfClips(tx), await takesOf(tx, nowMs)] as const,
  );
  return shelves.map(({ account, packs, draws }) => {
    const takeMs = takes.get(account) ?? UNMEASURED_SECONDS * SECOND_MS;
    return { account, inventory: takeStock(packs, draws, nowMs, history, takeMs), takeMs };
  });
}

/** How long clips take at each account where some were made: the longest of the medians of its models. */
async function takesOf(tx: Tx, nowMs: number): Promise<Map<string, number>> {
  const takes = new Map<string, number>();
  for (const offer of await offersThatMade(tx, nowMs - REPLAYED_DAYS * DAY_MS)) {
    const measured = await measuredDurations(tx, offer, nowMs);
    if (measured) takes.set(offer.account, Math.max(measured.p50Ms, takes.get(offer.account) ?? 0));
  }
  return takes;
}

/** An account's registered packs, and everything that was drawn since the first of them was bought, or in the last 14 days. */
export interface AccountShelf {
  readonly account: string;
  readonly packs: readonly BoughtPack[];
  readonly draws: readonly Draw[];
}

/** The packs of every account that has some. */
export async function readShelves(deps: PackDeps): Promise<AccountShelf[]> {
  const rows = await deps.database.read(listPackages);
  const shelves: AccountShelf[] = [];
  for (const account of new Set(rows.map((row) => row.account))) {
    const packs = rows.filter((row) => row.account === account).map(packOf);
    const boughtAtMs = packs.map((pack) => pack.boughtAtMs);
    const sinceMs = Math.min(deps.clock.nowMs() - REPLAYED_DAYS * DAY_MS, ...boughtAtMs);
    const clips = await deps.database.read((tx) => clipsSince(tx, account, sinceMs));
    shelves.push({ account, packs, draws: clips.flatMap((clip) => drawOf(deps, clip)) });
  }
  return shelves;
}

const packOf = (row: PackageRow): BoughtPack => {
  const { id, boughtAtMs, expiresAtMs } = row;
  return { id, units: toBillionths(ratio(row.units)), boughtAtMs, expiresAtMs, row };
};

/** What the clip took of a pack: as reported, else as its card row says. Nothing, where it was paid in cash. */
function drawOf({ cards }: PackDeps, clip: FinishedClip): Draw[] {
  const [name = '', effective = ''] = clip.card.split('@');
  const card = cards.all.find((dated) => dated.card === name && dated.effective === effective);
  const expected = card ? expectedOf(card, clip.rate, clip.lengthMs) : null;
  if (expected?.unit !== 'unit') return [];
  const units = clip.usage === null ? expected.quantity : reportedAs(expected, JSON.parse(clip.usage));
  if (!units) return [];
  const drawn = toBillionths(units);
  const lapsing = clip.lapsingUnits < drawn ? clip.lapsingUnits : drawn;
  return [{ atMs: clip.endedAtMs, units: drawn, lapsing }];
}

/** The account that packs are for where none is named: the first whose provider sells units. */
export function packAccount(deps: PackDeps, name: string | undefined): ProviderAccount | null {
  if (name !== undefined) return deps.accounts.get(name) ?? null;
  const day = utcDay(deps.clock.nowMs());
  const found = [...deps.accounts.values()].find((account) => unitCard(deps, account, day));
  return found ?? null;
}

/** The card of the account's provider, if it sells packs on that day. */
export function unitCard({ cards }: PackDeps, { provider }: ProviderAccount, day: string): RateCard | null {
  const card = cards.ofProvider(provider.id, day);
  return card && card.packages.length > 0 ? card : null;
}

/** The package of that id on the card. */
export const packageNamed = (card: RateCard, id: string): ResourcePackage | null =>
  card.packages.find((sold) => sold.id === id) ?? null;

/** A pack that the provider knows and nobody has registered. */
export interface UnknownPack extends ReportedPack {
  readonly account: string;
}

/** Packs of one size whose expiry is this close are taken for the same one. */
const SAME_WITHIN_MS = 2 * DAY_MS;

/**
 * Asks the provider of each account with packs what is left of them, and writes it down. Packs nobody has registered come
 * back, and the accounts that did not answer. The provider's figures may be half a day old.
 */
export async function reconcilePacks(deps: PackDeps): Promise<{ unknown: UnknownPack[]; unanswered: string[] }> {
  const rows = await deps.database.read(listPackages);
  const unknown: UnknownPack[] = [];
  const unanswered: string[] = [];
  for (const name of new Set(rows.map((row) => row.account))) {
    const account = deps.accounts.get(name);
    const own = rows.filter((row) => row.account === name);
    const reported = account ? await askForPacks(deps, account, own) : null;
    if (!reported) {
      unanswered.push(name);
      continue;
    }
    const matched = new Set<string>();
    for (const pack of reported) {
      const row = matchOf(own, pack, matched);
      if (!row) unknown.push({ ...pack, account: name });
      else {
        matched.add(row.id);
        const said = { reportedId: pack.id, reportedLeft: pack.unitsLeft, reportedAtMs: deps.clock.nowMs() };
        await deps.database.write((tx) => noteReported(tx, row.id, said));
      }
    }
  }
  return { unknown, unanswered };
}

async function askForPacks(
  deps: PackDeps,
  { connection, target }: ProviderAccount,
  own: readonly PackageRow[],
): Promise<readonly ReportedPack[] | null> {
  if (!connection.balance) return null;
  const nowMs = deps.clock.nowMs();
  const input = { fromMs: Math.min(...own.map((row) => row.boughtAtMs)) - SAME_WITHIN_MS, toMs: nowMs };
  const answer = await deps.wire.read(target, connection.balance.request(input, nowMs));
  const outcome = answer.kind === 'answered' ? connection.balance.response(answer.response, input) : null;
  return outcome?.state === 'balance' ? (outcome.packs ?? []) : null;
}

function matchOf(own: readonly PackageRow[], pack: ReportedPack, matched: ReadonlySet<string>): PackageRow | null {
  const known = own.find((row) => row.reportedId === pack.id);
  if (known) return known;
  const apart = (row: PackageRow): number => Math.abs(row.expiresAtMs - pack.expiresAtMs);
  const alike = own
    .filter((row) => row.reportedId === null && !matched.has(row.id))
    .filter((row) => Number(row.units) === Number(pack.unitsTotal) && apart(row) <= SAME_WITHIN_MS)
    .sort((a, b) => apart(a) - apart(b));
  return alike[0] ?? null;
}
