import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import { statement, type Tx } from '../store/database.ts';
import { type KeptSubmissionRow, type KeyReplayRow, keptSubmissions, keyReplays } from '../store/schema-resend.ts';

const replayOfAccount = (tx: Tx) =>
  tx
    .select()
    .from(keyReplays)
    .where(eq(keyReplays.account, sql.placeholder('account')))
    .prepare();

/** What was last seen of the account's treatment of a repeated key; null where nobody has looked. */
export async function keyReplayOf(tx: Tx, account: string): Promise<KeyReplayRow | null> {
  const [row] = await statement(tx, replayOfAccount).execute({ account });
  return row ?? null;
}

/** What was seen of all accounts, by account. */
export async function keyReplaysByAccount(tx: Tx): Promise<Map<string, KeyReplayRow>> {
  return new Map((await tx.select().from(keyReplays)).map((row) => [row.account, row]));
}

/** Writes down what was seen, in place of what was seen before. */
export async function putKeyReplay(tx: Tx, row: KeyReplayRow): Promise<void> {
  await tx.insert(keyReplays).values(row).onConflictDoUpdate({ target: keyReplays.account, set: row });
}

/** Keeps what was sent, and forgets what was kept before `staleBeforeMs`: it will not be sent again. */
export async function insertKept(tx: Tx, row: KeptSubmissionRow, staleBeforeMs: number): Promise<void> {
  await tx.delete(keptSubmissions).where(lt(keptSubmissions.keptAtMs, staleBeforeMs));
  await tx.insert(keptSubmissions).values(row);
}

/** What was kept of the attempt's submission; null when nothing was, or not any more. */
export async function keptOf(tx: Tx, attemptId: string): Promise<KeptSubmissionRow | null> {
  const [row] = await tx.select().from(keptSubmissions).where(eq(keptSubmissions.attemptId, attemptId));
  return row ?? null;
}

/** Marks the submission as sent again; false, with nothing written, when it has been marked before or is not kept. */
export async function markSentAgain(tx: Tx, attemptId: string, nowMs: number): Promise<boolean> {
  const marked = await tx
    .update(keptSubmissions)
    .set({ sentAgainAtMs: nowMs })
    .where(and(eq(keptSubmissions.attemptId, attemptId), isNull(keptSubmissions.sentAgainAtMs)))
    .returning({ attemptId: keptSubmissions.attemptId });
  return marked.length === 1;
}
