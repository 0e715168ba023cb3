/** What is tried becomes the terms of a replay: whose field counts, which slots, and what a unit costs. */
import { describe, expect, it } from 'vitest';
import { ratio, usd } from '../../src/ground/money.ts';
import { NO_ROUTING, type TenantPolicy } from '../../src/routing/policy.ts';
import { replay } from '../../src/routing/replay.ts';
import { type ReplayGround, type ReplayRules, underRules } from '../../src/routing/replay-rules.ts';
import { collectDecidedBy, type DecidedBy } from '../../src/routing/replay-then.ts';
import { NOT_FOR_TENANT } from '../../src/routing/route.ts';
import { pastRequest, REPLAY_CARDS, replaySeller } from '../support/replays.ts';
import { MADE_AT_MS, offer } from '../support/rows.ts';

const NOTHING: ReplayRules = { policy: {}, pricedAtMs: null, packageId: null, limits: {}, seed: 1 };
const ground = (change: Partial<ReplayGround> = {}): ReplayGround => ({
  sellers: [replaySeller('cheap'), replaySeller('dear'), replaySeller('units', { unitPrice: ratio('0.01') })],
  cards: REPLAY_CARDS,
  nowMs: MADE_AT_MS,
  tenantOf: () => ({ policy: {}, maxPriceMicros: null, markupPercent: '0', concurrency: null }),
  laneOf: ({ account }) => ({ lane: account, slots: 7 }),
  ...change,
});
const slotsOf = (rules: Partial<ReplayRules>, provider: string, account = provider) =>
  underRules([], { ...NOTHING, ...rules }, ground()).terms.laneOf({ ...offer(provider, 1), account }).slots;

describe('the rules of a replay', () => {
  it('leave the slots as they are, but for limits and the tasks that a package allows', () => {
    expect(slotsOf({}, 'cheap')).toBe(7);
    expect(slotsOf({ limits: { cheap: 2 } }, 'cheap')).toBe(2);
    expect(slotsOf({ limits: { cheap: 2 } }, 'dear')).toBe(7);
    expect(slotsOf({ limits: { cheap: 2, own: 3 } }, 'cheap', 'own')).toBe(3);
    expect(slotsOf({ packageId: 'trial' }, 'units')).toBe(5);
    expect(slotsOf({ packageId: 'trial' }, 'cheap')).toBe(7);
    expect(slotsOf({ packageId: 'trial', limits: { units: 9 } }, 'units')).toBe(9);
  });

  it('price units as the package that is tried does, not as the own pack was bought', () => {
    const costOf = (rules: Partial<ReplayRules>) => {
      const only = { policy: { only: ['units'] } };
      const { past, terms } = underRules([pastRequest('video_1', 0)], { ...NOTHING, ...only, ...rules }, ground());
      return replay(past, terms).outcomes.map(({ costMicros }) => costMicros);
    };
    expect(costOf({})).toEqual([usd(0.03)]);
    expect(costOf({ packageId: 'trial' })).toEqual([usd(0.294)]);
  });

  it('are those of then, as stored decisions tell them, whatever the tenant’s policy and markup have become', () => {
    const today: TenantPolicy = { only: ['dear'], sort: 'price', fallback: 'none', max_premium: 0.4 };
    const tenantOf = () => ({ policy: today, maxPriceMicros: null, markupPercent: '50', concurrency: 3 });
    const choosing = {
      sort: null,
      valueOfTimeMicrosPerSecond: 500,
      fallback: 'any',
      inDoubt: 'wait',
      contentFallback: true,
    };
    const candidate = (provider: string, excluded: string | null) => ({ provider, price: '1', excluded });
    const candidates = [
      candidate('dear', NOT_FOR_TENANT),
      candidate('cheap', null),
      { ...candidate('none', 'no'), price: null },
    ];
    const read = collectDecidedBy();
    const stored = JSON.stringify({ candidates, markup: '10', choosing, hold: '1' });
    const decidedBy = read(stored, 90_000);
    expect(read(stored, 90_000)).toBe(decidedBy);
    const askerOf = (policy: TenantPolicy, by: DecidedBy | undefined = decidedBy) =>
      underRules([], { ...NOTHING, policy }, ground({ tenantOf })).terms.askerOf('acme', by);
    const then = { fallback: 'any', in_doubt: 'wait', content_fallback: true, value_of_time_usd_per_hour: 1.8 };
    expect(askerOf({})).toEqual({
      policy: { ...then, only: ['cheap'], max_premium: 0.4, queue_timeout_seconds: 90 },
      ...{ maxPriceMicros: null, markupPercent: '10', queueTimeoutMs: 90_000, concurrency: 3 },
    });
    // What is tried comes before it, and where the policy of today says the same of the providers, it is kept as it is.
    expect(askerOf({ only: ['dear'], queue_timeout_seconds: 5 })).toMatchObject({
      policy: { only: ['dear'], ignore: undefined, fallback: 'any' },
      queueTimeoutMs: 5_000,
    });
    const same = { ...decidedBy, forbidden: ['cheap'], allowed: ['dear'] };
    expect(askerOf({ ignore: ['units'] }, same).policy).toMatchObject({ only: ['dear'], ignore: ['units'] });
    expect(askerOf({}, { ...decidedBy, choosing: null }).policy).toMatchObject({ sort: 'price', fallback: 'none' });
  });

  it('leave out whoever was not allowed then, whatever is ignored beside it, but for an `only` that is tried', () => {
    const by: DecidedBy = {
      ...{ markupPercent: '0', queueTimeoutMs: 60_000, choosing: null },
      ...{ forbidden: ['units'], allowed: ['cheap', 'dear'] },
    };
    const wentTo = (today: TenantPolicy, policy: TenantPolicy) => {
      const tenantOf = () => ({ policy: today, maxPriceMicros: null, markupPercent: '0', concurrency: null });
      const asked = [pastRequest('video_1', 0, { decidedBy: by })];
      const { past, terms } = underRules(asked, { ...NOTHING, policy }, ground({ tenantOf }));
      return replay(past, terms).outcomes.map(({ provider }) => provider);
    };
    // Units cost 0.01 and are the cheapest there is: whoever may go there does.
    for (const today of [{ only: ['cheap', 'dear'] }, {}, { only: ['units'] }, { ignore: ['dear'] }]) {
      expect([today, wentTo(today, {})]).toEqual([today, ['cheap']]);
      expect([today, wentTo(today, { ignore: ['cheap'] })]).toEqual([today, ['dear']]);
      expect([today, wentTo(today, { only: ['units', 'dear'] })]).toEqual([today, ['units']]);
    }
  });

  it("take the place of the tenant's own fields, one by one, and of what requests asked", () => {
    const own: TenantPolicy = { ignore: ['cheap'], max_price_usd: 0.9, queue_timeout_seconds: 60, sort: 'price' };
    const tenantOf = () => ({ policy: own, maxPriceMicros: usd(0.9), markupPercent: '10', concurrency: 3 });
    const asked = { ...NO_ROUTING, only: ['dear'] };
    const tried = { ...NOTHING, policy: { ignore: ['units'], max_price_usd: 0.55 } };
    const { past, terms } = underRules([pastRequest('video_1', 0, { routing: asked })], tried, ground({ tenantOf }));
    expect(terms.askerOf('acme')).toMatchObject({
      policy: { ignore: ['units'], sort: 'price' },
      maxPriceMicros: usd(0.55),
      markupPercent: '10',
      queueTimeoutMs: 60_000,
      concurrency: 3,
    });
    expect(past[0]?.routing.only).toBeNull();
    // 0.50 and a tenth of it: just within the price that is tried.
    expect(replay(past, terms).outcomes).toMatchObject([{ provider: 'cheap', priceMicros: usd(0.55) }]);
  });
});
