import { parse } from 'yaml';
import { newId } from '../ground/id.ts';
import { DAY_MS } from '../ground/time.ts';
import { lastAlarm } from '../ledger/alarms.ts';
import { reportsSince } from '../ledger/package.ts';
import { type DriftRow, driftOf } from '../pricing/drift.ts';
import type { Tx } from '../store/database.ts';
import type { Deps } from './deps.ts';
import { raise } from './raise.ts';

/** How far back reports are compared, unless asked otherwise. */
export const DRIFT_DAYS = 30;

const TYPE = 'rate_card.drift';
/** A ratio this close to the one that was told of is the same price: the mean moves a little with every clip. */
const SAME_WITHIN = 0.01;
const NO_CHANCE = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0 };

export type DriftDeps = Pick<Deps, 'database' | 'clock' | 'cards' | 'mint' | 'log' | 'signals'>;

/** What providers reported in the last `days` days against what each card row expects, the widest drift first. */
export async function driftNow(
  deps: Pick<DriftDeps, 'database' | 'clock' | 'cards'>,
  days: number,
): Promise<DriftRow[]> {
  const atMs = deps.clock.nowMs() - days * DAY_MS;
  const fromId = newId('att', atMs, NO_CHANCE);
  const reports = await deps.database.read((tx) => reportsSince(tx, { atMs, fromId }));
  return driftOf(
    reports.map((report) => ({ ...report, usage: JSON.parse(report.usage) })),
    deps.cards,
  );
}

/** Looks at the drift of every card row, and tells the operator once of each row and of each price it drifts to. */
export class DriftWatch {
  private readonly deps: DriftDeps;
  private seen: readonly DriftRow[] = [];

  constructor(deps: DriftDeps) {
    this.deps = deps;
  }

  /** The rows as they were at the last look; none before the first. */
  rows(): readonly DriftRow[] {
    return this.seen;
  }

  /** Looks now. Resolves with how many alarms it has raised. */
  async look(): Promise<number> {
    this.seen = await driftNow(this.deps, DRIFT_DAYS);
    let raised = 0;
    for (const row of this.seen) if (await this.tell(row)) raised += 1;
    return raised;
  }

  private async tell(row: DriftRow): Promise<boolean> {
    const { card, effective, rate, unit, attempts, reported, expected, ratio, proposal } = row;
    if (row.state !== 'differs_consistently' || proposal === null || ratio === null) return false;
    const subject = `${card}@${effective} ${rate}`;
    const data = { card, effective, rate, unit, attempts, reported, expected, ratio, proposal };
    const news = { type: TYPE, subject, mark: priceOf(proposal), data } as const;
    const detail = `${subject}: ${attempts} attempts reported ${ratio} times what the row expects`;
    return await raise(this.deps, news, { detail }, async (tx) => !(await wasTold(tx, subject, ratio)));
  }
}

/** The proposed row without its note, which counts the attempts and so is new with every clip. */
function priceOf(proposal: string): string {
  const [row]: [Record<string, unknown>] = parse(proposal);
  const { note: _, ...price } = row;
  return JSON.stringify(price);
}

async function wasTold(tx: Tx, subject: string, ratio: number): Promise<boolean> {
  const last = await lastAlarm(tx, TYPE, subject);
  if (last === null) return false;
  const told: { data: { ratio: number } } = JSON.parse(last.body);
  return Math.abs(ratio - told.data.ratio) <= told.data.ratio * SAME_WITHIN;
}
