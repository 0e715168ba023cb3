import { present } from '../ground/assert.ts';
import { crashPoint } from '../ground/crash.ts';
import type { VideoFailureCode } from '../ground/errors.ts';
import type { Resolution } from '../ground/models.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS, toUnixSeconds } from '../ground/time.ts';
import { bookCost } from '../ledger/account.ts';
import { backoffMs } from '../routing/failure.ts';
import { StoreUnavailable } from '../store/database.ts';
import type { PartFile } from '../store/files.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { NotDownloaded } from '../wire/download.ts';
import { completeJob, failJobIn, pricedBy, removeUploads, type SavedFile, stampOf, videoName } from './close.ts';
import { type Deps, DUE_NOW, dueIn, ENDED, type StepResult } from './deps.ts';
import type { DownloadPlaces } from './download-line.ts';
import { lossOf } from './facts.ts';
import type { VideoFacts } from './inspect.ts';
import { readTask } from './poll.ts';
import { raise } from './raise.ts';
import { updateAttempt, updateJob } from './rows.ts';
import { settlementOf } from './settlement.ts';

const VIDEO_BYTES_MAX = 2 * 1_024 ** 3;
/** Fetches that bring a file which is cut or not the video, before it counts as lost. */
const BAD_FILES_MAX = 8;
/** A page instead of a video may be a host that is being mended: so far apart at first, then twice as far each time. */
const BAD_FILE_AGAIN_MS = 5 * SECOND_MS;
/** A file that cannot be had is asked for again at least this often. */
const AGAIN_MAX_MS = MINUTE_MS;
/** A clip is paid for: this long it is tried for also where its job's time is up. */
const SAVING_MIN_MS = HOUR_MS;
/** In line for a download a job is called; a look now and then sees whether it has waited too long. */
const IN_LINE_LOOK_MS = 5 * MINUTE_MS;
/**
 * A clip this much shorter than ordered was not delivered as ordered. Providers make clips a frame longer (3.041 s for 3,
 * 5.1 s for 5: kling.ai/document-api, mirrored 2026-09-20), so a quarter of a second is already six frames of 24 short.
 */
const SHORT_BY_MS = 250;
/** Providers round frames to what their encoder likes; a class below is not what was ordered. */
const SMALLER_TO = 0.85;
const SHORT_SIDE = { '720p': 720, '1080p': 1_080, '4k': 2_160 } as const satisfies Record<Resolution, number>;

/** `wrong`: a whole video, but not what was ordered. `no_video`: a whole file that is none. */
interface NotSaved {
  readonly kind: NotDownloaded['kind'] | 'wrong' | 'no_video';
  readonly detail: string;
}
type Fetched = { readonly kind: 'saved'; readonly file: SavedFile } | NotSaved;

/**
 * Fetches the finished video into our own keeping, looks whether it is what was ordered, and closes the job. While the
 * file cannot be had it is asked for again, from a fresh address where the old one is dead, for as long as that can help;
 * only a file that came and was bad eight times ends the job sooner. What is lost is at our expense.
 */
export async function saveVideo(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  places: DownloadPlaces,
): Promise<StepResult> {
  const address = deps.sealer.open(present(attempt.videoUrlSealed, 'the address of a finished video'));
  if (address !== null && !places.take(job.id, hostOf(address))) {
    await warnAtHalfTime(deps, job, attempt, 'in_line');
    return { kind: 'waits_for_download', inMs: IN_LINE_LOOK_MS };
  }
  const unreadable = { kind: 'gone', detail: 'the stored address cannot be opened with this secret key' } as const;
  const fetched = address === null ? unreadable : await fetchVideo(deps, job, address);
  if (fetched.kind === 'saved') {
    await completeJob(deps, job, attempt, fetched.file, settlementOf(deps, job, attempt, fetched.file.durationMs));
    return ENDED;
  }
  // Cut off by our own end: nothing is to be held against the file.
  if (deps.stopping?.aborted) return DUE_NOW;
  const { provider, account } = attempt;
  const { kind, detail } = fetched;
  deps.log.warn('video not saved', {
    video: job.id,
    attempt: attempt.id,
    provider,
    account,
    kind,
    detail,
  });
  await warnAtHalfTime(deps, job, attempt, kind);
  return counts(deps, job, attempt, kind)
    ? await countTry(deps, job, attempt, fetched)
    : await tryAgain(deps, job, attempt, address, kind);
}

const hostOf = (address: string): string => (URL.canParse(address) ? new URL(address).host : '');

/**
 * Until when a clip is tried for: as long as its address lives and its job may, but at least an hour. `warnAtMs` is half
 * of that. A full disk of ours has the whole life of the address: it is to lose nothing.
 */
function timesOf(deps: Deps, job: JobRow, attempt: AttemptRow) {
  const finishedAtMs = attempt.endedAtMs ?? job.createdAtMs;
  const linkEndsAtMs = finishedAtMs + linkLifeOf(deps, attempt);
  const endsAtMs = Math.min(linkEndsAtMs, Math.max(job.deadlineAtMs, finishedAtMs + SAVING_MIN_MS));
  return { finishedAtMs, linkEndsAtMs, endsAtMs, warnAtMs: (finishedAtMs + endsAtMs) / 2 };
}

/** Of an account that is not configured any more nobody knows it: its address is tried as long as the job may live. */
const linkLifeOf = ({ accounts }: Deps, { account }: AttemptRow): number =>
  accounts.get(account)?.provider.linkLifeMs ?? Number.POSITIVE_INFINITY;

/** Whether the try is one of those that a clip has only so many of. After its time each of them is. */
function counts(deps: Deps, job: JobRow, attempt: AttemptRow, kind: NotSaved['kind']): boolean {
  const { endsAtMs, linkEndsAtMs } = timesOf(deps, job, attempt);
  const nowMs = deps.clock.nowMs();
  switch (kind) {
    case 'wrong':
    case 'no_video':
    case 'cut':
    case 'too_large':
      return true;
    case 'not_stored':
      return nowMs >= linkEndsAtMs;
    case 'gone':
    case 'refused':
    case 'broken':
      return nowMs >= endsAtMs;
  }
}

/** What says nothing about the file itself. */
const OUT_OF_REACH: ReadonlySet<NotSaved['kind']> = new Set(['gone', 'refused', 'broken', 'not_stored']);

async function countTry(deps: Deps, job: JobRow, attempt: AttemptRow, { kind, detail }: NotSaved): Promise<StepResult> {
  const saveTries = job.saveTries + 1;
  if (saveTries >= BAD_FILES_MAX) {
    const isBad = !OUT_OF_REACH.has(kind);
    return await loseVideo(deps, job, attempt, { code: isBad ? 'asset_invalid' : 'asset_unavailable', detail });
  }
  await deps.database.write((tx) => updateJob(tx, job, { saveTries, dueAtMs: deps.clock.nowMs() }));
  const fraction = deps.random.fraction();
  // Half a video, or a page in its place, may be the host's trouble, and pass; what was made wrong stays wrong.
  if (kind !== 'no_video' && kind !== 'cut') return dueIn(backoffMs({}, saveTries, fraction));
  return dueIn(BAD_FILE_AGAIN_MS * 2 ** (saveTries - 1) * (0.5 + fraction / 2));
}

/** Full jitter that grows with the time that has passed. Nothing is written but an address that is new. */
async function tryAgain(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  address: string | null,
  kind: NotSaved['kind'],
): Promise<StepResult> {
  const isDead = kind === 'gone' || kind === 'refused';
  const fresh = isDead ? await freshAddress(deps, attempt) : null;
  if (fresh !== null && fresh !== address) {
    await deps.database.write(async (tx) => {
      await updateJob(tx, job, { dueAtMs: deps.clock.nowMs() });
      await updateAttempt(tx, attempt.id, { videoUrlSealed: deps.sealer.seal(fresh) });
    });
  }
  const sinceMs = deps.clock.nowMs() - timesOf(deps, job, attempt).finishedAtMs;
  const capMs = Math.min(AGAIN_MAX_MS, Math.max(2 * SECOND_MS, sinceMs));
  return dueIn(Math.floor(capMs * deps.random.fraction()));
}

/** A paid video that half of its time was not enough for is an operator's business, once: later it is lost. */
async function warnAtHalfTime(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  reason: NotSaved['kind'] | 'in_line',
): Promise<void> {
  const { finishedAtMs, endsAtMs, warnAtMs } = timesOf(deps, job, attempt);
  const { account } = attempt;
  if (deps.clock.nowMs() < warnAtMs) return;
  const data = {
    ...{ video: job.id, tenant: job.tenantId, attempt: attempt.id },
    ...{ provider: attempt.provider, account, reason },
    ...{ finished_at: toUnixSeconds(finishedAtMs), until: toUnixSeconds(endsAtMs) },
  };
  const detail = `${job.id} is paid for and not saved: ${reason}; half of its time is over`;
  try {
    await raise(
      deps,
      { type: 'video.at_risk', subject: attempt.id, mark: 'half of its time', data },
      { detail, account },
    );
  } catch (error) {
    // A full disk takes no alarm either; the next try raises it.
    if (!(error instanceof StoreUnavailable)) throw error;
    deps.log.error('video about to be lost', { video: job.id, attempt: attempt.id, account, detail });
  }
}

async function fetchVideo(deps: Deps, job: JobRow, address: string): Promise<Fetched> {
  let part: PartFile | null = null;
  let kept = false;
  try {
    part = await deps.files.create(videoName(job.id));
    const fetched = await fetchInto(deps, job, address, part);
    kept = fetched.kind === 'saved';
    return fetched;
  } catch (error) {
    // What the system says of our own disk, such as ENOSPC; the rest is a bug.
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return { kind: 'not_stored', detail: error.message };
  } finally {
    if (!kept) await part?.discard().catch(() => {});
  }
}

async function fetchInto(deps: Deps, job: JobRow, address: string, part: PartFile): Promise<Fetched> {
  const received = await deps.downloads.download(address, part, VIDEO_BYTES_MAX, deps.stopping);
  if (received.kind !== 'downloaded') return received;
  const facts = await deps.inspect(part.path);
  if (facts === null) return { kind: 'no_video', detail: 'not an MP4 video' };
  const fault = faultOf(job, facts);
  if (fault !== null) return { kind: 'wrong', detail: fault };
  await part.finish();
  crashPoint('save.file');
  return { kind: 'saved', file: { ...facts, bytes: received.bytes, digest: received.digest } };
}

/** What is wrong with the clip, against the order; null when nothing is. A length that the header does not tell is taken. */
export function faultOf(job: Pick<JobRow, 'seconds' | 'audio' | 'resolution'>, facts: VideoFacts): string | null {
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
export async function loseVideo(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  { code, detail }: { readonly code: VideoFailureCode; readonly detail: string },
): Promise<StepResult> {
  const stamp = stampOf(deps);
  await deps.database.write(async (tx) => {
    await failJobIn(tx, deps, job, code, stamp);
    // The evidence stays with the attempt: what came instead of the order.
    await updateAttempt(tx, attempt.id, {
      failureDetail: detail,
      readFailures: 0,
      troubledAtMs: stamp.nowMs,
      lostAtMs: lossOf(attempt),
    });
    const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
    await bookCost(tx, job, { kind: 'cost', amountMicros: attempt.costMicros, ...of }, stamp);
  });
  await removeUploads(deps, job);
  return ENDED;
}

/** A new address for the finished video, from the task itself; null when the provider gives none now. */
async function freshAddress(deps: Deps, attempt: AttemptRow): Promise<string | null> {
  const account = deps.accounts.get(attempt.account);
  if (!account) return null;
  const outcome = await readTask(deps, attempt, account);
  return outcome.state === 'finished' ? outcome.videoUrl : null;
}
