/**
 * Replay: past requests once more, in virtual time, under other rules. Pure: the same inputs give the same outcomes, to
 * the micro-dollar and the millisecond.
 *
 * Each request is considered at the instant it was made, by the function that admits videos, with the slots and queues
 * of the replay; then the fair queue of the gateway deals slots out, at each arrival and at each slot that is freed. A task
 * ends as it was seen to end at that offer, else by a seeded chance.
 */
import TinyQueue from 'tinyqueue';
import { present } from '../ground/assert.ts';
import type { Micros } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import type { Offer } from '../pricing/offers.ts';
import { optionsOf } from './choose.ts';
import { consider } from './consider.ts';
import type { StoredCandidate } from './decision.ts';
import type { Choice, PastFailure } from './next.ts';
import { drawFate, type Fate, medianSeconds, offerKey, SuccessRates, UNMEASURED } from './replay-chance.ts';
import { Lanes } from './replay-lanes.ts';
import type { ReplayDraw } from './replay-lapsing.ts';
import { LapsingUnits } from './replay-lapsing.ts';
import { worthOf } from './replay-money.ts';
import { afterFailure, codeOfGivingUp, newPatience, type Patience, waitsUntilMs } from './replay-patience.ts';
import { addAttempt, NOTHING_YET, type Outcome } from './replay-tally.ts';
import type { PastRequest, ReplayAsker, ReplayTerms } from './replay-terms.ts';
import type { Choosing } from './route.ts';
import { type Conditions, idleConditions, UNMEASURED_SECONDS } from './score.ts';
import type { LaneOption } from './waiter.ts';

export interface Replayed {
  /** One for each request, in the order of their instants and then of their ids. */
  readonly outcomes: readonly Outcome[];
  /** The units that delivered clips took. */
  readonly draws: readonly ReplayDraw[];
}

interface Run {
  readonly number: number;
  readonly tenant: string;
  readonly past: PastRequest;
  readonly asker: ReplayAsker;
  /** The offers of the route by `offerKey`, and the route as a stored decision has it. */
  readonly offers: ReadonlyMap<string, Offer>;
  readonly route: readonly StoredCandidate[];
  readonly choosing: Choosing;
  readonly holdMicros: Micros;
  readonly failures: PastFailure[];
  outcome: Outcome;
  startedAtMs: number | null;
  patience: Patience;
}

/** An offer that was chosen, and the prepaid units that are taken there only because they would lapse. */
interface Place {
  readonly offer: Offer;
  readonly lapsing: bigint;
}

type Event = { readonly atMs: number; readonly number: number; readonly run: Run } & (
  | ({ readonly kind: 'ended'; readonly fate: Fate } & Place)
  | { readonly kind: 'too_late' }
);

interface World {
  readonly terms: ReplayTerms;
  readonly lanes: Lanes;
  /** The runs of those that wait, by the id of their request. */
  readonly waiting: Map<string, Run>;
  readonly rates: SuccessRates;
  readonly events: TinyQueue<Event>;
  readonly outcomes: Outcome[];
  readonly draws: ReplayDraw[];
  readonly lapsing: LapsingUnits;
  eventsMade: number;
  /** How often slots were dealt since others were last let work. */
  dealt: number;
}

/** Dealing goes through those who wait: with thousands of them, ten times take some tens of milliseconds. */
const YIELD_EVERY = 10;

/**
 * Replays the requests, in whatever order they are given. Yields the number of those that have been taken up, every few
 * milliseconds, so that whoever drives it can let others work; returns what became of each.
 */
export function* replaying(past: readonly PastRequest[], terms: ReplayTerms): Generator<number, Replayed> {
  const world = newWorld(terms);
  const inOrder = [...past].sort((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
  for (const [number, request] of inOrder.entries()) {
    yield* pass(world, request.atMs, number);
    arrive(world, request, number);
  }
  yield* pass(world, Number.POSITIVE_INFINITY, inOrder.length);
  return { outcomes: world.outcomes, draws: world.draws };
}

/** The whole replay at once. */
export function replay(past: readonly PastRequest[], terms: ReplayTerms): Replayed {
  const steps = replaying(past, terms);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

function newWorld(terms: ReplayTerms): World {
  const lanes = new Lanes({
    limitOf: (tenant) => terms.askerOf(tenant).concurrency,
    conditionsOf: (option, nowMs) => conditionsOf(world, option, nowMs),
  });
  const world: World = {
    terms,
    lanes,
    waiting: new Map(),
    rates: new SuccessRates(),
    // What ends gives its slot back before anybody is given up, and both before the next request comes.
    events: new TinyQueue<Event>([], (a, b) => a.atMs - b.atMs || rank(a) - rank(b) || a.number - b.number),
    outcomes: [],
    draws: [],
    lapsing: new LapsingUnits(terms.packs ?? null),
    eventsMade: 0,
    dealt: 0,
  };
  return world;
}

const rank = ({ kind }: Event): number => (kind === 'ended' ? 0 : 1);

/** Everything that happens until then, the instant itself included; yields `takenUp` now and then. */
function* pass(world: World, untilMs: number, takenUp: number): Generator<number, void> {
  for (let next = world.events.peek(); next !== undefined && next.atMs <= untilMs; next = world.events.peek()) {
    world.events.pop();
    if (next.kind === 'ended') ended(world, next.run, next, next.fate, next.atMs);
    else if (world.waiting.has(next.run.past.id) && next.atMs >= waitsUntilMs(next.run.patience))
      giveUp(world, next.run, next.atMs);
    if (world.dealt < YIELD_EVERY) continue;
    world.dealt = 0;
    yield takenUp;
  }
}

function arrive(world: World, past: PastRequest, number: number): void {
  const { terms, lanes } = world;
  const asker = terms.askerOf(past.tenant, past.decidedBy);
  const { route, choosing, holdMicros, cheapestOverMaxPrice } = consider({
    requests: past.requests,
    routing: past.routing,
    asker: { ...asker, keyProviders: past.keyProviders },
    sellers: terms.sellers,
    cards: terms.cards,
    conditionsOf: (offer) => {
      const { lane, slots } = terms.laneOf(offer);
      const known = conditionsOf(world, offer, past.atMs);
      return { ...known, slots, running: lanes.runningIn(lane), queuedAhead: lanes.aheadOf(past.tenant, lane) };
    },
    nowMs: terms.pricedAtMs ?? past.atMs,
  });
  const offers = route.flatMap(({ offer }) => offer ?? []);
  const run: Run = {
    number,
    tenant: past.tenant,
    past,
    asker,
    offers: new Map(offers.map((offer) => [offerKey(offer), offer])),
    route: offers.map(toStored),
    choosing,
    holdMicros,
    failures: [],
    outcome: NOTHING_YET,
    startedAtMs: null,
    patience: newPatience(past.atMs, asker.queueTimeoutMs),
  };
  if (route.length > 0) advance(world, run, past.atMs);
  else finish(world, run, past.atMs, cheapestOverMaxPrice === null ? 'no_provider_available' : 'max_price_exceeded');
}

/** What is known of the offer in the replay, at this moment of it, but for its slots and those before them. */
function conditionsOf({ terms, rates, lapsing, draws }: World, offer: Choice, nowMs: number): Conditions {
  const key = offerKey(offer);
  const generationSeconds = medianSeconds(terms.measured.get(key) ?? UNMEASURED);
  const takeMs = (generationSeconds ?? UNMEASURED_SECONDS) * SECOND_MS;
  return {
    ...idleConditions(1),
    generationSeconds,
    successRate: rates.of(key, nowMs),
    lapsing: lapsing.of(offer.account, takeMs, nowMs, draws),
  };
}

/** What `optionsOf` looks at. */
function toStored(offer: Offer): StoredCandidate {
  const { provider, account, model, capability, quote } = offer;
  const money = { cost: quote.costMicros, price: quote.priceMicros, failed: quote.failed, units: quote.units };
  const unused = { lines: [], card: null, rate: null, score: null, excluded: null };
  return { provider, account, model, upstream: capability.upstream, ...money, ...unused };
}

/** On into the queue, for whatever its route and its failures leave; or to the end. */
function advance(world: World, run: Run, nowMs: number): void {
  const left = optionsOf(run.route, run.choosing, run.failures);
  if (left.kind === 'end') finish(world, run, nowMs, left.code);
  else if (nowMs >= waitsUntilMs(run.patience)) giveUp(world, run, nowMs);
  else {
    const rules = left.options.map((option) => world.terms.laneOf(offerOf(run, option)));
    const options = left.options.map((option, index): LaneOption => {
      return { ...option, lane: rules[index]?.lane ?? option.account, offer: offerKey(option) };
    });
    const { id: jobId, atMs: createdAtMs } = run.past;
    const { tenant: tenantId, holdMicros, choosing } = run;
    const untilMs = waitsUntilMs(run.patience);
    world.waiting.set(jobId, run);
    world.lanes.enter({ jobId, tenantId, createdAtMs, holdMicros, untilMs, options, choosing }, rules);
    put(world, { kind: 'too_late', atMs: untilMs, run });
    deal(world, nowMs);
  }
}

const offerOf = ({ offers }: Run, option: Choice): Offer =>
  present(offers.get(offerKey(option)), 'the offer of an option');

/** Gives the slots that are free to those whose turn it is. */
function deal(world: World, nowMs: number): void {
  world.dealt += 1;
  for (const { waiter, option, lapsing } of world.lanes.deal(nowMs)) {
    const run = present(world.waiting.get(waiter.jobId), 'the run of a request that waits');
    world.waiting.delete(waiter.jobId);
    start(world, run, { offer: offerOf(run, option), lapsing }, nowMs);
  }
}

type Unnumbered<E> = E extends Event ? Omit<E, 'number'> : never;

function put(world: World, event: Unnumbered<Event>): void {
  world.eventsMade += 1;
  world.events.push({ ...event, number: world.eventsMade });
}

/** Sends the job there: a slot was dealt to it. */
function start(world: World, run: Run, { offer, lapsing }: Place, nowMs: number): void {
  world.lanes.start(world.terms.laneOf(offer).lane, run.tenant, offer.quote.priceMicros);
  run.startedAtMs ??= nowMs;
  world.lapsing.took(offer.account, lapsing);
  const fate = fateOf(world.terms, run, offer);
  put(world, { kind: 'ended', atMs: nowMs + Math.round(fate.seconds * SECOND_MS), run, offer, lapsing, fate });
}

function fateOf({ measured, seed }: ReplayTerms, { past, failures }: Run, offer: Offer): Fate {
  const key = offerKey(offer);
  const earlier = failures.filter((failure) => offerKey(failure) === key).length;
  const seen = past.seen.filter((attempt) => offerKey(attempt) === key)[earlier];
  if (seen) return seen;
  const charged = offer.quote.failed;
  if (past.refused !== null) return { kind: past.refused, seconds: past.seen.at(-1)?.seconds ?? 0, charged };
  return drawFate({ seed, jobId: past.id, offer, earlier, measured: measured.get(key) ?? UNMEASURED, charged });
}

function ended(world: World, run: Run, { offer, lapsing }: Place, fate: Fate, nowMs: number): void {
  world.lanes.end(world.terms.laneOf(offer).lane, run.tenant, offer.quote.priceMicros);
  world.rates.note(offerKey(offer), fate.kind, nowMs);
  world.lapsing.ended(offer.account, lapsing);
  const value = worthOf(world.terms, run.past, run.asker, offer);
  run.outcome = addAttempt(run.outcome, { offer, kind: fate.kind, charged: fate.charged, value });
  if (fate.kind === null) {
    if (value.units > 0n) world.draws.push({ account: offer.account, atMs: nowMs, units: value.units, lapsing });
    finish(world, run, nowMs, null);
  } else {
    run.failures.push({ account: offer.account, model: offer.model, kind: fate.kind });
    run.patience = afterFailure(run.patience, fate.kind, nowMs);
  }
  // Those who wait come first: one that is tried again has yet to hear of its failure.
  deal(world, nowMs);
  if (fate.kind !== null) advance(world, run, nowMs);
}

const giveUp = (world: World, run: Run, nowMs: number): void =>
  finish(world, run, nowMs, codeOfGivingUp(run.patience, nowMs));

function finish(world: World, run: Run, nowMs: number, code: string | null): void {
  if (world.waiting.delete(run.past.id)) world.lanes.leave(run.past.id);
  const { atMs } = run.past;
  const doneMs = nowMs - atMs;
  const waitMs = (run.startedAtMs ?? nowMs) - atMs;
  world.outcomes[run.number] = { ...run.outcome, code, waitMs, doneMs };
}
