/** Costs that a provider may have charged and nobody has resolved. */
import { eq, inArray, sql } from 'drizzle-orm';
import { type Micros, micros } from '../ground/money.ts';
import type { Tx } from '../store/database.ts';
import { attempts, entries } from '../store/schema.ts';

export interface Suspected {
  readonly attemptId: string;
  readonly jobId: string;
  readonly account: string;
  readonly amountMicros: Micros;
  /** When it was suspected first. */
  readonly atMs: number;
}

const KINDS = ['suspected_cost', 'cost_resolution'] as const;
const amount = sql<number>`sum(case when ${entries.kind} = 'suspected_cost'
  then ${entries.amountMicros} else -${entries.amountMicros} end)`;

/** Every suspected cost that is open, the oldest first. Read by an index of its own: it is a short list. */
export async function openSuspected(tx: Tx): Promise<Suspected[]> {
  const rows = await tx
    .select({
      attemptId: attempts.id,
      jobId: attempts.jobId,
      account: attempts.account,
      amount,
      atMs: sql<number>`min(${entries.atMs})`,
    })
    .from(entries)
    .innerJoin(attempts, eq(attempts.id, entries.attemptId))
    .where(inArray(entries.kind, [...KINDS]))
    .groupBy(attempts.id)
    .having(sql`${amount} > 0`);
  return rows
    .map(({ amount: open, ...row }) => ({ ...row, amountMicros: micros(BigInt(open)) }))
    .sort((a, b) => a.atMs - b.atMs || a.attemptId.localeCompare(b.attemptId));
}
