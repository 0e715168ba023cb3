import { and, desc, eq, gt, gte, isNotNull, or, sql } from 'drizzle-orm';
import { type Micros, micros } from '../ground/money.ts';
import { statement, type Tx } from '../store/database.ts';
import { type AccountSettingsRow, accountSettings, attempts, jobs, tenants } from '../store/schema.ts';

/** What an attempt tells about the offer it went to. */
export interface AttemptFact {
  readonly id: string;
  readonly jobId: string;
  readonly account: string;
  readonly model: string;
  readonly upstream: string;
  readonly lane: string;
  readonly state: string;
  readonly failureKind: string | null;
  readonly createdAtMs: number;
  /** The last instant at which its submission could have left. */
  readonly sendByMs: number;
  readonly acceptedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Reads of the task that failed one after another, and when that was last news; before it: when its answer was lost. */
  readonly readFailures: number;
  readonly troubledAtMs: number | null;
  /** When its answer was lost, where other news has taken that place since. */
  readonly lostAtMs: number | null;
}

const { id, jobId, account, model, upstream, lane, state, failureKind } = attempts;
const { createdAtMs, sendByMs, acceptedAtMs, endedAtMs, readFailures, troubledAtMs, lostAtMs } = attempts;
const FACT = {
  ...{ id, jobId, account, model, upstream, lane, state, failureKind },
  ...{ createdAtMs, sendByMs, acceptedAtMs, endedAtMs, readFailures, troubledAtMs, lostAtMs },
};

const answeredSince = (tx: Tx) =>
  tx
    .select(FACT)
    .from(attempts)
    .where(
      or(
        and(isNotNull(endedAtMs), gte(endedAtMs, sql.placeholder('sinceMs'))),
        and(isNotNull(acceptedAtMs), gte(acceptedAtMs, sql.placeholder('sinceMs'))),
        and(isNotNull(troubledAtMs), gte(troubledAtMs, sql.placeholder('sinceMs'))),
      ),
    )
    .prepare();

// The states stand in the text, not as parameters: only then does the index of unanswered attempts serve.
const unanswered = (tx: Tx) =>
  tx
    .select(FACT)
    .from(attempts)
    .where(and(sql`${state} in ('submitting', 'in_doubt')`, gt(createdAtMs, sql.placeholder('madeSinceMs'))))
    .prepare();

/** The attempts that were accepted, have ended or were in trouble since then, and those that are unanswered and were made since then. */
export async function factsSince(
  tx: Tx,
  since: { readonly sinceMs: number; readonly madeSinceMs: number },
): Promise<AttemptFact[]> {
  const answered = await statement(tx, answeredSince).execute({ sinceMs: since.sinceMs });
  const open = await statement(tx, unanswered).execute({ madeSinceMs: since.madeSinceMs });
  return [...answered, ...open];
}

const inFlight = (tx: Tx) =>
  tx
    .select({
      tenantId: jobs.tenantId,
      tasks: sql<number>`count(*)`,
      // Money in doubt is not at work for its tenant: a provider's lost answer must not put its other clips back.
      micros: sql<number>`sum(case when ${attempts.state} = 'in_doubt' then 0 else ${attempts.priceMicros} end)`,
    })
    .from(attempts)
    .innerJoin(jobs, eq(jobs.id, attempts.jobId))
    // `= 1` in the text, not as a parameter: only then does the index of slots serve.
    .where(sql`${attempts.slotHeld} = 1`)
    .groupBy(jobs.tenantId)
    .prepare();

const limits = (tx: Tx) =>
  tx
    .select({ tenantId: tenants.id, concurrency: tenants.concurrency })
    .from(tenants)
    .where(isNotNull(tenants.concurrency))
    .prepare();

export interface TenantInFlight {
  readonly tasks: number;
  readonly micros: Micros;
}

/** What each tenant has running, by tenant; and the tenants that may only have so much. */
export async function tenantsInFlight(
  tx: Tx,
): Promise<{ running: Map<string, TenantInFlight>; limits: Map<string, number> }> {
  const running = await statement(tx, inFlight).execute();
  const limited = await statement(tx, limits).execute();
  return {
    running: new Map(
      running.map((row) => [row.tenantId, { tasks: Number(row.tasks), micros: micros(BigInt(row.micros)) }]),
    ),
    limits: new Map(limited.flatMap((row) => (row.concurrency === null ? [] : [[row.tenantId, row.concurrency]]))),
  };
}

const settings = (tx: Tx) => tx.select().from(accountSettings).prepare();

/** What operators have decided about accounts, by account; none for those they have let be. */
export async function settingsOfAccounts(tx: Tx): Promise<Map<string, AccountSettingsRow>> {
  return new Map((await statement(tx, settings).execute()).map((row) => [row.account, row]));
}

/** Writes down what an operator has decided about an account, in place of what was decided before. */
export async function putAccountSettings(tx: Tx, row: AccountSettingsRow): Promise<void> {
  await tx.insert(accountSettings).values(row).onConflictDoUpdate({ target: accountSettings.account, set: row });
}

/** The offers that have made a clip since then: whose durations are worth reading. */
export async function offersThatMade(
  tx: Tx,
  sinceMs: number,
): Promise<Pick<AttemptFact, 'account' | 'model' | 'upstream'>[]> {
  return await tx
    .selectDistinct({ account, model, upstream })
    .from(attempts)
    .where(and(sql`${state} = 'succeeded'`, gte(endedAtMs, sinceMs)))
    .orderBy(desc(account))
    .limit(OFFERS_MAX);
}

const OFFERS_MAX = 500;

/** The task that the account took last since then, as its adapter finds it; null where it took none. JSON. */
export async function lastTaskOf(tx: Tx, ofAccount: string, sinceMs: number): Promise<string | null> {
  const [row] = await tx
    .select({ handle: attempts.handle })
    .from(attempts)
    .where(and(eq(account, ofAccount), gte(acceptedAtMs, sinceMs), isNotNull(attempts.handle)))
    .orderBy(desc(acceptedAtMs))
    .limit(1);
  return row?.handle ?? null;
}
