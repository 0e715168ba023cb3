import { GatewayError, invalidValue } from '../ground/errors.ts';
import { isId } from '../ground/id.ts';
import { findModel } from '../ground/models.ts';
import { attemptsOfJobs, loadJob } from '../jobs/rows.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { Caller, FrontDeps } from './context.ts';
import type { RequestMedia } from './normalise.ts';

/** Videos made from a video: how the request came, and for a remix which video the address names. */
export type Derivation =
  | { readonly kind: 'edit' }
  | { readonly kind: 'extend' }
  | { readonly kind: 'remix'; readonly videoId: string };

/** What a derivation adds to the fields of a create request. */
export interface Derived {
  readonly fields: Record<string, unknown>;
  readonly media: Partial<RequestMedia>;
  readonly remixedFrom?: string;
  /** Seconds that the result has before what is ordered: an extension comes stitched to its source. */
  readonly secondsBefore: number;
}

/** The model that edits: OpenAI's edits and remixes name none. */
const EDITING_MODEL = 'kling-o3';

/**
 * An edit, a remix or an extension as the create request that it is at the providers: an edit of a source video, or an
 * extension at the account that made it. Throws a GatewayError where the video is not the caller's, has not finished, or
 * cannot be built upon.
 */
export async function derive(
  deps: FrontDeps,
  caller: Caller,
  body: Readonly<Record<string, unknown>>,
  derivation: Derivation,
): Promise<Derived> {
  const { video, ...fields } = body;
  if (derivation.kind === 'remix') return editOf(await finished(deps, caller, derivation.videoId, 'video_id'), fields);
  if (derivation.kind === 'extend') {
    return extensionOf(await finished(deps, caller, idOf(video, 'extended'), 'video'), fields);
  }
  if (typeof video === 'string' && /^https?:/i.test(video)) {
    return { fields: { model: EDITING_MODEL, ...fields, video_url: video }, media: {}, secondsBefore: 0 };
  }
  const { remixedFrom: _, ...edit } = editOf(await finished(deps, caller, idOf(video, 'edited'), 'video'), fields);
  return edit;
}

function idOf(video: unknown, verb: string): string {
  if (typeof video === 'object' && video !== null && 'id' in video && typeof video.id === 'string') return video.id;
  const message = `'video' must name the video that is ${verb}: {"id": "video_…"}`;
  if (video === undefined)
    throw new GatewayError('missing_required_parameter', { message: `${message}.`, param: 'video' });
  const files = verb === 'edited' ? ', or be a public https address; files are not taken' : '';
  throw invalidValue('video', `${message}${files}.`);
}

interface Source {
  readonly job: JobRow;
  readonly attempts: readonly AttemptRow[];
}

async function finished(deps: FrontDeps, caller: Caller, id: string, param: string): Promise<Source> {
  const found = isId(id, 'video')
    ? await deps.jobs.database.read(async (tx) => {
        const job = await loadJob(tx, id);
        return job && { job, attempts: (await attemptsOfJobs(tx, [id])).get(id) ?? [] };
      })
    : null;
  const job = found?.job;
  if (!job || job.tenantId !== caller.tenant.id || job.deletedAtMs !== null) {
    throw new GatewayError('video_not_found', { param });
  }
  const expired = job.expiresAtMs !== null && job.expiresAtMs <= deps.jobs.clock.nowMs();
  if (expired) throw new GatewayError('video_expired', { param });
  if (job.state === 'completed') return found;
  throw invalidValue(param, `The video '${id}' has not been completed, so nothing can be made from it.`);
}

function editOf({ job }: Source, fields: Readonly<Record<string, unknown>>): Derived {
  return {
    fields: { model: EDITING_MODEL, ...sizeOf(job, fields), ...fields },
    media: { video: { kind: 'saved', videoId: job.id } },
    remixedFrom: job.id,
    secondsBefore: 0,
  };
}

function extensionOf({ job, attempts }: Source, fields: Readonly<Record<string, unknown>>): Derived {
  const maker = attempts.find(({ state }) => state === 'succeeded');
  if (!findModel(job.model)?.tasks.extension || !maker || maker.providerVideoId === null) {
    const message = `No provider extends this video: it was made with ${job.model} by ${job.provider}.`;
    throw new GatewayError('unsupported_operation', { message, param: 'video' });
  }
  const { account, providerVideoId } = maker;
  return {
    fields: { model: job.model, ...sizeOf(job, fields), ...fields },
    media: { extends: { videoId: job.id, account, providerVideoId } },
    secondsBefore: Math.round((job.fileDurationMs ?? (job.seconds ?? 0) * 1_000) / 1_000),
  };
}

/** The source's resolution, unless the caller says another in any of its ways. */
function sizeOf(job: JobRow, fields: Readonly<Record<string, unknown>>): { resolution?: string } {
  const said = ['size', 'resolution', 'mode', 'quality'].some((name) => fields[name] !== undefined);
  return said ? {} : { resolution: job.resolution };
}
