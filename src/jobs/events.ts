import { toUnixSeconds } from '../ground/time.ts';
import type { Stamp } from '../ledger/account.ts';
import { BUDGET_ALERT, type BudgetAlert } from '../ledger/budget-alerts.ts';
import type { Tx } from '../store/database.ts';
import type { JobRow } from '../store/schema.ts';
import type { WebhookDeliveryRow, WebhookEventRow } from '../store/schema-webhooks.ts';
import { insertDelivery, insertEvent } from './delivery-rows.ts';
import type { Deps } from './deps.ts';
import { endpointsOf } from './endpoint-rows.ts';
import type { Presentation } from './presentation.ts';

/** What tenants can be told of. A cancelled video has failed, with the code `cancelled`. */
export const EVENT_TYPES = ['video.completed', 'video.failed', BUDGET_ALERT] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** An event as its receivers get it. */
interface Event {
  readonly id: string;
  readonly type: EventType;
  /** Of a video its id and no more, as OpenAI's: the receiver then retrieves it with its own key. */
  readonly data: object;
  readonly atMs: number;
}

/** The bytes of an event. */
export function eventBody({ id, type, data, atMs }: Event): string {
  return JSON.stringify({ id, object: 'event', created_at: toUnixSeconds(atMs), type, data });
}

/**
 * Writes down that the job has ended, for each place that wants to know: the tenant's endpoints for this type, and the
 * request's own `callback_url`. Runs in the transaction that ends the job, so that an end without its event cannot be;
 * where nobody wants to know nothing is written.
 */
export async function recordEnd(
  tx: Tx,
  deps: Pick<Deps, 'signals'>,
  job: Pick<JobRow, 'id' | 'tenantId' | 'presentation'>,
  type: EventType,
  stamp: Stamp,
): Promise<void> {
  const { callbackUrl }: Presentation = JSON.parse(job.presentation);
  const { id: jobId, tenantId } = job;
  const event = { tenantId, jobId, type, data: { id: jobId } };
  await record(tx, deps, event, callbackUrl === undefined ? [] : [{ endpointId: null, callbackUrl }], stamp);
}

/** Writes down alerts of budgets for the tenant's endpoints that want them, in the transaction that raises them. */
export async function recordAlerts(
  tx: Tx,
  deps: Pick<Deps, 'signals'>,
  alerts: readonly BudgetAlert[],
  stamp: Stamp,
): Promise<void> {
  for (const { tenantId, data } of alerts) {
    await record(tx, deps, { tenantId, jobId: null, type: BUDGET_ALERT, data }, [], stamp);
  }
  if (alerts.length > 0) deps.signals.alertRaised?.();
}

/** Says in the log, after the commit, what was raised: also where nobody is told otherwise. */
export function logAlerts({ log }: Pick<Deps, 'log'>, alerts: readonly BudgetAlert[]): void {
  for (const { tenantId, data } of alerts) {
    const { key, period, span, percent } = data;
    log.warn('budget alert', {
      tenant: tenantId,
      ...(key !== null && { key }),
      kind: period,
      detail: `${percent} % of ${span}`,
    });
  }
}

async function record(
  tx: Tx,
  deps: Pick<Deps, 'signals'>,
  event: Pick<WebhookEventRow, 'tenantId' | 'jobId'> & Pick<Event, 'type' | 'data'>,
  others: readonly Place[],
  stamp: Stamp,
): Promise<void> {
  const { tenantId, jobId, type, data } = event;
  const endpoints = await endpointsOf(tx, tenantId);
  const wanting = endpoints.filter((endpoint) => endpoint.disabledAtMs === null && typesOf(endpoint).includes(type));
  const places = [...wanting.map(({ id }) => ({ endpointId: id, callbackUrl: null })), ...others];
  if (places.length === 0) return;

  const id = stamp.mint('evt');
  const body = eventBody({ id, type, data, atMs: stamp.nowMs });
  await insertEvent(tx, { id, tenantId, jobId, type, body, createdAtMs: stamp.nowMs });
  for (const place of places) {
    await insertDelivery(tx, { id: stamp.mint('whd'), eventId: id, tenantId, ...place }, stamp.nowMs);
  }
  // Not after the commit, which is the caller's: whoever listens asks the store in a write of its own, behind this one.
  deps.signals.eventRecorded?.();
}

type Place = Pick<WebhookDeliveryRow, 'endpointId' | 'callbackUrl'>;

/** The types that are sent to the endpoint. */
export function typesOf({ eventTypes }: { readonly eventTypes: string }): string[] {
  return JSON.parse(eventTypes);
}
