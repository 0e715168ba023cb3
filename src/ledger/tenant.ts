/**
 * The ledger owns whose money it is and where it is: tenants and their keys, and the entries that hold, settle and
 * release. Everything here runs inside the caller's transaction, so that money and job change together or not at all.
 */
import { asc, eq, sql } from 'drizzle-orm';
import { type Micros, usd } from '../ground/money.ts';
import { type TenantPolicy, tenantPolicySchema } from '../routing/policy.ts';
import { statement, type Tx } from '../store/database.ts';
import { type TenantRow, tenants } from '../store/schema.ts';

/** Who pays. */
export interface Tenant {
  readonly id: string;
  readonly name: string;
  /** Decimal percent, `12.5`. */
  readonly markupPercent: string;
  readonly policy: TenantPolicy;
  readonly maxPriceMicros: Micros | null;
  readonly concurrency: number | null;
  readonly ratePerMinute: number | null;
  readonly createdAtMs: number;
}

export type NewTenant = Omit<Tenant, 'maxPriceMicros'>;

export async function insertTenant(tx: Tx, tenant: NewTenant): Promise<void> {
  await tx.insert(tenants).values({
    id: tenant.id,
    name: tenant.name,
    markupPercent: tenant.markupPercent,
    policy: JSON.stringify(tenant.policy),
    concurrency: tenant.concurrency,
    ratePerMinute: tenant.ratePerMinute,
    createdAtMs: tenant.createdAtMs,
  });
}

const byId = (tx: Tx) =>
  tx
    .select()
    .from(tenants)
    .where(eq(tenants.id, sql.placeholder('id')))
    .prepare();

/** The tenant; null when there is none of that id. */
export async function findTenant(tx: Tx, id: string): Promise<Tenant | null> {
  const [row] = await statement(tx, byId).execute({ id });
  return row ? readTenant(row) : null;
}

/** Tenants in the order of their making. */
export async function listTenants(tx: Tx): Promise<Tenant[]> {
  const rows = await tx.select().from(tenants).orderBy(asc(tenants.createdAtMs), asc(tenants.id));
  return rows.map(readTenant);
}

/** Changes the named fields; false when there is no such tenant. */
export async function updateTenant(
  tx: Tx,
  id: string,
  change: Partial<Pick<NewTenant, 'name' | 'markupPercent' | 'policy' | 'concurrency' | 'ratePerMinute'>>,
): Promise<boolean> {
  const { policy, ...plain } = change;
  const set = { ...plain, ...(policy && { policy: JSON.stringify(policy) }) };
  if (Object.keys(set).length === 0) return (await findTenant(tx, id)) !== null;
  const changed = await tx.update(tenants).set(set).where(eq(tenants.id, id)).returning({ id: tenants.id });
  return changed.length === 1;
}

/** The tenant under these rules wherever its own policy does not say otherwise. */
export function underPolicy(tenant: Tenant, usual: TenantPolicy): Tenant {
  const policy = { ...usual, ...tenant.policy };
  return { ...tenant, policy, maxPriceMicros: maxPriceOf(policy) };
}

function maxPriceOf({ max_price_usd: maxPrice }: TenantPolicy): Micros | null {
  return maxPrice === undefined ? null : usd(maxPrice.toFixed(6));
}

/** What signs the tenant's callbacks stays behind in the row: it has no business in a request. */
function readTenant(row: TenantRow): Tenant {
  const { id, name, markupPercent, concurrency, ratePerMinute, createdAtMs } = row;
  const policy = tenantPolicySchema.parse(JSON.parse(row.policy));
  const maxPriceMicros = maxPriceOf(policy);
  return { id, name, markupPercent, policy, maxPriceMicros, concurrency, ratePerMinute, createdAtMs };
}
