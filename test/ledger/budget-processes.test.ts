/**
 * The cap is kept by the store and not by a process: four real processes that share a store, its lock bypassed, admit
 * exactly what fits, and at no instant more.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { micros } from '../../src/ground/money.ts';
import { audit } from '../../src/ledger/audit.ts';
import { setBudget } from '../../src/ledger/budget.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { addTenant, admissionFor, migrationsFolder } from '../simulation/stage.ts';
import { countingMint, ROOT } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const PROCESSES = 4;
const CREATES = 250;

interface Outcome {
  readonly admitted: readonly string[];
  readonly refused: readonly string[];
}

it.each([
  ['of one price: exactly as many as fit', [5], 777],
  ['of several prices: nothing that fits is turned away', [3, 10, 4, 8, 5], 430],
])('1,000 creates in 4 processes at once on one cap, %s', { timeout: 120_000 }, async (_, seconds, clips) => {
  const folder = temporaryFolder();
  const price = (length: number): bigint =>
    admissionFor('video_0', length, { fallback: 'none' }, Date.now()).route.holdMicros;
  // Half a clip of slack: what fits is never a matter of an exact sum.
  const cap = price(5) * BigInt(clips) + price(3) / 2n;
  const database = openSqlite({ folder, migrationsFolder, withoutLock: true });
  onTestFinished(() => database.close());
  await addTenant(database, Date.now());
  const wanted = { scope: 'tenant', ownerId: 'ten_one', tenantId: 'ten_one', period: 'total' } as const;
  const stamp = { nowMs: Date.now(), mint: countingMint() };
  await database.write((tx) => setBudget(tx, { ...wanted, capMicros: micros(cap), alertPercent: 80 }, stamp));

  const children = await Promise.all(
    Array.from({ length: PROCESSES }, (_one, number) => begin(folder, `process_${number}`, seconds.join(','))),
  );
  const looked = watch(folder, cap);
  const outcomes = await Promise.all(children.map(go));
  const { samples, highest } = looked();

  const admitted = outcomes.flatMap((outcome) => outcome.admitted.map(BigInt));
  const refused = outcomes.flatMap((outcome) => outcome.refused.map(BigInt));
  const sum = admitted.reduce((total, hold) => total + hold, 0n);
  expect(admitted.length + refused.length).toBe(PROCESSES * CREATES);
  expect(sum).toBeLessThanOrEqual(cap);
  expect(refused.length).toBeGreaterThan(0);
  for (const turnedAway of new Set(refused)) expect(sum + turnedAway).toBeGreaterThan(cap);
  if (seconds.length === 1) expect(admitted.length).toBe(clips);
  expect(samples).toBeGreaterThan(10);
  expect(highest).toBeLessThanOrEqual(cap);
  const counters = inFile(folder, 'select settled_micros + held_micros used from budget_counters');
  expect(counters).toEqual([{ used: sum }]);
  expect(inFile(folder, 'select percent from budget_alerts order by percent').length).toBeGreaterThan(0);
  expect(await database.read(audit)).toMatchObject({ ok: true, jobs: admitted.length });
});

/** Starts a process and resolves when it has the store open. */
async function begin(folder: string, name: string, seconds: string): Promise<ChildProcess> {
  const program = join(ROOT, 'test/support/admitting-process.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', program, folder, name, String(CREATES), seconds], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await lineOf(child, (line) => line === 'ready');
  return child;
}

async function go(child: ChildProcess): Promise<Outcome> {
  child.stdin?.write('go\n');
  return JSON.parse(await lineOf(child, (line) => line.startsWith('{')));
}

/** The first line of its output that will do. */
async function lineOf(child: ChildProcess, wanted: (line: string) => boolean): Promise<string> {
  return await new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      const line = text.split('\n').slice(0, -1).find(wanted);
      if (line !== undefined) resolve(line);
    });
    child.once('exit', (code) => reject(new Error(`the process ended with ${code} before it had answered`)));
  });
}

/** Looks from outside at what is in use, again and again until asked what the most was. */
function watch(folder: string, cap: bigint): () => { samples: number; highest: bigint } {
  const connection = new Sqlite(join(folder, 'reelay.db'), { readonly: true });
  connection.defaultSafeIntegers();
  const used = connection.prepare<[], { used: bigint }>(
    'select settled_micros + held_micros used from budget_counters where budget_id is not null',
  );
  let samples = 0;
  let highest = 0n;
  const timer = setInterval(() => {
    const now = used.get()?.used ?? cap + 1n;
    samples += 1;
    if (now > highest) highest = now;
  }, 5);
  return () => {
    clearInterval(timer);
    connection.close();
    return { samples, highest };
  };
}

function inFile(folder: string, query: string): Record<string, unknown>[] {
  const connection = new Sqlite(join(folder, 'reelay.db'), { readonly: true });
  connection.defaultSafeIntegers();
  try {
    return connection.prepare<[], Record<string, unknown>>(query).all();
  } finally {
    connection.close();
  }
}
