/** Two shops with one row each, and requests that can be made at both: what a replay is tried on. */
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { collectRateCards } from '../../src/pricing/cards.ts';
import type { Seller } from '../../src/pricing/offers.ts';
import { NO_ROUTING } from '../../src/routing/policy.ts';
import type { PastRequest, ReplayAsker, ReplayTerms } from '../../src/routing/replay-terms.ts';
import { cardOf, MADE_AT_MS, PACKAGES, rate } from './rows.ts';

/** `cheap` asks 0.50 for five seconds, `dear` 0.60 and charges failures; `units` 0.84 as three units of 0.14. */
export const REPLAY_CARDS = collectRateCards([
  cardOf({ card: 'cheap', provider: 'cheap', rates: [rate({ usd_per_second: 0.1 })] }),
  cardOf({ card: 'cheap', provider: 'cheap', effective: '2026-11-22', rates: [rate({ usd_per_second: 0.2 })] }),
  cardOf({ card: 'dear', provider: 'dear', failed: 'charged', rates: [rate({ usd_per_second: 0.12 })] }),
  cardOf({
    card: 'units',
    provider: 'units',
    kind: 'units',
    packages: PACKAGES,
    rates: [rate({ units_per_second: 0.6 })],
  }),
]);

export function replaySeller(provider: string, change: Partial<Seller> = {}): Seller {
  const form = { task: 'text_to_video', resolutions: ['720p'], sound: 'never', takes: {} } as const;
  const capabilities = [{ ...form, model: 'kling-v3', upstream: `${provider}/v3` }];
  return { provider, account: provider, capabilities, credentials: [], refuses: () => null, ...change };
}

/** A silent clip of five seconds, asked for so many seconds after nine in the morning. */
export function pastRequest(id: string, afterSeconds: number, change: Partial<PastRequest> = {}): PastRequest {
  const request: VideoRequest = {
    ...{ model: 'kling-v3', task: 'text_to_video', prompt: 'x', seconds: 5, resolution: '720p' },
    ...{ aspectRatio: '16:9', audio: false, references: [], elements: [], voices: [], watermark: false },
  };
  const plain = { tenant: 'acme', routing: NO_ROUTING, keyProviders: null, lengthMs: null, seen: [], refused: null };
  return { id, atMs: MADE_AT_MS + afterSeconds * 1_000, requests: [request], ...plain, ...change };
}

export const replayAsker = (change: Partial<ReplayAsker> = {}): ReplayAsker => ({
  policy: {},
  maxPriceMicros: null,
  markupPercent: '0',
  queueTimeoutMs: 1_800_000,
  concurrency: null,
  ...change,
});

/** Takes of 100 s that never fail at `cheap` and `dear`, each with two slots. */
export function replayTerms(
  change: Partial<ReplayTerms> = {},
  slots: Readonly<Record<string, number>> = {},
): ReplayTerms {
  const sure = { seconds: [100], good: 1e9, bad: 0 };
  const asker = replayAsker();
  return {
    sellers: [replaySeller('cheap'), replaySeller('dear')],
    cards: REPLAY_CARDS,
    pricedAtMs: null,
    askerOf: () => asker,
    laneOf: ({ account }) => ({ lane: account, slots: slots[account] ?? 2 }),
    measured: new Map(['cheap', 'dear', 'units'].map((account) => [`${account} kling-v3`, sure])),
    seed: 1,
    ...change,
  };
}
