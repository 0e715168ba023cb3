/** What accounts had left, and the attempts that our entries say they paid for. */
import { and, eq, gt, isNull, lte, or, sql } from 'drizzle-orm';
import { type Micros, micros } from '../ground/money.ts';
import type { Tx } from '../store/database.ts';
import { attempts, entries, jobs } from '../store/schema.ts';
import { type AccountBalanceRow, accountBalances } from '../store/schema-alarms.ts';

/** What was left of the account when it was read last; null when it never was. */
export async function balanceOf(tx: Tx, account: string): Promise<AccountBalanceRow | null> {
  const [row] = await tx.select().from(accountBalances).where(eq(accountBalances.account, account));
  return row ?? null;
}

/** Every account's last reading. */
export async function allBalances(tx: Tx): Promise<AccountBalanceRow[]> {
  return await tx.select().from(accountBalances);
}

/** Writes a reading down in place of the one before. */
export async function keepBalance(tx: Tx, row: AccountBalanceRow): Promise<void> {
  const { account: _, ...rest } = row;
  await tx.insert(accountBalances).values(row).onConflictDoUpdate({ target: accountBalances.account, set: rest });
}

/** An attempt at the account, with what the ledger has booked for it. */
export interface BookedAttempt {
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
  /** Its job goes on: its cost may not be booked yet. */
  readonly open: boolean;
  readonly card: string;
  readonly rate: string;
  /** The provider's report as JSON; null where there was none. */
  readonly usage: string | null;
  readonly lengthMs: number;
  /** What it was quoted to cost us. */
  readonly quotedMicros: Micros;
  readonly bookedMicros: Micros;
  /** What it may have cost besides, and nobody has resolved. */
  readonly suspectedMicros: Micros;
}

const sumOf = (...kinds: readonly string[]) => sql<number>`coalesce((
  select sum(case when e.kind = 'cost_resolution' then -e.amount_micros else e.amount_micros end) from ${entries} e
  where e.job_id = ${attempts.jobId} and e.attempt_id = ${attempts.id}
    and e.kind in (${sql.join(
      kinds.map((kind) => sql`${kind}`),
      sql`, `,
    )})), 0)`;

/** The account's attempts that were alive at any time after `afterMs` and had begun by `untilMs`. */
export async function attemptsBetween(
  tx: Tx,
  account: string,
  { afterMs, untilMs }: { readonly afterMs: number; readonly untilMs: number },
): Promise<BookedAttempt[]> {
  const rows = await tx
    .select({
      createdAtMs: attempts.createdAtMs,
      endedAtMs: attempts.endedAtMs,
      dueAtMs: jobs.dueAtMs,
      card: attempts.card,
      rate: attempts.rate,
      usage: attempts.usage,
      lengthMs: sql<number>`coalesce(${jobs.seconds} * 1000, ${jobs.fileDurationMs}, 0)`,
      quotedMicros: attempts.costMicros,
      booked: sumOf('cost'),
      suspected: sumOf('suspected_cost', 'cost_resolution'),
    })
    .from(attempts)
    .innerJoin(jobs, eq(jobs.id, attempts.jobId))
    .where(
      and(
        eq(attempts.account, account),
        lte(attempts.createdAtMs, untilMs),
        or(isNull(attempts.endedAtMs), gt(attempts.endedAtMs, afterMs)),
      ),
    );
  return rows.map(({ dueAtMs, booked, suspected, ...row }) => ({
    ...row,
    open: dueAtMs !== null || row.endedAtMs === null,
    bookedMicros: micros(BigInt(booked)),
    suspectedMicros: micros(BigInt(suspected)),
  }));
}
