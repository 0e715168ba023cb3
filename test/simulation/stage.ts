/** What a simulated day needs besides chance: a folder, a tenant, requests as the front door accepts them, calls. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
/** Memory, where there is a file system in it: the simulation writes what a power cut may take. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

let template: string | null = null;

/** An empty, migrated database: made once, copied for each seed. */
export async function freshFolder(): Promise<string> {
  if (template === null) {
    template = mkdtempSync(join(scratch, 'reelay-simulation-'));
    await openSqlite({ folder: template, migrationsFolder }).close();
    process.once('exit', () => template && rmSync(template, { recursive: true, force: true }));
  }
  const folder = mkdtempSync(join(scratch, 'reelay-simulation-'));
  copyFileSync(join(template, 'reelay.db'), join(folder, 'reelay.db'));
  mkdirSync(join(folder, 'videos'));
  return folder;
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

/** A provider's call, as the front door takes it: it names a task and wakes the job. Lost when the store is down. */
export async function deliverHook(
  { deps, worker }: Pick<SimulatedProcess, 'deps' | 'worker'>,
  hook: string,
  taskId: string,
): Promise<void> {
  const digest = digestOf(hook.split('/').at(-1) ?? '');
  try {
    const attempt = await deps.database.read((tx) => attemptOfHook(tx, digest));
    if (!attempt) return;
    if (attempt.taskId === null) await deps.database.write((tx) => noteAnnouncedTask(tx, attempt.id, taskId));
    worker.wake(attempt.jobId);
  } catch {
    // The provider calls once, and the call is lost.
  }
}
