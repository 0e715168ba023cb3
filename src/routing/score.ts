import { type Micros, micros, sumMicros } from '../ground/money.ts';
import { marginalCost } from '../pricing/packs.ts';
import type { Quote } from '../pricing/quote.ts';
import { PRIOR } from './health.ts';

/** What is known about an account's offer at the moment of deciding. */
export interface Conditions {
  /** Tasks the account may run at once, as far as we believe. */
  readonly slots: number;
  /** Tasks of ours that hold a slot now. */
  readonly running: number;
  /** Jobs that wait for a slot here before this one. */
  readonly queuedAhead: number;
  /** Until this job may ask here again, because it was refused a moment ago; absent or zero: it may now. */
  readonly notBeforeSeconds?: number;
  /** Measured generation time in seconds; null while nothing has been measured. */
  readonly generationSeconds: number | null;
  /** Decayed success rate, in (0, 1]. */
  readonly successRate: number;
  /** Failures in the recent past; breaks ties. */
  readonly recentFailures: number;
  /** Why nothing may be sent there now, whoever else is left: isolation, money, key. Null when something may. */
  readonly blocked: string | null;
  /** Why it comes into question only when no other candidate is left: its circuit. Absent or null when it is well. */
  readonly unhealthy?: string | null;
  /** Its circuit is half open: the next job that goes there is the probe, and one is enough. */
  readonly probe?: boolean;
  /** The account had no credit when it was asked last, a while ago: the next job asks again, and one is enough. */
  readonly trial?: boolean;
  /** Prepaid units of the account that would lapse unused, in billionths; absent or zero: none would. */
  readonly lapsing?: bigint;
}

/** Before anything has been measured: 19 good takes of 20, and two minutes each. */
export const UNKNOWN_SUCCESS_RATE = PRIOR.good / PRIOR.all;
export const UNMEASURED_SECONDS = 120;

/** The conditions of an idle account about which nothing is known yet. */
export function idleConditions(slots: number): Conditions {
  return {
    slots,
    running: 0,
    queuedAhead: 0,
    generationSeconds: null,
    successRate: UNKNOWN_SUCCESS_RATE,
    recentFailures: 0,
    blocked: null,
  };
}

/** A score in dollars: what the clip costs, what failing may cost, what waiting costs. */
export interface Score {
  readonly totalMicros: Micros;
  /** The marginal cost: the price that the provider asks, less what is paid already and would lapse. */
  readonly costMicros: Micros;
  readonly failuresMicros: Micros;
  readonly waitMicros: Micros;
  /** Seconds until a slot is free, and until the clip is expected to be done. */
  readonly slotSeconds: number;
  readonly expectedSeconds: number;
}

/** Expected cost of a clip under an offer, in dollars. Parts are rounded to micro-dollars one by one, then added. */
export function scoreOf(
  quote: Pick<Quote, 'costMicros' | 'failed' | 'units'>,
  conditions: Conditions,
  valueOfTimeMicrosPerSecond: number,
): Score {
  const generation = conditions.generationSeconds ?? UNMEASURED_SECONDS;
  const slotSeconds = Math.max(secondsToSlot(conditions, generation), conditions.notBeforeSeconds ?? 0);
  const expectedSeconds = slotSeconds + generation / conditions.successRate;
  const risk = quote.failed === 'free' ? 0 : 1 - conditions.successRate;
  const costMicros = marginalCost(quote.costMicros, quote.units, conditions.lapsing ?? 0n);
  const failuresMicros = roundMicros(Number(costMicros) * risk);
  const waitMicros = roundMicros(expectedSeconds * valueOfTimeMicrosPerSecond);
  return {
    totalMicros: sumMicros(costMicros, failuresMicros, waitMicros),
    costMicros,
    failuresMicros,
    waitMicros,
    slotSeconds,
    expectedSeconds,
  };
}

/**
 * The expected time to a free slot: with one free and nobody ahead it is now; else the jobs ahead and this one leave
 * the account's slots one after another, `generation / slots` seconds apart.
 */
function secondsToSlot(conditions: Conditions, generation: number): number {
  const ahead = conditions.running + conditions.queuedAhead + 1 - conditions.slots;
  return ahead <= 0 ? 0 : (ahead * generation) / Math.max(conditions.slots, 1);
}

function roundMicros(value: number): Micros {
  return micros(BigInt(Math.round(value)));
}
