/** Reports of spend: what the sums come to by whatever is asked for. Their time depends on days, never on jobs. */
import { and, eq, gte, lte, type SQL, sql } from 'drizzle-orm';
import { GatewayError } from '../ground/errors.ts';
import { type Micros, micros, minusMicros } from '../ground/money.ts';
import type { Tx } from '../store/database.ts';
import { spend, spendTags } from '../store/schema.ts';
import { NO_SUMS, type Sums } from './rollup.ts';

export const DIMENSIONS = ['day', 'month', 'tenant', 'key', 'model', 'provider', 'task', 'resolution'] as const;
export type Dimension = (typeof DIMENSIONS)[number];
/** `tag:<name>` groups by the values of one tag. */
export type Grouping = Dimension | `tag:${string}`;

export interface SpendQuery {
  /** Days of admission, both included. */
  readonly from: string;
  readonly to: string;
  /** Null: of all tenants. */
  readonly tenantId: string | null;
  readonly groupBy: readonly Grouping[];
}

/** A group: what it is called by each grouping, in their order, and its sums. Null: no such tag. */
export interface SpendGroup {
  readonly names: readonly (string | null)[];
  readonly sums: Sums;
}

const GROUPS_MAX = 10_000;

type Summed = typeof spend | typeof spendTags;

const columnOf = (table: Summed, dimension: Dimension): SQL<string> => {
  switch (dimension) {
    case 'day':
      return sql<string>`${table.day}`;
    case 'month':
      return sql<string>`substr(${table.day}, 1, 7)`;
    case 'tenant':
      return sql<string>`${table.tenantId}`;
    case 'key':
      return sql<string>`${table.keyId}`;
    default:
      return sql<string>`${table[dimension]}`;
  }
};

const isDimension = (grouping: Grouping): grouping is Dimension => DIMENSIONS.some((known) => known === grouping);

/**
 * The groups, in the order of their names; the ones whose sums are all zero are left out. Throws a 400 when there are
 * more than 10,000. What has no tag of the name, or was past the daily limit of tags, is the group of null.
 */
export async function spendReport(tx: Tx, query: SpendQuery): Promise<SpendGroup[]> {
  const plain = query.groupBy.filter(isDimension);
  const tag = query.groupBy.find((grouping) => !isDimension(grouping));
  const all = await sumsBy(
    tx,
    spend,
    query,
    plain.map((dimension) => columnOf(spend, dimension)),
    undefined,
  );
  if (tag === undefined) return shown(all);
  const named = eq(spendTags.tag, tag.slice('tag:'.length));
  const columns = query.groupBy.map((grouping) =>
    isDimension(grouping) ? columnOf(spendTags, grouping) : sql<string>`${spendTags.value}`,
  );
  const tagged = await sumsBy(tx, spendTags, query, columns, named);
  return shown([...tagged, ...untagged(all, tagged, query.groupBy.indexOf(tag))]);
}

/** What is left of the sums once those with the tag are taken off. */
function untagged(all: readonly SpendGroup[], tagged: readonly SpendGroup[], place: number): SpendGroup[] {
  const rest = new Map(all.map((group) => [JSON.stringify(group.names), group.sums]));
  for (const { names, sums } of tagged) {
    const key = JSON.stringify(names.toSpliced(place, 1));
    rest.set(key, combine(rest.get(key) ?? NO_SUMS, sums, -1));
  }
  return all.map(({ names }) => ({
    names: names.toSpliced(place, 0, null),
    sums: rest.get(JSON.stringify(names)) ?? NO_SUMS,
  }));
}

function shown(groups: readonly SpendGroup[]): SpendGroup[] {
  return groups.filter(({ sums }) => Object.values(sums).some((sum) => Number(sum) !== 0)).sort(byNames);
}

function byNames(a: SpendGroup, b: SpendGroup): number {
  for (const [index, name] of a.names.entries()) {
    const other = b.names[index] ?? null;
    if (name === other) continue;
    // Those without the tag come last.
    if (name === null || other === null) return name === null ? 1 : -1;
    return name < other ? -1 : 1;
  }
  return 0;
}

const total = (column: Summed[keyof Sums]): SQL<number> => sql<number>`sum(${column})`;

async function sumsBy(
  tx: Tx,
  table: Summed,
  { from, to, tenantId }: SpendQuery,
  columns: readonly SQL<string>[],
  condition: SQL | undefined,
): Promise<SpendGroup[]> {
  const rows = await tx
    .select({
      names: Object.fromEntries(columns.map((column, index) => [`name${index}`, column])),
      jobs: total(table.jobs),
      completed: total(table.completed),
      failed: total(table.failed),
      cancelled: total(table.cancelled),
      settled: total(table.settledMicros),
      delivered: total(table.deliveredMicros),
      deliveredMs: total(table.deliveredMs),
      cost: total(table.costMicros),
      failure: total(table.failureMicros),
      suspected: total(table.suspectedMicros),
    })
    .from(table)
    .where(
      and(
        gte(table.day, from),
        lte(table.day, to),
        tenantId === null ? undefined : eq(table.tenantId, tenantId),
        condition,
      ),
    )
    .groupBy(...columns)
    .limit(GROUPS_MAX + 1);
  if (rows.length > GROUPS_MAX) {
    throw new GatewayError('invalid_value', {
      message: `Invalid value for 'group_by': more than ${GROUPS_MAX} groups. Ask for fewer days, or group by less.`,
      param: 'group_by',
    });
  }
  return rows.flatMap(({ names, jobs, completed, failed, cancelled, deliveredMs, ...money }) => {
    // Without a grouping there is one row, of nulls where nothing was summed.
    if (jobs === null) return [];
    const amounts = {
      settledMicros: toMicros(money.settled),
      deliveredMicros: toMicros(money.delivered),
      costMicros: toMicros(money.cost),
      failureMicros: toMicros(money.failure),
      suspectedMicros: toMicros(money.suspected),
    };
    return [
      { names: Object.values(names ?? {}), sums: { jobs, completed, failed, cancelled, deliveredMs, ...amounts } },
    ];
  });
}

const toMicros = (sum: number): Micros => micros(BigInt(sum));

/** `a` plus, or minus, `b`. */
export function combine(a: Sums, b: Sums, sign: 1 | -1 = 1): Sums {
  const money = (x: Micros, y: Micros): Micros => (sign === 1 ? micros(x + y) : minusMicros(x, y));
  return {
    jobs: a.jobs + sign * b.jobs,
    completed: a.completed + sign * b.completed,
    failed: a.failed + sign * b.failed,
    cancelled: a.cancelled + sign * b.cancelled,
    deliveredMs: a.deliveredMs + sign * b.deliveredMs,
    settledMicros: money(a.settledMicros, b.settledMicros),
    deliveredMicros: money(a.deliveredMicros, b.deliveredMicros),
    costMicros: money(a.costMicros, b.costMicros),
    failureMicros: money(a.failureMicros, b.failureMicros),
    suspectedMicros: money(a.suspectedMicros, b.suspectedMicros),
  };
}
