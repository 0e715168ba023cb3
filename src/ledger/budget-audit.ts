import { formatUsd, type Micros, sumMicros, ZERO_MICROS } from '../ground/money.ts';
import { utcMonth } from '../ground/time.ts';
import { statement, type Tx } from '../store/database.ts';
import type { EntryRow } from '../store/schema.ts';
import { type BudgetRow, budgetCounters, budgets } from '../store/schema-budgets.ts';
import { type Used, usedOf } from './budget-counters.ts';

const NOTHING: Used = { settledMicros: ZERO_MICROS, heldMicros: ZERO_MICROS };

const budgetRows = (tx: Tx) => tx.select().from(budgets).prepare();
const counterRows = (tx: Tx) => tx.select().from(budgetCounters).prepare();

/** Holds every counter of every budget against the entries, and against its cap. Each difference in words. */
export async function faultsOfBudgets(tx: Tx, byJob: ReadonlyMap<string, readonly EntryRow[]>): Promise<string[]> {
  const rows = await statement(tx, budgetRows).execute();
  if (rows.length === 0) return [];
  const byId = new Map(rows.map((row) => [row.id, row]));
  const counted = sumsOf(byJob);
  const counters = await statement(tx, counterRows).execute();
  return counters.flatMap((counter) => {
    const budget = byId.get(counter.budgetId);
    if (!budget) return [`budget ${counter.budgetId}: a counter for ${counter.span} without its budget`];
    const name = `budget ${budget.scope} ${budget.ownerId} ${counter.span}`;
    const due = counted.get(placeOf(budget, counter.span)) ?? NOTHING;
    return [...faultsOfSums(name, counter, due), ...faultsOfCap(name, counter, counter.ceilingMicros, budget)];
  });
}

function faultsOfSums(name: string, counter: Used, due: Used): string[] {
  const { settledMicros: settled, heldMicros: held } = due;
  const faults: string[] = [];
  if (counter.settledMicros !== settled) {
    faults.push(`${name}: counts ${formatUsd(counter.settledMicros)} settled, its entries ${formatUsd(settled)}`);
  }
  if (counter.heldMicros !== held) {
    faults.push(`${name}: counts ${formatUsd(counter.heldMicros)} held, its entries ${formatUsd(held)}`);
  }
  return faults;
}

/** Above the cap is only what was in use when the cap was lowered below it; the ceiling remembers that. */
function faultsOfCap(name: string, counter: Used, ceiling: Micros, { capMicros }: BudgetRow): string[] {
  const used = usedOf(counter);
  const faults: string[] = [];
  if (used > capMicros && used > ceiling) {
    faults.push(`${name}: ${formatUsd(used)} in use, above its cap of ${formatUsd(capMicros)}`);
  }
  if (ceiling < capMicros) {
    faults.push(`${name}: ceiling ${formatUsd(ceiling)}, below its cap of ${formatUsd(capMicros)}`);
  }
  return faults;
}

const placeOf = ({ scope, ownerId }: Pick<BudgetRow, 'scope' | 'ownerId'>, span: string): string =>
  `${scope} ${ownerId} ${span}`;

/** What is settled and held by tenant and by key, in each day and month and altogether. */
function sumsOf(byJob: ReadonlyMap<string, readonly EntryRow[]>): Map<string, Used> {
  const sums = new Map<string, Used>();
  for (const ofJob of byJob.values()) {
    const [first] = ofJob;
    if (!first) continue;
    const amount = (kind: EntryRow['kind']): Micros =>
      sumMicros(...ofJob.filter((entry) => entry.kind === kind).map(({ amountMicros }) => amountMicros));
    const ended = ofJob.some(({ kind }) => kind === 'settlement' || kind === 'release');
    const held = ended ? ZERO_MICROS : amount('hold');
    for (const span of [first.day, utcMonth(Date.parse(first.day)), 'total']) {
      const owners = [
        { scope: 'tenant', ownerId: first.tenantId },
        { scope: 'key', ownerId: first.keyId },
      ] as const;
      for (const owner of owners) {
        const { settledMicros, heldMicros } = sums.get(placeOf(owner, span)) ?? NOTHING;
        sums.set(placeOf(owner, span), {
          settledMicros: sumMicros(settledMicros, amount('settlement')),
          heldMicros: sumMicros(heldMicros, held),
        });
      }
    }
  }
  return sums;
}
