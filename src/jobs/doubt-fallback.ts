import { bookCost } from '../ledger/account.ts';
import { optionsOf } from '../routing/choose.ts';
import { choosingOf, readDecision, routeOf } from '../routing/decision.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { endAttempt, pricedBy, stampOf } from './close.ts';
import { type Deps, DUE_NOW, type StepResult } from './deps.ts';
import { loadAttempts, updateJob } from './rows.ts';
import { failuresOf } from './wait.ts';

/**
 * Goes on along the route although a paid task may exist, where the tenant's policy was `in_doubt: fallback` when the
 * job was admitted; null where it was not, or where nobody is left. The tenant still pays once, for the clip that is
 * delivered: what the doubtful task may have cost is booked as suspected, for a person to resolve.
 */
export async function goOnInDoubt(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult | null> {
  const decision = readDecision(job.decision);
  const choosing = choosingOf(decision);
  if (choosing.inDoubt !== 'fallback' || job.cancelRequestedAtMs !== null) return null;
  const route = routeOf(decision).filter(({ account }) => deps.accounts.has(account));
  const past = await deps.database.read((tx) => loadAttempts(tx, job.id));
  const { account, model, provider } = attempt;
  const failures = [...failuresOf(past), { account, model, kind: 'generation_failed' as const }];
  if (optionsOf(route, choosing, failures).kind === 'end') return null;
  const stamp = stampOf(deps);
  const failure = { kind: 'generation_failed', detail: GIVEN_UP } as const;
  await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: stamp.nowMs });
    const of = { attemptId: attempt.id, pricedBy: pricedBy(attempt) };
    await bookCost(tx, job, { kind: 'suspected_cost', amountMicros: attempt.costMicros, ...of }, stamp);
    await endAttempt(tx, attempt, { state: 'failed', failure }, stamp.nowMs);
  });
  deps.signals.slotFreed(attempt.lane, job.tenantId);
  deps.log.warn('attempt given up in doubt', { video: job.id, attempt: attempt.id, provider, account });
  return DUE_NOW;
}

const GIVEN_UP = 'in doubt, and given up for the next candidate by the policy of the tenant';
