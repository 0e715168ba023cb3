/** Prepaid packages and rate cards, for operators: what was bought, what is left, and where prices have moved. */
import { z } from 'zod';
import { GatewayError, invalidValue } from '../ground/errors.ts';
import { toDisplayNumber, usd } from '../ground/money.ts';
import { DAY_MS, SECOND_MS, utcDay } from '../ground/time.ts';
import { DRIFT_DAYS, driftNow } from '../jobs/drift-watch.ts';
import { packAccount, packageNamed, reconcilePacks, takeStocks, type UnknownPack, unitCard } from '../jobs/packages.ts';
import { insertPackage, removePackage } from '../ledger/package.ts';
import { surveyCards } from '../pricing/survey.ts';
import type { PackageRow } from '../store/schema.ts';
import { bodyOf, listed, listOf, toSeconds } from './admin-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { packageSchema, showPack, unitsOf } from './pack-shapes.ts';
import { type Route, readQuery } from './route-table.ts';

const instant = z.union([
  z.iso.date('expected a day such as 2026-11-20, or Unix seconds').transform((day) => Date.parse(day)),
  z
    .number()
    .int()
    .positive()
    .transform((seconds) => seconds * SECOND_MS),
]);
const amount = z.union([z.number(), z.string()]).transform((value, context): string => {
  const text = String(value);
  if (/^\d{1,9}(\.\d{1,6})?$/.test(text) && Number(text) > 0) return text;
  context.addIssue({ code: 'custom', message: 'expected a number above 0 with at most six decimals' });
  return z.NEVER;
});

const newPackage = z.strictObject({
  account: z.string().optional().meta({ description: 'Whose it is; the first account that sells units when absent.' }),
  package: z.string().meta({ description: 'The package of the rate card, such as package-3.' }),
  bought_at: instant,
  units: amount.optional().meta({ description: 'As the card has it, when absent; so are price and expiry.' }),
  price_usd: amount.optional(),
  expires_at: instant.optional(),
});
const packagesQuery = z.object({
  refresh: z
    .enum(['true', 'false'], { error: "expected 'true' or 'false'" })
    .optional()
    .meta({ description: 'Ask the providers first what is left; their figures may be half a day old.' }),
});

const DRIFT_DAYS_MAX = 90;
const driftQuery = z.object({
  days: z.coerce.number().int().min(1).max(DRIFT_DAYS_MAX, `expected 1 to ${DRIFT_DAYS_MAX} days`).default(DRIFT_DAYS),
});
const anyObject = z.record(z.string(), z.unknown());

/** The admin routes of packages and rate cards. */
export function packageAdminRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'post',
      path: '/packages',
      summary: 'Register a resource pack that was bought; from now on its unit price counts',
      body: { schema: newPackage },
      answer: packageSchema,
      handle: (c) => register(deps, c),
    },
    {
      method: 'get',
      path: '/packages',
      summary: 'Resource packs: drawn, left, and what will lapse unused; on request against the provider',
      query: packagesQuery,
      answer: z.object({
        object: z.literal('list'),
        data: z.array(packageSchema),
        uncovered: z.array(z.object({ account: z.string(), units: z.number() })),
        unregistered: z.array(anyObject).optional(),
        unanswered: z.array(z.string()).optional(),
      }),
      handle: (c) => show(deps, c),
    },
    {
      method: 'delete',
      path: '/packages/{id}',
      summary: 'Take back a registration, of a pack that was never bought, say; its unit price counts no more',
      answer: z.object({ id: z.string(), object: z.literal('package.deleted'), deleted: z.literal(true) }),
      handle: (c) => remove(deps, c),
    },
    {
      method: 'get',
      path: '/rate-cards',
      summary: 'Rate cards with their dates and sources, and which are in force',
      answer: listOf(anyObject),
      handle: (c) => showCards(deps, c),
    },
    {
      method: 'get',
      path: '/rate-cards/drift',
      summary: 'What providers reported against what each card row expects, with a new row where they keep differing',
      query: driftQuery,
      answer: listOf(anyObject),
      handle: (c) => showDrift(deps, c),
    },
  ];
}

async function register(deps: FrontDeps, c: Ctx): Promise<Response> {
  const body = await bodyOf(c, newPackage);
  const row = newRow(deps, body);
  await deps.jobs.database.write((tx) => insertPackage(tx, row));
  await deps.packs.refresh();
  deps.log.info('package registered', { account: row.account, detail: row.package });
  const stocks = await takeStocks(deps.jobs);
  const stock = stocks.find(({ account }) => account === row.account);
  const state = stock?.inventory.packs.find(({ pack }) => pack.id === row.id);
  return c.json(stock && state ? showPack(state, stock.inventory, deps.jobs.clock.nowMs()) : { id: row.id });
}

async function remove(deps: FrontDeps, c: Ctx): Promise<Response> {
  const id = c.req.param('id') ?? '';
  if (!(await deps.jobs.database.write((tx) => removePackage(tx, id)))) {
    const message = `There is no package '${id.slice(0, 60)}'. GET /admin/v1/packages lists them.`;
    throw new GatewayError('not_found', { message, param: 'id' });
  }
  await deps.packs.refresh();
  deps.log.info('package removed', { detail: id });
  return c.json({ id, object: 'package.deleted', deleted: true });
}

function newRow({ jobs }: FrontDeps, body: z.infer<typeof newPackage>): PackageRow {
  const account = packAccount(jobs, body.account);
  const day = utcDay(body.bought_at);
  const card = account && (unitCard(jobs, account, day) ?? unitCard(jobs, account, utcDay(jobs.clock.nowMs())));
  if (!account || !card) {
    const named = body.account === undefined ? 'no account' : `not '${body.account.slice(0, 60)}'`;
    throw invalidValue('account', `Invalid value for 'account': expected one that draws on packages, ${named}.`);
  }
  const sold = packageNamed(card, body.package);
  if (!sold) {
    const known = card.packages.map(({ id }) => id).join(', ');
    throw invalidValue(
      'package',
      `Invalid value for 'package': expected one of ${known}, got '${body.package.slice(0, 60)}'.`,
    );
  }
  const expiresAtMs = body.expires_at ?? body.bought_at + sold.validity_days * DAY_MS;
  if (expiresAtMs <= body.bought_at)
    throw invalidValue('expires_at', "Invalid value for 'expires_at': not after 'bought_at'.");
  return {
    id: jobs.mint('pack'),
    account: account.id,
    package: sold.id,
    units: body.units ?? String(toDisplayNumber(sold.units)),
    priceMicros: body.price_usd === undefined ? sold.price_usd : usd(body.price_usd),
    concurrency: sold.concurrent_tasks,
    boughtAtMs: body.bought_at,
    expiresAtMs,
    reportedId: null,
    reportedLeft: null,
    reportedAtMs: null,
    createdAtMs: jobs.clock.nowMs(),
  };
}

async function show(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { refresh } = readQuery(c, packagesQuery);
  const found = refresh === 'true' ? await reconcilePacks(deps.jobs) : null;
  const stocks = await takeStocks(deps.jobs);
  const nowMs = deps.jobs.clock.nowMs();
  return c.json({
    object: 'list',
    data: stocks.flatMap(({ inventory }) => inventory.packs.map((state) => showPack(state, inventory, nowMs))),
    uncovered: stocks
      .filter(({ inventory }) => inventory.uncovered > 0n)
      .map(({ account, inventory }) => ({ account, units: unitsOf(inventory.uncovered) })),
    ...(found && { unregistered: found.unknown.map(showUnknown), unanswered: found.unanswered }),
  });
}

const showUnknown = ({ account, id, name, unitsTotal, unitsLeft, expiresAtMs, active }: UnknownPack): object => ({
  account,
  id,
  name,
  units: Number(unitsTotal),
  units_left: Number(unitsLeft),
  expires_at: toSeconds(expiresAtMs),
  active,
});

function showCards({ jobs }: FrontDeps, c: Ctx): Response {
  const nowMs = jobs.clock.nowMs();
  const cards = surveyCards(jobs.cards, utcDay(nowMs), nowMs);
  return listed(
    c,
    cards.map(({ ageDays, ...card }) => ({ ...card, age_days: ageDays })),
  );
}

async function showDrift({ jobs }: FrontDeps, c: Ctx): Promise<Response> {
  return listed(c, await driftNow(jobs, readQuery(c, driftQuery).days));
}
