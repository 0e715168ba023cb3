/** Rows of prepaid packages, and of the clips that drew on them. */
import { and, asc, desc, eq, gte, isNotNull, sql } from 'drizzle-orm';
import type { History } from '../pricing/packs.ts';
import type { Tx } from '../store/database.ts';
import { attempts, jobs, type PackageRow, packages } from '../store/schema.ts';

export async function insertPackage(tx: Tx, row: PackageRow): Promise<void> {
  await tx.insert(packages).values(row);
}

/**
 * Takes back a registration. What was drawn from the pack falls on the others that were valid at the time, which then have
 * less left; only what none of them can have paid for counts as drawn from none. False when there is no such pack.
 */
export async function removePackage(tx: Tx, id: string): Promise<boolean> {
  const gone = await tx.delete(packages).where(eq(packages.id, id)).returning({ id: packages.id });
  return gone.length === 1;
}

/** Every package, by account and then in the order in which they are drawn. */
export async function listPackages(tx: Tx): Promise<PackageRow[]> {
  return await tx
    .select()
    .from(packages)
    .orderBy(asc(packages.account), asc(packages.expiresAtMs), asc(packages.boughtAtMs), asc(packages.id));
}

/** Writes down what the provider says of the pack. */
export async function noteReported(
  tx: Tx,
  id: string,
  reported: Pick<PackageRow, 'reportedId' | 'reportedLeft' | 'reportedAtMs'>,
): Promise<void> {
  await tx.update(packages).set(reported).where(eq(packages.id, id));
}

/** A finished clip of the account, with what is needed to know how many units it took. */
export interface FinishedClip {
  readonly card: string;
  readonly rate: string;
  /** The provider's report as JSON; null where there was none. */
  readonly usage: string | null;
  readonly endedAtMs: number;
  /** Billionths of units that it drew only because they would have lapsed. */
  readonly lapsingUnits: bigint;
  readonly lengthMs: number;
}

const lengthMs = sql<number>`coalesce(${jobs.seconds} * 1000, ${jobs.fileDurationMs}, 0)`;

/** The account's clips that finished since: as many as packs can have paid for, not as many as there ever were. */
export async function clipsSince(tx: Tx, account: string, sinceMs: number): Promise<FinishedClip[]> {
  const rows = await tx
    .select({
      card: attempts.card,
      rate: attempts.rate,
      usage: attempts.usage,
      endedAtMs: attempts.endedAtMs,
      lapsingUnits: attempts.lapsingUnits,
      lengthMs,
    })
    .from(attempts)
    .innerJoin(jobs, eq(jobs.id, attempts.jobId))
    .where(and(eq(attempts.account, account), eq(attempts.state, 'succeeded'), gte(attempts.endedAtMs, sinceMs)));
  return rows.map(({ endedAtMs, ...row }) => ({ ...row, endedAtMs: endedAtMs ?? sinceMs }));
}

/** Billionths of units that would have lapsed and that open attempts are drawing, by account. */
export async function lapsingUnderWay(tx: Tx): Promise<Map<string, bigint>> {
  const rows = await tx
    .select({ account: attempts.account, units: sql<number>`sum(${attempts.lapsingUnits})` })
    .from(attempts)
    // In the text, not as parameters: only then does the index serve.
    .where(sql`${attempts.lapsingUnits} > 0 and ${attempts.endedAtMs} is null`)
    .groupBy(attempts.account);
  return new Map(rows.map(({ account, units }) => [account, BigInt(units)]));
}

/** When the first clip there is was finished, and when the last one, whoever made them. */
export async function historyOfClips(tx: Tx): Promise<History> {
  const ended = (order: typeof asc) =>
    tx
      .select({ atMs: attempts.endedAtMs })
      .from(attempts)
      .where(and(isNotNull(attempts.endedAtMs), eq(attempts.state, 'succeeded')))
      .orderBy(order(attempts.endedAtMs))
      .limit(1);
  const [first] = await ended(asc);
  const [last] = await ended(desc);
  return { firstAtMs: first?.atMs ?? null, lastAtMs: last?.atMs ?? null };
}

const GROUPS_MAX = 20_000;

/** What was reported since, like attempts together; `fromId` bounds the search by the ids, which carry their time. */
export async function reportsSince(tx: Tx, since: { readonly atMs: number; readonly fromId: string }) {
  return await tx
    .select({
      card: attempts.card,
      rate: attempts.rate,
      usage: sql<string>`${attempts.usage}`,
      lengthMs,
      count: sql<number>`count(*)`,
    })
    .from(attempts)
    .innerJoin(jobs, eq(jobs.id, attempts.jobId))
    .where(
      and(
        gte(attempts.id, since.fromId),
        eq(attempts.state, 'succeeded'),
        gte(attempts.endedAtMs, since.atMs),
        isNotNull(attempts.usage),
      ),
    )
    .groupBy(attempts.card, attempts.rate, attempts.usage, lengthMs)
    .limit(GROUPS_MAX);
}
