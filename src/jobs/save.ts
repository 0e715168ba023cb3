import { present } from '../ground/assert.ts';
import type { VideoFailureCode } from '../ground/errors.ts';
import type { Resolution } from '../ground/models.ts';
import { bookCost } from '../ledger/account.ts';
import { backoffMs } from '../routing/failure.ts';
import type { PartFile } from '../store/files.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { completeJob, failJobIn, pricedBy, removeUploads, type SavedFile, stampOf, videoName } from './close.ts';
import { type Deps, dueIn, ENDED, type StepResult } from './deps.ts';
import type { VideoFacts } from './inspect.ts';
import { readTask } from './poll.ts';
import { updateAttempt, updateJob } from './rows.ts';
import { settlementOf } from './settlement.ts';

const VIDEO_BYTES_MAX = 2 * 1_024 ** 3;
/** Fetches of one finished video, before it counts as lost. */
const SAVE_TRIES_MAX = 8;
const STORE_AGAIN_MS = 10_000;
/** A clip this much shorter than ordered was not delivered as ordered. Providers round: 3 s comes as 3.041 s. */
const SHORT_BY_MS = 1_000;
/** Providers round frames to what their encoder likes; a class below is not what was ordered. */
const SMALLER_TO = 0.85;
const SHORT_SIDE = { '720p': 720, '1080p': 1_080, '4k': 2_160 } as const satisfies Record<Resolution, number>;

type Fetched =
  | { readonly kind: 'saved'; readonly file: SavedFile }
  | { readonly kind: 'gone' | 'broken' | 'invalid' | 'not_stored'; readonly detail: string };

/**
 * Fetches the finished video into our own keeping, looks whether it is what was ordered, and closes the job. A dead
 * address is replaced by reading the task again; a broken transfer is repeated; what stays bad ends the job at our
 * expense.
 */
export async function saveVideo(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<StepResult> {
  const fetched = await fetchVideo(deps, job, attempt);
  if (fetched.kind === 'saved') {
    await completeJob(deps, job, attempt, fetched.file, settlementOf(deps, job, attempt, fetched.file.durationMs));
    return ENDED;
  }
  const { provider } = attempt;
  const { kind, detail } = fetched;
  deps.log.warn('video not saved', {
    video: job.id,
    attempt: attempt.id,
    provider,
    account: account.id,
    kind,
    detail,
  });
  warnAtHalfLife(deps, job, attempt, account);
  // Our own disk is at fault: the video waits at the provider, and no try is counted.
  if (kind === 'not_stored') return dueIn(STORE_AGAIN_MS);
  const saveTries = job.saveTries + 1;
  if (saveTries >= SAVE_TRIES_MAX) {
    const code = kind === 'gone' ? 'asset_unavailable' : 'asset_invalid';
    return await loseVideo(deps, job, attempt, { code, detail });
  }
  const fresh = kind === 'gone' ? await freshAddress(deps, attempt, account) : null;
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { saveTries, dueAtMs: deps.clock.nowMs() });
    if (fresh !== null) await updateAttempt(tx, attempt.id, { videoUrlSealed: deps.sealer.seal(fresh) });
  });
  return dueIn(backoffMs({}, saveTries, deps.random.fraction()));
}

/** A paid video whose address has lived half its life is an operator's business: after the other half it is lost. */
function warnAtHalfLife(deps: Deps, job: JobRow, attempt: AttemptRow, account: ProviderAccount): void {
  const finishedAtMs = attempt.endedAtMs ?? deps.clock.nowMs();
  if (deps.clock.nowMs() < finishedAtMs + account.provider.linkLifeMs / 2) return;
  const detail = 'half of the life of its address is over, and it is not saved: see what is wrong with the disk';
  deps.log.error('video about to be lost', { video: job.id, attempt: attempt.id, account: account.id, detail });
}

async function fetchVideo(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<Fetched> {
  const address = deps.sealer.open(present(attempt.videoUrlSealed, 'the address of a finished video'));
  if (address === null) return { kind: 'gone', detail: 'the stored address cannot be opened with this secret key' };
  const part = await deps.files.create(videoName(job.id));
  let kept = false;
  try {
    const fetched = await fetchInto(deps, job, address, part);
    kept = fetched.kind === 'saved';
    return fetched;
  } finally {
    if (!kept) await part.discard();
  }
}

async function fetchInto(deps: Deps, job: JobRow, address: string, part: PartFile): Promise<Fetched> {
  const received = await deps.downloads.download(address, part, VIDEO_BYTES_MAX);
  switch (received.kind) {
    case 'gone':
    case 'not_stored':
      return { kind: received.kind, detail: received.detail };
    case 'broken':
    case 'refused':
      return { kind: 'broken', detail: received.detail };
    case 'downloaded': {
      const facts = await deps.inspect(part.path);
      const fault = facts === null ? 'not an MP4 video' : faultOf(job, facts);
      if (facts === null || fault !== null) return { kind: 'invalid', detail: fault ?? '' };
      await part.finish();
      return {
        kind: 'saved',
        file: { ...facts, bytes: received.bytes, digest: received.digest },
      };
    }
  }
}

/** What is wrong with the clip, against the order; null when nothing is. */
function faultOf(job: JobRow, facts: VideoFacts): string | null {
  const orderedMs = job.seconds === null ? null : job.seconds * 1_000;
  if (orderedMs !== null && facts.durationMs !== null && facts.durationMs < orderedMs - SHORT_BY_MS) {
    return `${facts.durationMs} ms long, ${orderedMs} ms were ordered`;
  }
  if (job.audio && !facts.hasAudio) return 'without sound, although it was ordered with sound';
  const shortSide = Math.min(facts.width, facts.height);
  const wanted = SHORT_SIDE[job.resolution as Resolution];
  if (shortSide < wanted * SMALLER_TO) return `${facts.width}x${facts.height}, although ${job.resolution} was ordered`;
  return null;
}

/** The task is paid for and its video cannot be had: the tenant owes nothing, the cost is ours. */
async function loseVideo(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  { code, detail }: { readonly code: VideoFailureCode; readonly detail: string },
): Promise<StepResult> {
  const stamp = stampOf(deps);
  await deps.database.write(async (tx) => {
    await failJobIn(tx, deps, job, code, stamp);
    // The evidence stays with the attempt: what came instead of the order.
    await updateAttempt(tx, attempt.id, { failureDetail: detail, readFailures: 0, troubledAtMs: stamp.nowMs });
    const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
    await bookCost(tx, job, { kind: 'cost', amountMicros: attempt.costMicros, ...of }, stamp);
  });
  await removeUploads(deps, job);
  return ENDED;
}

/** A new address for the finished video, from the task itself; null when the provider gives none now. */
async function freshAddress(deps: Deps, attempt: AttemptRow, account: ProviderAccount): Promise<string | null> {
  const outcome = await readTask(deps, attempt, account);
  return outcome.state === 'finished' ? outcome.videoUrl : null;
}
