import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import { isId } from '../ground/id.ts';
import type { Admitted } from '../jobs/admit.ts';
import { requestCancel } from '../jobs/cancel.ts';
import { markDeleted, videoName } from '../jobs/close.ts';
import { hasEnded } from '../jobs/job.ts';
import { attemptsOfJobs, listJobs, loadAttempts, loadJob } from '../jobs/rows.ts';
import { readDecision, showDecision } from '../routing/decision.ts';
import { showChoice } from '../routing/explain.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { serveContent } from './content.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { acceptRequest, replayOf, withRequest } from './create.ts';
import type { Derivation } from './derived.ts';
import { createSchema } from './fields.ts';
import { quote, quoteQuery } from './quote.ts';
import { type Route, readQuery } from './route-table.ts';
import { SavedFiles } from './saved-files.ts';
import { showVideo, type VideoObject, videoSchema } from './video-object.ts';
import { deletedSchema, derivedSchema, listQuery, listSchema, quoteSchema, routeSchema } from './video-shapes.ts';

/** The routes of `/v1/videos`, static paths first. */
export function videoRoutes(deps: FrontDeps): Route[] {
  const video = { answer: videoSchema };
  const saved = new SavedFiles(deps.jobs);
  return [
    {
      method: 'post',
      path: '/videos',
      summary: 'Create a video; with ?dry_run=true, price it and create nothing',
      query: quoteQuery.extend({ dry_run: z.enum(['true', 'false']).optional() }),
      body: { schema: createSchema, form: true },
      ...video,
      handle: (c) => (c.req.query('dry_run') === 'true' ? quote(deps, c) : create(deps, c)),
    },
    {
      method: 'get',
      path: '/videos',
      summary: 'List videos, newest first',
      query: listQuery,
      answer: listSchema,
      handle: (c) => list(deps, c),
    },
    {
      method: 'post',
      path: '/videos/quote',
      summary: 'Price a video at every provider, with the reasons of the route; on request on rate cards by name',
      query: quoteQuery,
      body: { schema: createSchema, form: true },
      answer: quoteSchema,
      handle: (c) => quote(deps, c),
    },
    {
      method: 'post',
      path: '/videos/edits',
      summary: 'Make a video from another, as the prompt says; `video` is the id of one made here, or an address',
      body: { schema: derivedSchema, form: true },
      ...video,
      handle: (c) => create(deps, c, { kind: 'edit' }),
    },
    {
      method: 'post',
      path: '/videos/extensions',
      summary: 'Go on where a video made here ends, at the provider that made it',
      body: { schema: derivedSchema, form: true },
      ...video,
      handle: (c) => create(deps, c, { kind: 'extend' }),
    },
    {
      method: 'post',
      path: '/videos/characters',
      summary: 'Not offered by any provider here',
      ...video,
      handle: unsupported,
    },
    {
      method: 'get',
      path: '/videos/{video_id}',
      summary: 'Retrieve a video',
      ...video,
      handle: (c) => retrieve(deps, c),
    },
    {
      method: 'delete',
      path: '/videos/{video_id}',
      summary: 'Delete a video that has ended, and its content',
      answer: deletedSchema,
      handle: (c) => remove(deps, c),
    },
    {
      method: 'get',
      path: '/videos/{video_id}/content',
      summary: 'Download the video',
      query: z.object({ variant: z.string().optional() }),
      answer: 'video/mp4',
      handle: async (c) => serveContent(deps, c, (await findVideo(deps, c)).job, saved),
    },
    {
      method: 'post',
      path: '/videos/{video_id}/cancel',
      summary:
        'Cancel: free before a provider has begun; after that it is asked to stop, and what it charges is charged',
      ...video,
      handle: (c) => cancel(deps, c),
    },
    {
      method: 'get',
      path: '/videos/{video_id}/route',
      summary: 'The decision behind a video: every candidate, its dollars, its reason; and the attempts',
      answer: routeSchema,
      handle: (c) => route(deps, c),
    },
    {
      method: 'post',
      path: '/videos/{video_id}/remix',
      summary: 'Make a video from one made here, as the prompt says',
      body: { schema: createSchema, form: true },
      ...video,
      handle: (c) => create(deps, c, { kind: 'remix', videoId: c.req.param('video_id') ?? '' }),
    },
  ];
}

async function create(deps: FrontDeps, c: Ctx, derivation?: Derivation): Promise<Response> {
  const caller = c.get('caller');
  const { job, repeated } = await withRequest<Admitted>(deps, c, caller, {
    ...(derivation && { derivation }),
    replay: (repeat) => replayOf(deps, caller, repeat),
    async accept(considered) {
      const value = await acceptRequest(deps, caller, considered);
      return { accepted: !value.repeated, value };
    },
  });
  const attempts = repeated ? await deps.jobs.database.read((tx) => loadAttempts(tx, job.id)) : [];
  const shown = show(deps, job, attempts);
  const headers = { ...costHeaders(shown), ...(repeated && { 'idempotent-replayed': 'true' }) };
  return c.json({ ...shown, route: showDecision(readDecision(job.decision), 'tenant') }, 200, headers);
}

async function list(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { limit, order, after } = readQuery(c, listQuery);
  const tenantId = c.get('caller').tenant.id;
  const page = await deps.jobs.database.read(async (tx) => {
    const last = after === undefined ? null : isId(after, 'video') ? await loadJob(tx, after) : null;
    if (after !== undefined && (last === null || last.tenantId !== tenantId || last.deletedAtMs !== null)) return null;
    const rows = await listJobs(tx, tenantId, { limit: limit + 1, order, after: last });
    const shown = rows.slice(0, limit);
    return {
      shown,
      attempts: await attemptsOfJobs(
        tx,
        shown.map(({ id }) => id),
      ),
      more: rows.length > limit,
    };
  });
  if (page === null) {
    const message = `There is no video '${after?.slice(0, 60)}' to list after.`;
    throw new GatewayError('invalid_value', { message, param: 'after' });
  }
  const data = page.shown.map((job) => show(deps, job, page.attempts.get(job.id) ?? []));
  return c.json({
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: page.more && limit > 0,
  });
}

async function retrieve(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { job, attempts } = await findVideo(deps, c);
  const shown = show(deps, job, attempts);
  const poll = hasEnded(job.state) ? {} : { 'openai-poll-after-ms': '3000' };
  return c.json(shown, 200, { ...costHeaders(shown), ...poll });
}

async function remove(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { job } = await findVideo(deps, c);
  if (!hasEnded(job.state)) throw new GatewayError('video_not_deletable');
  const { database, files } = deps.jobs;
  await database.write((tx) => markDeleted(tx, deps.jobs, job));
  await files.remove(videoName(job.id));
  return c.json({ id: job.id, object: 'video.deleted', deleted: true });
}

async function cancel(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { job } = await findVideo(deps, c);
  const outcome = await requestCancel(deps.jobs, job.id);
  deps.worker.wake(job.id);
  return c.json(show(deps, outcome.job, outcome.attempts));
}

async function route(deps: FrontDeps, c: Ctx): Promise<Response> {
  const { job, attempts } = await findVideo(deps, c);
  const { id, model, task, resolution, seconds, audio } = job;
  const request = { id, model, task, resolution, seconds, generate_audio: audio };
  const decision = showDecision(readDecision(job.decision), 'tenant');
  const shown = show(deps, job, attempts).attempts;
  const chosen = attempts.map(({ choice }, index) => ({ ...shown[index], choice: showChoice(choice) }));
  return c.json({ request, ...decision, attempts: chosen });
}

function unsupported(): never {
  throw new GatewayError('unsupported_operation');
}

/** The caller's own video. Somebody else's, a deleted one and one that never was are the same 404. */
async function findVideo(deps: FrontDeps, c: Ctx): Promise<{ job: JobRow; attempts: AttemptRow[] }> {
  const id = c.req.param('video_id') ?? '';
  const found = isId(id, 'video')
    ? await deps.jobs.database.read(async (tx) => {
        const job = await loadJob(tx, id);
        return job && { job, attempts: await loadAttempts(tx, id) };
      })
    : null;
  if (!found || found.job.tenantId !== c.get('caller').tenant.id || found.job.deletedAtMs !== null) {
    throw new GatewayError('video_not_found', { param: 'video_id' });
  }
  return found;
}

function show(deps: FrontDeps, job: JobRow, attempts: readonly AttemptRow[]): VideoObject {
  const place = hasEnded(job.state) ? null : deps.worker.placeOf(job.id);
  return showVideo(job, attempts, { nowMs: deps.jobs.clock.nowMs(), publicUrl: deps.publicUrl, place });
}

function costHeaders(video: VideoObject): Record<string, string> {
  const { cost, estimated_cost: estimate } = video.usage;
  const attempts = video.attempts.length;
  return {
    'x-reelay-cost': String(video.status === 'completed' || video.status === 'failed' ? cost : estimate),
    'x-reelay-attempts': String(attempts),
    'x-reelay-fallbacks': String(Math.max(0, new Set(video.attempts.map(({ provider }) => provider)).size - 1)),
    ...(video.provider !== null && { 'x-reelay-provider': video.provider }),
  };
}
