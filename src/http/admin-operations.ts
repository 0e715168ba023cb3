import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import { toUsdNumber } from '../ground/money.ts';
import { resolveDoubt } from '../jobs/resolve.ts';
import { loadAttempts, loadJob } from '../jobs/rows.ts';
import { entriesOfJob } from '../ledger/account.ts';
import { audit } from '../ledger/audit.ts';
import { readDecision, showDecision } from '../routing/decision.ts';
import { showChoice } from '../routing/explain.ts';
import { bodyOf, toSeconds } from './admin-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import type { Route } from './route-table.ts';

const auditSchema = z.object({
  ok: z.boolean(),
  differences: z.array(z.string()),
  jobs: z.number().int(),
  entries: z.number().int(),
});

const resolveSchema = z.strictObject({
  outcome: z.enum(['charged', 'not_charged'], { error: "expected 'charged' or 'not_charged'" }),
});

/** What happened and what it cost: the admin routes of jobs, providers and the audit. */
export function operationAdminRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/jobs/{id}',
      summary: 'A job with its attempts, decision and ledger entries',
      answer: z.record(z.string(), z.unknown()),
      handle: (c) => showJob(deps, c),
    },
    {
      method: 'post',
      path: '/jobs/{id}/resolve',
      summary: 'Settle an attempt in doubt by hand: whether its provider charged for it',
      body: { schema: resolveSchema },
      answer: z.record(z.string(), z.unknown()),
      handle: (c) => resolve(deps, c),
    },
    {
      method: 'get',
      path: '/audit',
      summary: 'Recompute the ledger and name every difference',
      answer: auditSchema,
      handle: async (c) => {
        await deps.books.lookAgain();
        return c.json(await deps.jobs.database.snapshot(audit));
      },
    },
  ];
}

async function resolve(deps: FrontDeps, c: Ctx): Promise<Response> {
  const id = c.req.param('id') ?? '';
  const { outcome } = await bodyOf(c, resolveSchema);
  await resolveDoubt(deps.jobs, id, outcome);
  deps.worker.wake(id);
  return await showJob(deps, c);
}

async function showJob(deps: FrontDeps, c: Ctx): Promise<Response> {
  const id = c.req.param('id') ?? '';
  const found = await deps.jobs.database.read(async (tx) => {
    const job = await loadJob(tx, id);
    return job && { job, attempts: await loadAttempts(tx, id), entries: await entriesOfJob(tx, id) };
  });
  if (!found) throw new GatewayError('not_found', { message: 'There is no such job.', param: 'id' });
  const { job, attempts, entries } = found;
  return c.json({
    id: job.id,
    tenant: job.tenantId,
    key: job.keyId,
    state: job.state,
    model: job.model,
    task: job.task,
    hold_usd: toUsdNumber(job.holdMicros),
    settled_usd: toUsdNumber(job.settledMicros),
    error: job.errorCode,
    created_at: toSeconds(job.createdAtMs),
    ended_at: toSeconds(job.endedAtMs),
    decision: showDecision(readDecision(job.decision), 'operator'),
    attempts: attempts.map((attempt) => ({
      id: attempt.id,
      number: attempt.number,
      state: attempt.state,
      provider: attempt.provider,
      account: attempt.account,
      model: attempt.model,
      task_id: attempt.taskId,
      cost_usd: toUsdNumber(attempt.costMicros),
      price_usd: toUsdNumber(attempt.priceMicros),
      priced_by: `${attempt.card} ${attempt.rate}`,
      usage: attempt.usage === null ? null : JSON.parse(attempt.usage),
      choice: showChoice(attempt.choice),
      failure: attempt.failureKind,
      detail: attempt.failureDetail,
      created_at: toSeconds(attempt.createdAtMs),
      accepted_at: toSeconds(attempt.acceptedAtMs),
      ended_at: toSeconds(attempt.endedAtMs),
    })),
    entries: entries.map((entry) => ({
      id: entry.id,
      kind: entry.kind,
      usd: toUsdNumber(entry.amountMicros),
      attempt: entry.attemptId,
      day: entry.day,
      priced_by: entry.pricedBy,
      at: toSeconds(entry.atMs),
    })),
  });
}
