/** A replay in numbers for JSON and tables: what happened, what would have, and the difference. */
import { z } from 'zod';
import { type Micros, micros, toDisplayNumber, toUsdNumber } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import { ofBillionths } from '../pricing/expected.ts';
import type { UnitsTally } from './replay-packs.ts';
import type { Percentiles, Tally } from './replay-tally.ts';

const percentiles = z.object({ p50: z.number(), p95: z.number() }).nullable();
const money = z.number().meta({ description: 'USD, at most six decimals.' });

/** One side of a replay. */
export const sideSchema = z
  .object({
    completed: z.number().int(),
    failed: z.number().int(),
    price_usd: money,
    cost_usd: money.meta({ description: 'What providers charged, failed attempts included.' }),
    margin_usd: money,
    failure_cost_usd: money,
    suspected_cost_usd: money,
    attempts: z.number().int(),
    failovers: z.number().int(),
    wait_seconds: percentiles.meta({ description: 'Until the first attempt; of all requests.' }),
    done_seconds: percentiles.meta({ description: 'Until the end; of delivered requests.' }),
    failures: z.record(z.string(), z.number().int()),
    providers: z.array(
      z.object({
        provider: z.string(),
        clips: z.number().int(),
        price_usd: money,
        cost_usd: money,
        failed_attempts: z.number().int(),
      }),
    ),
    units: z
      .object({
        packs: z.number().int(),
        drawn: z.number(),
        expired: z.number(),
        expired_usd: money,
        left: z.number(),
        expiring: z.number().nullable(),
      })
      .nullable()
      .meta({ description: 'Prepaid packs valid in the period; null where there are none.' }),
  })
  .meta({ id: 'ReplaySide' });
export type Side = z.infer<typeof sideSchema>;

/** The outcomes and the packs of one side. */
export interface Sums {
  readonly tally: Tally;
  readonly units: UnitsTally | null;
}

export function showSums({ tally, units }: Sums): Side {
  return {
    completed: tally.completed,
    failed: tally.failed,
    price_usd: toUsdNumber(tally.priceMicros),
    cost_usd: toUsdNumber(tally.costMicros),
    margin_usd: toUsdNumber(tally.marginMicros),
    failure_cost_usd: toUsdNumber(tally.failureMicros),
    suspected_cost_usd: toUsdNumber(tally.suspectedMicros),
    attempts: tally.attempts,
    failovers: tally.failovers,
    wait_seconds: showPercentiles(tally.wait),
    done_seconds: showPercentiles(tally.done),
    failures: Object.fromEntries(tally.failures),
    providers: tally.providers.map(({ provider, clips, priceMicros, costMicros, failedAttempts }) => ({
      provider,
      clips,
      price_usd: toUsdNumber(priceMicros),
      cost_usd: toUsdNumber(costMicros),
      failed_attempts: failedAttempts,
    })),
    units: units && {
      packs: units.packs,
      drawn: unitsShown(units.drawn),
      expired: unitsShown(units.expired),
      expired_usd: toUsdNumber(units.expiredMicros),
      left: unitsShown(units.left),
      expiring: units.expiring === null ? null : unitsShown(units.expiring),
    },
  };
}

const unitsShown = (billionths: bigint): number => toDisplayNumber(ofBillionths(billionths));

const showPercentiles = (of: Percentiles | null): Side['wait_seconds'] =>
  of && { p50: of.p50Ms / SECOND_MS, p95: of.p95Ms / SECOND_MS };

export const differenceSchema = z
  .object({
    completed: z.number().int(),
    failed: z.number().int(),
    price_usd: money,
    cost_usd: money,
    margin_usd: money,
    failure_cost_usd: money,
    suspected_cost_usd: money,
    attempts: z.number().int(),
    failovers: z.number().int(),
    wait_seconds: percentiles,
    done_seconds: percentiles,
    clips: z.record(z.string(), z.number().int()).meta({ description: 'By provider.' }),
    units_drawn: z.number(),
    units_expired: z.number(),
  })
  .meta({ id: 'ReplayDifference' });
export type Difference = z.infer<typeof differenceSchema>;

/** `replayed` less `happened`: below zero is less money, fewer failures, a shorter wait. */
export function differenceOf(happened: Sums, replayed: Sums): Difference {
  const [was, is] = [happened.tally, replayed.tally];
  const usd = (pick: (tally: Tally) => Micros): number => toUsdNumber(micros(pick(is) - pick(was)));
  const units = (pick: (units: UnitsTally) => bigint): number => {
    const of = ({ units: each }: Sums): bigint => (each ? pick(each) : 0n);
    return unitsShown(of(replayed) - of(happened));
  };
  const clipsOf = (tally: Tally, name: string): number =>
    tally.providers.find(({ provider }) => provider === name)?.clips ?? 0;
  const names = [...new Set([...was.providers, ...is.providers].map(({ provider }) => provider))].sort();
  return {
    completed: is.completed - was.completed,
    failed: is.failed - was.failed,
    price_usd: usd((tally) => tally.priceMicros),
    cost_usd: usd((tally) => tally.costMicros),
    margin_usd: usd((tally) => tally.marginMicros),
    failure_cost_usd: usd((tally) => tally.failureMicros),
    suspected_cost_usd: usd((tally) => tally.suspectedMicros),
    attempts: is.attempts - was.attempts,
    failovers: is.failovers - was.failovers,
    wait_seconds: secondsBetween(was.wait, is.wait),
    done_seconds: secondsBetween(was.done, is.done),
    clips: Object.fromEntries(names.map((name) => [name, clipsOf(is, name) - clipsOf(was, name)])),
    units_drawn: units(({ drawn }) => drawn),
    units_expired: units(({ expired }) => expired),
  };
}

/** In whole milliseconds, so that no binary fraction shows. */
const secondsBetween = (was: Percentiles | null, is: Percentiles | null): Side['wait_seconds'] =>
  was && is && { p50: (is.p50Ms - was.p50Ms) / SECOND_MS, p95: (is.p95Ms - was.p95Ms) / SECOND_MS };
