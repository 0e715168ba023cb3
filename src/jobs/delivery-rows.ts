import { and, asc, desc, eq, gt, inArray, isNotNull, lt, lte, notExists, or, sql } from 'drizzle-orm';
import { z } from 'zod';
import { statement, type Tx } from '../store/database.ts';
import {
  type WebhookDeliveryRow,
  type WebhookEndpointRow,
  type WebhookEventRow,
  webhookDeliveries,
  webhookEndpoints,
  webhookEvents,
} from '../store/schema-webhooks.ts';

/** So many due deliveries are looked at in one go for those that may be sent now. */
const DUE_LOOKED_AT = 200;
const LOG_TRIES_MAX = 20;

/** One try: when, and what status was answered; null where nothing was. */
const tryLog = z.array(z.object({ atMs: z.number(), status: z.number().nullable() }));
export type Try = z.infer<typeof tryLog>[number];

/** The latest tries of a delivery, oldest first. */
export function triesOf({ log }: Pick<WebhookDeliveryRow, 'log'>): Try[] {
  return tryLog.parse(JSON.parse(log));
}

export async function insertEvent(tx: Tx, row: WebhookEventRow): Promise<void> {
  await tx.insert(webhookEvents).values(row);
}

type NewDelivery = Pick<WebhookDeliveryRow, 'id' | 'eventId' | 'tenantId' | 'endpointId' | 'callbackUrl'>;

/** A delivery that is due now. */
export async function insertDelivery(tx: Tx, row: NewDelivery, nowMs: number): Promise<void> {
  const fresh = { state: 'pending', tries: 0, log: '[]', leaseToken: 0, endedAtMs: null } as const;
  await tx.insert(webhookDeliveries).values({ ...row, ...fresh, dueAtMs: nowMs, createdAtMs: nowMs });
}

/** What must be known of a delivery to write what became of it. */
export type Claimed = Pick<WebhookDeliveryRow, 'id' | 'tenantId' | 'leaseToken'>;

const due = (tx: Tx) =>
  tx
    .select({ id: webhookDeliveries.id, tenantId: webhookDeliveries.tenantId })
    .from(webhookDeliveries)
    .where(
      and(
        eq(webhookDeliveries.state, 'pending'),
        lte(webhookDeliveries.dueAtMs, sql.placeholder('nowMs')),
        sql`${webhookDeliveries.tenantId} not in (select value from json_each(${sql.placeholder('full')}))`,
      ),
    )
    .orderBy(asc(webhookDeliveries.dueAtMs))
    .limit(DUE_LOOKED_AT)
    .prepare();

/** Which deliveries may be taken now. */
export interface DueClaim {
  readonly nowMs: number;
  readonly untilMs: number;
  readonly limit: number;
  readonly perTenant: number;
  /** How many this process is sending of each tenant. */
  readonly sendingOf: ReadonlyMap<string, number>;
  /** Those that this process is sending: not taken twice, also when a clock that jumped says they are due. */
  readonly underWay: { has(id: string): boolean };
}

/**
 * Takes due deliveries, oldest first: at most `limit`, and of each tenant so many that `perTenant` of it are under way,
 * however many others of it are older than those of the rest. A claim is a due time put off until `untilMs`: whoever
 * dies over it leaves it due again then, and another takes it with a new token.
 */
export async function claimDue(tx: Tx, claim: DueClaim): Promise<Claimed[]> {
  const chosen = await chooseDue(tx, claim);
  if (chosen.size === 0) return [];
  return await tx
    .update(webhookDeliveries)
    .set({ dueAtMs: claim.untilMs, leaseToken: sql`${webhookDeliveries.leaseToken} + 1` })
    .where(and(inArray(webhookDeliveries.id, [...chosen]), lte(webhookDeliveries.dueAtMs, claim.nowMs)))
    .returning({
      id: webhookDeliveries.id,
      tenantId: webhookDeliveries.tenantId,
      leaseToken: webhookDeliveries.leaseToken,
    });
}

/** Looks again as long as there may be others behind those of tenants that have no room left. */
async function chooseDue(tx: Tx, claim: DueClaim): Promise<ReadonlySet<string>> {
  const taken = new Map(claim.sendingOf);
  const chosen = new Set<string>();
  for (;;) {
    const full = [...taken].filter(([, count]) => count >= claim.perTenant).map(([tenantId]) => tenantId);
    const rows = await statement(tx, due).execute({ nowMs: claim.nowMs, full: JSON.stringify(full) });
    const before = chosen.size;
    for (const { id, tenantId } of rows) {
      const count = taken.get(tenantId) ?? 0;
      if (chosen.size >= claim.limit || count >= claim.perTenant) continue;
      if (chosen.has(id) || claim.underWay.has(id)) continue;
      taken.set(tenantId, count + 1);
      chosen.add(id);
    }
    const isLast = rows.length < DUE_LOOKED_AT || chosen.size === before;
    if (isLast || chosen.size >= claim.limit) return chosen;
  }
}

const next = (tx: Tx) =>
  tx
    .select({ dueAtMs: webhookDeliveries.dueAtMs })
    .from(webhookDeliveries)
    .where(and(eq(webhookDeliveries.state, 'pending'), gt(webhookDeliveries.dueAtMs, sql.placeholder('nowMs'))))
    .orderBy(asc(webhookDeliveries.dueAtMs))
    .limit(1)
    .prepare();

/** When the next delivery falls due that is not due yet; null when none will. */
export async function nextDueAtMs(tx: Tx, nowMs: number): Promise<number | null> {
  const [row] = await statement(tx, next).execute({ nowMs });
  return row?.dueAtMs ?? null;
}

export interface Sending {
  readonly delivery: WebhookDeliveryRow;
  readonly event: WebhookEventRow;
  /** Null for a delivery to a `callback_url`. */
  readonly endpoint: WebhookEndpointRow | null;
}

/** What a claimed delivery sends, and where; null when it was ended, taken or removed since. */
export async function loadSending(tx: Tx, claimed: Claimed): Promise<Sending | null> {
  const [row] = await tx
    .select({ delivery: webhookDeliveries, event: webhookEvents, endpoint: webhookEndpoints })
    .from(webhookDeliveries)
    .innerJoin(webhookEvents, eq(webhookEvents.id, webhookDeliveries.eventId))
    .leftJoin(webhookEndpoints, eq(webhookEndpoints.id, webhookDeliveries.endpointId))
    .where(held(claimed));
  return row ?? null;
}

const held = ({ id, leaseToken }: Claimed) =>
  and(
    eq(webhookDeliveries.id, id),
    eq(webhookDeliveries.leaseToken, leaseToken),
    eq(webhookDeliveries.state, 'pending'),
  );

/** What a try has come to: over, or due again. */
export type Outcome =
  | { readonly state: 'delivered' | 'failed' }
  | { readonly state: 'pending'; readonly dueAtMs: number };

/** Writes what a try has come to; false, having written nothing, when somebody else has the delivery now. */
export async function recordTry(tx: Tx, delivery: WebhookDeliveryRow, tried: Try, outcome: Outcome): Promise<boolean> {
  const log = [...triesOf(delivery), tried].slice(-LOG_TRIES_MAX);
  const over = outcome.state !== 'pending';
  const changed = await tx
    .update(webhookDeliveries)
    .set({
      state: outcome.state,
      tries: outcome.state === 'delivered' ? delivery.tries : delivery.tries + 1,
      log: JSON.stringify(log),
      dueAtMs: over ? null : outcome.dueAtMs,
      endedAtMs: over ? tried.atMs : null,
    })
    .where(held(delivery))
    .returning({ id: webhookDeliveries.id });
  return changed.length === 1;
}

/** A receiver that is gone for good gets nothing more: its endpoint is disabled, and what was to go there has failed. */
export async function disableEndpoint(tx: Tx, endpointId: string, nowMs: number): Promise<void> {
  await tx.update(webhookEndpoints).set({ disabledAtMs: nowMs }).where(eq(webhookEndpoints.id, endpointId));
  await tx
    .update(webhookDeliveries)
    .set({ state: 'failed', dueAtMs: null, endedAtMs: nowMs })
    .where(and(eq(webhookDeliveries.endpointId, endpointId), eq(webhookDeliveries.state, 'pending')));
}

/** A delivery with the event that it carries. */
export type LoggedDelivery = Pick<Sending, 'delivery' | 'event'>;

/** A page of an endpoint's deliveries, newest first, after that one where there is one. */
export async function listDeliveries(
  tx: Tx,
  endpointId: string,
  page: { readonly limit: number; readonly after: WebhookDeliveryRow | null },
): Promise<LoggedDelivery[]> {
  const { createdAtMs, id } = webhookDeliveries;
  const { after } = page;
  const beyond = after
    ? or(lt(createdAtMs, after.createdAtMs), and(eq(createdAtMs, after.createdAtMs), lt(id, after.id)))
    : undefined;
  return await tx
    .select({ delivery: webhookDeliveries, event: webhookEvents })
    .from(webhookDeliveries)
    .innerJoin(webhookEvents, eq(webhookEvents.id, webhookDeliveries.eventId))
    .where(and(eq(webhookDeliveries.endpointId, endpointId), beyond))
    .orderBy(desc(createdAtMs), desc(id))
    .limit(page.limit);
}

/** The endpoint's delivery of that id; null when it has none. */
export async function findDelivery(tx: Tx, endpointId: string, id: string): Promise<LoggedDelivery | null> {
  const [row] = await tx
    .select({ delivery: webhookDeliveries, event: webhookEvents })
    .from(webhookDeliveries)
    .innerJoin(webhookEvents, eq(webhookEvents.id, webhookDeliveries.eventId))
    .where(and(eq(webhookDeliveries.endpointId, endpointId), eq(webhookDeliveries.id, id)));
  return row ?? null;
}

/** Puts the delivery at the beginning of its schedule, due now, whatever became of it before. */
export async function resend(tx: Tx, id: string, nowMs: number): Promise<void> {
  await tx
    .update(webhookDeliveries)
    .set({
      state: 'pending',
      tries: 0,
      dueAtMs: nowMs,
      endedAtMs: null,
      leaseToken: sql`${webhookDeliveries.leaseToken} + 1`,
    })
    .where(eq(webhookDeliveries.id, id));
}

/** Forgets up to `limit` deliveries that ended before the instant, and events that nobody is to get any more. */
export async function forgetOld(tx: Tx, beforeMs: number, limit: number): Promise<number> {
  const ended = tx
    .select({ id: webhookDeliveries.id })
    .from(webhookDeliveries)
    .where(and(isNotNull(webhookDeliveries.endedAtMs), lt(webhookDeliveries.endedAtMs, beforeMs)))
    .limit(limit);
  const gone = await tx
    .delete(webhookDeliveries)
    .where(inArray(webhookDeliveries.id, ended))
    .returning({ id: webhookDeliveries.id });
  const delivered = tx.select({ id: webhookDeliveries.id }).from(webhookDeliveries);
  const idle = tx
    .select({ id: webhookEvents.id })
    .from(webhookEvents)
    .where(
      and(
        lt(webhookEvents.createdAtMs, beforeMs),
        notExists(delivered.where(eq(webhookDeliveries.eventId, webhookEvents.id))),
      ),
    )
    .limit(limit);
  await tx.delete(webhookEvents).where(inArray(webhookEvents.id, idle));
  return gone.length;
}
