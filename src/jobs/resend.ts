/**
 * Once more under the same key: what a lost answer comes to at an account that was seen to replay.
 *
 * Where the provider declares it, `reelay live` has seen it with this very key, and the first submission can be written
 * again to the byte, a repeat costs nothing and names the task. It is sent once; whatever else comes of it than a task,
 * the attempt stays in doubt.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ProviderRequest, Submission } from '../../providers/contract.ts';
import { crashPoint } from '../ground/crash.ts';
import { DAY_MS } from '../ground/time.ts';
import { type Tx, Undo } from '../store/database.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { KeptSubmissionRow, KeyReplayRow } from '../store/schema-resend.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { type Deps, dueIn, type StepResult } from './deps.ts';
import { attemptMoves } from './job.ts';
import { settingsOfAccounts } from './outlook-rows.ts';
import { insertKept, keptOf, keyReplayOf, markSentAgain } from './resend-rows.ts';
import { loadJob, updateAttempt, updateJob } from './rows.ts';
import { mayLeave, recordAccepted, recordDoubt, SEND_WITHIN_MS, submissionOf } from './submit.ts';
import { judgeSubmission } from './verdict.ts';

/** What was seen of an account is believed this long: a provider may change its mind without a word. */
export const REPLAY_BELIEVED_MS = 30 * DAY_MS;
/** A submission with more in it (bytes instead of addresses) is not kept, and so never sent again. */
const KEPT_CHARACTERS_MAX = 65_536;

/**
 * The account's credentials and the address they are used at, as one digest that can be told without telling them. 64
 * hex digits.
 */
export function credentialPrint({ provider, target, credentials }: ProviderAccount): string {
  const address = new URL(target.baseUrls.api ?? '').href;
  return createHash('sha256')
    .update(JSON.stringify([provider.id, address, credentials, target.secrets]))
    .digest('hex');
}

/** The print as it is stored: bound to this installation, so that a stolen store says nothing about a key. Hex. */
export function credentialDigest({ sealer }: Pick<Deps, 'sealer'>, print: string): string {
  return sealer.sign('credential', print);
}

/** Whether what was seen of the account's key holds now: it replays, with these credentials, seen not too long ago. */
export function isBelieved(
  deps: Pick<Deps, 'sealer' | 'clock'>,
  account: ProviderAccount,
  seen: KeyReplayRow | null,
): seen is KeyReplayRow {
  if (!account.provider.keyReplay || !seen?.replays) return false;
  const ageMs = deps.clock.nowMs() - seen.seenAtMs;
  return ageMs <= REPLAY_BELIEVED_MS && seen.credentialDigest === credentialDigest(deps, credentialPrint(account));
}

const keptSchema = z.strictObject({
  media: z.strictObject({
    firstFrame: z.string().exactOptional(),
    lastFrame: z.string().exactOptional(),
    references: z.array(z.string()),
    video: z.string().exactOptional(),
    staticMask: z.string().exactOptional(),
    dynamicMasks: z.array(
      z.strictObject({ mask: z.string(), trajectory: z.array(z.strictObject({ x: z.number(), y: z.number() })) }),
    ),
    extendedVideoId: z.string().exactOptional(),
  }),
  webhookUrl: z.string().exactOptional(),
  webhookSecret: z.string().exactOptional(),
});

/** The request as a keyed digest: equal only for the same bytes to the same place under the same headers. */
function requestDigest(
  { sealer }: Pick<Deps, 'sealer'>,
  { method, host, path, headers, body }: ProviderRequest,
): string {
  return sealer.sign('submission', JSON.stringify([method, host ?? 'api', path, headers, body ?? null]));
}

/**
 * Keeps what it takes to write this submission again, in the commit of its attempt; nothing where it would not be sent
 * again anyway.
 */
export async function keepSubmission(
  tx: Tx,
  deps: Pick<Deps, 'sealer' | 'clock' | 'wallMs'>,
  account: ProviderAccount,
  attempt: AttemptRow,
  submission: Submission,
): Promise<void> {
  const { keyReplay } = account.provider;
  if (!keyReplay || !isBelieved(deps, account, await keyReplayOf(tx, account.id))) return;
  const { media, webhookUrl, webhookSecret } = submission;
  const text = JSON.stringify({ media, webhookUrl, webhookSecret });
  if (text.length > KEPT_CHARACTERS_MAX) return;
  const row = {
    attemptId: attempt.id,
    sealed: deps.sealer.seal(text),
    requestDigest: requestDigest(deps, account.connection.submit.request(submission, deps.wallMs())),
    keptAtMs: attempt.createdAtMs,
    sentAgainAtMs: null,
  };
  await insertKept(tx, row, attempt.createdAtMs - keyReplay.withinMs);
}

/** Between these instants the attempt's submission may be sent again; the second is the last at which bytes may leave. */
interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * Whether a submission may be repeated as far as people are concerned, for a new task may come of it: not once its job is
 * to be cancelled, nor at an account that was taken out of service. Reads rows only.
 */
export async function mayBuy(tx: Tx, jobId: string, account: string): Promise<boolean> {
  const settings = (await settingsOfAccounts(tx)).get(account);
  if (settings && (!settings.enabled || settings.isolated)) return false;
  return (await loadJob(tx, jobId))?.cancelRequestedAtMs === null;
}

/** What may be sent again, and when; null when nothing may. Reads rows only. */
async function sendable(
  tx: Tx,
  deps: Deps,
  attempt: AttemptRow,
  account: ProviderAccount,
): Promise<{ readonly kept: KeptSubmissionRow; readonly window: Window } | null> {
  const { keyReplay } = account.provider;
  const kept = keyReplay ? await keptOf(tx, attempt.id) : null;
  if (!keyReplay || !kept || kept.sentAgainAtMs !== null) return null;
  const seen = await keyReplayOf(tx, account.id);
  if (!isBelieved(deps, account, seen)) return null;
  if (!(await mayBuy(tx, attempt.jobId, account.id))) return null;
  const fromMs = attempt.sendByMs + (deps.settings.resendAfterMs ?? keyReplay.afterMs);
  // The first may have left as early as its row: counted from there, the key is never older than this says.
  return { kept, window: { fromMs, untilMs: attempt.createdAtMs + Math.min(keyReplay.withinMs, seen.heldMs) } };
}

/**
 * Sends the attempt's submission once more, when its time has come; null when it will not be sent again. Before its time
 * the answer is a step that is due then, or in `laterMs` if that is sooner.
 */
export async function sendOnceMore(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
  laterMs: number,
): Promise<StepResult | null> {
  if (!account.provider.keyReplay || attempt.handle !== null || job.cancelRequestedAtMs !== null) return null;
  const found = await deps.database.read((tx) => sendable(tx, deps, attempt, account));
  if (!found) return null;
  const { fromMs, untilMs } = found.window;
  const nowMs = deps.clock.nowMs();
  if (nowMs + SEND_WITHIN_MS > untilMs || fromMs + SEND_WITHIN_MS > untilMs) return null;
  if (nowMs < fromMs) return dueIn(Math.min(fromMs - nowMs, laterMs));
  const submission = writtenAgain(deps, job, attempt, account, found.kept);
  if (!submission) return null;
  const change = { state: attemptMoves(attempt.state, 'submitting'), sendByMs: nowMs + SEND_WITHIN_MS };
  const mayLeave = await deps.database.write(async (tx) => {
    await updateJob(tx, job, { dueAtMs: nowMs });
    // Looked at again in the commit that allows it: the account may have been seen to buy twice since.
    if (!(await sendable(tx, deps, attempt, account))) throw new Undo(false);
    if (!(await markSentAgain(tx, attempt.id, nowMs))) throw new Undo(false);
    await updateAttempt(tx, attempt.id, change);
    return true;
  });
  if (!mayLeave) return null;
  crashPoint('resend.row');
  return await submitAgain(deps, job, { ...attempt, ...change }, account, submission);
}

/** The submission as it was; null when it cannot be written again to the byte: then nothing is sent. */
function writtenAgain(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
  kept: KeptSubmissionRow,
): Submission | null {
  const opened = deps.sealer.open(kept.sealed);
  if (opened === null) return null;
  const { media, ...addresses } = keptSchema.parse(JSON.parse(opened));
  const submission = { ...submissionOf(job, attempt, media, null), ...addresses };
  const request = account.connection.submit.request(submission, deps.wallMs());
  if (requestDigest(deps, request) === kept.requestDigest) return submission;
  const { id, provider } = attempt;
  deps.log.warn('not sent again: its request cannot be written as it was', { video: job.id, attempt: id, provider });
  return null;
}

async function submitAgain(
  deps: Deps,
  job: JobRow,
  attempt: AttemptRow,
  account: ProviderAccount,
  submission: Submission,
): Promise<StepResult> {
  const maySend = mayLeave(deps, attempt);
  const { submit } = account.connection;
  const answer = await deps.wire.submit(account.target, submit.request(submission, deps.wallMs()), maySend);
  crashPoint('resend.sent');
  const verdict = judgeSubmission(answer, submit, submission);
  const { provider, account: name } = attempt;
  deps.log.info('sent again under its key', {
    video: job.id,
    attempt: attempt.id,
    provider,
    account: name,
    kind: verdict.kind,
  });
  if (verdict.kind === 'accepted') return await recordAccepted(deps, job, attempt, verdict.submitted);
  // A refusal is about the repeat: of the first submission it proves nothing.
  const detail = verdict.kind === 'refused' ? `${verdict.failure.kind}, ${verdict.failure.detail}` : verdict.detail;
  return await recordDoubt(deps, job, attempt, `sent again under its key: ${detail}`);
}
