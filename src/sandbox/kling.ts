/** Official Kling, both generations on one host, as kling.ai/document-api describes them (mirrored 2026-09-20). */
import { createHmac, randomInt, randomUUID } from 'node:crypto';
import { DAY_MS, SECOND_MS } from '../ground/time.ts';
import { SANDBOX_HOOK_SECRET } from './announcer.ts';
import type { EmulatorContext } from './context.ts';
import { Emulator, type EmulatorOptions } from './emulator.ts';
import { answerUnless, badGatewayPage, cutConnection, type Fault } from './faults.ts';
import { error, refusal, success } from './kling-answers.ts';
import type { Ordered } from './kling-fields.ts';
import { LEGACY_ENDPOINTS } from './kling-legacy.ts';
import { ENDPOINTS, orderedBy } from './kling-new.ts';
import { unitsOf } from './kling-prices.ts';
import { madeAt, type StoredOrder, showLegacy, showNew, sourceOf, unitsUsed } from './kling-tasks.ts';
import type { EmulatedTask } from './tasks.ts';

const IDS_MAX = 20;
const LEGACY_PAGE_MAX = 500;
const TASKS_PAGE = 100;
const PACK_UNITS = 60_000;

export function klingEmulator(options: EmulatorOptions): Emulator {
  const emulator = new Emulator('kling', 20, options);
  const { app } = emulator;
  app.use('*', async (c, next) => {
    const { path } = c.req;
    if (path.startsWith('/files/') || path.startsWith('/__sandbox/')) return await next();
    const opensByPair = path.startsWith('/v1/') || path.startsWith('/account/');
    return refusal(c, opensByPair, emulator.nowMs()) ?? (await next());
  });
  for (const [path, endpoint] of Object.entries(ENDPOINTS)) {
    app.post(path, async (c) => {
      const checked = emulator.check(endpoint.schema, await jsonOf(c));
      if ('fault' in checked) return error(c, 400, 1201, checked.fault);
      return await create(emulator, c, orderedBy(endpoint, checked.value));
    });
  }
  for (const [path, endpoint] of Object.entries(LEGACY_ENDPOINTS)) {
    app.post(path, async (c) => {
      const body = await jsonOf(c);
      const checked = emulator.check(endpoint.schema, body);
      if ('fault' in checked) return error(c, 400, 1201, checked.fault);
      const ordered = endpoint.ordered(body, (videoId) => sourceOf(emulator, videoId));
      if (!ordered) return error(c, 400, 1201, 'the video cannot be extended');
      return await create(emulator, c, ordered);
    });
    app.get(path, (c) => listLegacy(emulator, c, options));
    app.get(`${path}/:id`, (c) => readLegacy(emulator, c, path));
  }
  app.get('/tasks', (c) => query(emulator, c));
  app.post('/tasks', async (c) => listNew(emulator, c, options, await jsonOf(c)));
  app.get('/account/costs', (c) => costs(emulator, c, options));
  app.notFound((c) => error(c, 404, 1203, 'The requested resource does not exist'));
  emulator.announceBy((task) => {
    const id = randomUUID();
    const timestamp = Math.floor(emulator.nowMs() / SECOND_MS);
    const body = JSON.stringify(isLegacy(task) ? showLegacy(emulator, task) : showNew(emulator, task));
    const key = Buffer.from(SANDBOX_HOOK_SECRET.replace(/^whsec_/, ''), 'base64');
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${signature}`,
    };
    return { body, headers };
  });
  return emulator;
}

const jsonOf = async (c: EmulatorContext): Promise<unknown> => await c.req.json().catch(() => null);

const isLegacy = (task: EmulatedTask): boolean => madeAt(task).startsWith('/v1/');

async function create(emulator: Emulator, c: EmulatorContext, ordered: Ordered): Promise<Response> {
  const { model, clip, chargedAs } = ordered;
  const { callback_url, external_task_id, watermark_info } = ordered.common;
  const tag = external_task_id || null;
  if (tag !== null && emulator.findByTag(tag)) return error(c, 400, 1201, `External_task_id ${tag} already exists`);
  const units = unitsOf(model, chargedAs, clip);
  if (units === null) return error(c, 400, 1201, `the model ${model} does not support this`);
  const fault = emulator.faults.of(c);
  const refused = await refusedBy(fault, emulator, c, model);
  if (refused) return refused;
  // Of what the body says no more is kept than the answers need: pictures are large, prompts are nobody's business.
  const stored: StoredOrder = {
    path: c.req.path,
    ordered: { model, clip, chargedAs, common: { watermark_info } },
    units,
  };
  const task = emulator.create({
    // 18 digits; a video's id is its task's with another first one.
    id: `8${randomInt(10 ** 8, 10 ** 9)}${randomInt(10 ** 7, 10 ** 8)}`,
    tag,
    lane: model,
    request: stored,
    order: clip,
    fault,
    hook: callback_url ? { url: callback_url, secret: null } : null,
  });
  const { task_id, task_status, task_info, created_at, updated_at } = showLegacy(emulator, task);
  const { id, status, create_time, update_time, external_id } = showNew(emulator, task);
  const answer = isLegacy(task)
    ? { task_id, task_status, task_info, created_at, updated_at }
    : { id, status, create_time, update_time, external_id };
  return await answerUnless(fault, c, success(c, answer));
}

const TOO_MANY = 'parallel task over resource pack limit';

/** Faults that strike before a task is made, and the limit of running tasks of a model version. */
async function refusedBy(
  fault: Fault | null,
  emulator: Emulator,
  c: EmulatorContext,
  lane: string,
): Promise<Response | null> {
  switch (fault) {
    case 'cut':
      return await cutConnection(c);
    case 'rate_limited':
      return error(c, 429, 1302, 'request rate over the limit');
    case 'concurrency':
      return error(c, 429, 1303, TOO_MANY);
    case 'server_error':
      return error(c, 500, 5000, 'internal server error');
    case 'html':
      return badGatewayPage(c);
    default:
      return emulator.running(lane) >= emulator.slots ? error(c, 429, 1303, TOO_MANY) : null;
  }
}

function query(emulator: Emulator, c: EmulatorContext): Response {
  const byId = c.req.query('task_ids');
  const byTag = c.req.query('external_task_ids');
  if ((byId === undefined) === (byTag === undefined)) return error(c, 400, 1201, 'exactly one of the two parameters');
  const ids = (byId ?? byTag ?? '').split(',');
  if (ids.length > IDS_MAX) return error(c, 400, 1201, `at most ${IDS_MAX} ids`);
  const reads = ids.map((id) => emulator.readTask(byId === undefined ? (emulator.findByTag(id)?.id ?? '') : id));
  if (reads.some((read) => read.error)) return error(c, 500, 5000, 'internal server error');
  return success(
    c,
    reads.flatMap(({ task }) => (task ? [showNew(emulator, task)] : [])),
  );
}

function readLegacy(emulator: Emulator, c: EmulatorContext, path: string): Response {
  const wanted = c.req.param('id') ?? '';
  const byTag = emulator.findByTag(wanted);
  const read = emulator.readTask(byTag?.id ?? wanted);
  if (read.error) return error(c, 500, 5000, 'internal server error');
  if (read.task && madeAt(read.task) === path) return success(c, showLegacy(emulator, read.task));
  return error(c, 400, 1201, `Task not found by id/external id: ${wanted}`);
}

const allTasks = (emulator: Emulator, { tasks }: EmulatorOptions): EmulatedTask[] => tasks.list(emulator.id).reverse();

function listLegacy(emulator: Emulator, c: EmulatorContext, options: EmulatorOptions): Response {
  const page = Number(c.req.query('pageNum') ?? 1);
  const size = Number(c.req.query('pageSize') ?? 30);
  const isWhole = Number.isInteger(page) && Number.isInteger(size);
  if (!isWhole || page < 1 || page > 1_000 || size < 1 || size > LEGACY_PAGE_MAX) {
    return error(c, 400, 1201, 'pageNum must be 1 to 1000, pageSize 1 to 500');
  }
  const own = allTasks(emulator, options).filter((task) => madeAt(task) === c.req.path);
  return success(
    c,
    own.slice((page - 1) * size, page * size).map((task) => showLegacy(emulator, task)),
  );
}

/** The list of the new generation; of its filters, the time window is looked at. */
function listNew(emulator: Emulator, c: EmulatorContext, options: EmulatorOptions, body: unknown): Response {
  const { start_time: from = 0, end_time: to = Number.MAX_SAFE_INTEGER } = (body ?? {}) as Record<string, unknown>;
  const within = ({ createdAtMs }: EmulatedTask): boolean => createdAtMs >= Number(from) && createdAtMs <= Number(to);
  const result = allTasks(emulator, options).filter(within).slice(0, TASKS_PAGE);
  const shown = result.map((task) => showNew(emulator, task));
  return success(c, { result: shown, count: shown.length, next_cursor: '', has_more: false });
}

/** One pack, which falls by what finished tasks have drawn. */
function costs(emulator: Emulator, c: EmulatorContext, options: EmulatorOptions): Response {
  const [from, to] = [c.req.query('start_time'), c.req.query('end_time')];
  if (!/^\d+$/.test(from ?? '') || !/^\d+$/.test(to ?? '')) return error(c, 400, 1201, 'start_time and end_time');
  const drawn = allTasks(emulator, options).reduce((units, task) => units + unitsUsed(emulator, task), 0);
  const boughtAtMs = emulator.nowMs() - 10 * DAY_MS;
  const pack = {
    resource_pack_name: `Standard-Video-${PACK_UNITS}Units-20Con-180Days`,
    resource_pack_id: '509f3fd3d4f645cb97cc9e4ce3e0dd0a',
    resource_pack_type: 'decreasing_total',
    total_quantity: PACK_UNITS,
    remaining_quantity: Math.round((PACK_UNITS - drawn) * 100) / 100,
    purchase_time: boughtAtMs,
    effective_time: boughtAtMs,
    invalid_time: boughtAtMs + 180 * DAY_MS,
    status: 'online',
  };
  return success(c, { code: 0, msg: 'success', resource_pack_subscribe_infos: [pack] });
}
