/** Atlas Cloud's media API, as atlascloud.ai/docs and the vendor's own clients describe it (2026). */
import { randomBytes } from 'node:crypto';
import { mountAccount, mountCatalog, readForm, type Status } from './atlas-account.ts';
import { publishedKeys } from './atlas-hooks.ts';
import { announce, showTask } from './atlas-tasks.ts';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { answerUnless, badGatewayPage, cutConnection, type Fault } from './faults.ts';

const BODY_BYTES_MAX = 50 * 1_048_576;

const TYPES: Readonly<Record<Status, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'invalid_request_error',
  429: 'rate_limit_error',
  500: 'api_error',
};

/** Media endpoints and `/public/v1` have an envelope each. */
function refuse(c: EmulatorContext, status: Status, msg: string): Response {
  const request_id = randomBytes(4).toString('hex');
  if (!c.req.path.startsWith('/public/')) return c.json({ code: status, msg, request_id, data: null }, status);
  const error = { type: TYPES[status], code: TYPES[status], message: msg, param: null };
  return c.json({ error, request_id }, status);
}

/** Keys that open the emulator and then meet what an account can: `Authorization: Bearer sandbox-…`. */
const KEYS: Readonly<Record<string, readonly [Status, string]>> = {
  'sandbox-empty': [402, 'insufficient balance'],
  'sandbox-denied': [403, 'the key is not permitted to use this model'],
};

export function atlasEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('atlas', 10, options);
  const { app } = emulator;
  emulator.announceBy((task) => announce(emulator, task));
  for (const place of ['/api/*', '/public/*']) app.use(place, guardEdge);
  app.get('/api/v1/webhooks/jwks.json', (c) => c.json(publishedKeys));
  mountCatalog(emulator, refuse);
  for (const place of ['/api/*', '/public/*']) {
    app.use(place, async (c, next) => {
      if (/^Bearer \S+$/.test(c.req.header('authorization') ?? '')) return await next();
      return refuse(c, 401, 'invalid api key');
    });
  }
  app.post('/api/v1/model/generateVideo', (c) => create(emulator, c));
  app.get('/api/v1/model/prediction/:id', (c) => readOne(emulator, c));
  mountAccount(emulator, refuse);
  // A wrong path is told as a wrong key.
  for (const place of ['/api/*', '/public/*']) app.all(place, (c) => refuse(c, 401, 'invalid api key'));
  return emulator;
}

/** Every answer can be named later; agents that do not say what they are get the edge's page. */
async function guardEdge(c: EmulatorContext, next: () => Promise<void>): Promise<Response | undefined> {
  c.header('X-Request-ID', randomBytes(8).toString('hex'));
  if (/^(python-urllib\b.*)?$/i.test(c.req.header('user-agent') ?? '')) return c.text('error code: 1010', 403);
  await next();
  return undefined;
}

async function create(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  if (Number(c.req.header('content-length') ?? 0) > BODY_BYTES_MAX) return refuse(c, 413, 'request body too large');
  const body: unknown = await c.req.json().catch(() => null);
  if (body === null) return refuse(c, 400, 'malformed JSON');
  const key = KEYS[(c.req.header('authorization') ?? '').replace('Bearer ', '')];
  if (key) return refuse(c, ...key);
  const read = readForm(emulator, c, body, refuse);
  if (read.refusal) return read.refusal;
  const fault = emulator.faults.of(c);
  const refusal = await refusedBy(fault, emulator, c);
  if (refusal) return refusal;
  const { clip, hookUrl } = read.order;
  const task = emulator.create({
    id: randomBytes(16).toString('hex'),
    tag: null,
    request: body,
    order: clip,
    fault,
    ...(hookUrl !== undefined && { hook: { url: hookUrl, secret: null } }),
  });
  const { id, model, urls } = showTask(emulator, task);
  const data = { id, model, outputs: null, urls, status: 'processing' };
  return await answerUnless(fault, c, c.json({ code: 200, message: '', data }));
}

/** The refusals that come before a task is made. Rate and tasks at once are one and the same to Atlas. */
async function refusedBy(fault: Fault | null, emulator: Emulator, c: EmulatorContext): Promise<Response | null> {
  switch (fault) {
    case 'cut':
      return await cutConnection(c);
    case 'html':
      return badGatewayPage(c);
    case 'server_error':
      return refuse(c, 500, 'internal error');
    case 'rate_limited':
    case 'concurrency':
      return refuse(c, 429, 'too many requests');
    default:
      return emulator.running() >= emulator.slots ? refuse(c, 429, 'too many requests') : null;
  }
}

/**
 * Status and result in one. The vendor's own client (atlascloud-mcp 1.7.0) has seen failed tasks told as an HTTP 500 with
 * the verdict in it, the documentation shows an HTTP 200: here a generation that failed is the one, a rejected input the
 * other.
 */
function readOne(emulator: Emulator, c: EmulatorContext): Response {
  const { task, error } = emulator.readTask(c.req.param('id') ?? '');
  if (error) return refuse(c, 500, 'internal error');
  if (!task) return refuse(c, 404, 'prediction not found');
  const data = showTask(emulator, task);
  const failed = emulator.phaseOf(task) === 'failed';
  return failed ? c.json({ code: 500, message: data.error, data }, 500) : c.json({ code: 200, message: '', data });
}
