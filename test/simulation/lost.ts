/**
 * Clips that a provider made well and that never became a saved video. Losing one is a fault wherever the gateway could
 * know of it: its answer reached a living process, or its provider finds it by our tag, or its call was accepted. What
 * nobody could have known, or had, is excused, and each excuse is counted.
 */
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/ground/time.ts';
import type { Tx } from '../../src/store/database.ts';
import { type AttemptRow, attempts, type JobRow, jobs } from '../../src/store/schema.ts';
import type { SimulatedProcess } from './process.ts';
import { LINK_LIFE_MS, TRAITS } from './providers.ts';
import type { VirtualClock } from './virtual-clock.ts';
import type { World, WorldTask } from './world.ts';

/** Why a clip could not be had. Nothing else is an excuse. */
export const EXCUSES = {
  unanswered: 'its answer was lost, and its provider can neither be asked nor call',
  call_lost: 'its answer was lost, and so was the call of its provider, which cannot be asked',
  died_with_answer: 'the process died between the answer and its commit, and the provider cannot be asked',
  taken_over: 'the answer came to a process whose job another had taken, and the provider cannot be asked',
  contested: 'its provider has named its task for another attempt too',
  bad_file: 'its file was bad each time it came whole',
  dead_link: 'its file could not be had as long as its address lived',
  clock_back: 'nobody could take its job over: the wall clock was set back behind the lease of a process that had died',
  clock_ahead: 'a process was started after the wall clock had been set past the end of its time',
} as const;
export type Excuse = keyof typeof EXCUSES;

/** An answer that named a task, as it reached a process that ran. */
export interface Told {
  readonly process: SimulatedProcess;
  readonly atMs: number;
  /** Whether its job was still the process's, and under which lease. */
  readonly held: boolean;
  readonly leaseToken: number;
  /** The store took no writes then: the process has to keep the answer in mind. */
  readonly storeDown: boolean;
}

export interface LostClips {
  /** Clips that providers made well, whatever became of them. */
  readonly made: number;
  readonly excused: Readonly<Partial<Record<Excuse, number>>>;
  readonly faults: readonly string[];
}

/** From the answer to its commit; longer only while the store takes no writes. */
const IN_HAND_MS = 5 * SECOND_MS;
const IN_HAND_IN_OUTAGE_MS = 2 * MINUTE_MS;
/** The clock is set ahead by an hour or more, of which a process that runs makes up a little; doubt ends far sooner. */
const AHEAD_MS = HOUR_MS / 2;
/** Fetches that came whole and were not what was ordered, before a clip counts as lost. */
const BAD_FILES = 8;
/** Fetches go on until the address dies, the last ones so far apart. */
const FETCHES_APART_MS = 2 * MINUTE_MS;

/** What became of the clips that were made, once all jobs have ended. */
export async function lostClips(
  tx: Tx,
  world: World,
  { cancelled, clock }: { readonly cancelled: ReadonlySet<string>; readonly clock: VirtualClock },
): Promise<LostClips> {
  const jobRows = new Map((await tx.select().from(jobs)).map((row) => [row.id, row]));
  const attemptRows = new Map((await tx.select().from(attempts)).map((row) => [row.id, row]));
  const made = world.tasks.filter((task) => isMadeWell(world, task));
  const excused: Partial<Record<Excuse, number>> = {};
  const faults: string[] = [];
  for (const task of made) {
    const job = jobRows.get(task.videoId);
    const attempt = attemptRows.get(task.tag);
    if (!job || !attempt) {
      faults.push(`${task.provider} made ${task.id}, of which no row knows`);
      continue;
    }
    if (job.dueAtMs !== null || job.state === 'completed') continue;
    if (job.state === 'cancelled' && cancelled.has(job.id)) continue;
    const excuse = excuseOf(task, job, attempt, clock);
    if (excuse === null) faults.push(lost(task, job, attempt));
    else excused[excuse] = (excused[excuse] ?? 0) + 1;
  }
  return { made: made.length, excused, faults };
}

/** Done as ordered, not stopped, and told to whoever asks. */
function isMadeWell(world: World, task: WorldTask): boolean {
  return task.end === 'made' && !task.stopped && world.hasEnded(task) && world.tells(task);
}

function lost(task: WorldTask, job: JobRow, attempt: AttemptRow): string {
  const known = knownBy(task, attempt) ?? 'was told of it';
  return `${job.id}: ${task.provider} made its clip ${task.id} and we ${known}, yet it ended ${job.state} ${job.errorCode}`;
}

/** How the gateway could know of the task without the answer to its submission; null when it could not. */
function knownBy(task: WorldTask, attempt: AttemptRow): string | null {
  if (attempt.taskId === task.id) return 'had its id';
  if (TRAITS.some(({ id, tags }) => id === task.provider && tags)) return 'could find it by its tag';
  return task.announced ? 'were called' : null;
}

function excuseOf(task: WorldTask, job: JobRow, attempt: AttemptRow, clock: VirtualClock): Excuse | null {
  const endedAtMs = job.endedAtMs ?? 0;
  if (clock.wasSetAhead && endedAtMs >= Math.min(job.deadlineAtMs, attempt.createdAtMs + AHEAD_MS))
    return 'clock_ahead';
  if (task.contested) return 'contested';
  if (task.fetches.bad >= BAD_FILES) return 'bad_file';
  const { firstAtMs, lastAtMs } = task.fetches;
  const linkEndsAtMs = task.readyAtMs + LINK_LIFE_MS;
  // Only a file that was asked for in good time could not be had.
  const wasTried = firstAtMs !== null && firstAtMs < linkEndsAtMs - LINK_LIFE_MS / 2;
  if (clock.wasSetBack && firstAtMs !== null && !wasTried) return 'clock_back';
  if (wasTried && lastAtMs >= linkEndsAtMs - FETCHES_APART_MS) return 'dead_link';
  if (knownBy(task, attempt) !== null) return null;
  if (task.told.length === 0) return task.hook === null ? 'unanswered' : 'call_lost';
  const excuses = task.told.map((told) => excuseOfTold(told, job));
  return excuses.includes(null) ? null : (excuses[0] ?? null);
}

function excuseOfTold({ process, atMs, held, leaseToken, storeDown }: Told, job: JobRow): Excuse | null {
  if (!held) return 'taken_over';
  const untilMs = atMs + (storeDown ? IN_HAND_IN_OUTAGE_MS : IN_HAND_MS);
  if (process.diedAtMs !== null && process.diedAtMs <= untilMs) return 'died_with_answer';
  const froze = process.frozenAtMs !== null && process.frozenAtMs >= atMs && process.frozenAtMs <= untilMs;
  return froze && job.leaseToken !== leaseToken ? 'taken_over' : null;
}
