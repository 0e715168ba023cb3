import type { z } from 'zod';
import { GatewayError, invalidValue } from '../ground/errors.ts';
import { isId } from '../ground/id.ts';
import { findDelivery, type LoggedDelivery, listDeliveries, resend } from '../jobs/delivery-rows.ts';
import { changeEndpoint, endpointsOf, findEndpoint, insertEndpoint, removeEndpoint } from '../jobs/endpoint-rows.ts';
import { EVENT_TYPES, eventBody, typesOf } from '../jobs/events.ts';
import { type AlertData, BUDGET_ALERT } from '../ledger/budget-alerts.ts';
import { hintOf, mintWebhookSecret, OLD_SECRET_MS } from '../ledger/webhook-secret.ts';
import type { WebhookEndpointRow } from '../store/schema-webhooks.ts';
import { bodyOf } from './admin-shapes.ts';
import { assertReceiver } from './callback.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { type Route, readQuery } from './route-table.ts';
import {
  deletedEndpoint,
  deliverySchema,
  endpointChange,
  endpointSchema,
  endpointWithSecret,
  eventTypeList,
  newEndpoint,
  pageOf,
  pageQuery,
  rotation,
  showDelivery,
  showEndpoint,
  showPage,
  testRequest,
  testResult,
} from './webhook-shapes.ts';

const ENDPOINTS_MAX = 20;
/** What a sample event speaks of: no video has this id. */
const SAMPLE_VIDEO = `video_${'0'.repeat(34)}`;

/** Where a tenant's events go: the routes that the official SDK calls as `client.webhooks`, and the log behind them. */
export function webhookRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/webhook_event_types',
      summary: 'List the types of events',
      answer: eventTypeList,
      handle: (c) => c.json({ object: 'list', data: EVENT_TYPES }),
    },
    {
      method: 'post',
      path: '/webhook_endpoints',
      summary: 'Register an address for events; its signing secret is shown once',
      body: { schema: newEndpoint },
      answer: endpointWithSecret,
      handle: (c) => create(deps, c),
    },
    {
      method: 'get',
      path: '/webhook_endpoints',
      summary: 'List webhook endpoints, newest first',
      query: pageQuery,
      answer: pageOf(endpointSchema),
      handle: (c) => list(deps, c),
    },
    {
      method: 'get',
      path: '/webhook_endpoints/{webhook_endpoint_id}',
      summary: 'Retrieve a webhook endpoint',
      answer: endpointSchema,
      handle: async (c) => c.json(showEndpoint(await theEndpoint(deps, c))),
    },
    {
      method: 'post',
      path: '/webhook_endpoints/{webhook_endpoint_id}',
      summary: 'Change a webhook endpoint; with `url`, a disabled one is enabled again',
      body: { schema: endpointChange },
      answer: endpointSchema,
      handle: (c) => update(deps, c),
    },
    {
      method: 'delete',
      path: '/webhook_endpoints/{webhook_endpoint_id}',
      summary: 'Delete a webhook endpoint, with its secret and its deliveries',
      answer: deletedEndpoint,
      handle: (c) => remove(deps, c),
    },
    {
      method: 'post',
      path: '/webhook_endpoints/{webhook_endpoint_id}/rotate_secret',
      summary: 'Replace the signing secret; on request the old one signs too for 24 hours',
      body: { schema: rotation },
      answer: endpointWithSecret,
      handle: (c) => rotate(deps, c),
    },
    {
      method: 'post',
      path: '/webhook_endpoints/{webhook_endpoint_id}/test',
      summary: 'Send a sample event now, once, and tell what status was answered',
      body: { schema: testRequest },
      answer: testResult,
      handle: (c) => test(deps, c),
    },
    {
      method: 'get',
      path: '/webhook_endpoints/{webhook_endpoint_id}/deliveries',
      summary: 'What was sent to the endpoint, newest first, and what became of it',
      query: pageQuery,
      answer: pageOf(deliverySchema),
      handle: (c) => deliveries(deps, c),
    },
    {
      method: 'post',
      path: '/webhook_endpoints/{webhook_endpoint_id}/deliveries/{delivery_id}/resend',
      summary: 'Send an event once more, from the beginning of its schedule',
      answer: deliverySchema,
      handle: (c) => sendAgain(deps, c),
    },
  ];
}

/** The caller's own endpoint. Somebody else's and one that never was are the same 404. */
async function theEndpoint({ jobs }: FrontDeps, c: Ctx): Promise<WebhookEndpointRow> {
  const id = c.req.param('webhook_endpoint_id') ?? '';
  const tenantId = c.get('caller').tenant.id;
  const found = isId(id, 'whe') ? await jobs.database.read((tx) => findEndpoint(tx, tenantId, id)) : null;
  return found ?? gone();
}

function gone(): never {
  const message = 'There is no such webhook endpoint.';
  throw new GatewayError('not_found', { message, param: 'webhook_endpoint_id' });
}

async function create(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { name, url, event_types: types } = await bodyOf(c, newEndpoint);
  assertReceiver(url, deps.addressRules, 'url');
  const { clock, database, mint, random, sealer } = deps.jobs;
  const nowMs = clock.nowMs();
  const secret = mintWebhookSecret(random);
  const row: WebhookEndpointRow = {
    id: mint('whe'),
    tenantId: c.get('caller').tenant.id,
    name,
    url,
    eventTypes: JSON.stringify(types),
    secretSealed: sealer.seal(secret),
    secretHint: hintOf(secret),
    oldSecretSealed: null,
    oldSecretUntilMs: null,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    disabledAtMs: null,
  };
  if (!(await database.write((tx) => insertEndpoint(tx, row, ENDPOINTS_MAX)))) {
    const message = `There are ${ENDPOINTS_MAX} webhook endpoints, which is the most there may be. Delete one first.`;
    throw new GatewayError('invalid_value', { message });
  }
  deps.log.info('webhook endpoint created', { tenant: row.tenantId });
  return c.json({ ...showEndpoint(row), signing_secret: secret });
}

async function list(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { limit, after } = readQuery(c, pageQuery);
  // All of them at once: there are few, by the limit above.
  const all = await deps.jobs.database.read((tx) => endpointsOf(tx, c.get('caller').tenant.id));
  const last = after === undefined ? -1 : all.findIndex(({ id }) => id === after);
  if (after !== undefined && last === -1) throw unknownAfter(after);
  const page = all.slice(last + 1, last + 1 + limit);
  return c.json(showPage(page.map(showEndpoint), all.length > last + 1 + limit));
}

function unknownAfter(after: string): GatewayError {
  return invalidValue('after', `There is nothing with the id '${after.slice(0, 60)}' to list after.`);
}

async function update(deps: FrontDeps, c: Ctx): Promise<Response> {
  const endpoint = await theEndpoint(deps, c);
  const change = await bodyOf(c, endpointChange);
  if (change.url !== undefined) assertReceiver(change.url, deps.addressRules, 'url');
  const wanted = {
    name: change.name ?? endpoint.name,
    url: change.url ?? endpoint.url,
    eventTypes: JSON.stringify(change.event_types ?? typesOf(endpoint)),
    disabledAtMs: change.url === undefined ? endpoint.disabledAtMs : null,
  };
  if (isSame(wanted, endpoint)) return c.json(showEndpoint(endpoint));
  const updatedAtMs = deps.jobs.clock.nowMs();
  const changed = await deps.jobs.database.write((tx) => changeEndpoint(tx, endpoint.id, { ...wanted, updatedAtMs }));
  return c.json(showEndpoint(changed ?? gone()));
}

function isSame(wanted: Partial<WebhookEndpointRow>, endpoint: WebhookEndpointRow): boolean {
  return JSON.stringify({ ...endpoint, ...wanted }) === JSON.stringify(endpoint);
}

async function remove(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { id, tenantId } = await theEndpoint(deps, c);
  await deps.jobs.database.write((tx) => removeEndpoint(tx, id));
  deps.log.info('webhook endpoint deleted', { tenant: tenantId });
  return c.json({ id, object: 'webhook_endpoint.deleted', deleted: true } satisfies z.infer<typeof deletedEndpoint>);
}

async function rotate(deps: FrontDeps, c: Ctx): Promise<Response> {
  const endpoint = await theEndpoint(deps, c);
  const { keep_old_secret_active_for_24_hours: keepsOld } = await bodyOf(c, rotation);
  const { clock, database, random, sealer } = deps.jobs;
  const nowMs = clock.nowMs();
  const secret = mintWebhookSecret(random);
  const change = { secretSealed: sealer.seal(secret), secretHint: hintOf(secret), updatedAtMs: nowMs };
  const changed = await database.write(async (tx) => {
    // Read again inside: of two rotations at once, the second keeps the first one's secret, not the one before it.
    const current = await findEndpoint(tx, endpoint.tenantId, endpoint.id);
    const oldSecretSealed = keepsOld ? (current?.secretSealed ?? null) : null;
    const oldSecretUntilMs = keepsOld ? nowMs + OLD_SECRET_MS : null;
    return await changeEndpoint(tx, endpoint.id, { ...change, oldSecretSealed, oldSecretUntilMs });
  });
  deps.log.info('webhook secret replaced', { tenant: endpoint.tenantId });
  return c.json({ ...showEndpoint(changed ?? gone()), signing_secret: secret });
}

async function test(deps: FrontDeps, c: Ctx): Promise<Response> {
  const endpoint = await theEndpoint(deps, c);
  const { event_type: type } = await bodyOf(c, testRequest);
  const id = deps.jobs.mint('evt');
  const data = type === BUDGET_ALERT ? sampleAlert(endpoint.tenantId) : { id: SAMPLE_VIDEO };
  const body = eventBody({ id, type, data, atMs: deps.jobs.clock.nowMs() });
  const sent = await deps.notifier.sendSample(endpoint, { id, body });
  if (sent.kind === 'unanswered') {
    const message = 'The address of this webhook endpoint is not reachable or not allowed.';
    throw new GatewayError('invalid_value', { message, param: 'url', internal: sent.detail });
  }
  const told = { webhook_endpoint_id: endpoint.id, event_type: type, status_code: sent.status };
  return c.json({ object: 'webhook_endpoint.test', ...told, success: true } satisfies z.infer<typeof testResult>);
}

/** What a sample alert tells: four fifths of a cap of ten dollars. */
function sampleAlert(tenant: string): AlertData {
  const money = { cap_usd: 10, spent_usd: 7.5, held_usd: 0.5, left_usd: 2 };
  return { scope: 'tenant', tenant, key: null, period: 'total', span: 'total', percent: 80, ...money };
}

async function deliveries(deps: FrontDeps, c: Ctx): Promise<Response> {
  const endpoint = await theEndpoint(deps, c);
  const { limit, after } = readQuery(c, pageQuery);
  const found = await deps.jobs.database.read(async (tx): Promise<LoggedDelivery[]> => {
    const last = after === undefined ? null : await findDelivery(tx, endpoint.id, after);
    if (after !== undefined && last === null) throw unknownAfter(after);
    return await listDeliveries(tx, endpoint.id, { limit: limit + 1, after: last?.delivery ?? null });
  });
  return c.json(showPage(found.slice(0, limit).map(showDelivery), found.length > limit));
}

async function sendAgain(deps: FrontDeps, c: Ctx): Promise<Response> {
  const endpoint = await theEndpoint(deps, c);
  const id = c.req.param('delivery_id') ?? '';
  const { clock, database } = deps.jobs;
  const again = await database.write(async (tx) => {
    if (!(await findDelivery(tx, endpoint.id, id))) {
      const message = 'There is no such delivery to this webhook endpoint.';
      throw new GatewayError('not_found', { message, param: 'delivery_id' });
    }
    if (endpoint.disabledAtMs !== null) {
      const message = 'This webhook endpoint is disabled: its receiver answered 410. Set its url to enable it again.';
      throw invalidValue('webhook_endpoint_id', message);
    }
    await resend(tx, id, clock.nowMs());
    return await findDelivery(tx, endpoint.id, id);
  });
  deps.notifier.wake();
  return c.json(showDelivery(again ?? gone()));
}
