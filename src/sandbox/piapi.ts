/** PiAPI's unified task API, as piapi.ai/docs describes it (2026). */
import { randomUUID } from 'node:crypto';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { answerUnless, badGatewayPage, cutConnection, type Fault } from './faults.ts';
import { mountAccount } from './piapi-account.ts';
import { type CreateRequest, kindOf, requestOf } from './piapi-requests.ts';
import { clipOf, showTask } from './piapi-tasks.ts';
import type { EmulatedTask } from './tasks.ts';

type Status = 400 | 401 | 402 | 403 | 404 | 429 | 500;

const refuse = (c: EmulatorContext, status: Status, message: string): Response =>
  c.json({ code: status, data: null, message }, status);

/** Keys that open the emulator and then meet what an account can. */
const KEYS = new Map<string, readonly [Status, string]>([
  ['sandbox-empty', [402, 'credit not enough, please recharge']],
  ['sandbox-limited', [403, 'this model is not enabled for your plan']],
]);

export function piapiEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('piapi', 5, options);
  const { app } = emulator;
  emulator.announceBy((task) => ({
    body: JSON.stringify({
      timestamp: Math.floor(emulator.nowMs() / 1_000),
      data: showTask(emulator, task),
    }),
    headers: { 'x-webhook-secret': task.hookSecret ?? '' },
  }));
  for (const path of ['/api/*', '/account/*']) {
    app.use(path, async (c, next) => {
      const key = c.req.header('x-api-key') ?? '';
      return key === '' || key === 'sandbox-invalid' ? refuse(c, 401, 'invalid api key') : await next();
    });
  }
  app.post('/api/v1/task', (c) => create(emulator, c));
  app.get('/api/v1/task/:id', (c) => readOne(emulator, c));
  app.delete('/api/v1/task/:id', (c) => cancel(emulator, c));
  mountAccount(emulator, refuse);
  app.notFound((c) => c.text('404 page not found', 404));
  return emulator;
}

async function create(emulator: Emulator, c: EmulatorContext): Promise<Response> {
  const body: unknown = await c.req.json().catch(() => null);
  const key = KEYS.get(c.req.header('x-api-key') ?? '');
  if (key) return refuse(c, ...key);
  const kind = kindOf(body);
  const schema = kind === null ? null : requestOf(kind);
  if (!schema) {
    emulator.violations.push(`model, task_type or version: ${kind ?? 'missing'} is not sold`);
    return refuse(c, 400, kind === null ? 'invalid request body' : `invalid task_type or version: ${kind}`);
  }
  const checked = emulator.check(schema, body);
  if ('fault' in checked) return refuse(c, 400, checked.fault);
  const origin = originOf(emulator, checked.value);
  if (origin === 'missing') return refuse(c, 400, 'origin task not found or not completed');
  const fault = emulator.faults.of(c);
  const refusal = await refusedBy(fault, emulator, c);
  if (refusal) return refusal;
  const { endpoint = '', secret = '' } = checked.value.config?.webhook_config ?? {};
  const task = emulator.create({
    id: randomUUID(),
    tag: null,
    request: body,
    // As it was sent: what was left out is not told apart from its default otherwise.
    order: clipOf(body as CreateRequest, origin),
    fault,
    ...(endpoint !== '' && { hook: { url: endpoint, secret } }),
  });
  return await answerUnless(fault, c, c.json({ code: 200, data: created(emulator, task), message: 'success' }));
}

/** The finished task that an extension goes on from; null for anything else. */
function originOf(emulator: Emulator, { input }: CreateRequest): EmulatedTask | null | 'missing' {
  if (input.origin_task_id === undefined) return null;
  const origin = emulator.find(input.origin_task_id);
  return origin && emulator.phaseOf(origin) === 'done' ? origin : 'missing';
}

/** A create answers with the task itself; strange words are for reads. */
const created = (emulator: Emulator, task: EmulatedTask): Record<string, unknown> => ({
  ...showTask(emulator, task),
  status: 'pending',
});

/** The refusals that come before a task is made: those that were ordered, and that of a full account. */
async function refusedBy(fault: Fault | null, emulator: Emulator, c: EmulatorContext): Promise<Response | null> {
  switch (fault) {
    case 'cut':
      return await cutConnection(c);
    case 'html':
      return badGatewayPage(c);
    case 'server_error':
      return refuse(c, 500, 'internal server error');
    case 'rate_limited':
      c.header('retry-after', '1');
      return refuse(c, 429, 'rate limit exceeded');
    case 'concurrency':
      return tooManyTasks(c);
    default:
      return emulator.running() >= emulator.slots ? tooManyTasks(c) : null;
  }
}

/** Pending tasks count like running ones. */
const tooManyTasks = (c: EmulatorContext): Response => refuse(c, 429, 'concurrent tasks exceed your plan limit');

function readOne(emulator: Emulator, c: EmulatorContext): Response {
  const { task, error } = emulator.readTask(c.req.param('id') ?? '');
  if (error) return refuse(c, 500, 'internal server error');
  if (!task) return refuse(c, 404, 'task not found');
  return c.json({ code: 200, data: showTask(emulator, task), message: 'success' });
}

/** Only what has not begun can be cancelled. */
function cancel(emulator: Emulator, c: EmulatorContext): Response {
  const task = emulator.find(c.req.param('id') ?? '');
  if (!task) return refuse(c, 404, 'task not found');
  if (emulator.phaseOf(task) !== 'queued') return refuse(c, 400, 'only pending tasks can be canceled');
  emulator.cancel(task);
  return c.json({ code: 200, message: `task ${task.id} canceled` });
}
