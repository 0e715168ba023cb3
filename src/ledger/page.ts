import { and, asc, eq, gt, gte, lte, or } from 'drizzle-orm';
import type { Tx } from '../store/database.ts';
import { type EntryRow, entries } from '../store/schema.ts';

/** Which entries are read, and where the page begins. */
export interface LedgerQuery {
  readonly tenantId: string | null;
  readonly jobId: string | null;
  /** Days that pay, both included; null: from the first, to the last. */
  readonly from: string | null;
  readonly to: string | null;
  /** The last entry of the page before. */
  readonly after: EntryRow | null;
  readonly limit: number;
}

/** The entry of that id; null when there is none. */
export async function findEntry(tx: Tx, id: string): Promise<EntryRow | null> {
  const [row] = await tx.select().from(entries).where(eq(entries.id, id));
  return row ?? null;
}

/** Entries by the day that pays, then as they were written. Found by an index, however far the page. */
export async function ledgerPage(tx: Tx, query: LedgerQuery): Promise<EntryRow[]> {
  const { tenantId, jobId, from, to, after, limit } = query;
  return await tx
    .select()
    .from(entries)
    .where(
      and(
        tenantId === null ? undefined : eq(entries.tenantId, tenantId),
        jobId === null ? undefined : eq(entries.jobId, jobId),
        from === null ? undefined : gte(entries.day, from),
        to === null ? undefined : lte(entries.day, to),
        after === null
          ? undefined
          : and(gte(entries.day, after.day), or(gt(entries.day, after.day), gt(entries.id, after.id))),
      ),
    )
    .orderBy(asc(entries.day), asc(entries.id))
    .limit(limit);
}
