/**
 * The traffic that the router is measured by: one tenant floods, two small ones ask now and then. Seeded: the same seed
 * asks for the same clips at the same instants. Nothing in it fails, so that all of a difference is the choice's.
 */
import type { Resolution } from '../../src/ground/models.ts';
import { SECOND_MS } from '../../src/ground/time.ts';
import { Chance } from '../simulation/chance.ts';

/** Tasks that each emulated account may run at once. */
export const LIMITS = { kling: 5, evolink: 2, atlas: 3, fal: 4, piapi: 5 } as const;
export type ProviderId = keyof typeof LIMITS;
export const PROVIDER_IDS: readonly ProviderId[] = ['kling', 'evolink', 'atlas', 'fal', 'piapi'];

/** What a clip is, as far as prices and generation times know. */
export interface Clip {
  readonly seconds: number;
  readonly resolution: Resolution;
  readonly audio: boolean;
}

export interface Order extends Clip {
  readonly tenant: string;
  /** Milliseconds after the beginning of the trace. */
  readonly atMs: number;
}

export const FLOOD = 'ten_flood';
export const SMALL_TENANTS = ['ten_small', 'ten_tiny'] as const;
const FLOOD_JOBS = 240;
/** The flood comes as fast as a script posts it. */
const FLOOD_WITHIN_MS = 60 * SECOND_MS;
const SMALL_JOBS = 30;
/** About as long as the flood takes to be worked off, so that the small ones meet it from beginning to end. */
const SMALL_WITHIN_MS = 1_300 * SECOND_MS;

/** Every kind of clip in the trace. One model, because Kling counts its tasks per model: so five are five. */
export const CLIPS: readonly Clip[] = [3, 5, 8, 10].flatMap((seconds) =>
  (['720p', '1080p'] as const).flatMap((resolution) =>
    [false, true].map((audio): Clip => ({ seconds, resolution, audio })),
  ),
);

/** Seconds for a usual clip. Each provider its own; the order of speed is not the order of price. */
const USUAL_SECONDS: Readonly<Record<ProviderId, number>> = { kling: 90, evolink: 104, atlas: 97, fal: 80, piapi: 85 };

/** How long the provider generates the clip, in seconds. */
export type Generation = (provider: ProviderId, clip: Clip) => number;

/** Each provider takes its own time for every clip: 80 to 104 s. What the router measures is then all there is to know. */
export const byProvider: Generation = (provider) => USUAL_SECONDS[provider];

/** Longer and larger clips take longer besides: 56 to 152 s. The router knows medians; a plan knows each clip's own. */
export const byClip: Generation = (provider, { seconds, resolution }) =>
  Math.round(USUAL_SECONDS[provider] * (0.53 + 0.07 * seconds) * (resolution === '1080p' ? 1.1 : 0.97));

/** The orders, oldest first. Without the flood the small tenants ask for the same at the same instants. */
export function makeTrace(seed: number): readonly Order[] {
  const chance = new Chance(seed);
  const orders = (tenant: string, count: number, withinMs: number): Order[] =>
    Array.from({ length: count }, () => ({ tenant, atMs: chance.between(0, withinMs), ...chance.pick(CLIPS) }));
  return [
    ...orders(FLOOD, FLOOD_JOBS, FLOOD_WITHIN_MS),
    ...SMALL_TENANTS.flatMap((tenant) => orders(tenant, SMALL_JOBS, SMALL_WITHIN_MS)),
  ].sort((a, b) => a.atMs - b.atMs || (a.tenant < b.tenant ? -1 : 1));
}
