/**
 * How an offer has been doing: a circuit and a success rate, both a fold over what its recent attempts came to. Nothing
 * here remembers anything, so a restart that reads the same attempts knows the same.
 */
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../ground/time.ts';

/**
 * One thing that an attempt has shown. `accepted`: its submission was taken; `made`: its clip was; `spoiled`: its task
 * failed although it was taken; `failed`: the provider could not be used; `doubt`: its answer was not seen, or not yet
 * and for too long.
 */
export interface Outcome {
  readonly atMs: number;
  /** When its attempt was made: only attempts made after a circuit has half-opened are probes of it. */
  readonly madeAtMs: number;
  readonly kind: 'accepted' | 'made' | 'spoiled' | 'failed' | 'doubt';
  /** A submission that failed so that no task can have come of it. */
  readonly certain?: true;
}

/** `isolated` is a person's word and no outcome's; see `Standing`. */
export type CircuitState = 'closed' | 'open' | 'half_open' | 'isolated';

export interface Health {
  readonly circuit: Exclude<CircuitState, 'isolated'>;
  /** When an open circuit half-opens; null unless it is open. */
  readonly openUntilMs: number | null;
  /** When it opened last, a probe's failure included; null while it is closed. */
  readonly openedAtMs: number | null;
  /** How often it has opened since it was closed last. */
  readonly timesOpened: number;
  /** Whether a job that was made since it opened last was taken. */
  readonly taken: boolean;
  /** Whether all that opened it last were refusals of which no task can have come. */
  readonly certain: boolean;
  /** Decayed share of good takes, in (0, 1]. */
  readonly successRate: number;
  /** Failures of the last hour. */
  readonly recentFailures: number;
}

/** Nineteen good takes of twenty: what is believed of an offer before anything is known. */
export const PRIOR = { good: 19, all: 20 } as const;
/** Half as old an outcome counts twice as much. */
export const HALF_LIFE_MS = HOUR_MS;
const RECENT_MS = HOUR_MS;

const FAILURES_IN_A_ROW = 5;
const WINDOW_MS = MINUTE_MS;
const WINDOW_OUTCOMES = 20;
const WINDOW_BAD_SHARE = 0.5;
const GOOD_TO_CLOSE = 2;
const OPEN_MAX_MS = MINUTE_MS;
const JITTER_SHARE = 0.1;
/** A submission whose answer was lost may have been taken: it counts half, but whole in a row of failures. */
const DOUBT_WEIGHT = 0.5;

export interface HealthTerms {
  readonly nowMs: number;
  /** How long a circuit stays open the first time. */
  readonly openMs: number;
  /** Whose health it is: circuits that open together do not close together. */
  readonly name: string;
}

/** The health that the outcomes, in the order of time, add up to now. Pure; later ones than now count as now. */
export function healthOf(outcomes: readonly Outcome[], terms: HealthTerms): Health {
  const circuit = foldCircuit(outcomes, terms);
  const rate = foldRate(outcomes, terms.nowMs);
  const halfOpen = circuit.openUntilMs !== null && terms.nowMs >= circuit.openUntilMs;
  return {
    circuit: circuit.openUntilMs === null ? 'closed' : halfOpen ? 'half_open' : 'open',
    openUntilMs: halfOpen ? null : circuit.openUntilMs,
    openedAtMs: circuit.openUntilMs === null ? null : circuit.openedAtMs,
    timesOpened: circuit.timesOpened,
    taken: circuit.openUntilMs !== null && circuit.taken,
    certain: circuit.openUntilMs !== null && circuit.certain,
    ...rate,
  };
}

/** The time since a circuit opened, as long as it has not closed again; probes that failed belong to the same spell. */
export interface Spell {
  readonly openedAtMs: number;
  /** Until when it was to stay open at first. */
  readonly untilMs: number;
  /** The failures, lost answers among them, that opened it. */
  readonly failures: number;
}

/**
 * The spell that a circuit is in after these outcomes, in the order of time; null when it is closed. Pure. What opened
 * the circuit does not change with time, so the same outcomes give the same spell to whoever looks, and whenever.
 */
export function spellOf(outcomes: readonly Outcome[], terms: Omit<HealthTerms, 'nowMs'>): Spell | null {
  return foldCircuit(outcomes, terms).spell;
}

interface Circuit {
  openUntilMs: number | null;
  openedAtMs: number;
  timesOpened: number;
  /** Failures one after another, lost answers among them. */
  inARow: number;
  /** Of those, or of what opened it: whether none can have made a task. */
  certain: boolean;
  probesGood: number;
  /** Whether a job that was made since it opened last was taken. */
  taken: boolean;
  spell: Spell | null;
  /** Outcomes of the last minute, oldest first. */
  window: { readonly atMs: number; readonly bad: number; readonly certain: boolean }[];
}

type OpeningTerms = Omit<HealthTerms, 'nowMs'>;

const CLOSED = { openUntilMs: null, openedAtMs: 0, timesOpened: 0, spell: null } as const;
const FRESH = { ...CLOSED, inARow: 0, certain: true, probesGood: 0, taken: false } as const;

function foldCircuit(outcomes: readonly Outcome[], terms: OpeningTerms): Circuit {
  const circuit: Circuit = { ...FRESH, window: [] };
  for (const outcome of outcomes) {
    const bad = badnessOf(outcome);
    if (bad === null) continue;
    if (circuit.openUntilMs === null) passClosed(circuit, outcome, bad, terms);
    else passOpen(circuit, outcome, bad, terms);
  }
  return circuit;
}

/** What an outcome says of whether the provider can be used: 0 good, 1 bad; null: nothing. */
function badnessOf({ kind }: Outcome): number | null {
  switch (kind) {
    case 'accepted':
      return 0;
    case 'failed':
      return 1;
    case 'doubt':
      return DOUBT_WEIGHT;
    case 'made':
    case 'spoiled':
      return null;
  }
}

function passClosed(circuit: Circuit, outcome: Outcome, bad: number, terms: OpeningTerms): void {
  const { atMs } = outcome;
  const certain = bad === 0 || outcome.certain === true;
  circuit.inARow = bad === 0 ? 0 : circuit.inARow + 1;
  circuit.certain = bad === 0 || (circuit.certain && certain);
  circuit.window.push({ atMs, bad, certain });
  while ((circuit.window[0]?.atMs ?? atMs) <= atMs - WINDOW_MS) circuit.window.shift();
  const badSum = circuit.window.reduce((sum, seen) => sum + seen.bad, 0);
  const mostlyBad =
    circuit.window.length >= WINDOW_OUTCOMES && badSum >= circuit.window.length * WINDOW_BAD_SHARE && bad > 0;
  if (circuit.inARow < FAILURES_IN_A_ROW && !mostlyBad) return;
  const seen = mostlyBad ? circuit.window.filter((each) => each.bad > 0).length : 0;
  const failures = Math.max(circuit.inARow, seen);
  const isCertain = mostlyBad ? circuit.window.every((each) => each.certain) : circuit.certain;
  const untilMs = open(circuit, { atMs, certain: isCertain }, terms);
  circuit.spell = { openedAtMs: atMs, untilMs, failures };
}

function passOpen(circuit: Circuit, outcome: Outcome, bad: number, terms: OpeningTerms): void {
  const { madeAtMs, atMs } = outcome;
  // Also one that had nowhere else to go while it was open.
  if (bad === 0 && madeAtMs >= circuit.openedAtMs) circuit.taken = true;
  // What was sent before the circuit half-opened says nothing about what it is like now.
  if (madeAtMs < (circuit.openUntilMs ?? 0)) return;
  if (bad > 0) {
    open(circuit, { atMs, certain: outcome.certain === true }, terms);
    return;
  }
  circuit.probesGood += 1;
  if (circuit.probesGood < GOOD_TO_CLOSE) return;
  Object.assign(circuit, { ...FRESH, window: [] });
}

/** Opens it, for the first time or again. Until when. */
function open(
  circuit: Circuit,
  { atMs, certain }: { readonly atMs: number; readonly certain: boolean },
  terms: OpeningTerms,
): number {
  const timesOpened = circuit.timesOpened + 1;
  const jitter = 1 + JITTER_SHARE * spread(`${terms.name} ${atMs}`);
  const openUntilMs = atMs + Math.min(OPEN_MAX_MS, Math.round(terms.openMs * timesOpened * jitter));
  const { spell } = circuit;
  Object.assign(circuit, { ...FRESH, window: [], openUntilMs, openedAtMs: atMs, timesOpened, certain, spell });
  return openUntilMs;
}

/** A number in [-1, 1] that the text alone decides (FNV-1a): the jitter of a fold has to come out the same each time. */
function spread(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return (hash / 0xffffffff) * 2 - 1;
}

function foldRate(outcomes: readonly Outcome[], nowMs: number): Pick<Health, 'successRate' | 'recentFailures'> {
  let good: number = PRIOR.good;
  let all: number = PRIOR.all;
  let recentFailures = 0;
  for (const { kind, atMs } of outcomes) {
    if (kind === 'accepted') continue;
    const ageMs = Math.max(0, nowMs - atMs);
    const weight = 0.5 ** (ageMs / HALF_LIFE_MS) * (kind === 'doubt' ? DOUBT_WEIGHT : 1);
    all += weight;
    if (kind === 'made') good += weight;
    else if (ageMs <= RECENT_MS) recentFailures += 1;
  }
  return { successRate: good / all, recentFailures };
}

/** What a person or a refusal has decided about an account, whatever its circuit says. */
export interface Standing {
  readonly enabled: boolean;
  readonly isolated: boolean;
  /** The last refusal for want of money, or of a good key, that nothing has disproved since. */
  readonly shut: { readonly kind: 'out_of_credit' | 'unauthorized'; readonly atMs: number } | null;
  /** When the provider last called this very offer unknown or malformed, and nothing has disproved it since. */
  readonly offerRefusedAtMs: number | null;
}

/** A balance that was empty is believed for this long; then one job asks again. */
export const EMPTY_FOR_MS = 5 * MINUTE_MS;

/** Why nothing may be sent there, whoever else is left: isolation, money, key. Null when nothing stands in the way. */
export function shutReason({ enabled, isolated, shut, offerRefusedAtMs }: Standing, nowMs: number): string | null {
  if (!enabled) return 'disabled by the operator';
  if (isolated) return 'isolated by the operator';
  if (offerRefusedAtMs !== null) return 'isolated: the provider refused this offer as unknown or malformed';
  if (shut?.kind === 'unauthorized') return 'circuit open: the provider refuses the key';
  if (shut && nowMs < shut.atMs + EMPTY_FOR_MS) return 'circuit open: the provider account is out of credit';
  return null;
}

/** Why it should not be sent there while another candidate is left; null when its circuit lets a job through. */
export function circuitReason(health: Health, probing: boolean, nowMs: number): string | null {
  if (health.circuit === 'closed') return null;
  if (health.circuit === 'half_open') return probing ? 'circuit half open: one job tries it now' : null;
  const seconds = Math.ceil(((health.openUntilMs ?? nowMs) - nowMs) / SECOND_MS);
  return `circuit open for another ${seconds} s after repeated failures`;
}
