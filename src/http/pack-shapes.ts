/** A prepaid pack as operators see it: what is left of it, and what of that will lapse. */
import { z } from 'zod';
import { ceilToMicros, type Micros, ratio, times, toDisplayNumber, toUsdNumber } from '../ground/money.ts';
import { type BoughtPack, unitPriceOf } from '../jobs/packages.ts';
import { ofBillionths, toBillionths } from '../pricing/expected.ts';
import type { Inventory, PackState } from '../pricing/packs.ts';
import type { PackageRow } from '../store/schema.ts';
import { toSeconds } from './admin-shapes.ts';

/** The shape of a pack. */
export const packageSchema = z
  .object({
    id: z.string(),
    account: z.string(),
    package: z.string(),
    units: z.number(),
    price_usd: z.number(),
    unit_price_usd: z.number(),
    bought_at: z.number().int(),
    expires_at: z.number().int(),
    concurrency: z.number().int(),
    state: z.enum(['drawn_first', 'waiting', 'used_up', 'expired', 'not_yet']),
    units_drawn: z.number(),
    clips: z.number().int(),
    units_left: z.number(),
    forecast: z
      .object({ units_expiring: z.number(), usd_expiring: z.number() })
      .nullable()
      .meta({ description: 'If the last 14 days go on; null without a clip in them.' }),
    reported: z
      .object({ units_left: z.number(), difference: z.number(), at: z.number().int() })
      .nullable()
      .meta({ description: 'What the provider says, and how many units more are left by our count.' }),
  })
  .meta({ id: 'Package' });

/** Billionths of units as the number of units that is shown. */
export const unitsOf = (billionths: bigint): number => toDisplayNumber(ofBillionths(billionths));

/** The pack as it stands at the moment, in the stock of its account. */
export function showPack(
  { pack, drawn, left, clips, expiring }: PackState<BoughtPack>,
  { next }: Inventory<BoughtPack>,
  nowMs: number,
): z.infer<typeof packageSchema> {
  const { row } = pack;
  const worth = (units: bigint): Micros => ceilToMicros(times(ofBillionths(units), unitPriceOf(row)));
  return {
    id: row.id,
    account: row.account,
    package: row.package,
    units: Number(row.units),
    price_usd: toUsdNumber(row.priceMicros),
    unit_price_usd: toDisplayNumber(unitPriceOf(row)),
    bought_at: toSeconds(row.boughtAtMs) ?? 0,
    expires_at: toSeconds(row.expiresAtMs) ?? 0,
    concurrency: row.concurrency,
    state: stateOf(pack, left, next, nowMs),
    units_drawn: unitsOf(drawn),
    clips,
    units_left: unitsOf(left),
    forecast:
      expiring === null ? null : { units_expiring: unitsOf(expiring), usd_expiring: toUsdNumber(worth(expiring)) },
    reported: showReported(row, left),
  };
}

function stateOf(pack: BoughtPack, left: bigint, next: BoughtPack | null, nowMs: number) {
  if (pack.id === next?.id) return 'drawn_first';
  if (pack.expiresAtMs <= nowMs) return 'expired';
  if (left === 0n) return 'used_up';
  return pack.boughtAtMs > nowMs ? 'not_yet' : 'waiting';
}

function showReported({ reportedLeft, reportedAtMs }: PackageRow, left: bigint) {
  if (reportedLeft === null || reportedAtMs === null) return null;
  const said = toBillionths(ratio(reportedLeft));
  return { units_left: unitsOf(said), difference: unitsOf(left - said), at: toSeconds(reportedAtMs) ?? 0 };
}
