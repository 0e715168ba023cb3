/** Reports of what was spent, and the ledger behind them, for operators; a tenant's own usage. */
import { z } from 'zod';
import { invalidValue } from '../ground/errors.ts';
import { isId } from '../ground/id.ts';
import { toUsdNumber } from '../ground/money.ts';
import { findEntry, ledgerPage } from '../ledger/page.ts';
import { NO_SUMS, type Sums } from '../ledger/rollup.ts';
import { combine, DIMENSIONS, type SpendGroup, type SpendQuery, spendReport } from '../ledger/spend.ts';
import type { EntryRow } from '../store/schema.ts';
import { theTenant } from './admin-keys.ts';
import { toSeconds } from './admin-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { type Route, readQuery } from './route-table.ts';
import {
  answerCsv,
  answerReport,
  dayRange,
  formatted,
  readSpendQuery,
  showOwnSums,
  showSums,
  spendQuery,
  spendSchema,
  usageSchema,
  wantsCsv,
} from './spend-shapes.ts';

const OWN_DIMENSIONS = DIMENSIONS.filter((dimension) => dimension !== 'tenant');
const PAGE_MAX = 100;

const ledgerQuery = z.object({
  tenant: z.string().max(100).optional(),
  job: z.string().max(100).optional(),
  ...dayRange,
  after: z.string().max(100).optional().meta({ description: 'The id of the last entry of the page before.' }),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX, `expected 1 to ${PAGE_MAX}`).default(PAGE_MAX),
  ...formatted,
});

const entrySchema = z.object({
  id: z.string(),
  at: z.number().int(),
  day: z.string().meta({ description: 'The day of admission, whose budget and bill it belongs to.' }),
  kind: z.string(),
  usd: z.number(),
  tenant: z.string(),
  key: z.string(),
  job: z.string(),
  attempt: z.string().nullable(),
  priced_by: z.string(),
});

/** The admin routes of spend. */
export function spendAdminRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/spend',
      summary: 'What all tenants spent, what it cost, and what failures cost',
      query: spendQuery,
      answer: spendSchema,
      handle: (c) => report(deps, c, null),
    },
    {
      method: 'get',
      path: '/tenants/{id}/spend',
      summary: 'What a tenant spent, what it cost, and what failures cost',
      query: spendQuery,
      answer: spendSchema,
      handle: async (c) => report(deps, c, await tenantIdOf(deps, c)),
    },
    {
      method: 'get',
      path: '/ledger',
      summary: 'The entries of the ledger, page by page',
      query: ledgerQuery,
      answer: z.object({
        object: z.literal('list'),
        data: z.array(entrySchema),
        last_id: z.string().nullable(),
        has_more: z.boolean(),
      }),
      handle: (c) => ledger(deps, c),
    },
  ];
}

/** The tenant's own report. */
export function usageRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/usage',
      summary: 'What you spent, by day, model, provider, key, task, resolution or tag',
      query: spendQuery,
      answer: usageSchema,
      handle: (c) => usage(deps, c),
    },
  ];
}

/** The id in the path. Throws a 404 when no tenant has it. */
export async function tenantIdOf(deps: FrontDeps, c: Ctx): Promise<string> {
  return (await theTenant(deps, c)).id;
}

async function report(deps: FrontDeps, c: Ctx, tenantId: string | null): Promise<Response> {
  const query = readSpendQuery(c, deps.jobs.clock.nowMs(), DIMENSIONS);
  const groups = await groupsOf(deps, { ...query, tenantId });
  return answerReport(c, { query, groups, total: totalOf(groups), show: showSums });
}

async function usage(deps: FrontDeps, c: Ctx): Promise<Response> {
  const query = readSpendQuery(c, deps.jobs.clock.nowMs(), OWN_DIMENSIONS);
  const groups = await groupsOf(deps, { ...query, tenantId: c.get('caller').tenant.id });
  // A provider that only failed has cost us something, and is no line of the tenant's.
  const own = groups.filter(({ sums }) => sums.jobs !== 0 || sums.settledMicros !== 0n);
  return answerReport(c, { query, groups: own, total: totalOf(own), show: showOwnSums });
}

const groupsOf = (deps: FrontDeps, query: SpendQuery): Promise<SpendGroup[]> =>
  deps.jobs.database.read((tx) => spendReport(tx, query));

/** The sum of all groups. */
export const totalOf = (groups: readonly SpendGroup[]): Sums =>
  groups.reduce<Sums>((sum, { sums }) => combine(sum, sums), NO_SUMS);

async function ledger(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { tenant = null, job = null, from = null, to = null, after, limit } = readQuery(c, ledgerQuery);
  const rows = await deps.jobs.database.read(async (tx) => {
    const last = after === undefined || !isId(after, 'ent') ? null : await findEntry(tx, after);
    if (after !== undefined && last === null) return null;
    return await ledgerPage(tx, { tenantId: tenant, jobId: job, from, to, after: last, limit: limit + 1 });
  });
  if (!rows) throw invalidValue('after', `There is no entry '${after?.slice(0, 60)}' to list after.`);
  const data = rows.slice(0, limit).map(showEntry);
  if (wantsCsv(c)) {
    const head = Object.keys(entrySchema.shape);
    return answerCsv(
      c,
      'ledger.csv',
      head,
      data.map((entry) => Object.values(entry)),
    );
  }
  return c.json({ object: 'list', data, last_id: data.at(-1)?.id ?? null, has_more: rows.length > limit });
}

const showEntry = (entry: EntryRow): z.infer<typeof entrySchema> => ({
  id: entry.id,
  at: toSeconds(entry.atMs) ?? 0,
  day: entry.day,
  kind: entry.kind,
  usd: toUsdNumber(entry.amountMicros),
  tenant: entry.tenantId,
  key: entry.keyId,
  job: entry.jobId,
  attempt: entry.attemptId,
  priced_by: entry.pricedBy,
});
