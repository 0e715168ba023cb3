import { and, desc, eq, sql } from 'drizzle-orm';
import { statement, type Tx } from '../store/database.ts';
import { type WebhookEndpointRow, webhookDeliveries, webhookEndpoints } from '../store/schema-webhooks.ts';

type EndpointChange = Partial<Omit<WebhookEndpointRow, 'id' | 'tenantId' | 'createdAtMs'>>;

const byTenant = (tx: Tx) =>
  tx
    .select()
    .from(webhookEndpoints)
    .where(eq(webhookEndpoints.tenantId, sql.placeholder('tenantId')))
    .orderBy(desc(webhookEndpoints.createdAtMs), desc(webhookEndpoints.id))
    .prepare();

/** The tenant's endpoints, newest first, disabled ones included. */
export async function endpointsOf(tx: Tx, tenantId: string): Promise<WebhookEndpointRow[]> {
  return await statement(tx, byTenant).execute({ tenantId });
}

/** The tenant's endpoint; null for an unknown one and for somebody else's. */
export async function findEndpoint(tx: Tx, tenantId: string, id: string): Promise<WebhookEndpointRow | null> {
  const [row] = await tx
    .select()
    .from(webhookEndpoints)
    .where(and(eq(webhookEndpoints.id, id), eq(webhookEndpoints.tenantId, tenantId)));
  return row ?? null;
}

/** Adds the endpoint, unless its tenant has as many as it may have; false then. */
export async function insertEndpoint(tx: Tx, row: WebhookEndpointRow, most: number): Promise<boolean> {
  if ((await endpointsOf(tx, row.tenantId)).length >= most) return false;
  await tx.insert(webhookEndpoints).values(row);
  return true;
}

/** Changes the named columns; the row as it is now, null when there is none of that id. */
export async function changeEndpoint(tx: Tx, id: string, change: EndpointChange): Promise<WebhookEndpointRow | null> {
  const [row] = await tx.update(webhookEndpoints).set(change).where(eq(webhookEndpoints.id, id)).returning();
  return row ?? null;
}

/** Removes the endpoint with its secret and its deliveries, those under way too. */
export async function removeEndpoint(tx: Tx, id: string): Promise<void> {
  await tx.delete(webhookDeliveries).where(eq(webhookDeliveries.endpointId, id));
  await tx.delete(webhookEndpoints).where(eq(webhookEndpoints.id, id));
}
