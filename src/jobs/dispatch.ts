import { present } from '../ground/assert.ts';
import { SECOND_MS } from '../ground/time.ts';
import type { Option } from '../routing/choose.ts';
import { readDecision, routeOf, type StoredCandidate } from '../routing/decision.ts';
import { writeChoice } from '../routing/explain.ts';
import type { Waiter } from '../routing/waiter.ts';
import { type Tx, Undo } from '../store/database.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { failJob, requestOf } from './close.ts';
import { type Deps, ENDED, type StepResult } from './deps.ts';
import { type AttemptHook, makeHook } from './hook.ts';
import { prepareMedia } from './media.ts';
import type { Grant, Slots } from './queue.ts';
import { keepSubmission } from './resend.ts';
import { insertAttempt, takeSlot, updateJob } from './rows.ts';
import { recordUnprepared, SEND_WITHIN_MS, submissionOf, submitAttempt } from './submit.ts';
import { isTenantFull } from './tenant-slots.ts';
import { waitOf } from './wait.ts';

/** A job that waits for a slot looks again by itself, should its turn ever be missed. */
const LOOK_AGAIN_MAX_MS = 60 * SECOND_MS;

/**
 * Gives the job to the candidate whose turn it is: asks for a slot, brings its media there, takes the slot, writes the
 * attempt, then submits it. A job whose candidates are used up, or whose time is, ends here, free of charge.
 */
export async function dispatchJob(
  deps: Deps,
  job: JobRow,
  past: readonly AttemptRow[],
  slots: Slots,
): Promise<StepResult> {
  const waiter = waitOf(deps, job, past, (account) => slots.mayRepeat(account));
  if (typeof waiter === 'string') {
    await failJob(deps, job, waiter);
    return ENDED;
  }
  const grant = await slots.ask(waiter);
  if (!grant) return waitsOn(deps, waiter);

  const account = present(deps.accounts.get(grant.option.account), 'the account of a configured candidate');
  const hook = makeHook(deps, account.provider);
  const candidate = candidateOf(job, grant.option);
  const media = await prepareMedia(deps, requestOf(job), account);
  const attempt = newAttempt(deps, job, candidate, {
    number: past.length + 1,
    hook,
    grant,
  });
  // Its media may have taken minutes to bring there: a process that was told to stop meanwhile buys nothing more.
  if (deps.stopping?.aborted) return waitsOn(deps, waiter);
  if ('state' in media) return await recordUnprepared(deps, job, attempt, media);
  const submission = submissionOf(job, attempt, media, hook);
  const keep = (tx: Tx, row: AttemptRow) => keepSubmission(tx, deps, account, row, submission);
  const begun = await beginAttempt(deps, job, attempt, { slots: grant.slots, keep });
  slots.settle(job.id, begun !== null);
  if (!begun) return waitsOn(deps, waiter);
  return await submitAttempt(deps, { ...job, attempts: begun.number }, begun, account, submission);
}

/** Until it is called; or its time is up, or it may ask somebody again who has refused it. */
function waitsOn(deps: Deps, { untilMs, options }: Waiter): StepResult {
  const nowMs = deps.clock.nowMs();
  const again = options.flatMap(({ notBeforeMs = 0 }) => (notBeforeMs > nowMs ? [notBeforeMs] : []));
  return {
    kind: 'waits_for_slot',
    inMs: Math.max(0, Math.min(LOOK_AGAIN_MAX_MS, ...again.map((atMs) => atMs - nowMs), untilMs - nowMs)),
  };
}

function candidateOf(job: JobRow, { account, model }: Option): StoredCandidate {
  const route = routeOf(readDecision(job.decision));
  return present(
    route.find((candidate) => candidate.account === account && candidate.model === model),
    'the candidate of a granted slot to stand in the route',
  );
}

/**
 * The slot, the attempt and the job's count of attempts: one commit, before the first byte leaves. The attempt as written,
 * its time to leave counted from the very write; null when the lane or the tenant is full, and nothing is written. A
 * tenant's own limit is counted in the same commit: writers of one store follow each other, so no two of them see the same
 * last place.
 */
async function beginAttempt(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  { slots, keep }: { readonly slots: number; readonly keep: (tx: Tx, row: AttemptRow) => Promise<void> },
): Promise<AttemptRow | null> {
  return await deps.database.write(async (tx) => {
    await updateJob(tx, job, { attempts: attempt.number });
    if (await isTenantFull(tx, job.tenantId)) throw new Undo(null);
    if (!(await takeSlot(tx, attempt.lane, slots))) throw new Undo(null);
    const nowMs = deps.clock.nowMs();
    const row = { ...attempt, createdAtMs: nowMs, sendByMs: nowMs + SEND_WITHIN_MS };
    await insertAttempt(tx, row);
    await keep(tx, row);
    return row;
  });
}

function newAttempt(
  deps: Deps,
  job: JobRow,
  candidate: StoredCandidate,
  { number, hook, grant }: { number: number; hook: AttemptHook | null; grant: Grant },
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
    lane: grant.option.lane,
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
    lapsingUnits: grant.lapsing,
    choice: writeChoice(grant.weighed),
    failureKind: null,
    failureDetail: null,
    againAtMs: null,
    readFailures: 0,
    troubledAtMs: null,
    lostAtMs: null,
    lookFailures: 0,
    repeats: 0,
    absences: 0,
    absentAtMs: null,
    createdAtMs: nowMs,
    sendByMs: nowMs + SEND_WITHIN_MS,
    acceptedAtMs: null,
    endedAtMs: null,
    cancelAskedAtMs: null,
  };
}
