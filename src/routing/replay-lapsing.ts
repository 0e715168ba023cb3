/** Prepaid units that would lapse, at any moment of a replay: as the gateway reckons them, on the replay's own draws. */
import { HOUR_MS } from '../ground/time.ts';
import { type Draw, type Pack, takeStock } from '../pricing/packs.ts';
import type { ReplayDraw } from './replay-money.ts';

/** What the accounts had when the replay begins. */
export interface ReplayPacks {
  /** The packs of each account, and what was drawn from them before the period. */
  readonly shelves: ReadonlyMap<string, { readonly packs: readonly Pack[]; readonly draws: readonly Draw[] }>;
  /** When the first clip there is was finished; null: none before the period. */
  readonly firstClipAtMs: number | null;
}

/** Stock is taken again after this long of the replay's time: the forecast changes slowly. */
const AGAIN_MS = HOUR_MS;

/** What of the packs would lapse; each unit is given away once. */
export class LapsingUnits {
  private readonly packs: ReplayPacks | null;
  private readonly stocks = new Map<string, { readonly atMs: number; left: bigint }>();
  /** Drawn by tasks that have not ended. */
  private readonly underWay = new Map<string, bigint>();

  constructor(packs: ReplayPacks | null) {
    this.packs = packs;
  }

  /** Billionths of units of the account that can be taken now and would lapse otherwise. */
  of(account: string, nowMs: number, drawn: readonly ReplayDraw[]): bigint {
    const shelf = this.packs?.shelves.get(account);
    if (!this.packs || !shelf) return 0n;
    const known = this.stocks.get(account);
    if (known && nowMs < known.atMs + AGAIN_MS) return known.left > 0n ? known.left : 0n;
    const draws = [...shelf.draws, ...drawn.filter((draw) => draw.account === account)];
    const history = { firstAtMs: this.packs.firstClipAtMs ?? drawn[0]?.atMs ?? null, lastAtMs: nowMs };
    const left = takeStock(shelf.packs, draws, nowMs, history).lapsing - (this.underWay.get(account) ?? 0n);
    this.stocks.set(account, { atMs: nowMs, left });
    return left > 0n ? left : 0n;
  }

  /** A task that begins draws so many of them. */
  took(account: string, units: bigint): void {
    if (units === 0n) return;
    const stock = this.stocks.get(account);
    if (stock) stock.left -= units;
    this.underWay.set(account, (this.underWay.get(account) ?? 0n) + units);
  }

  /** That task has ended; what it drew stands among the draws, if it drew anything. */
  ended(account: string, units: bigint): void {
    if (units > 0n) this.underWay.set(account, (this.underWay.get(account) ?? 0n) - units);
  }
}
