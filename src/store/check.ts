import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const FAULTS_MAX = 20;

/** Runs in a thread of its own: reading a whole file of gigabytes would keep every request waiting. */
const CODE = `
const { parentPort, workerData } = require('node:worker_threads');
const Sqlite = require(workerData.library);
const connection = new Sqlite(workerData.file, { readonly: true, fileMustExist: true });
let found;
try {
  found = connection.prepare('pragma quick_check(' + workerData.limit + ')').pluck().all();
} catch (error) {
  if (!/^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) throw error;
  found = [error.message];
}
parentPort.postMessage(found);
connection.close();
`;

/**
 * What SQLite's own `quick_check` finds wrong with the store in `folder`, 20 findings at most; none when it is sound.
 * Rejects when there is no file, or
 * when it cannot be read for another reason than what is in it.
 */
export async function quickCheck(folder: string): Promise<string[]> {
  const library = createRequire(import.meta.url).resolve('better-sqlite3');
  const worker = new Worker(CODE, {
    eval: true,
    workerData: { library, file: join(folder, 'reelay.db'), limit: FAULTS_MAX },
  });
  worker.unref();
  const lines = await new Promise<readonly string[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return lines.filter((line) => line !== 'ok');
}
