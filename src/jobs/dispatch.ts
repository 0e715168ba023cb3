import type { FailureKind } from '../../providers/contract.ts';
import { present } from '../ground/assert.ts';
import type { VideoFailureCode } from '../ground/errors.ts';
import { readDecision, routeOf, type StoredCandidate } from '../routing/decision.ts';
import { nextCandidate } from '../routing/next.ts';
import { type Tx, Undo } from '../store/database.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { failJob, requestOf } from './close.ts';
import { type Deps, ENDED, type StepResult } from './deps.ts';
import { type AttemptHook, makeHook } from './hook.ts';
import { prepareMedia } from './media.ts';
import { insertAttempt, slotsTaken, takeSlot, updateJob } from './rows.ts';
import { recordUnprepared, SEND_WITHIN_MS, submissionOf, submitAttempt } from './submit.ts';
import { isTenantFull, laneOfTenant } from './tenant-slots.ts';

/** Where a candidate's slot is counted: the account; Kling counts running tasks per model version. */
export function laneOf(account: ProviderAccount, model: string): string {
  return account.provider.settings.slotsPer === 'model' ? `${account.id}/${model}` : account.id;
}

/**
 * Gives the job to its next candidate: brings its media there, takes a slot, writes the attempt, then submits it. A job
 * whose candidates are used up, or whose time is, ends here, free of charge.
 */
export async function dispatchJob(deps: Deps, job: JobRow, past: readonly AttemptRow[]): Promise<StepResult> {
  const chosen = choose(deps, job, past);
  if (typeof chosen === 'string') {
    await failJob(deps, job, chosen);
    return ENDED;
  }
  const account = present(deps.accounts.get(chosen.account), 'the account of a configured candidate');
  const lane = laneOf(account, chosen.model);
  const full = await deps.database.read((tx) => fullLane(tx, job, lane, account.slots));
  if (full !== null) return { kind: 'waits_for_slot', lane: full };

  const hook = makeHook(deps, account.provider);
  const attempt = newAttempt(deps, job, chosen, { lane, number: past.length + 1, hook });
  const media = await prepareMedia(deps, requestOf(job), account);
  if ('state' in media) return await recordUnprepared(deps, job, attempt, media);
  const fullNow = await beginAttempt(deps, job, attempt, account.slots);
  if (fullNow !== null) return { kind: 'waits_for_slot', lane: fullNow };
  const submission = submissionOf(job, attempt, media, hook);
  return await submitAttempt(deps, { ...job, attempts: attempt.number }, attempt, account, submission);
}

/** The candidate to ask, or why the job ends. */
function choose(deps: Deps, job: JobRow, past: readonly AttemptRow[]): StoredCandidate | VideoFailureCode {
  const nowMs = deps.clock.nowMs();
  if (job.cancelRequestedAtMs !== null) return 'cancelled';
  if (nowMs >= job.deadlineAtMs) return 'provider_timeout';
  if (job.state === 'queued' && nowMs >= job.queueUntilMs) return 'queue_timeout';
  const failures = past.flatMap(({ account, model, failureKind }) =>
    failureKind === null ? [] : [{ account, model, kind: failureKind as FailureKind }],
  );
  // An account may have been taken out of the configuration since the job was admitted.
  const route = routeOf(readDecision(job.decision)).filter((candidate) => deps.accounts.has(candidate.account));
  const next = nextCandidate(route, failures, false);
  return next.kind === 'end' ? next.code : next.candidate;
}

/** Where the job has to wait: in its tenant's own line, in that of the lane, or (null) nowhere. A look ahead only. */
async function fullLane(tx: Tx, { tenantId }: JobRow, lane: string, slots: number): Promise<string | null> {
  if (await isTenantFull(tx, tenantId)) return laneOfTenant(tenantId);
  return (await slotsTaken(tx, lane)) >= slots ? lane : null;
}

/**
 * The slot, the attempt and the job's count of attempts: one commit, before the first byte leaves. Null when it is
 * done; else the full lane, and nothing is written. A tenant's own limit is counted in the same commit: writers of one
 * store follow each other, so no two of them see the same last place.
 */
async function beginAttempt(deps: Deps, job: JobRow, attempt: AttemptRow, slots: number): Promise<string | null> {
  return await deps.database.write(async (tx) => {
    await updateJob(tx, job, { attempts: attempt.number });
    if (await isTenantFull(tx, job.tenantId)) throw new Undo(laneOfTenant(job.tenantId));
    if (!(await takeSlot(tx, attempt.lane, slots))) throw new Undo(attempt.lane);
    await insertAttempt(tx, attempt);
    return null;
  });
}

function newAttempt(
  deps: Deps,
  job: JobRow,
  candidate: StoredCandidate,
  { lane, number, hook }: { readonly lane: string; readonly number: number; readonly hook: AttemptHook | null },
): AttemptRow {
  const nowMs = deps.clock.nowMs();
  const card = present(candidate.card, 'the card of a candidate in the route');
  return {
    id: deps.mint('att'),
    jobId: job.id,
    number,
    state: 'submitting',
    provider: candidate.provider,
    account: candidate.account,
    lane,
    model: candidate.model,
    upstream: present(candidate.upstream, 'the upstream name of a candidate in the route'),
    costMicros: present(candidate.cost, 'the cost of a candidate in the route'),
    priceMicros: present(candidate.price, 'the price of a candidate in the route'),
    card: `${card.id}@${card.effective}`,
    rate: present(candidate.rate, 'the rate of a candidate in the route'),
    taskId: null,
    handle: null,
    videoUrlSealed: null,
    usage: null,
    providerVideoId: null,
    slotHeld: true,
    hookTokenDigest: hook?.digest ?? null,
    announcedTaskId: null,
    failureKind: null,
    failureDetail: null,
    absences: 0,
    absentAtMs: null,
    createdAtMs: nowMs,
    sendByMs: nowMs + SEND_WITHIN_MS,
    acceptedAtMs: null,
    endedAtMs: null,
    cancelAskedAtMs: null,
  };
}
