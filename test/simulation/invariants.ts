import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { audit } from '../../src/ledger/audit.ts';
import type { Database, Tx } from '../../src/store/database.ts';
import { attempts, entries, jobs, lanes } from '../../src/store/schema.ts';
import { digestOf } from './process.ts';
import type { World } from './world.ts';

/** What is true of the rows at every instant, whatever was lost, killed or frozen. Each fault in words. */
export async function faultsOfBooks(database: Database): Promise<readonly string[]> {
  return (await database.read(audit)).differences;
}

/** What is true besides once everything has ended. */
export async function faultsAtEnd(
  database: Database,
  world: World,
  { folder, admitted }: { readonly folder: string; readonly admitted: readonly string[] },
): Promise<string[]> {
  return await database.read(async (tx) => [
    ...(await faultsOfJobs(tx, folder, admitted)),
    ...(await faultsOfBill(tx, world)),
    ...(await tx.select().from(lanes)).flatMap(({ lane, running }) =>
      running === 0 ? [] : [`lane ${lane} counts ${running} tasks although all jobs have ended`],
    ),
  ]);
}

async function faultsOfJobs(tx: Tx, folder: string, admitted: readonly string[]): Promise<string[]> {
  const rows = await tx.select().from(jobs);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return admitted.flatMap((id) => {
    const row = byId.get(id);
    if (!row) return [`${id} was admitted and is not there`];
    if (row.dueAtMs !== null) return [`${id} has not ended: ${row.state}`];
    if (row.state !== 'completed') return [];
    const bytes = readFileSync(join(folder, 'videos', `${id}.mp4`));
    const seconds = Number.parseInt(bytes.toString('utf8'), 10);
    if (digestOf(bytes) !== row.fileDigest) return [`${id}: the file is not the one whose digest is stored`];
    return seconds === row.seconds ? [] : [`${id}: completed with ${seconds} s, ${row.seconds} were ordered`];
  });
}

/** Every charge of a provider is a cost or a suspected cost of the attempt that caused it, and nothing else is a cost. */
async function faultsOfBill(tx: Tx, world: World): Promise<string[]> {
  const booked = await tx.select().from(entries);
  const rows = await tx.select().from(attempts);
  return rows.flatMap((attempt) => {
    const charged = world.tasks.filter((task) => task.tag === attempt.id && task.charged && world.hasEnded(task));
    const of = booked.filter((entry) => entry.attemptId === attempt.id);
    const cost = of.filter(({ kind }) => kind === 'cost');
    const resolved = of.filter(({ kind }) => kind === 'cost_resolution').length;
    const suspected = of.filter(({ kind }) => kind === 'suspected_cost').slice(resolved);
    if (charged.length > 1) return [`${attempt.id}: charged ${charged.length} times`];
    if (cost.length + suspected.length > 1) return [`${attempt.id}: its cost is booked twice`];
    if (charged.length === 1 && cost.length + suspected.length === 0) {
      return [`${attempt.id}: charged by ${attempt.provider}, and neither a cost nor suspected`];
    }
    if (charged.length === 0 && cost.length > 0)
      return [`${attempt.id}: a cost that ${attempt.provider} never charged`];
    return [];
  });
}
