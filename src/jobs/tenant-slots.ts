import { and, eq, sql } from 'drizzle-orm';
import { statement, type Tx } from '../store/database.ts';
import { attempts, jobs, tenants } from '../store/schema.ts';

/** Where a tenant's jobs wait that has as many tasks running as it may have at once. No account has such a name. */
export const laneOfTenant = (tenantId: string): string => `tenant ${tenantId}`;

const tasksOf = (tx: Tx) =>
  tx
    .select({ running: sql<number>`count(*)` })
    .from(attempts)
    .innerJoin(jobs, eq(jobs.id, attempts.jobId))
    // `= 1` in the text, not as a parameter: only then does the index of slots serve.
    .where(and(sql`${attempts.slotHeld} = 1`, eq(jobs.tenantId, sql.placeholder('tenantId'))))
    .prepare();

/**
 * How many tasks of the tenant hold a slot, wherever: counted in the attempts themselves, so that no counter can go
 * wrong and a changed limit counts at once. There are at most as many rows to look at as all accounts have slots.
 */
export async function tasksOfTenant(tx: Tx, tenantId: string): Promise<number> {
  const [row] = await statement(tx, tasksOf).execute({ tenantId });
  return Number(row?.running ?? 0);
}

const limitOf = (tx: Tx) =>
  tx
    .select({ concurrency: tenants.concurrency })
    .from(tenants)
    .where(eq(tenants.id, sql.placeholder('tenantId')))
    .prepare();

/** Whether the tenant has as many tasks running as its `concurrency` allows; never, where it has none. */
export async function isTenantFull(tx: Tx, tenantId: string): Promise<boolean> {
  const [tenant] = await statement(tx, limitOf).execute({ tenantId });
  const most = tenant?.concurrency ?? null;
  return most !== null && (await tasksOfTenant(tx, tenantId)) >= most;
}
