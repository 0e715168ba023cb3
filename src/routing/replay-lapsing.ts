/** Prepaid units that would lapse, at any moment of a replay: as the gateway reckons them, on the replay's own draws. */
import { HOUR_MS } from '../ground/time.ts';
import { type Draw, type Inventory, lapsingOf, type Pack, takeStock } from '../pricing/packs.ts';

/** Units that a clip took, in billionths. */
export interface ReplayDraw {
  readonly account: string;
  readonly atMs: number;
  readonly units: bigint;
  /** The part of it that was taken only because it would have lapsed. */
  readonly lapsing: bigint;
}

/** What the accounts had when the replay begins. */
export interface ReplayPacks {
  /** The packs of each account, and what was drawn from them before the period. */
  readonly shelves: ReadonlyMap<string, { readonly packs: readonly Pack[]; readonly draws: readonly Draw[] }>;
  /** When the first clip there is was finished; null: none before the period. */
  readonly firstClipAtMs: number | null;
}

/** Stock is taken again after this long of the replay's time: the forecast changes slowly. */
const AGAIN_MS = HOUR_MS;

interface Stock {
  readonly atMs: number;
  readonly inventory: Inventory;
  spoken: bigint;
}
const NOTHING = { inventory: null, spoken: 0n } as const;

/** What of the packs would lapse; each unit is given away once. */
export class LapsingUnits {
  private readonly packs: ReplayPacks | null;
  /** What there was when it was looked at last, and what has been spoken for since. */
  private readonly stocks = new Map<string, Stock>();
  /** Drawn by tasks that have not ended. */
  private readonly underWay = new Map<string, bigint>();

  constructor(packs: ReplayPacks | null) {
    this.packs = packs;
  }

  /** Billionths of units of the account that a take can draw which begins now, and that would lapse otherwise. */
  of(account: string, takeMs: number, nowMs: number, drawn: readonly ReplayDraw[]): bigint {
    const { inventory, spoken } = this.stockOf(account, nowMs, drawn) ?? NOTHING;
    const left = inventory === null ? 0n : lapsingOf(inventory, nowMs, takeMs) - spoken;
    return left > 0n ? left : 0n;
  }

  private stockOf(account: string, nowMs: number, drawn: readonly ReplayDraw[]): Stock | null {
    const shelf = this.packs?.shelves.get(account);
    if (!this.packs || !shelf) return null;
    const known = this.stocks.get(account);
    if (known && nowMs < known.atMs + AGAIN_MS) return known;
    const draws = [...shelf.draws, ...drawn.filter((draw) => draw.account === account)];
    const history = { firstAtMs: this.packs.firstClipAtMs ?? drawn[0]?.atMs ?? null, lastAtMs: nowMs };
    const inventory = takeStock(shelf.packs, draws, nowMs, history);
    const stock = { atMs: nowMs, inventory, spoken: this.underWay.get(account) ?? 0n };
    this.stocks.set(account, stock);
    return stock;
  }

  /** A task that begins draws so many of them. */
  took(account: string, units: bigint): void {
    if (units === 0n) return;
    const stock = this.stocks.get(account);
    if (stock) stock.spoken += units;
    this.underWay.set(account, (this.underWay.get(account) ?? 0n) + units);
  }

  /** That task has ended; what it drew stands among the draws, if it drew anything. */
  ended(account: string, units: bigint): void {
    if (units > 0n) this.underWay.set(account, (this.underWay.get(account) ?? 0n) - units);
  }
}
