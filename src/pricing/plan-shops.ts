import { allowsSeconds } from '../ground/models.ts';
import { type Micros, type Ratio, ratioOfMicros } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import type { Capability } from './capability.ts';
import { productOf, sumRatios } from './plan-ratio.ts';
import type { Takes } from './plan-takes.ts';
import { type Billable, priceOn, type Unpriced } from './price.ts';
import type { RateCard } from './rate-card.ts';

/** Where takes can be bought, or were once listed for sale. */
export interface Shop {
  /** The provider's slug, or the name of a reference card. */
  readonly id: string;
  readonly card: RateCard;
  /** What a provider makes; null on a reference card, which is compared and never bought from. */
  readonly capabilities: readonly Capability[] | null;
  /** How many tasks at once an account of the provider is believed to have; null on a reference card. */
  readonly slots: number | null;
}

/** What one take costs. `units`: what it draws from a resource pack; null where nothing is prepaid. */
export interface TakePrice {
  readonly kind: 'priced';
  readonly usd: Micros;
  readonly units: Ratio | null;
}

/** Whether the shop sells only from packs bought ahead. Kling's API has no other way to pay (service terms, 2026). */
export function isPrepaid(shop: Shop): boolean {
  return shop.card.packages.length > 0;
}

/** What one take costs there, units at the unit price of `packageId` (list price without one), or why it has no price. */
export function takePrice(shop: Shop, takes: Takes, packageId?: string): TakePrice | Unpriced {
  const audio = soundAt(shop, takes);
  if (audio === null) return { kind: 'unpriced', reason: `${shop.id} does not make ${describeTakes(takes)}` };
  const billable = billableOf({ ...takes, audio });
  const price = priceOn(shop.card, billable, packageId === undefined ? {} : { packageId });
  if (price.kind === 'unpriced') return { ...price, reason: price.reason + otherTask(shop, takes) };
  if (price.usd === null) {
    return { kind: 'unpriced', reason: `${shop.card.card} counts in credits and names no price for one` };
  }
  const line = price.lines.find(({ unit }) => unit === 'unit');
  return { kind: 'priced', usd: price.usd, units: line?.quantity ?? null };
}

/** What the takes of a month cost there, exactly; the units too where all of it is drawn from packs. */
export function monthAt(
  shop: Shop,
  all: readonly Takes[],
  packageId?: string,
): { readonly kind: 'priced'; readonly usd: Ratio; readonly units: Ratio | null } | Unpriced {
  const usd: Ratio[] = [];
  const units: Ratio[] = [];
  for (const takes of all) {
    const price = takePrice(shop, takes, packageId);
    if (price.kind === 'unpriced') return price;
    usd.push(productOf(takes.takes, ratioOfMicros(price.usd)));
    if (price.units) units.push(productOf(takes.takes, price.units));
  }
  return { kind: 'priced', usd: sumRatios(usd), units: units.length === all.length ? sumRatios(units) : null };
}

/** `5 s kling-v3 text_to_video 720p silent` */
export function describeTakes({ clips, resolution, audio }: Takes): string {
  return `${clips.seconds} s ${clips.model} ${clips.task} ${resolution} ${audio ? 'with audio' : 'silent'}`;
}

/** The part of a request that prices it, for a request that carries nothing but what its task needs. */
export function billableOf({ clips, resolution, audio }: Takes): Billable {
  const inputs = {
    text_to_video: 'text',
    image_to_video: 'image',
    reference_to_video: 'image',
    video_edit: 'video',
    motion_control: 'video',
    extension: 'text',
  } as const;
  return {
    model: clips.model,
    task: clips.task,
    resolution,
    audio,
    voiceControl: false,
    input: inputs[clips.task],
    orientation: clips.task === 'motion_control' ? 'video' : null,
    lengthMs: clips.seconds * SECOND_MS,
    mode: resolution === '720p' ? 'std' : resolution === '1080p' ? 'pro' : '4k',
  };
}

/** The sound that the shop would make and charge for; null when it does not make such takes at all. */
function soundAt(shop: Shop, takes: Takes): boolean | null {
  if (shop.capabilities === null) return takes.audio;
  const fitting = shop.capabilities.filter((capability) => makes(capability, takes));
  const exact = fitting.some(({ sound }) => sound === 'optional' || (sound === 'always') === takes.audio);
  return exact ? takes.audio : fitting.some(({ sound }) => sound === 'always') ? true : null;
}

function makes({ model, task, resolutions, seconds }: Capability, { clips, resolution }: Takes): boolean {
  const follows = seconds?.kind === 'follows_video' && clips.seconds <= seconds.max;
  const length = seconds === undefined || follows || allowsSeconds(seconds, clips.seconds);
  return model === clips.model && task === clips.task && resolutions.includes(resolution) && length;
}

/** Reference cards often list one task only; whoever asks for another should hear which. */
function otherTask(shop: Shop, takes: Takes): string {
  const tasks = shop.card.rates.filter(({ model }) => model === takes.clips.model).flatMap((rate) => rate.tasks);
  const priced = tasks.find((task) => {
    const other = { ...takes, clips: { ...takes.clips, task } };
    return task !== takes.clips.task && priceOn(shop.card, billableOf(other)).kind === 'priced';
  });
  return priced === undefined ? '' : `; it has one for ${priced}`;
}
