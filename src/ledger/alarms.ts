/** What operators are told besides budgets: written down with what raised it, told from the row until it is heard. */
import { and, asc, desc, eq, gt, inArray, lte, max } from 'drizzle-orm';
import type { Mint } from '../ground/id.ts';
import { toUnixSeconds } from '../ground/time.ts';
import type { Tx } from '../store/database.ts';
import { type AlarmRow, type AlarmType, alarms } from '../store/schema-alarms.ts';

/** Who raises an alarm and when. */
export interface AlarmStamp {
  readonly nowMs: number;
  readonly mint: Mint;
}

export interface News {
  readonly type: AlarmType;
  /** What it is about. */
  readonly subject: string;
  /** What is new about it. */
  readonly mark: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Writes the alarm down, due at once. False when the same news of the same subject has been told before. */
export async function raiseAlarm(tx: Tx, { type, subject, mark, data }: News, stamp: AlarmStamp): Promise<boolean> {
  const id = stamp.mint('alr');
  const body = JSON.stringify({ id, type, created_at: toUnixSeconds(stamp.nowMs), data });
  const row: AlarmRow = { id, type, subject, mark, body, tries: 0, dueAtMs: stamp.nowMs, createdAtMs: stamp.nowMs };
  const made = await tx.insert(alarms).values(row).onConflictDoNothing().returning({ id: alarms.id });
  return made.length > 0;
}

/** The last alarm of that type about that subject; null when there has been none. */
export async function lastAlarm(tx: Tx, type: AlarmType, subject: string): Promise<AlarmRow | null> {
  const [row] = await tx
    .select()
    .from(alarms)
    .where(and(eq(alarms.type, type), eq(alarms.subject, subject)))
    .orderBy(desc(alarms.id))
    .limit(1);
  return row ?? null;
}

/** The last alarm of each subject among those of these types; with `subject`, of that one alone. */
export async function lastOfSubjects(tx: Tx, types: readonly AlarmType[], subject?: string): Promise<AlarmRow[]> {
  const ofTypes = inArray(alarms.type, [...types]);
  const latest = tx
    .select({ id: max(alarms.id) })
    .from(alarms)
    .where(subject === undefined ? ofTypes : and(ofTypes, eq(alarms.subject, subject)))
    .groupBy(alarms.subject);
  return await tx.select().from(alarms).where(inArray(alarms.id, latest));
}

/** The alarms that are due to the operator, oldest first; those made before `sinceMs` are news no more. */
export async function dueNews(
  tx: Tx,
  { nowMs, sinceMs, limit }: { readonly nowMs: number; readonly sinceMs: number; readonly limit: number },
): Promise<AlarmRow[]> {
  return await tx
    .select()
    .from(alarms)
    .where(and(lte(alarms.dueAtMs, nowMs), gt(alarms.createdAtMs, sinceMs)))
    .orderBy(asc(alarms.dueAtMs))
    .limit(limit);
}

/** Writes down a sending: the alarm has ended, or is due again then. */
export async function recordNews(
  tx: Tx,
  { id, tries }: Pick<AlarmRow, 'id' | 'tries'>,
  dueAtMs: number | null,
): Promise<void> {
  await tx
    .update(alarms)
    .set({ dueAtMs, tries: tries + 1 })
    .where(eq(alarms.id, id));
}
