/**
 * A process of its own that admits clips into a store which others have open too, as fast as it can. Says `ready`, waits
 * for a line, and answers with one line of JSON: the holds that were admitted, and the prices that were turned away.
 */
import { createMint, systemRandom } from '../../src/ground/id.ts';
import { silentLog } from '../../src/ground/log.ts';
import { systemClock } from '../../src/ground/time.ts';
import { admit } from '../../src/jobs/admit.ts';
import type { Deps } from '../../src/jobs/deps.ts';
import { BudgetFull } from '../../src/ledger/budget.ts';
import { StoreUnavailable } from '../../src/store/database.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { admissionFor, migrationsFolder } from '../simulation/stage.ts';

const [folder = '', name = '', creates = '0', lengths = '5'] = process.argv.slice(2);
const seconds = lengths.split(',').map(Number);
const AT_ONCE = 64;
const TRIES_MAX = 50;

const database = openSqlite({ folder, migrationsFolder, withoutLock: true });
const mint = createMint(systemClock, systemRandom);
const deps = { database, clock: systemClock, mint, processId: name, signals: {}, log: silentLog } as unknown as Deps;
const admitted: string[] = [];
const refused: string[] = [];

async function create(number: number): Promise<void> {
  const length = seconds[number % seconds.length] ?? 5;
  const admission = admissionFor(mint('video'), length, { fallback: 'none' }, systemClock.nowMs());
  for (let tries = 1; ; tries += 1) {
    try {
      const { job } = await admit(deps, admission);
      admitted.push(String(job.holdMicros));
      return;
    } catch (error) {
      if (error instanceof BudgetFull) {
        refused.push(String(admission.route.holdMicros));
        return;
      }
      // Four processes wait for one write lock: the store may say for once that it was too long.
      if (!(error instanceof StoreUnavailable) || tries === TRIES_MAX) throw error;
    }
  }
}

process.stdin.once('data', async () => {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < Number(creates)) {
      next += 1;
      await create(next);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await database.close();
  process.stdout.write(`${JSON.stringify({ admitted, refused })}\n`, () => process.exit(0));
});
process.stdout.write('ready\n');
