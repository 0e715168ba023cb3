/** EvoLink, as docs.evolink.ai and its own client describe it (2026-10). */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { mountAccount } from './evolink-account.ts';
import { mountFiles } from './evolink-files.ts';
import { clipOf, isModel } from './evolink-models.ts';
import { createRequest } from './evolink-requests.ts';
import { modelOf, STATUS, showLine, showTask } from './evolink-tasks.ts';
import { answerUnless, badGatewayPage, cutConnection, type Fault } from './faults.ts';
import type { EmulatedTask } from './tasks.ts';

type Status = 400 | 401 | 402 | 403 | 404 | 409 | 429 | 500;

const TYPES: Readonly<Record<Status, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'insufficient_quota',
  403: 'invalid_request_error',
  404: 'invalid_request_error',
  409: 'invalid_request_error',
  429: 'rate_limit_error',
  500: 'api_error',
};

const refuse = (c: EmulatorContext, status: Status, code: string, message: string): Response =>
  c.json({ error: { code, message, type: TYPES[status] } }, status);

/** Keys that open the emulator and then meet what an account can: `Authorization: Bearer sandbox-…`. */
const KEYS: Readonly<Record<string, readonly [Status, string, string]>> = {
  'sandbox-empty': [402, 'insufficient_quota', 'insufficient quota'],
  'sandbox-disabled': [401, 'key_disabled', 'this API key is disabled'],
  'sandbox-limited': [403, 'model_access_denied', 'the key may not use this model'],
};

/** An account that takes no notice of a key: each submission under it is bought. */
const FORGETFUL = 'Bearer sandbox-forgetful';

export function evolinkEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('evolink', 10, options);
  emulator.announceBy((task) => ({ body: JSON.stringify(showTask(emulator, task)), headers: {} }));
  emulator.app.use('/v1/*', async (c, next) => {
    c.header('x-request-id', randomBytes(8).toString('hex'));
    // The catalog is open to everybody.
    if (c.req.path.startsWith('/v1/catalog/')) return await next();
    if (/^Bearer \S+$/.test(c.req.header('authorization') ?? '')) return await next();
    return refuse(c, 401, 'unauthorized', 'invalid api key');
  });
  emulator.app.post('/v1/videos/generations', (c) => create(emulator, c));
  emulator.app.get('/v1/tasks/:id', (c) => readOne(emulator, c));
  emulator.app.post('/v1/tasks/batch', (c) => readSeveral(emulator, c));
  emulator.app.get('/v1/tasks', (c) => listTasks(emulator, c));
  mountAccount(emulator, refuse);
  mountFiles(emulator);
  return emulator;
}

async function create(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  const body: unknown = await c.req.json().catch(() => null);
  const key = KEYS[(c.req.header('authorization') ?? '').replace('Bearer ', '')];
  if (key) return refuse(c, ...key);
  const tag = c.req.header('idempotency-key') ?? null;
  if (tag !== null && !/^[A-Za-z0-9._-]{16,96}$/.test(tag)) {
    emulator.violations.push(`idempotency-key: 16 to 96 of A-Za-z0-9._-, got ${tag.slice(0, 100)}`);
    return refuse(c, 400, 'invalid_request', 'Idempotency-Key');
  }
  const known = tag === null ? null : emulator.findByTag(tag);
  const forgets = c.req.header('authorization') === FORGETFUL;
  if (known && !forgets) return replay(emulator, c, known, body);
  const model = (body as { model?: unknown } | null)?.model;
  if (typeof model === 'string' && !isModel(model)) {
    emulator.violations.push(`model: ${model.slice(0, 100)} is not sold`);
    return refuse(c, 404, 'model_not_found', `model ${model} does not exist`);
  }
  const checked = emulator.check(createRequest, body);
  if ('fault' in checked) {
    const error = { code: 'invalid_request', message: checked.fault, type: TYPES[400], param: checked.field };
    return c.json({ error }, 400);
  }
  const fault = emulator.faults.of(c);
  const refusal = await refusedBy(fault, emulator, c);
  if (refusal) return refusal;
  if (known) emulator.repeats.boughtTwice += 1;
  const { callback_url: url } = checked.value;
  const task = emulator.create({
    id: `task-unified-${Math.floor(emulator.nowMs() / 1_000)}-${randomBytes(4).toString('hex')}`,
    tag,
    request: body,
    order: clipOf(checked.value),
    fault,
    ...(url !== undefined && { hook: { url, secret: null } }),
  });
  return await answerUnless(fault, c, c.json(created(emulator, task)));
}

/** A create tells less than a read: nothing has been billed yet. */
function created(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const { billing: _, results: __, ...shown } = showTask(emulator, task);
  return task.fault === 'unknown_status' ? { ...shown, status: 'pending' } : shown;
}

/** The same key and body: the first task again. The same key with another body is a mistake of the caller's. */
function replay(emulator: Emulator, c: EmulatorContext, known: EmulatedTask, body: unknown): Response {
  if (JSON.stringify(known.request) !== JSON.stringify(body)) {
    return refuse(c, 409, 'idempotency_conflict', 'this Idempotency-Key was used for a different request');
  }
  emulator.repeats.replayed += 1;
  c.header('idempotency-replayed', 'true');
  return c.json(created(emulator, known));
}

/** The refusals that come before a task is made: those that were ordered, and that of a full account. */
async function refusedBy(fault: Fault | null, emulator: Emulator, c: EmulatorContext): Promise<Response | null> {
  switch (fault) {
    case 'cut':
      return await cutConnection(c);
    case 'html':
      return badGatewayPage(c);
    case 'server_error':
      return refuse(c, 500, 'internal_error', 'internal error');
    case 'rate_limited':
      c.header('retry-after', '1');
      return refuse(c, 429, 'rate_limit_exceeded', 'too many requests');
    case 'concurrency':
      return tooManyTasks(c);
    default:
      return emulator.running() >= emulator.slots ? tooManyTasks(c) : null;
  }
}

const tooManyTasks = (c: EmulatorContext): Response =>
  refuse(c, 429, 'quota_exceeded', 'concurrency limit reached: wait for a running task to end');

/** Every id of EvoLink's begins so. */
const PREFIX = 'task-unified-';

function readOne(emulator: Emulator, c: EmulatorContext): Response {
  const id = c.req.param('id') ?? '';
  if (!id.startsWith(PREFIX)) return refuse(c, 400, 'invalid_task_id', 'the task id is malformed');
  const { task, error } = emulator.readTask(id);
  if (error) return refuse(c, 500, 'internal_error', 'internal error');
  if (!task) return refuse(c, 404, 'task_not_found', 'no such task');
  return c.json(showTask(emulator, task));
}

const batchRequest = z.strictObject({ task_ids: z.array(z.string()).min(1).max(50) });

/** Ids that are unknown, or another's, are missing from the answer. */
async function readSeveral(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  const checked = emulator.check(batchRequest, await c.req.json().catch(() => null));
  if ('fault' in checked) return refuse(c, 400, 'invalid_request', checked.fault);
  const found = checked.value.task_ids.flatMap((id) => emulator.readTask(id).task ?? []);
  return c.json({ data: found.map((task) => showTask(emulator, task)) });
}

const listQuery = z.object({
  status: z.enum(['processing', 'completed', 'failed', 'cancelled']).optional(),
  type: z.string().optional(),
  model: z.string().optional(),
  page: z.coerce.number().int().min(1).default(1),
  page_size: z.coerce.number().int().min(1).max(50).default(20),
});

/** Newest first. What waits counts as processing. */
function listTasks(emulator: Emulator, c: EmulatorContext): Response {
  const parsed = listQuery.safeParse(c.req.query());
  if (!parsed.success) return refuse(c, 400, 'invalid_request', 'page, page_size or status');
  const { status, type, model, page, page_size: size } = parsed.data;
  const statusOf = (task: EmulatedTask): string => STATUS[emulator.phaseOf(task)].replace('pending', 'processing');
  const wanted = emulator
    .list()
    .reverse()
    .filter((task) => task.fault !== 'vanished')
    .filter((task) => status === undefined || statusOf(task) === status)
    .filter((task) => (model === undefined || modelOf(task) === model) && (type === undefined || type === 'video'));
  const data = wanted.slice((page - 1) * size, page * size).map((task) => showLine(emulator, task));
  return c.json({ data, total: wanted.length, page, page_size: size });
}
