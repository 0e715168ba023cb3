/** The log of a run, replayed as an operator replays it: job by job, and through the admin route and the command. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { replayAdminRoutes } from '../../src/http/admin-replay.ts';
import type { Env } from '../../src/http/context.ts';
import { mount } from '../../src/http/route-table.ts';
import { laneOf } from '../../src/jobs/lane.ts';
import { readPast } from '../../src/jobs/past.ts';
import type { Offer } from '../../src/pricing/offers.ts';
import type { TenantPolicy } from '../../src/routing/policy.ts';
import { replay } from '../../src/routing/replay.ts';
import { underRules } from '../../src/routing/replay-rules.ts';
import type { Outcome } from '../../src/routing/replay-tally.ts';
import { policyOf, type Stage, type StageOptions } from './stage.ts';

/** One job twice: what became of it, and what becomes of it in the replay. */
export interface Twice {
  readonly happened: Outcome;
  readonly replayed: Outcome;
}

/** Every job that the stage has ever seen, the first clips of its offers too, beside itself under these rules. */
export async function replayEach(stage: Stage, options: StageOptions, policy: TenantPolicy): Promise<Twice[]> {
  const { database, deps, sellers, worker } = stage;
  const nowMs = deps.clock.nowMs();
  const all = { fromMs: 0, toMs: nowMs + 1, tenantId: null, jobsMax: 1_000 };
  const past = await database.snapshot((tx) => readPast(tx, all, async () => {}));
  const tenant = { policy: policyOf(options), maxPriceMicros: null, markupPercent: '0', concurrency: null };
  const rules = { policy, pricedAtMs: null, packageId: null, limits: {}, seed: 1 };
  const laneOfOffer = (offer: Offer) => {
    const account = deps.accounts.get(offer.account);
    if (!account) throw new Error(`there is no account ${offer.account}`);
    return { lane: laneOf(account, offer.model), slots: worker.outlook.slotsGiven(account) };
  };
  const ground = { sellers, cards: deps.cards, nowMs, tenantOf: () => tenant, laneOf: laneOfOffer };
  const under = underRules(past.requests, rules, ground);
  const { outcomes } = replay(under.past, under.terms);
  const order = [...past.requests.keys()].sort((a, b) => {
    const [one, other] = [past.requests[a], past.requests[b]];
    return one && other ? one.atMs - other.atMs || (one.id < other.id ? -1 : 1) : 0;
  });
  return order.flatMap((place, index) => {
    const [happened, replayed] = [past.outcomes[place], outcomes[index]];
    return happened && replayed ? [{ happened, replayed }] : [];
  });
}

/** The stage's admin API on loopback, as far as replays go. To be closed. */
export async function serveReplays(stage: Stage): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { deps, sellers, worker } = stage;
  // A replay looks at the rows on a connection of its own; nothing of the stage's runs meanwhile.
  const jobs = { ...deps, database: stage.database };
  const packs = { sellers: (all: typeof sellers) => all, refresh: async () => {} };
  const app = new Hono<Env>();
  mount(app, '/admin/v1', replayAdminRoutes({ jobs, sellers, packs, worker }));
  const server = createAdaptorServer({ fetch: app.fetch, createServer }) as Server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** How many jobs went to the provider that they had gone to, and how far their waits for a slot are apart. */
export function likeness(each: readonly Twice[]) {
  const same = each.filter(({ happened, replayed }) => happened.provider === replayed.provider).length;
  const apartMs = each.map(({ happened, replayed }) => Math.abs(happened.waitMs - replayed.waitMs));
  const usd = (pick: (twice: Twice) => Outcome): number =>
    each.reduce((sum, twice) => sum + Number(pick(twice).priceMicros) / 1_000_000, 0);
  return {
    jobs: each.length,
    same,
    waitApartSeconds: apartMs.reduce((sum, ms) => sum + ms / 1_000, 0) / each.length,
    happenedUsd: usd(({ happened }) => happened),
    replayedUsd: usd(({ replayed }) => replayed),
  };
}
