/** The routes of budgets: an operator sets them, a tenant sees what is left. */
import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import { formatUsd, type Micros, minMicros } from '../ground/money.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import { logAlerts, recordAlerts } from '../jobs/events.ts';
import { type BudgetName, budgetsOfCaller, removeBudget, setBudget } from '../ledger/budget.ts';
import { consider } from '../routing/consider.ts';
import { NO_ROUTING } from '../routing/policy.ts';
import type { BudgetScope } from '../store/schema-budgets.ts';
import { theKey, theTenant } from './admin-keys.ts';
import { bodyOf } from './admin-shapes.ts';
import {
  adminBudgetSchema,
  budgetChange,
  periodSchema,
  showAdminBudget,
  showTenantBudget,
  tenantBudgets,
} from './budget-shapes.ts';
import type { Caller, Ctx, FrontDeps } from './context.ts';
import { checked, type Route } from './route-table.ts';

const removed = z.object({ scope: z.string(), period: periodSchema, removed: z.literal(true) });

/** What an operator does to budgets. */
export function budgetAdminRoutes(deps: FrontDeps): Route[] {
  const routesOf = (scope: BudgetScope): Route[] => [
    {
      method: 'put',
      path: `/${scope}s/{id}/budgets/{period}`,
      summary: `Cap what a ${scope} may spend per day, per month or in total; what is spent already counts`,
      body: { schema: budgetChange },
      answer: adminBudgetSchema,
      handle: (c) => put(deps, c, scope),
    },
    {
      method: 'delete',
      path: `/${scope}s/{id}/budgets/{period}`,
      summary: `Take a cap of a ${scope} away`,
      answer: removed,
      handle: (c) => remove(deps, c, scope),
    },
  ];
  return [...routesOf('tenant'), ...routesOf('key')];
}

/** What a tenant is told. */
export function budgetRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/budgets',
      summary: "Your account's budgets and this key's: what is spent, held and left, in dollars and in clips",
      answer: tenantBudgets,
      handle: (c) => show(deps, c),
    },
  ];
}

/** The budget that the path names, with who pays. */
async function named(deps: FrontDeps, c: Ctx, scope: BudgetScope): Promise<BudgetName & { readonly tenantId: string }> {
  const { period } = checked(z.object({ period: periodSchema }), { period: c.req.param('period') });
  if (scope === 'tenant') {
    const { id } = await theTenant(deps, c);
    return { scope, ownerId: id, tenantId: id, period };
  }
  const { id, tenantId } = await theKey(deps, c);
  return { scope, ownerId: id, tenantId, period };
}

async function put(deps: FrontDeps, c: Ctx, scope: BudgetScope): Promise<Response> {
  const { clock, database, log, mint } = deps.jobs;
  const name = await named(deps, c, scope);
  const { cap_usd: capMicros, alert_percent: percent } = await bodyOf(c, budgetChange);
  const stamp = { nowMs: clock.nowMs(), mint };
  const { state, alerts } = await database.write(async (tx) => {
    const set = await setBudget(tx, { ...name, capMicros, alertPercent: percent ?? null }, stamp);
    await recordAlerts(tx, deps.jobs, set.alerts, stamp);
    return set;
  });
  logAlerts(deps.jobs, alerts);
  log.info('budget set', { tenant: name.tenantId, kind: `${scope} ${name.period}`, detail: formatUsd(capMicros) });
  return c.json(showAdminBudget(state));
}

async function remove(deps: FrontDeps, c: Ctx, scope: BudgetScope): Promise<Response> {
  const name = await named(deps, c, scope);
  const { period } = name;
  if (!(await deps.jobs.database.write((tx) => removeBudget(tx, name)))) {
    const message = `There is no ${period} budget of this ${scope}.`;
    throw new GatewayError('not_found', { message, param: 'period' });
  }
  deps.jobs.log.info('budget removed', { tenant: name.tenantId, kind: `${scope} ${period}` });
  return c.json({ scope, period, removed: true } satisfies z.infer<typeof removed>);
}

async function show(deps: FrontDeps, c: Ctx): Promise<Response> {
  const caller = c.get('caller');
  const of = { tenantId: caller.tenant.id, keyId: caller.key.id };
  const nowMs = deps.jobs.clock.nowMs();
  const states = await deps.jobs.database.read((tx) => budgetsOfCaller(tx, of, nowMs));
  const clip = clipPrice(deps, caller, nowMs);
  return c.json({ data: states.map((state) => showTenantBudget(state, clip)) });
}

/** The clip that budgets are counted in. */
const CLIP: VideoRequest = {
  model: 'kling-v3',
  task: 'text_to_video',
  prompt: 'any clip',
  seconds: 5,
  resolution: '1080p',
  aspectRatio: '16:9',
  audio: false,
  references: [],
  elements: [],
  voices: [],
  watermark: false,
};

/** The cheapest price of that clip at which the caller could have it made now; null where nobody may make it. */
function clipPrice(deps: FrontDeps, { tenant, key }: Caller, nowMs: number): Micros | null {
  const { route } = consider({
    requests: [CLIP],
    routing: NO_ROUTING,
    asker: { ...tenant, keyProviders: key.providers },
    sellers: deps.packs.sellers(deps.sellers),
    cards: deps.jobs.cards,
    conditionsOf: deps.conditionsOf,
    nowMs,
  });
  const [first, ...others] = route.flatMap(({ offer }) => (offer ? [offer.quote.priceMicros] : []));
  return first === undefined ? null : minMicros(first, ...others);
}
