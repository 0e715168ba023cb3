/**
 * One real clip, from price to file, with the gateway's own parts and none of its book-keeping: quote, submission, polls,
 * download, check. It is the only command that spends money by itself, so it asks first and never submits twice.
 */
import type { Failure, Finished, Json, ProviderResponse, Submission, Submitted } from '../../providers/contract.ts';
import type { BoundExchange } from '../../providers/define.ts';
import { ceilToMicros, formatUsd, type Micros, ratio, sumMicros } from '../ground/money.ts';
import { type Clock, SECOND_MS } from '../ground/time.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import { inspectVideo, type VideoFacts } from '../jobs/inspect.ts';
import { judgeSubmission } from '../jobs/verdict.ts';
import type { RateCards } from '../pricing/cards.ts';
import { type Offer, offersFor, type Seller } from '../pricing/offers.ts';
import type { Files } from '../store/files.ts';
import type { ProviderWire } from '../wire/call.ts';
import type { Downloader } from '../wire/download.ts';
import { resolveMedia } from '../wire/media.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { type Recorder, withoutSecrets } from './record.ts';

const VIDEO_BYTES_MAX = 2 * 1_024 ** 3;

/** The probe ended without a clip; the message says what is known about the money. */
export class LiveFailure extends Error {
  override readonly name = 'LiveFailure';
}

/** What the probe works with. `pause` waits between polls. */
export interface LiveDeps {
  readonly account: ProviderAccount;
  readonly seller: Seller;
  readonly cards: RateCards;
  readonly wire: ProviderWire;
  readonly downloads: Downloader;
  readonly files: Files;
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly pollMs: number;
  readonly pause: (ms: number) => Promise<void>;
  readonly tell: (line: string) => void;
  readonly progress: (percent: number | undefined, state: string) => void;
}

export interface LiveOrder {
  readonly request: VideoRequest;
  readonly attemptId: string;
  /** The whole probe may cost this much. */
  readonly limitMicros: Micros;
  /** Sends the same submission again with the same key, to learn whether the provider replays it. Costs twice at worst. */
  readonly replay: boolean;
  /** How old the key is to be by then: the gateway relies on no older one. */
  readonly replayAfterMs: number;
  readonly deadlineMs: number;
}

export interface LiveReport {
  readonly taskId: string;
  readonly file: string;
  readonly facts: VideoFacts;
  readonly finished: Finished;
  /** What came of the repeated submission; absent when it was not tried. */
  readonly repeat?: LiveRepeat;
}

/** Whether the account gave the task of the first submission again, and how old the key was at least. */
export interface LiveRepeat {
  readonly replays: boolean;
  readonly heldMs: number;
}

/** Prices the order on the card, and at the provider where it tells for free. Throws a LiveFailure above the limit. */
export async function priceLive(deps: LiveDeps, order: LiveOrder): Promise<Offer> {
  const terms = { markupPercent: '0', nowMs: deps.clock.nowMs() };
  const [offer] = offersFor(order.request, [deps.seller], deps.cards, terms);
  if (!offer || offer.kind === 'none') throw new LiveFailure(`${deps.account.id} ${offer?.reason ?? 'sells nothing'}`);
  assertWithin(order, offer.quote.costMicros, `the card ${offer.quote.card.id} of ${offer.quote.card.effective}`);
  const { quote } = deps.account.connection;
  if (quote) {
    const submission = await submissionOf(deps, order, offer);
    const answer = await deps.wire.read(deps.account.target, quote.request(submission, deps.clock.nowMs()));
    if (answer.kind !== 'answered')
      throw new LiveFailure(`the provider's own price could not be had: ${answer.detail}`);
    const outcome = quote.response(answer.response, submission);
    record(deps, 'quote', { exchange: 'quote', input: submission, response: answer.response, outcome });
    if (outcome.state === 'failure')
      throw new LiveFailure(`the provider's own price: ${outcome.kind}, ${outcome.detail}`);
    deps.tell(`the provider itself would charge $${outcome.usd}`);
    assertWithin(order, ceilToMicros(ratio(outcome.usd)), 'the provider itself');
  }
  return offer;
}

function assertWithin(order: LiveOrder, priceMicros: Micros, by: string): void {
  const worst = order.replay ? sumMicros(priceMicros, priceMicros) : priceMicros;
  if (worst <= order.limitMicros) return;
  const limit = formatUsd(order.limitMicros);
  throw new LiveFailure(`${by} asks ${formatUsd(worst)}, over the limit of ${limit}; nothing was sent. Raise --limit`);
}

/** Buys the clip. Throws a LiveFailure that says what is known about the money when there is none in the end. */
export async function runLive(deps: LiveDeps, order: LiveOrder, offer: Offer): Promise<LiveReport> {
  const submission = await submissionOf(deps, order, offer);
  const submitted = await submitOnce(deps, submission);
  const answeredAtMs = deps.clock.monotonicMs();
  deps.tell(`task ${submitted.taskId}`);
  const finished = await waitFor(deps, order, submitted);
  const { file, facts } = await save(deps, order, finished);
  const report = { taskId: submitted.taskId, file, facts, finished };
  if (!order.replay) return report;
  const leftMs = order.replayAfterMs - (deps.clock.monotonicMs() - answeredAtMs);
  if (leftMs > 0) {
    deps.tell(`the clip is saved; the same submission is sent again in ${Math.ceil(leftMs / SECOND_MS)} s`);
    await deps.pause(leftMs);
  }
  const heldMs = Math.floor(deps.clock.monotonicMs() - answeredAtMs);
  return { ...report, repeat: { replays: await submitAgain(deps, submission, submitted), heldMs } };
}

async function submissionOf(deps: LiveDeps, order: LiveOrder, offer: Offer): Promise<Submission> {
  const nowhere = async (): Promise<never> => {
    throw new LiveFailure('give media by address: this command has no uploads');
  };
  const media = await resolveMedia(deps.account.provider, order.request, {
    linkable: false,
    read: nowhere,
    link: () => '',
    store: nowhere,
  });
  return { attemptId: order.attemptId, request: order.request, media, upstream: offer.capability.upstream };
}

async function submitOnce(deps: LiveDeps, submission: Submission): Promise<Submitted<Json>> {
  const { submit } = deps.account.connection;
  const answer = await deps.wire.submit(
    deps.account.target,
    submit.request(submission, deps.clock.nowMs()),
    () => true,
  );
  if (answer.kind === 'answered') {
    const outcome = submit.response(answer.response, submission);
    const seen = { exchange: 'submit', input: submission, response: answer.response, outcome };
    record(deps, `submit-${outcome.state}`, seen);
  }
  const verdict = judgeSubmission(answer, submit, submission);
  switch (verdict.kind) {
    case 'accepted':
      return verdict.submitted;
    case 'refused':
      throw new LiveFailure(`refused, nothing was bought: ${verdict.failure.kind}, ${verdict.failure.detail}`);
    case 'in_doubt':
      return await findAgain(deps, submission, verdict.detail);
  }
}

/** The answer was lost: the provider is asked for the task by our tag, where it keeps one. Nothing is sent again. */
async function findAgain(deps: LiveDeps, submission: Submission, detail: string): Promise<Submitted<Json>> {
  const doubt = `in doubt (${detail}): a task may exist and be paid for; look for ${submission.attemptId} at the provider`;
  const { find } = deps.account.connection;
  if (!find) throw new LiveFailure(doubt);
  const outcome = await ask(deps, 'find', find, submission);
  if (outcome.state === 'submitted') return outcome;
  throw new LiveFailure(outcome.state === 'absent' ? `${doubt}; it does not know the tag yet` : doubt);
}

/** The identical submission once more: the same task means that the provider replays, another one that it bought twice. */
async function submitAgain(deps: LiveDeps, submission: Submission, first: Submitted<Json>): Promise<boolean> {
  const { submit } = deps.account.connection;
  const request = submit.request(submission, deps.clock.nowMs());
  const answer = await deps.wire.submit(deps.account.target, request, () => true);
  if (answer.kind !== 'answered') {
    const known = 'the clip is saved; whether the account replays is not known, and it may have bought a second one';
    throw new LiveFailure(`the repeated submission was not answered (${answer.detail}): ${known}`);
  }
  const outcome = submit.response(answer.response, submission);
  const replayed = outcome.state === 'submitted' && outcome.taskId === first.taskId;
  const again = outcome.state === 'submitted' ? `task ${outcome.taskId}` : `${outcome.kind}, ${outcome.detail}`;
  record(deps, `replay-${replayed ? 'same-task' : outcome.state}`, {
    exchange: 'submit',
    input: submission,
    response: answer.response,
    outcome,
  });
  deps.tell(replayed ? 'the same key gave the same task: this account replays' : `the same key gave ${again}`);
  return replayed;
}

async function waitFor(deps: LiveDeps, order: LiveOrder, submitted: Submitted<Json>): Promise<Finished> {
  const { poll } = deps.account.connection;
  let { handle } = submitted;
  for (;;) {
    const outcome = await ask(deps, 'poll', poll, handle);
    if (outcome.state === 'finished') return outcome;
    if (outcome.state === 'failure') {
      if (outcome.task === 'ended') throw new LiveFailure(endOf(outcome));
      deps.tell(`a read failed, reading again: ${outcome.kind}, ${outcome.detail}`);
    } else {
      deps.progress(outcome.progressPercent, outcome.phase);
      handle = outcome.handle;
    }
    if (deps.clock.nowMs() >= order.deadlineMs) {
      throw new LiveFailure(`task ${submitted.taskId} has not ended in time and may still be charged`);
    }
    const wishMs = outcome.state === 'pending' ? outcome.nextPollMs : outcome.retryAfterMs;
    await deps.pause(wishMs === 0 ? 0 : Math.max(deps.pollMs, Math.min(wishMs ?? 0, 6 * deps.pollMs)));
  }
}

const endOf = ({ kind, detail, charged = 'unknown' }: Failure): string =>
  `the task failed (${kind}, ${detail}); charged: ${charged}`;

async function save(
  deps: LiveDeps,
  order: LiveOrder,
  finished: Finished,
): Promise<{ readonly file: string; readonly facts: VideoFacts }> {
  const name = `videos/${order.attemptId}.mp4`;
  const part = await deps.files.create(name);
  const received = await deps.downloads.download(finished.videoUrl, part, VIDEO_BYTES_MAX);
  if (received.kind !== 'downloaded') {
    await part.discard();
    throw new LiveFailure(`the clip was made and paid for, but its file is ${received.kind}: ${received.detail}`);
  }
  const facts = await inspectVideo(part.path);
  await part.finish();
  if (facts === null) throw new LiveFailure(`the clip was made and paid for, but ${name} is not an MP4 video`);
  return { file: name, facts };
}

/** One read of the provider, recorded. A read that is not answered is a failed read. */
async function ask<Input extends Json | Submission, Outcome extends { readonly state: string }>(
  deps: LiveDeps,
  name: 'poll' | 'find',
  exchange: BoundExchange<Input, Outcome>,
  input: Input,
): Promise<Outcome | Failure> {
  const answer = await deps.wire.read(deps.account.target, exchange.request(input, deps.clock.nowMs()));
  if (answer.kind !== 'answered') return { state: 'failure', kind: 'unavailable', detail: answer.detail };
  const outcome = exchange.response(answer.response, input);
  const phase = 'phase' in outcome ? `-${outcome.phase}` : '';
  record(deps, `${name}-${outcome.state}${phase}`, { exchange: name, input, response: answer.response, outcome });
  return outcome;
}

interface Seen {
  readonly exchange: string;
  readonly input: Json | Submission;
  readonly response: ProviderResponse;
  readonly outcome: object;
}

/** What the exchange was about; the words of a prompt stay with whoever wrote them. */
function withoutPrompt(input: Json | Submission): Json {
  const copy = JSON.parse(JSON.stringify(input));
  if (typeof input === 'object' && input !== null && 'attemptId' in input) copy.request.prompt = '';
  return copy;
}

/** Writes the answer down with what our adapter made of it: the essentials only, so that the fixture says what counts. */
function record(deps: LiveDeps, kind: string, { exchange, input, response, outcome }: Seen): void {
  const { state, kind: failure, task, phase } = outcome as Record<string, unknown>;
  const essentials = Object.entries({ state, kind: failure, task, phase }).filter(([, value]) => value !== undefined);
  deps.recorder.write(kind, {
    exchange,
    about: `a real answer to ${exchange}: HTTP ${response.status}, ${state}`,
    input: withoutPrompt(input),
    response: withoutSecrets(response, deps.account.target.secrets),
    outcome: Object.fromEntries(essentials),
  });
}
