import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import { ratio } from '../ground/money.ts';
import { type ApiKey, insertKey, listKeys, mintKey, revokeKey } from '../ledger/key.ts';
import { findTenant, insertTenant, listTenants, type Tenant, updateTenant } from '../ledger/tenant.ts';
import { tenantPolicySchema } from '../routing/policy.ts';
import { bodyOf, listed, listOf, toSeconds } from './admin-shapes.ts';
import type { Authenticator } from './auth.ts';
import type { Ctx, FrontDeps } from './context.ts';
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
  policy: tenantPolicySchema.optional(),
  concurrency: z.number().int().positive().nullable().optional(),
  rate_per_minute: z.number().int().positive().nullable().optional(),
};
const tenantId = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,40}$/, 'expected lower-case letters, digits, - and _');
const newTenant = z.strictObject({ id: tenantId.optional(), ...changeable, name });
const tenantChange = z.strictObject(changeable);
const newKey = z.strictObject({ name: name.default('default'), expires_at: z.number().int().positive().optional() });

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
const keySchema = z
  .object({
    id: z.string(),
    tenant: z.string(),
    name: z.string(),
    prefix: z.string(),
    last_four: z.string(),
    created_at: z.number().int(),
    expires_at: z.number().int().nullable(),
    revoked_at: z.number().int().nullable(),
  })
  .meta({ id: 'ApiKey' });

/** Who pays and who may ask: the admin routes of tenants and keys. */
export function tenantAdminRoutes(deps: FrontDeps, callers: Authenticator): Route[] {
  return [
    {
      method: 'post',
      path: '/tenants',
      summary: 'Create a tenant',
      body: { schema: newTenant },
      answer: tenantSchema,
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
      summary: 'Retrieve a tenant',
      answer: tenantSchema,
      handle: async (c) => c.json(showTenant(await theTenant(deps, c))),
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
      path: '/tenants/{id}/keys',
      summary: 'Create an API key; it is shown once',
      body: { schema: newKey },
      answer: keySchema.extend({ key: z.string() }),
      handle: (c) => createKey(deps, c),
    },
    {
      method: 'get',
      path: '/tenants/{id}/keys',
      summary: "List a tenant's keys",
      answer: listOf(keySchema),
      handle: async (c) => {
        const { id } = await theTenant(deps, c);
        return listed(c, (await deps.jobs.database.read((tx) => listKeys(tx, id))).map(showKey));
      },
    },
    {
      method: 'delete',
      path: '/keys/{id}',
      summary: 'Revoke a key, from the next request on',
      answer: z.object({ id: z.string(), revoked: z.literal(true) }),
      handle: (c) => removeKey(deps, callers, c),
    },
  ];
}

async function theTenant(deps: FrontDeps, c: Ctx): Promise<Tenant> {
  const tenant = await deps.jobs.database.read((tx) => findTenant(tx, c.req.param('id') ?? ''));
  if (tenant) return tenant;
  throw new GatewayError('not_found', { message: 'There is no such tenant.', param: 'id' });
}

async function createTenant(deps: FrontDeps, c: Ctx): Promise<Response> {
  const body = await bodyOf(c, newTenant);
  const { clock, database, mint } = deps.jobs;
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
  const made = await database.write(async (tx) => {
    if (await findTenant(tx, tenant.id)) return false;
    await insertTenant(tx, tenant);
    return true;
  });
  if (!made) throw new GatewayError('conflict', { message: `There is a tenant '${tenant.id}' already.`, param: 'id' });
  deps.log.info('tenant created', { tenant: tenant.id });
  return c.json(showTenant(tenant));
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
  deps.log.info('tenant changed', { tenant: id, detail: Object.keys(body).join(', ') });
  return c.json(showTenant(await theTenant(deps, c)));
}

async function createKey(deps: FrontDeps, c: Ctx): Promise<Response> {
  const tenant = await theTenant(deps, c);
  const body = await bodyOf(c, newKey);
  const { clock, database, mint, random } = deps.jobs;
  const key = mintKey(random);
  const fields = {
    id: mint('key'),
    tenantId: tenant.id,
    name: body.name,
    createdAtMs: clock.nowMs(),
    expiresAtMs: body.expires_at === undefined ? null : body.expires_at * 1_000,
  };
  await database.write((tx) => insertKey(tx, fields, key, deps.keyPepper));
  const keys = await database.read((tx) => listKeys(tx, tenant.id));
  const stored = keys.find(({ id }) => id === fields.id);
  deps.log.info('key created', { tenant: tenant.id, key: fields.id });
  return c.json({ id: fields.id, key, ...(stored && showKey(stored)) });
}

async function removeKey(deps: FrontDeps, callers: Authenticator, c: Ctx): Promise<Response> {
  const id = c.req.param('id') ?? '';
  const revoked = await deps.jobs.database.write((tx) => revokeKey(tx, id, deps.jobs.clock.nowMs()));
  if (!revoked) throw new GatewayError('not_found', { message: 'There is no such key in use.', param: 'id' });
  callers.forget();
  deps.log.info('key revoked', { key: id });
  return c.json({ id, revoked: true });
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

function showKey(key: ApiKey): z.infer<typeof keySchema> {
  return {
    id: key.id,
    tenant: key.tenantId,
    name: key.name,
    prefix: key.prefix,
    last_four: key.lastFour,
    created_at: Math.floor(key.createdAtMs / 1_000),
    expires_at: toSeconds(key.expiresAtMs),
    revoked_at: toSeconds(key.revokedAtMs),
  };
}
