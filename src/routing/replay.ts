/**
 * Replay: past requests once more, in virtual time, under other rules. Pure: the same inputs give the same outcomes, to
 * the micro-dollar and the millisecond.
 *
 * Each request is considered at the instant it was made, by the function that admits videos, with the slots and queues
 * of the replay; then it takes a slot or waits, and ends as it was seen to end at that offer, else by a seeded chance.
 */
import TinyQueue from 'tinyqueue';
import { present } from '../ground/assert.ts';
import { HOUR_MS, SECOND_MS } from '../ground/time.ts';
import type { Offer } from '../pricing/offers.ts';
import { choose, type Option, optionsOf } from './choose.ts';
import { consider } from './consider.ts';
import type { StoredCandidate } from './decision.ts';
import type { PastFailure } from './next.ts';
import { drawFate, type Fate, medianSeconds, offerKey, successRateOf, UNMEASURED } from './replay-chance.ts';
import {
  emptyLanes,
  freeSlot,
  type Lanes,
  lanesOfTenant,
  leave,
  nextIn,
  queue,
  takeSlot,
  trafficIn,
} from './replay-lanes.ts';
import { LapsingUnits } from './replay-lapsing.ts';
import { type ReplayDraw, worthOf } from './replay-money.ts';
import { addAttempt, NOTHING_YET, type Outcome } from './replay-tally.ts';
import type { PastRequest, ReplayAsker, ReplayTerms } from './replay-terms.ts';
import type { Choosing } from './route.ts';
import { type Conditions, idleConditions } from './score.ts';

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
  readonly failures: PastFailure[];
  outcome: Outcome;
  startedAtMs: number | null;
  /** Where it goes once there is a slot. */
  waitsFor: Place | null;
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
  readonly lanes: Lanes<Run>;
  readonly events: TinyQueue<Event>;
  readonly outcomes: Outcome[];
  readonly draws: ReplayDraw[];
  readonly lapsing: LapsingUnits;
  eventsMade: number;
}

/** A job that has begun is given up this long after it was asked for, as the gateway does. */
const WHOLE_LIFE_MS = 6 * HOUR_MS;
const YIELD_EVERY = 50;

/**
 * Replays the requests, in whatever order they are given. Yields the number of those that have been taken up, every few
 * milliseconds, so that whoever drives it can let others work; returns what became of each.
 */
export function* replaying(past: readonly PastRequest[], terms: ReplayTerms): Generator<number, Replayed> {
  const world = newWorld(terms);
  const inOrder = [...past].sort((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
  for (const [number, request] of inOrder.entries()) {
    pass(world, request.atMs);
    arrive(world, request, number);
    if (number % YIELD_EVERY === YIELD_EVERY - 1) yield number + 1;
  }
  while (world.events.length > 0) {
    pass(world, (world.events.peek()?.atMs ?? 0) + HOUR_MS);
    yield inOrder.length;
  }
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
  return {
    terms,
    lanes: emptyLanes((tenant) => terms.askerOf(tenant).concurrency),
    // What ends gives its slot back before anybody is given up, and both before the next request comes.
    events: new TinyQueue<Event>([], (a, b) => a.atMs - b.atMs || rank(a) - rank(b) || a.number - b.number),
    outcomes: [],
    draws: [],
    lapsing: new LapsingUnits(terms.packs ?? null),
    eventsMade: 0,
  };
}

const rank = ({ kind }: Event): number => (kind === 'ended' ? 0 : 1);

/** Everything that happens until then, the instant itself included. */
function pass(world: World, untilMs: number): void {
  for (let next = world.events.peek(); next !== undefined && next.atMs <= untilMs; next = world.events.peek()) {
    world.events.pop();
    if (next.kind === 'ended') ended(world, next.run, next, next.fate, next.atMs);
    else if (leave(world.lanes, next.run)) giveUp(world, next.run, next.atMs);
  }
}

function arrive(world: World, past: PastRequest, number: number): void {
  const { terms } = world;
  const asker = terms.askerOf(past.tenant);
  const { route, choosing, cheapestOverMaxPrice } = consider({
    requests: past.requests,
    routing: past.routing,
    asker: { ...asker, keyProviders: past.keyProviders },
    sellers: terms.sellers,
    cards: terms.cards,
    conditionsOf: (offer) => conditionsOf(world, offer, past.atMs),
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
    failures: [],
    outcome: NOTHING_YET,
    startedAtMs: null,
    waitsFor: null,
  };
  if (route.length > 0) advance(world, run, past.atMs);
  else finish(world, run, past.atMs, cheapestOverMaxPrice === null ? 'no_provider_available' : 'max_price_exceeded');
}

/** What is known of the offer in the replay, at this moment of it. */
function conditionsOf({ terms, lanes, lapsing, draws }: World, offer: Offer, nowMs: number): Conditions {
  const rule = terms.laneOf(offer);
  const measured = terms.measured.get(offerKey(offer)) ?? UNMEASURED;
  const { running, queued } = trafficIn(lanes, rule);
  return {
    ...idleConditions(rule.slots),
    running,
    queuedAhead: queued,
    generationSeconds: medianSeconds(measured),
    successRate: successRateOf(measured),
    lapsing: lapsing.of(offer.account, nowMs, draws),
  };
}

/** What `optionsOf` looks at. */
function toStored(offer: Offer): StoredCandidate {
  const { provider, account, model, capability, quote } = offer;
  const money = { cost: quote.costMicros, price: quote.priceMicros, failed: quote.failed, units: quote.units };
  const unused = { lines: [], card: null, rate: null, score: null, excluded: null };
  return { provider, account, model, upstream: capability.upstream, ...money, ...unused };
}

/** On to the next candidate, the first at first; into the queue where it has no slot; or to the end. */
function advance(world: World, run: Run, nowMs: number): void {
  const left = optionsOf(run.route, run.choosing, run.failures);
  const chosen = left.kind === 'options' ? chooseOf(world, run, left.options, nowMs) : null;
  if (left.kind === 'end') finish(world, run, nowMs, left.code);
  else if (!chosen || nowMs >= lastInstantOf(run)) giveUp(world, run, nowMs);
  else if (!start(world, run, chosen, nowMs)) {
    run.waitsFor = chosen;
    queue(world.lanes, world.terms.laneOf(chosen.offer), run);
    put(world, { kind: 'too_late', atMs: lastInstantOf(run), run });
  }
}

/** The option that the gateway would take at this moment, by the time that is left to wait. */
function chooseOf(world: World, run: Run, options: readonly Option[], nowMs: number): Place | null {
  const queueSeconds = Math.max(0, lastInstantOf(run) - nowMs) / SECOND_MS;
  const offerOf = (option: Option): Offer => present(run.offers.get(offerKey(option)), 'the offer of an option');
  const best = choose(options, { ...run.choosing, queueSeconds }, (option) =>
    conditionsOf(world, offerOf(option), nowMs),
  );
  return best && { offer: offerOf(best.option), lapsing: best.lapsing };
}

const lastInstantOf = ({ startedAtMs, past, asker }: Run): number =>
  past.atMs + (startedAtMs === null ? asker.queueTimeoutMs : WHOLE_LIFE_MS);

type Unnumbered<E> = E extends Event ? Omit<E, 'number'> : never;

function put(world: World, event: Unnumbered<Event>): void {
  world.eventsMade += 1;
  world.events.push({ ...event, number: world.eventsMade });
}

/** Sends the job there if there is a slot; false when there is none. */
function start(world: World, run: Run, { offer, lapsing }: Place, nowMs: number): boolean {
  if (!takeSlot(world.lanes, world.terms.laneOf(offer), run.tenant, offer.quote.priceMicros)) return false;
  run.startedAtMs ??= nowMs;
  world.lapsing.took(offer.account, lapsing);
  const fate = fateOf(world.terms, run, offer);
  put(world, { kind: 'ended', atMs: nowMs + Math.round(fate.seconds * SECOND_MS), run, offer, lapsing, fate });
  return true;
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
  const rule = world.terms.laneOf(offer);
  freeSlot(world.lanes, rule, run.tenant, offer.quote.priceMicros);
  world.lapsing.ended(offer.account, lapsing);
  const value = worthOf(world.terms, run.past, run.asker, offer);
  run.outcome = addAttempt(run.outcome, { offer, kind: fate.kind, charged: fate.charged, value });
  if (fate.kind === null) {
    if (value.units > 0n) world.draws.push({ account: offer.account, atMs: nowMs, units: value.units, lapsing });
    finish(world, run, nowMs, null);
  } else run.failures.push({ account: offer.account, model: offer.model, kind: fate.kind });
  fill(world, rule.lane, nowMs);
  // A tenant at its own limit may have been waiting elsewhere for this one to end.
  if (run.asker.concurrency !== null) {
    for (const lane of lanesOfTenant(world.lanes, run.tenant)) fill(world, lane, nowMs);
  }
  if (fate.kind !== null) advance(world, run, nowMs);
}

/** Gives the lane's free slots to those who wait for them. */
function fill(world: World, lane: string, nowMs: number): void {
  for (let run = nextIn(world.lanes, lane); run !== null; run = nextIn(world.lanes, lane)) {
    if (nowMs >= lastInstantOf(run)) giveUp(world, run, nowMs);
    else if (run.waitsFor) start(world, run, run.waitsFor, nowMs);
  }
}

const giveUp = (world: World, run: Run, nowMs: number): void =>
  finish(world, run, nowMs, run.startedAtMs === null ? 'queue_timeout' : 'provider_timeout');

function finish(world: World, run: Run, nowMs: number, code: string | null): void {
  const { atMs } = run.past;
  const doneMs = nowMs - atMs;
  const waitMs = (run.startedAtMs ?? nowMs) - atMs;
  world.outcomes[run.number] = { ...run.outcome, code, waitMs, doneMs };
}
