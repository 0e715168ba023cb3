/** fal's queue, as docs.fal.ai and its own client describe it (2026-10): status and result live under the app id. */
import { randomUUID } from 'node:crypto';
import { streamSSE } from 'hono/streaming';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { isKeyed, mountPlatform, mountStorage } from './fal-account.ts';
import { clipOf, type Endpoint, endpointOf, rateOf } from './fal-models.ts';
import { billableUnits, outcomeOf, type Submitted, submittedOf } from './fal-outcome.ts';
import { signed } from './fal-signing.ts';
import { answerUnless, badGatewayPage, cutConnection, type Fault } from './faults.ts';
import type { EmulatedTask } from './tasks.ts';

/** The first two words of an endpoint id. */
const APPS = ['fal-ai/kling-video', 'kling/v4'];

/** Keys that open the emulator and then meet what an account can: `Authorization: Key sandbox-…`. */
const LOCKED: Readonly<Record<string, string>> = {
  'Key sandbox-empty': 'User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.',
  'Key sandbox-limited': 'This key does not have access to this endpoint.',
};

export function falEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('fal', 2, options);
  emulator.announceBy((task) => {
    const { status, body } = outcomeOf(emulator, task);
    const failed = status >= 400;
    const told = {
      request_id: task.id,
      gateway_request_id: task.id,
      status: failed ? 'ERROR' : 'OK',
      payload: body,
      error: failed ? `Invalid status code: ${status}` : null,
    };
    return signed(task.id, told, emulator.nowMs());
  });
  mountStorage(emulator);
  mountPlatform(emulator, () => spentOn(emulator));
  for (const app of APPS) mountQueue(emulator, app);
  return emulator;
}

function mountQueue(emulator: Emulator, app: string): void {
  emulator.app.use(`/${app}/*`, async (c, next) => {
    if (isKeyed(c)) return await next();
    const detail = `Cannot access application "${app}". Authentication is required to access this application.`;
    return c.json({ detail }, 401);
  });
  const request = `/${app}/requests/:id`;
  emulator.app.get(`${request}/status`, (c) => status(emulator, app, c));
  emulator.app.get(`${request}/status/stream`, (c) => streamStatus(emulator, app, c));
  emulator.app.get(request, (c) => result(emulator, app, c));
  emulator.app.get(`${request}/response`, (c) => result(emulator, app, c));
  emulator.app.put(`${request}/cancel`, (c) => cancel(emulator, app, c));
  emulator.app.post(`/${app}/*`, (c) => submit(emulator, c));
}

async function submit(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  const id = c.req.path.slice(1);
  const endpoint = endpointOf(id);
  const input: unknown = await c.req.json().catch(() => null);
  const locked = LOCKED[c.req.header('authorization') ?? ''];
  if (locked !== undefined) return c.json({ detail: locked }, 403);
  if (!endpoint) {
    emulator.violations.push(`${id.slice(0, 100)} is not an endpoint`);
    return c.json({ detail: `Application '${id}' not found` }, 404);
  }
  const fault = emulator.faults.of(c);
  const refusal = await refusedBy(fault, emulator, c);
  if (refusal) return refusal;
  const url = webhookOf(emulator, c);
  const checked = emulator.check(endpoint.schema, input);
  // Fields are checked by the runner, after the request was queued: a bad one shows in the result only.
  const invalid = 'fault' in checked ? { message: checked.fault, field: checked.field } : undefined;
  const request: Submitted = { endpoint: id, input, ...(invalid && { invalid }) };
  const order = clipOf(endpoint, invalid ? null : input);
  const task = emulator.create({
    id: randomUUID(),
    tag: null,
    request,
    order,
    fault,
    ...(url !== null && { hook: { url, secret: null } }),
  });
  c.header('x-fal-request-id', task.id);
  const queued = { ...addressesOf(emulator, task), status: 'IN_QUEUE', queue_position: positionOf(emulator, task) };
  return await answerUnless(fault, c, c.json(queued));
}

/** The webhook goes with the address of the submission, and nothing else does but the longest queue. */
function webhookOf(emulator: Emulator, c: EmulatorContext): string | null {
  const { fal_webhook: url, fal_max_queue_length: _, ...strange } = c.req.query();
  for (const name of Object.keys(strange)) emulator.violations.push(`query: ${name} means nothing`);
  if (url === undefined) return null;
  if (!URL.canParse(url)) emulator.violations.push(`fal_webhook: ${url.slice(0, 100)} is not an address`);
  return url;
}

/** Refusals before a request is enqueued: those that were ordered, and that of a queue longer than the caller bears. */
async function refusedBy(fault: Fault | null, emulator: Emulator, c: EmulatorContext): Promise<Response | null> {
  if (fault === 'cut') return await cutConnection(c);
  // The edge's own page: what never came to the backend has no request id.
  if (fault === 'html') return badGatewayPage(c);
  const longest = c.req.query('fal_max_queue_length');
  if (fault === 'rate_limited') c.header('retry-after', '1');
  c.header('x-fal-request-id', randomUUID());
  if (fault === 'rate_limited') return c.json({ detail: 'Too many requests' }, 429);
  if (fault === 'concurrency') {
    c.header('x-fal-needs-retry', '1');
    return refuse(c, 429, 'concurrent_requests_limit', 'Concurrent requests limit reached');
  }
  if (fault === 'server_error') return refuse(c, 500, 'internal_error', 'Internal Server Error');
  if (longest !== undefined && emulator.running() - emulator.slots > Number(longest)) {
    return c.json({ detail: 'Queue is longer than fal_max_queue_length' }, 429);
  }
  return null;
}

function refuse(c: EmulatorContext, code: 429 | 500, type: string, detail: string): Response {
  c.header('x-fal-error-type', type);
  return c.json({ detail, error_type: type }, code);
}

function addressesOf(emulator: Emulator, task: EmulatedTask): Record<string, string> {
  const app = submittedOf(task).endpoint.split('/').slice(0, 2).join('/');
  const base = `${emulator.url}/${app}/requests/${task.id}`;
  return {
    request_id: task.id,
    gateway_request_id: task.id,
    response_url: base,
    status_url: `${base}/status`,
    cancel_url: `${base}/cancel`,
  };
}

/** 0 is next; about right for one in the middle. */
function positionOf(emulator: Emulator, task: EmulatedTask): number {
  return task.startsAtMs <= emulator.nowMs() ? 0 : Math.max(0, emulator.running() - emulator.slots - 1);
}

/** The task of this app under the id in the path, as a read finds it. */
function readOf(emulator: Emulator, app: string, c: EmulatorContext): { task: EmulatedTask | null; error: boolean } {
  const { task, error } = emulator.readTask(c.req.param('id') ?? '');
  if (!task || !submittedOf(task).endpoint.startsWith(`${app}/`)) return { task: null, error };
  c.header('x-fal-request-id', task.id);
  return { task, error };
}

function status(emulator: Emulator, app: string, c: EmulatorContext): Response {
  const { task, error } = readOf(emulator, app, c);
  if (error) return c.json({ detail: 'Internal Server Error' }, 500);
  if (!task) return c.json({ detail: 'Request not found' }, 404);
  const shown = statusOf(emulator, task, wantsLogs(c));
  return c.json(shown, shown.status === 'COMPLETED' ? 200 : 202);
}

/** The vendor's clients write it in two ways. */
const wantsLogs = (c: EmulatorContext): boolean => ['1', 'true'].includes(c.req.query('logs') ?? '');

function statusOf(emulator: Emulator, task: EmulatedTask, withLogs: boolean): Record<string, unknown> {
  const base = addressesOf(emulator, task);
  const timestamp = new Date(task.startsAtMs).toISOString();
  const line = { timestamp, level: 'INFO', source: 'USER', message: 'generating' };
  const logs = withLogs ? [line] : null;
  const phase = emulator.phaseOf(task);
  if (task.fault === 'unknown_status') return { ...base, status: 'SUSPENDED' };
  if (phase === 'queued') return { ...base, status: 'IN_QUEUE', queue_position: positionOf(emulator, task) };
  if (phase === 'running') return { ...base, status: 'IN_PROGRESS', logs };
  const { error } = outcomeOf(emulator, task);
  return {
    ...base,
    status: 'COMPLETED',
    logs,
    metrics: { inference_time: (task.readyAtMs - task.startsAtMs) / 1_000 },
    ...error,
  };
}

const STREAM_EVERY_MS = 100;

/** The same words as events, until there is nothing more to say. */
function streamStatus(emulator: Emulator, app: string, c: EmulatorContext): Response {
  const { task } = readOf(emulator, app, c);
  if (!task) return c.json({ detail: 'Request not found' }, 404);
  return streamSSE(c, async (stream) => {
    for (;;) {
      const shown = statusOf(emulator, emulator.find(task.id) ?? task, wantsLogs(c));
      await stream.writeSSE({ data: JSON.stringify(shown) });
      if (shown.status === 'COMPLETED' || stream.aborted) return;
      await stream.sleep(STREAM_EVERY_MS);
    }
  });
}

function result(emulator: Emulator, app: string, c: EmulatorContext): Response {
  const { task } = readOf(emulator, app, c);
  if (!task) return c.json({ detail: 'Request not found' }, 404);
  const phase = emulator.phaseOf(task);
  if (phase === 'queued' || phase === 'running') return c.json({ detail: 'Request is still in progress' }, 400);
  const { status: code, body, type } = outcomeOf(emulator, task);
  const told: Record<string, string> =
    type === undefined
      ? { 'x-fal-billable-units': String(billableUnits(emulator, task)) }
      : { 'x-fal-error-type': type, 'x-fal-needs-retry': code >= 500 ? '1' : '0' };
  const headers = { ...told, 'x-fal-request-id': task.id, 'content-type': 'application/json' };
  // Not `c.json`: 499 is a status of fal's own, which no list of HTTP's knows.
  return new Response(JSON.stringify(body), { status: code, headers });
}

function cancel(emulator: Emulator, app: string, c: EmulatorContext): Response {
  const { task } = readOf(emulator, app, c);
  if (!task) return c.json({ status: 'NOT_FOUND' }, 404);
  switch (emulator.phaseOf(task)) {
    case 'queued':
      emulator.cancel(task);
      return c.json({ status: 'OK' });
    case 'running':
      return c.json({ status: 'CANCELLATION_REQUESTED' }, 202);
    case 'done':
    case 'failed':
    case 'rejected':
    case 'cancelled':
      return c.json({ status: 'ALREADY_COMPLETED' }, 400);
  }
}

/** What the account has paid: for clips that were made, by the list of prices. */
function spentOn(emulator: Emulator): number {
  const costs = emulator.list().map((task) => {
    const { endpoint: id, input, invalid } = submittedOf(task);
    const endpoint: Endpoint | undefined = endpointOf(id);
    if (!endpoint || invalid || emulator.phaseOf(task) !== 'done') return 0;
    return billableUnits(emulator, task) * rateOf(endpoint, input, task.order);
  });
  return costs.reduce((sum, cost) => sum + cost, 0);
}
