import type { Resolution } from '../ground/models.ts';
import { ceilToMicros, type Micros, type Ratio, ratio } from '../ground/money.ts';
import { productOf, sumRatios } from './plan-ratio.ts';
import type { Takes } from './plan-takes.ts';

/**
 * Megabits a second of H.264 at 24 to 30 frames, as YouTube recommends for uploads: 5, 8, and the upper end of 35 to 45
 * (support.google.com/youtube/answer/1722171, read 2026-11-21). No provider publishes the bit rate of what it makes.
 */
const MEGABITS_PER_SECOND = { '720p': 5, '1080p': 8, '4k': 45 } as const satisfies Record<Resolution, number>;
const MEGABITS_PER_GIGABYTE = ratio(8_000);

export interface StorageCost {
  /** Every take of a month, because every take is saved. */
  readonly gigabytes: Ratio;
  /** Keeping them for one month; each further month of keeping costs the same again. */
  readonly usd: Micros;
}

/** What it costs to keep a month's takes for a month, at `usdPerGb` dollars for a gigabyte-month. */
export function storageOf(all: readonly Takes[], usdPerGb: Ratio): StorageCost {
  const megabits = sumRatios(
    all.map(({ takes, clips, resolution }) =>
      productOf(takes, ratio(clips.seconds), ratio(MEGABITS_PER_SECOND[resolution])),
    ),
  );
  const gigabytes = productOf(megabits, { n: MEGABITS_PER_GIGABYTE.d, d: MEGABITS_PER_GIGABYTE.n });
  return { gigabytes, usd: ceilToMicros(productOf(gigabytes, usdPerGb)) };
}
