import { z } from 'zod';
import { PROVIDERS } from '../../providers/index.ts';
import { GatewayError, invalidValue } from '../ground/errors.ts';
import { budgetsOfOwners } from '../ledger/budget.ts';
import { type ApiKey, findKey, insertKey, listKeys, mintKey, revokeKey } from '../ledger/key.ts';
import { findTenant, type Tenant } from '../ledger/tenant.ts';
import { bodyOf, listed, listOf, noSuchTenant, toSeconds } from './admin-shapes.ts';
import type { Authenticator } from './auth.ts';
import { adminBudgetSchema, showAdminBudget } from './budget-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { resolveModel } from './normalise.ts';
import type { Route } from './route-table.ts';

const RATE_MAX = 1_000_000;
const slugs = PROVIDERS.map(({ id }) => id);

/** Requests a minute, or null for no limit. */
export const ratePerMinute = z
  .number()
  .int('expected a whole number')
  .min(1, 'expected at least 1, or null for no limit')
  .max(RATE_MAX, `expected at most ${RATE_MAX}, or null for no limit`)
  .nullable();

const newKey = z.strictObject({
  name: z.string().trim().min(1, 'expected a name').max(100, 'expected at most 100 characters').default('default'),
  expires_at: z.number().int().positive().optional().meta({ description: 'Unix seconds.' }),
  models: z.array(z.string()).min(1, 'expected at least one model').nullish().meta({
    description: 'What may be asked for with it; everything when absent.',
  }),
  providers: z
    .array(z.enum(slugs, { error: `expected providers among ${slugs.join(', ')}` }))
    .min(1, 'expected at least one provider')
    .nullish()
    .meta({ description: 'Who may serve it, among those that the tenant may use; all of them when absent.' }),
  rate_per_minute: ratePerMinute.optional(),
});

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
    models: z.array(z.string()).nullable(),
    providers: z.array(z.string()).nullable(),
    rate_per_minute: z.number().int().nullable(),
  })
  .meta({ id: 'ApiKey' });
const listedKey = keySchema.extend({ budgets: z.array(adminBudgetSchema) }).meta({ id: 'ListedApiKey' });

/** Who may ask: the admin routes of keys. */
export function keyAdminRoutes(deps: FrontDeps, callers: Authenticator): Route[] {
  return [
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
      summary: "List a tenant's keys, with their budgets",
      answer: listOf(listedKey),
      handle: (c) => showKeys(deps, c),
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

/** The tenant that the path names. Throws `not_found` when there is none. */
export async function theTenant(deps: FrontDeps, c: Ctx): Promise<Tenant> {
  const id = c.req.param('id') ?? '';
  const tenant = await deps.jobs.database.read((tx) => findTenant(tx, id));
  if (tenant) return tenant;
  throw noSuchTenant(id);
}

/** The key that the path names. Throws `not_found` when there is none. */
export async function theKey(deps: FrontDeps, c: Ctx): Promise<ApiKey> {
  const key = await deps.jobs.database.read((tx) => findKey(tx, c.req.param('id') ?? ''));
  if (key) return key;
  throw new GatewayError('not_found', { message: 'There is no such key.', param: 'id' });
}

async function createKey(deps: FrontDeps, c: Ctx): Promise<Response> {
  const tenant = await theTenant(deps, c);
  const body = await bodyOf(c, newKey);
  const { clock, database, mint, random } = deps.jobs;
  const nowMs = clock.nowMs();
  const expiresAtMs = body.expires_at === undefined ? null : body.expires_at * 1_000;
  if (expiresAtMs !== null && expiresAtMs <= nowMs) {
    const shown = new Date(expiresAtMs).toISOString();
    throw invalidValue('expires_at', `expires_at is Unix seconds of an instant to come, got ${shown}.`);
  }
  const key = mintKey(random);
  const fields = {
    id: mint('key'),
    tenantId: tenant.id,
    name: body.name,
    createdAtMs: nowMs,
    expiresAtMs,
    models: body.models ? [...new Set(body.models.map((name) => resolveModel(name, deps.aliases).model.id))] : null,
    providers: body.providers ? [...new Set(body.providers)] : null,
    ratePerMinute: body.rate_per_minute ?? null,
  };
  const stored = await database.write(async (tx) => {
    await insertKey(tx, fields, key, deps.keyPepper);
    return await findKey(tx, fields.id);
  });
  deps.log.info('key created', { tenant: tenant.id, key: fields.id });
  return c.json({ id: fields.id, key, ...(stored && showKey(stored)) });
}

async function showKeys(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { id } = await theTenant(deps, c);
  const { clock, database } = deps.jobs;
  const shown = await database.read(async (tx) => {
    const keys = await listKeys(tx, id);
    const ids = keys.map((key) => key.id);
    const states = await budgetsOfOwners(tx, 'key', ids, clock.nowMs());
    return keys.map((key) => ({
      ...showKey(key),
      budgets: states.filter(({ budget }) => budget.ownerId === key.id).map(showAdminBudget),
    }));
  });
  return listed(c, shown);
}

async function removeKey(deps: FrontDeps, callers: Authenticator, c: Ctx): Promise<Response> {
  const id = c.req.param('id') ?? '';
  const revoked = await deps.jobs.database.write((tx) => revokeKey(tx, id, deps.jobs.clock.nowMs()));
  if (!revoked) throw new GatewayError('not_found', { message: 'There is no such key in use.', param: 'id' });
  callers.forget();
  deps.log.info('key revoked', { key: id });
  return c.json({ id, revoked: true });
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
    models: key.models && [...key.models],
    providers: key.providers && [...key.providers],
    rate_per_minute: key.ratePerMinute,
  };
}
