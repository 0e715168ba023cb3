/** Replays for operators: past traffic under another policy, card, package or limit, beside what happened. */
import { z } from 'zod';
import { invalidValue } from '../ground/errors.ts';
import { DAY_MS, SECOND_MS, utcDay } from '../ground/time.ts';
import type { Outlook } from '../jobs/outlook.ts';
import { type ReplayReport, replayPast } from '../jobs/replay.ts';
import { findTenant } from '../ledger/tenant.ts';
import { packagesInForce } from '../pricing/card-quotes.ts';
import { tenantPolicySchema } from '../routing/policy.ts';
import { differenceOf, differenceSchema, showSums, sideSchema } from '../routing/replay-show.ts';
import { bodyOf, noSuchTenant, toSeconds } from './admin-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import type { Route } from './route-table.ts';

const JOBS_MAX = 100_000;
const DEFAULT_DAYS = 30;
const LIMITS_MAX = 100;

const expected = 'expected a day such as 2026-11-20, an instant such as 2026-11-20T18:00:00Z, or Unix seconds';
const day = z.iso.date('expected a day such as 2026-11-20');
const instant = z.union([day, z.iso.datetime(), z.number().int().positive()], { error: expected });

const replayBody = z.strictObject({
  from: instant.optional().meta({ description: 'The first day, or instant; 30 days before `to` when absent.' }),
  to: instant.optional().meta({ description: 'The last day, or the instant at which it ends; now when absent.' }),
  tenant: z.string().max(100).optional(),
  policy: tenantPolicySchema
    .optional()
    .meta({ description: "Its fields take the place of each tenant's own and of what the requests asked for." }),
  cards_date: day
    .optional()
    .meta({ description: 'The day whose rate cards price everything; its own for each when absent.' }),
  package: z.string().max(100).optional().meta({ description: 'The resource package that units are drawn from.' }),
  limits: z
    .record(z.string(), z.number().int().min(1).max(10_000))
    .refine((limits) => Object.keys(limits).length <= LIMITS_MAX, `expected at most ${LIMITS_MAX} limits`)
    .optional()
    .meta({ description: 'Tasks at once, by account or provider.' }),
  value_of_time: z.number().min(0).max(10_000).optional().meta({ description: 'Dollars per hour of waiting.' }),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(1)
    .meta({ description: 'Of the chance of what was never seen.' }),
});
type ReplayBody = z.infer<typeof replayBody>;

const replayAnswer = z.object({
  happened: sideSchema,
  replayed: sideSchema,
  difference: differenceSchema,
  jobs: z.number().int().meta({ description: 'How many were replayed; at most 100,000.' }),
  cut: z.boolean().meta({ description: 'Whether the period had more of them.' }),
  cut_at: z.number().int().nullable().meta({ description: 'When the first one came that is left out.' }),
  skipped: z.object({ open: z.number().int(), cancelled: z.number().int() }),
  from: z.number().int(),
  to: z.number().int(),
  notes: z.array(z.string()),
});

/** What a replay asks of the front. */
type ReplayDeps = Pick<FrontDeps, 'jobs' | 'sellers' | 'packs' | 'defaultPolicy'> & {
  readonly worker: { readonly outlook: Pick<Outlook, 'slotsGiven'> };
};

/** The admin route of replays. One runs at a time; another waits for it. */
export function replayAdminRoutes(deps: ReplayDeps): Route[] {
  let turn: Promise<unknown> = Promise.resolve();
  return [
    {
      method: 'post',
      path: '/replay',
      summary: 'Past traffic under another policy, rate card, package or limit: money, waits and failures',
      body: { schema: replayBody },
      answer: replayAnswer,
      handle: async (c) => {
        const body = await bodyOf(c, replayBody);
        const mine = turn.then(() => run(deps, body));
        turn = mine.catch(() => null);
        return show(c, body, await mine);
      },
    },
  ];
}

interface Ran extends ReplayReport {
  readonly fromMs: number;
  readonly toMs: number;
}

async function run(deps: ReplayDeps, body: ReplayBody): Promise<Ran> {
  const { jobs: job } = deps;
  const nowMs = job.clock.nowMs();
  const { fromMs, toMs } = periodOf(body, nowMs);
  const pricedAtMs = body.cards_date === undefined ? null : Date.parse(body.cards_date);
  await check(deps, body, utcDay(pricedAtMs ?? nowMs));
  const { value_of_time: valueOfTime } = body;
  const report = await replayPast(job, {
    query: { fromMs, toMs, tenantId: body.tenant ?? null, jobsMax: JOBS_MAX },
    rules: {
      policy: { ...body.policy, ...(valueOfTime !== undefined && { value_of_time_usd_per_hour: valueOfTime }) },
      pricedAtMs,
      packageId: body.package ?? null,
      limits: body.limits ?? {},
      seed: body.seed,
    },
    sellers: deps.packs.sellers(deps.sellers),
    usual: deps.defaultPolicy ?? {},
    // Not those believed just now: a refusal of this minute says nothing of the period.
    slotsOf: (account) => deps.worker.outlook.slotsGiven(account),
  });
  return { ...report, fromMs, toMs };
}

/** A day counts whole. Throws a 400 for a period that ends before it begins. */
function periodOf({ from, to }: ReplayBody, nowMs: number): { fromMs: number; toMs: number } {
  const startOf = (at: string | number): number => (typeof at === 'string' ? Date.parse(at) : at * SECOND_MS);
  const isDay = (at: string | number): boolean => day.safeParse(at).success;
  const toMs = to === undefined ? nowMs + 1 : startOf(to) + (isDay(to) ? DAY_MS : 0);
  const fromMs = from === undefined ? toMs - DEFAULT_DAYS * DAY_MS : startOf(from);
  if (fromMs < toMs) return { fromMs: Math.max(0, fromMs), toMs };
  throw invalidValue('from', `Invalid value for 'from': ${from} is not before the end of the period, ${to ?? 'now'}.`);
}

/** Throws a 400 that lists what there is for a tenant, provider, package or account that there is not. */
async function check({ jobs, sellers }: ReplayDeps, body: ReplayBody, cardsDay: string): Promise<void> {
  const { tenant, policy = {}, limits = {}, package: tried } = body;
  if (tenant !== undefined && !(await jobs.database.read((tx) => findTenant(tx, tenant)))) {
    throw noSuchTenant(tenant, 'tenant');
  }
  const providers = [...new Set(sellers.map(({ provider }) => provider))];
  const accounts = [...jobs.accounts.keys()];
  for (const list of ['only', 'ignore'] as const) assertKnown(`policy.${list}`, policy[list] ?? [], providers);
  assertKnown('limits', Object.keys(limits), [...new Set([...accounts, ...providers])]);
  if (tried !== undefined) assertKnown('package', [tried], packagesInForce(jobs.cards, cardsDay));
}

function assertKnown(param: string, named: readonly string[], known: readonly string[]): void {
  const stranger = named.find((name) => !known.includes(name));
  if (stranger === undefined) return;
  const there = known.join(', ') || 'none';
  throw invalidValue(param, `Invalid value for '${param}': expected one of ${there}, got '${stranger.slice(0, 60)}'.`);
}

function show(c: Ctx, body: ReplayBody, report: Ran): Response {
  const { past, happened, replayed, fromMs, toMs } = report;
  const answer: z.infer<typeof replayAnswer> = {
    happened: showSums(happened),
    replayed: showSums(replayed),
    difference: differenceOf(happened, replayed),
    jobs: past.requests.length,
    cut: past.cutAtMs !== null,
    cut_at: toSeconds(past.cutAtMs),
    skipped: { open: past.open, cancelled: past.cancelled },
    from: toSeconds(fromMs) ?? 0,
    to: toSeconds(toMs) ?? 0,
    notes: notesOf(body, report),
  };
  return c.json(answer);
}

const NOT_KEPT =
  'videos were decided by another policy or markup than today: of what is not kept, max_premium, max_price_usd and concurrency, that of today is taken';

function notesOf({ tenant, package: tried }: ReplayBody, { past, unmeasured, changed }: Ran): string[] {
  const notes = unmeasured.map(
    (offer) => `nothing of ${offer} was measured: takes of 120 s that do not fail are assumed`,
  );
  if (past.cutAtMs !== null) notes.push(`only the first ${JOBS_MAX} videos were replayed: ask for a shorter period`);
  if (changed > 0) notes.push(`${changed} ${NOT_KEPT}`);
  if (past.open > 0) notes.push(`${past.open} videos have not ended yet and are left out`);
  if (past.cancelled > 0) notes.push(`${past.cancelled} cancelled videos are left out`);
  if (tenant !== undefined && tried === undefined)
    notes.push('units of registered packs are told for all tenants only');
  return notes;
}
