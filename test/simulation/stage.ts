/** What a simulated day needs besides chance: a folder, a tenant, requests as the front door accepts them, calls. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { sql } from 'drizzle-orm';
import { micros } from '../../src/ground/money.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import type { Admission } from '../../src/jobs/admit.ts';
import { digestOf } from '../../src/jobs/hook.ts';
import { attemptOfHook, noteAnnouncedTask } from '../../src/jobs/rows.ts';
import { setBudget } from '../../src/ledger/budget.ts';
import { consider } from '../../src/routing/consider.ts';
import { NO_ROUTING, type RequestRouting } from '../../src/routing/policy.ts';
import { idleConditions } from '../../src/routing/score.ts';
import type { Database } from '../../src/store/database.ts';
import { apiKeys, tenants } from '../../src/store/schema.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import type { SimulatedProcess } from './process.ts';
import { SIMULATED, SIMULATED_CARDS } from './providers.ts';

export const migrationsFolder = join(import.meta.dirname, '../../migrations');
const PREFIX = 'reelay-simulation-';
/** Memory, where there is a file system in it: the simulation writes what a power cut may take. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** An empty folder for a store and its videos; whoever asks removes it. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(scratch, `${PREFIX}${process.pid}-`));
  mkdirSync(join(folder, 'videos'));
  return folder;
}

/** Workers of the test runner are ended without notice: what those have left that are no more is removed by the next. */
function removeLeftovers(): void {
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  for (const name of readdirSync(scratch).filter((each) => each.startsWith(PREFIX))) {
    const pid = Number.parseInt(name.slice(PREFIX.length), 10);
    if (!(pid > 0 && isAlive(pid))) rmSync(join(scratch, name), { recursive: true, force: true });
  }
}

/** A folder with an open store in it, and what is wiped between two stories. */
export interface Place {
  readonly folder: string;
  readonly database: Database;
  readonly parts: readonly SchemaPart[];
  /** Another number after every commit that has changed a row. Asked after each step, so it is asked of SQLite directly. */
  readonly version: () => number;
}

interface SchemaPart {
  readonly type: 'table' | 'trigger';
  readonly name: string;
  readonly sql: string;
}

const spare: Place[] = [];
removeLeftovers();

/** A store with nothing in it. One that was given back is used again: migrating it and preparing its statements takes long. */
export async function takePlace(): Promise<Place> {
  const known = spare.pop();
  if (known) return known;
  const folder = freshFolder();
  const database = openSqlite({ folder, migrationsFolder, withoutLock: true });
  const parts = await database.read(async (tx) =>
    tx.all<SchemaPart>(sql`select type, name, sql from sqlite_schema where type in ('table', 'trigger')`),
  );
  const watch = new Sqlite(join(folder, 'reelay.db'), { readonly: true }).prepare('pragma data_version').pluck();
  return { folder, database, parts, version: () => Number(watch.get()) };
}

/** Wipes the place for the next one. Nothing may write to it any more. */
export async function giveBack(place: Place): Promise<void> {
  const triggers = place.parts.filter(({ type }) => type === 'trigger');
  // Not the library's own: they remember which migrations were run.
  const tables = place.parts.filter(({ type, name }) => type === 'table' && !/^(__|sqlite_)/.test(name));
  await place.database.write(async (tx) => {
    tx.run(sql`pragma defer_foreign_keys = on`);
    // The ledger lets nothing be removed; here the whole world ends.
    for (const { name } of triggers) tx.run(sql`drop trigger ${sql.identifier(name)}`);
    for (const { name } of tables) tx.run(sql`delete from ${sql.identifier(name)}`);
    for (const trigger of triggers) tx.run(sql.raw(trigger.sql));
  });
  rmSync(join(place.folder, 'videos'), { recursive: true, force: true });
  mkdirSync(join(place.folder, 'videos'));
  spare.push(place);
}

/** One tenant with one key, who pays ten percent on top. */
export async function addTenant(database: Database, nowMs: number): Promise<void> {
  const fields = { name: 'One', createdAtMs: nowMs };
  await database.write(async (tx) => {
    await tx.insert(tenants).values({ id: 'ten_one', markupPercent: '10', policy: '{}', ...fields });
    const shown = { prefix: 'sk', lastFour: 'wxyz' };
    await tx.insert(apiKeys).values({ id: 'key_one', tenantId: 'ten_one', digest: 'd', ...shown, ...fields });
  });
}

/**
 * Caps that some of the clips of a seed do not fit under, for the tenant and for its key. From the seed and not from
 * chance: a seed without caps stays what it was. That they are kept is for the audit to say, after every step.
 */
export async function capTenant(database: Database, seed: number, nowMs: number): Promise<void> {
  const tenant = { scope: 'tenant', ownerId: 'ten_one', period: 'day', capMicros: micros(600_000n) } as const;
  const key = { scope: 'key', ownerId: 'key_one', period: 'total', capMicros: micros(1_200_000n) } as const;
  const mint = (prefix: string): string => `${prefix}_${seed}_${++minted}`;
  await database.write(async (tx) => {
    for (const budget of seed % 2 === 0 ? [tenant, key] : [key]) {
      await setBudget(tx, { ...budget, tenantId: 'ten_one', alertPercent: 50 }, { nowMs, mint });
    }
  });
}

let minted = 0;

/** A clip whose prompt is its own id, so that the world knows whose task it makes. */
export function requestFor(videoId: string, seconds: number): VideoRequest {
  return {
    model: 'kling-v3',
    task: 'text_to_video',
    prompt: videoId,
    seconds,
    resolution: '720p',
    aspectRatio: '16:9',
    audio: false,
    references: [],
    elements: [],
    voices: [],
    watermark: false,
  };
}

/** The request as the front door would hand it to `admit`. */
export function admissionFor(
  videoId: string,
  seconds: number,
  routing: Partial<RequestRouting>,
  nowMs: number,
): Admission {
  const request = requestFor(videoId, seconds);
  const route = consider({
    requests: [request],
    routing: { ...NO_ROUTING, ...routing },
    asker: { policy: {}, maxPriceMicros: null, markupPercent: '10' },
    sellers: SIMULATED.map(({ id, capabilities }) => ({
      provider: id,
      account: id,
      capabilities,
      credentials: [],
      refuses: () => null,
    })),
    cards: SIMULATED_CARDS,
    conditionsOf: () => idleConditions(2),
    nowMs,
  });
  return {
    videoId,
    tenant: { id: 'ten_one', markupPercent: '10', policy: {} } as Admission['tenant'],
    key: { id: 'key_one' } as Admission['key'],
    request,
    presentation: { model: 'kling-v3', size: '', seconds: String(seconds), estimate: 1, metadata: {}, warnings: [] },
    route,
    repeat: { fingerprint: videoId, idempotencyKey: null, retryCount: 0 },
  };
}

/**
 * A provider's call, as the front door takes it: it names a task and wakes the job. True when the call was accepted for
 * an attempt whose task was still looked for. Lost when the store is down.
 */
export async function deliverHook(
  { deps, worker }: Pick<SimulatedProcess, 'deps' | 'worker'>,
  hook: string,
  taskId: string,
): Promise<boolean> {
  const digest = digestOf(hook.split('/').at(-1) ?? '');
  try {
    const attempt = await deps.database.read((tx) => attemptOfHook(tx, digest));
    if (!attempt) return false;
    const { state, handle, endedAtMs } = attempt;
    const isLookedFor = handle === null && (state === 'submitting' || state === 'in_doubt' || state === 'failed');
    if (isLookedFor) await deps.database.write((tx) => noteAnnouncedTask(tx, attempt.id, taskId));
    worker.wake(attempt.jobId);
    return isLookedFor && endedAtMs === null;
  } catch {
    // The provider calls once, and the call is lost.
    return false;
  }
}
