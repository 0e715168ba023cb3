/** Reports of spend as they are shown: to operators with cost and margin, to a tenant in its own prices alone. */
import { z } from 'zod';
import { type CsvCell, writeCsv } from '../ground/csv.ts';
import { invalidValue } from '../ground/errors.ts';
import { minusMicros, toDisplayNumber, toUsdNumber } from '../ground/money.ts';
import { SECOND_MS, utcDay, utcMonth } from '../ground/time.ts';
import type { Sums } from '../ledger/rollup.ts';
import { DIMENSIONS, type Grouping, type SpendGroup, type SpendQuery } from '../ledger/spend.ts';
import type { Ctx } from './context.ts';
import { readQuery } from './route-table.ts';

const day = z.iso.date('expected a day such as 2026-11-20');
export const formatted = { format: z.enum(['json', 'csv'], { error: "expected 'json' or 'csv'" }).optional() };

/** The query of every report. */
export const spendQuery = z.object({
  from: day.optional().meta({ description: 'The first day of admission; the first of this month when absent.' }),
  to: day.optional().meta({ description: 'The last day, included; today when absent.' }),
  group_by: z
    .string()
    .optional()
    .meta({ description: `One or more of ${DIMENSIONS.join(', ')} and tag:<name>, with commas; day when absent.` }),
  ...formatted,
});
export const dayRange = { from: day.optional(), to: day.optional() };

const GROUPINGS_MAX = 4;
const TAG_NAME_CHARACTERS_MAX = 64;

/** What the query asks for; throws a 400 that names the field, the value and what would do. */
export function readSpendQuery(c: Ctx, nowMs: number, dimensions: readonly string[]): Omit<SpendQuery, 'tenantId'> {
  const query = readQuery(c, spendQuery);
  const { from = `${utcMonth(nowMs)}-01`, to = utcDay(nowMs) } = query;
  if (from > to) throw invalidValue('from', `Invalid value for 'from': ${from} is after 'to', ${to}.`);
  const groupBy = (query.group_by ?? 'day').split(',').map((word) => word.trim());
  const wrong = groupBy.find((word) => !isGrouping(word, dimensions));
  if (wrong !== undefined || groupBy.length > GROUPINGS_MAX || new Set(groupBy).size < groupBy.length) {
    const known = `up to ${GROUPINGS_MAX} different ones of ${dimensions.join(', ')} and tag:<name>`;
    throw invalidValue(
      'group_by',
      `Invalid value for 'group_by': expected ${known}, got '${query.group_by?.slice(0, 100)}'.`,
    );
  }
  if (groupBy.filter((word) => word.startsWith('tag:')).length > 1) {
    throw invalidValue('group_by', "Invalid value for 'group_by': expected one tag at a time, got several.");
  }
  return { from, to, groupBy: groupBy as Grouping[] };
}

const isGrouping = (word: string, dimensions: readonly string[]): boolean =>
  dimensions.includes(word) ||
  (word.length > 4 && word.startsWith('tag:') && word.length <= TAG_NAME_CHARACTERS_MAX + 4);

const count = z.number().int();
const dollars = z.number();
const own = {
  jobs: count,
  open: count,
  completed: count,
  failed: count,
  cancelled: count,
  success_rate: z.number().nullable().meta({ description: 'Completed, of those that completed or failed.' }),
  seconds: z.number().meta({ description: 'Of delivered video.' }),
  spent_usd: dollars,
  average_price_usd: dollars.nullable().meta({ description: 'Per delivered video.' }),
};
const operators = {
  cost_usd: dollars,
  margin_usd: dollars,
  failure_cost_usd: dollars.meta({ description: 'The part of the cost that delivered nothing.' }),
  suspected_cost_usd: dollars,
};
const report = (sums: z.ZodRawShape) =>
  z.object({
    object: z.literal('list'),
    from: z.string(),
    to: z.string(),
    group_by: z.array(z.string()),
    data: z.array(z.looseObject(sums)),
    total: z.object(sums),
  });
export const usageSchema = report(own);
export const spendSchema = report({ ...own, ...operators });

type Shown = Readonly<Record<string, number | null>>;

/** In tenant prices: nothing in it tells what a provider charged. */
export function showOwnSums(sums: Sums): Shown {
  const { jobs, completed, failed, cancelled } = sums;
  const decided = completed + failed;
  const perClip = { n: sums.deliveredMicros, d: BigInt(completed) * 1_000_000n };
  return {
    jobs,
    open: jobs - completed - failed - cancelled,
    completed,
    failed,
    cancelled,
    success_rate: decided === 0 ? null : toDisplayNumber({ n: BigInt(completed), d: BigInt(decided) }),
    seconds: sums.deliveredMs / SECOND_MS,
    spent_usd: toUsdNumber(sums.settledMicros),
    average_price_usd: completed === 0 ? null : toDisplayNumber(perClip),
  };
}

/** With cost and margin. */
export function showSums(sums: Sums): Shown {
  return {
    ...showOwnSums(sums),
    cost_usd: toUsdNumber(sums.costMicros),
    margin_usd: toUsdNumber(minusMicros(sums.settledMicros, sums.costMicros)),
    failure_cost_usd: toUsdNumber(sums.failureMicros),
    suspected_cost_usd: toUsdNumber(sums.suspectedMicros),
  };
}

export interface ShownReport {
  readonly query: Omit<SpendQuery, 'tenantId'>;
  readonly groups: readonly SpendGroup[];
  readonly total: Sums;
  readonly show: (sums: Sums) => Shown;
}

/** The report as JSON or CSV, as the request wants it. */
export function answerReport(c: Ctx, { query, groups, total, show }: ShownReport): Response {
  const { from, to, groupBy } = query;
  // A provider without a name: jobs that no provider has had yet.
  const shown = groups.map(({ names, sums }) => ({ names: names.map((name) => name || null), sums: show(sums) }));
  if (wantsCsv(c)) {
    const head = [...groupBy, ...Object.keys(show(total))];
    const rows = shown.map(({ names, sums }) => [...names, ...Object.values(sums)]);
    return answerCsv(c, `spend-${from}-${to}.csv`, head, rows);
  }
  const data = shown.map(({ names, sums }) => ({
    ...Object.fromEntries(groupBy.map((grouping, index) => [grouping, names[index] ?? null])),
    ...sums,
  }));
  return c.json({ object: 'list', from, to, group_by: groupBy, data, total: show(total) });
}

/** Whether the caller wants a spreadsheet: `format=csv`, or an `Accept` that names it. */
export function wantsCsv(c: Ctx): boolean {
  const format = c.req.query('format');
  return format === undefined ? /^text\/csv\b/.test(c.req.header('accept') ?? '') : format === 'csv';
}

/** A table to be saved under that name. */
export function answerCsv(
  c: Ctx,
  fileName: string,
  head: readonly string[],
  rows: readonly (readonly CsvCell[])[],
): Response {
  const disposition = `attachment; filename="${fileName}"`;
  return c.body(writeCsv(head, rows), 200, {
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': disposition,
  });
}
