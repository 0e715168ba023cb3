import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import { ratio } from '../ground/money.ts';
import { budgetsOfOwners } from '../ledger/budget.ts';
import { findTenant, insertTenant, listTenants, type Tenant, updateTenant } from '../ledger/tenant.ts';
import { mintWebhookSecret, OLD_SECRET_MS, replaceCallbackSecret } from '../ledger/webhook-secret.ts';
import { tenantPolicySchema } from '../routing/policy.ts';
import { ratePerMinute, theTenant } from './admin-keys.ts';
import { bodyOf, listed, listOf, toSeconds } from './admin-shapes.ts';
import type { Authenticator } from './auth.ts';
import { adminBudgetSchema, showAdminBudget } from './budget-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { givenPolicySchema } from './policy-shapes.ts';
import type { Route } from './route-table.ts';

const percent = z.union([z.number(), z.string()]).transform((value, context): string => {
  try {
    if (ratio(value).n >= 0n && Number(value) <= 1_000) return String(value);
  } catch {
    // Told below.
  }
  context.addIssue({ code: 'custom', message: 'expected a percentage from 0 to 1000, such as 12.5' });
  return z.NEVER;
});

const name = z.string().trim().min(1, 'expected a name').max(100, 'expected at most 100 characters');
const changeable = {
  name: name.optional(),
  markup_percent: percent.optional(),
  policy: givenPolicySchema.optional(),
  concurrency: z.number().int().positive().nullable().optional(),
  rate_per_minute: ratePerMinute.optional(),
};
const tenantId = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,40}$/, 'expected lower-case letters, digits, - and _');
const newTenant = z.strictObject({ id: tenantId.optional(), ...changeable, name });
const tenantChange = z.strictObject(changeable);

/** Unlike an endpoint's, whose tenant says so itself, this one is handed on by an operator: both sign for a day. */
const newSecret = z.strictObject({ keep_old_secret_active_for_24_hours: z.boolean().default(true) });
const webhookSecret = {
  webhook_secret: z.string().meta({ description: 'Signs the deliveries to `callback_url`; shown this once.' }),
};

const tenantSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    markup_percent: z.number(),
    policy: tenantPolicySchema,
    concurrency: z.number().nullable(),
    rate_per_minute: z.number().nullable(),
    created_at: z.number().int(),
  })
  .meta({ id: 'Tenant' });
const tenantWithBudgets = tenantSchema
  .extend({ budgets: z.array(adminBudgetSchema) })
  .meta({ id: 'TenantWithBudgets' });

/** Who pays: the admin routes of tenants. */
export function tenantAdminRoutes(deps: FrontDeps, callers: Authenticator): Route[] {
  return [
    {
      method: 'post',
      path: '/tenants',
      summary: 'Create a tenant; the secret that signs its callbacks is shown once',
      body: { schema: newTenant },
      answer: tenantSchema.extend(webhookSecret),
      handle: (c) => createTenant(deps, c),
    },
    {
      method: 'get',
      path: '/tenants',
      summary: 'List tenants',
      answer: listOf(tenantSchema),
      handle: async (c) => listed(c, (await deps.jobs.database.read(listTenants)).map(showTenant)),
    },
    {
      method: 'get',
      path: '/tenants/{id}',
      summary: 'Retrieve a tenant, with its budgets',
      answer: tenantWithBudgets,
      handle: (c) => retrieve(deps, c),
    },
    {
      method: 'patch',
      path: '/tenants/{id}',
      summary: 'Change a tenant',
      body: { schema: tenantChange },
      answer: tenantSchema,
      handle: (c) => changeTenant(deps, callers, c),
    },
    {
      method: 'post',
      path: '/tenants/{id}/webhook_secret',
      summary: "Replace the secret that signs a tenant's callbacks; it is shown once",
      body: { schema: newSecret },
      answer: z.object({ id: z.string(), ...webhookSecret, old_secret_active_until: z.number().int().nullable() }),
      handle: (c) => replaceSecret(deps, c),
    },
  ];
}

async function retrieve(deps: FrontDeps, c: Ctx): Promise<Response> {
  const tenant = await theTenant(deps, c);
  const { clock, database } = deps.jobs;
  const states = await database.read((tx) => budgetsOfOwners(tx, 'tenant', [tenant.id], clock.nowMs()));
  return c.json({ ...showTenant(tenant), budgets: states.map(showAdminBudget) });
}

async function createTenant(deps: FrontDeps, c: Ctx): Promise<Response> {
  const body = await bodyOf(c, newTenant);
  const { clock, database, mint, random, sealer } = deps.jobs;
  const tenant: Tenant = {
    id: body.id ?? mint('ten'),
    name: body.name,
    markupPercent: body.markup_percent ?? '0',
    policy: body.policy ?? {},
    maxPriceMicros: null,
    concurrency: body.concurrency ?? null,
    ratePerMinute: body.rate_per_minute ?? null,
    createdAtMs: clock.nowMs(),
  };
  const secret = mintWebhookSecret(random);
  const made = await database.write(async (tx) => {
    if (await findTenant(tx, tenant.id)) return false;
    await insertTenant(tx, tenant);
    await replaceCallbackSecret(tx, tenant.id, { sealed: sealer.seal(secret), oldUntilMs: null });
    return true;
  });
  if (!made) throw new GatewayError('conflict', { message: `There is a tenant '${tenant.id}' already.`, param: 'id' });
  deps.log.info('tenant created', { tenant: tenant.id });
  return c.json({ ...showTenant(tenant), webhook_secret: secret });
}

async function replaceSecret(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { id } = await theTenant(deps, c);
  const { keep_old_secret_active_for_24_hours: keepsOld } = await bodyOf(c, newSecret);
  const { clock, database, random, sealer } = deps.jobs;
  const secret = mintWebhookSecret(random);
  const oldUntilMs = keepsOld ? clock.nowMs() + OLD_SECRET_MS : null;
  await database.write((tx) => replaceCallbackSecret(tx, id, { sealed: sealer.seal(secret), oldUntilMs }));
  deps.log.info('webhook secret replaced', { tenant: id });
  return c.json({ id, webhook_secret: secret, old_secret_active_until: toSeconds(oldUntilMs) });
}

async function changeTenant(deps: FrontDeps, callers: Authenticator, c: Ctx): Promise<Response> {
  const { id } = await theTenant(deps, c);
  const body = await bodyOf(c, tenantChange);
  await deps.jobs.database.write((tx) =>
    updateTenant(tx, id, {
      ...(body.name !== undefined && { name: body.name }),
      ...(body.markup_percent !== undefined && { markupPercent: body.markup_percent }),
      ...(body.policy && { policy: body.policy }),
      ...(body.concurrency !== undefined && { concurrency: body.concurrency }),
      ...(body.rate_per_minute !== undefined && { ratePerMinute: body.rate_per_minute }),
    }),
  );
  callers.forget();
  deps.worker.queue.wake();
  deps.log.info('tenant changed', { tenant: id, detail: Object.keys(body).join(', ') });
  return c.json(showTenant(await theTenant(deps, c)));
}

function showTenant(tenant: Tenant): z.infer<typeof tenantSchema> {
  return {
    id: tenant.id,
    name: tenant.name,
    markup_percent: Number(tenant.markupPercent),
    policy: tenant.policy,
    concurrency: tenant.concurrency,
    rate_per_minute: tenant.ratePerMinute,
    created_at: Math.floor(tenant.createdAtMs / 1_000),
  };
}
