/**
 * Past requests under other rules. The small cases are reckoned by hand: `cheap` sells the clip at 0.50, `dear` at 0.60,
 * a take lasts 100 s, and a second of waiting is worth 0.0005, so 100 s of it are worth 0.05.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FailureKind } from '../../providers/contract.ts';
import { ceilToMicros, ratio, times, usd } from '../../src/ground/money.ts';
import type { TenantPolicy } from '../../src/routing/policy.ts';
import { NO_ROUTING } from '../../src/routing/policy.ts';
import { replay, replaying } from '../../src/routing/replay.ts';
import {
  drawFate,
  failureShareOf,
  fractionOf,
  measure,
  medianSeconds,
  SuccessRates,
} from '../../src/routing/replay-chance.ts';
import { packsAsNeeded, tallyUnits } from '../../src/routing/replay-packs.ts';
import { differenceOf, showSums } from '../../src/routing/replay-show.ts';
import { type Outcome, tally } from '../../src/routing/replay-tally.ts';
import type { PastRequest, ReplayTerms } from '../../src/routing/replay-terms.ts';
import { pastRequest, replayAsker, replaySeller, replayTerms } from '../support/replays.ts';
import { cardOf, DAY_MS, MADE_AT_MS, PACKAGES, rate } from '../support/rows.ts';

/** Who delivered each, after how many seconds it began and ended. */
const shown = (outcomes: readonly Outcome[]) =>
  outcomes.map(({ provider, code, waitMs, doneMs }) => [provider ?? code, waitMs / 1_000, doneMs / 1_000]);
const run = (past: readonly PastRequest[], terms: ReplayTerms = replayTerms()) => replay(past, terms).outcomes;
const under = (policy: TenantPolicy, change: Partial<ReplayTerms> = {}) =>
  replayTerms({ askerOf: () => replayAsker({ policy }), ...change });
const failed = (change: object = {}) =>
  ({
    account: 'cheap',
    model: 'kling-v3',
    kind: 'generation_failed',
    seconds: 10,
    charged: 'free',
    ...change,
  }) as const;
const burst = (count: number) => Array.from({ length: count }, (_, index) => pastRequest(`video_${index}`, index));

describe('a replay', () => {
  it('waits for the cheaper while that costs less than the dearer, and goes there when it does not', () => {
    // Nothing was seen yet, so 19 of 20 takes are good: 100 s count 105.26, worth 0.0526. Scores at `cheap`: 0.5526 with a
    // slot free, + 0.025 for each place in its queue (100 s by two slots). At `dear`, which charges the take that fails:
    // 0.60 + 0.03 + 0.0526 = 0.6826. So five places are cheaper than `dear`, and six are not.
    const outcomes = run(burst(8));
    expect(shown(outcomes)).toEqual([
      ['cheap', 0, 100],
      ['cheap', 0, 100],
      ['cheap', 98, 198],
      ['cheap', 98, 198],
      ['cheap', 196, 296],
      ['cheap', 196, 296],
      ['cheap', 294, 394],
      ['dear', 0, 100],
    ]);
    expect(tally(outcomes)).toMatchObject({
      completed: 8,
      failed: 0,
      priceMicros: usd(7 * 0.5 + 0.6),
      costMicros: usd(4.1),
      wait: { p50Ms: 98_000, p95Ms: 294_000 },
      done: { p50Ms: 198_000, p95Ms: 394_000 },
      providers: [
        { provider: 'cheap', clips: 7, priceMicros: usd(3.5), costMicros: usd(3.5), failedAttempts: 0 },
        { provider: 'dear', clips: 1, priceMicros: usd(0.6), costMicros: usd(0.6), failedAttempts: 0 },
      ],
    });
  });

  it('takes what was seen at an offer for what happens there: money of a failed attempt, a failover, the time it took', () => {
    const seen = [failed({ charged: 'charged' }), { ...failed(), account: 'dear', kind: null, seconds: 40 }];
    const [outcome] = run([pastRequest('video_1', 0, { seen })]);
    expect(outcome).toMatchObject({
      provider: 'dear',
      priceMicros: usd(0.6),
      costMicros: usd(1.1),
      failureMicros: usd(0.5),
      attempts: 2,
      failovers: 1,
      doneMs: 50_000,
      failedAt: ['cheap'],
    });
    const [alone] = run([pastRequest('video_1', 0, { seen })], under({ fallback: 'none' }));
    expect(alone).toMatchObject({ code: 'provider_error', priceMicros: 0n, costMicros: usd(0.5), failovers: 0 });
    const [unsure] = run([pastRequest('video_1', 0, { seen: [failed({ charged: 'unknown' })] })]);
    expect(unsure).toMatchObject({ provider: 'dear', costMicros: usd(0.6), suspectedMicros: usd(0.5) });
  });

  it('refuses everywhere what was refused for its own sake', () => {
    const past = pastRequest('video_1', 0, { refused: 'content_rejected' });
    expect(run([past])[0]).toMatchObject({ code: 'moderation_blocked', attempts: 1, costMicros: 0n });
    const moving = under({ content_fallback: true });
    expect(run([past], moving)[0]).toMatchObject({ code: 'moderation_blocked', attempts: 2, failovers: 1 });
  });

  it('keeps to the other rule: policy, key, ceiling, day of the cards, and what the request asked for itself', () => {
    const past = pastRequest('video_1', 0);
    const at = (one: PastRequest, terms?: ReplayTerms) =>
      run([one], terms).map(({ provider, code }) => provider ?? code)[0];
    expect(at(past, under({ only: ['dear'] }))).toBe('dear');
    expect(at(past, under({ ignore: ['cheap', 'dear'] }))).toBe('no_provider_available');
    expect(at({ ...past, keyProviders: ['dear'] })).toBe('dear');
    expect(at({ ...past, routing: { ...NO_ROUTING, order: ['dear'] } })).toBe('dear');
    expect(at({ ...past, routing: { ...NO_ROUTING, maxPriceMicros: usd(0.4) } })).toBe('max_price_exceeded');
    // From 2026-11-22 on `cheap` asks twice as much.
    expect(at(past, replayTerms({ pricedAtMs: MADE_AT_MS + DAY_MS }))).toBe('dear');
    expect(at({ ...past, atMs: past.atMs + DAY_MS })).toBe('dear');
  });

  it('gives up whoever has waited longer than its tenant lets it', () => {
    const impatient = replayTerms(
      { askerOf: () => replayAsker({ policy: { only: ['cheap'] }, queueTimeoutMs: 60_000 }) },
      { cheap: 1 },
    );
    const outcomes = run(
      [0, 1, 50, 200].map((after) => pastRequest(`video_${after}`, after)),
      impatient,
    );
    expect(shown(outcomes)).toEqual([
      ['cheap', 0, 100],
      ['queue_timeout', 60, 60],
      ['cheap', 50, 150],
      ['cheap', 0, 100],
    ]);
  });

  it('lets whoever failed wait once more as long as its tenant lets it, from the failure of a task on', () => {
    const impatient = replayTerms({ askerOf: () => replayAsker({ queueTimeoutMs: 60_000 }) }, { dear: 1 });
    const seen = [{ account: 'dear', model: 'kling-v3', kind: null, seconds: 1_000, charged: 'free' }] as const;
    const blocks = pastRequest('video_0', 0, { routing: { ...NO_ROUTING, only: ['dear'] }, seen });
    const failing = (...kinds: readonly FailureKind[]) =>
      shown(run([blocks, pastRequest('video_1', 0, { seen: kinds.map((kind) => failed({ kind })) })], impatient))[1];
    // Ten seconds each at `cheap`; then only `dear` is left, whose slot is taken for long.
    expect(failing('generation_failed')).toEqual(['queue_timeout', 0, 70]);
    // No provider had taken it: its time runs from the request on.
    expect(failing('unavailable', 'unavailable', 'unavailable')).toEqual(['queue_timeout', 0, 60]);
    // From its last failure on.
    expect(failing('unavailable', 'concurrency_limited', 'generation_failed')).toEqual(['queue_timeout', 0, 90]);
  });

  it('gives nobody more than six hours', () => {
    const patient = replayTerms({ askerOf: () => replayAsker({ queueTimeoutMs: 5 * 3_600_000 }) }, { dear: 1 });
    const seen = [{ account: 'dear', model: 'kling-v3', kind: null, seconds: 90_000, charged: 'free' }] as const;
    const blocks = pastRequest('video_0', 0, { routing: { ...NO_ROUTING, only: ['dear'] }, seen });
    const late = pastRequest('video_1', 0, { seen: [failed({ seconds: 2 * 3_600 })] });
    expect(shown(run([blocks, late], patient))[1]).toEqual(['provider_timeout', 0, 6 * 3_600]);
  });

  it('shares a lane fairly, oldest first within a tenant, and holds a tenant to its own limit', () => {
    const of = (tenant: string, id: string, after: number) => pastRequest(id, after, { tenant });
    const crowd = ['a1', 'a2', 'a3'].map((id, index) => of('a', id, index));
    const one = under({ only: ['cheap'] }, { laneOf: () => ({ lane: 'cheap', slots: 2 }) });
    // Two of `a` run; when one ends, `a` has money in flight and `b` none, so `b` comes before the older `a3`.
    expect(shown(run([...crowd, of('b', 'b1', 3)], one)).map(([, wait]) => wait)).toEqual([0, 0, 99, 97]);
    const limited = { ...one, askerOf: () => replayAsker({ policy: { only: ['cheap'] }, concurrency: 1 }) };
    expect(shown(run([...crowd, of('b', 'b1', 3)], limited)).map(([, wait]) => wait)).toEqual([0, 99, 198, 0]);
  });

  it('gives the slot of one that failed to those that wait, the next one by age again, and starts whom a tenant’s own limit held back elsewhere', () => {
    const again = [failed({ kind: 'unavailable' })];
    const line = ['x', 'a', 'b', 'c'].map((id, index) => pastRequest(id, index, id === 'a' ? { seen: again } : {}));
    const one = under({ only: ['cheap'] }, { laneOf: () => ({ lane: 'cheap', slots: 1 }) });
    // At 100 s `a` begins, at 110 s it fails: `b` until 210 s; then `a` is the oldest, until 310 s; then `c`.
    expect(shown(run(line, one)).map(([, , done]) => done)).toEqual([100, 309, 208, 407]);

    const limited = replayTerms({ askerOf: () => replayAsker({ concurrency: 1 }) });
    const elsewhere = pastRequest('video_2', 1, { routing: { ...NO_ROUTING, only: ['dear'] } });
    expect(shown(run([pastRequest('video_1', 0), elsewhere], limited))).toEqual([
      ['cheap', 0, 100],
      ['dear', 99, 199],
    ]);
  });

  it('prices what follows its source video by the length that was delivered', () => {
    const past = pastRequest('video_1', 0, { lengthMs: 4_000 });
    const requests = past.requests.map((request) => ({ ...request, seconds: null }));
    expect(run([{ ...past, requests }])[0]).toMatchObject({ code: 'no_provider_available' });
    const motion = {
      task: 'motion_control',
      seconds: null,
      video: { media: { kind: 'url', url: 'u' }, use: 'motion' },
    } as const;
    const card = cardOf({
      provider: 'cheap',
      limits: { min_seconds: 1, max_seconds: 30 },
      rates: [rate({ tasks: ['motion_control'], usd_per_second: 0.1 })],
    });
    const takes = { video: 'motion' } as const;
    const sold = {
      task: 'motion_control',
      resolutions: ['720p'],
      sound: 'never',
      takes,
      model: 'kling-v3',
      upstream: 'm',
    } as const;
    const terms = replayTerms({
      sellers: [replaySeller('cheap', { capabilities: [sold] })],
      cards: { all: [card], inForce: () => card, ofProvider: () => card },
    });
    const dancing = past.requests.map((request) => ({ ...request, ...motion }));
    expect(run([{ ...past, requests: dancing }], terms)[0]).toMatchObject({ priceMicros: usd(0.4) });
    expect(run([{ ...past, requests: dancing, lengthMs: null }], terms)[0]).toMatchObject({ priceMicros: usd(3) });
  });
});

describe('any replay', () => {
  const arrivals = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 90 }), tenant: fc.constantFrom('a', 'b') }), {
    minLength: 1,
    maxLength: 60,
  });
  const traffic = (gaps: readonly { gap: number; tenant: string }[]): PastRequest[] => {
    let after = 0;
    return gaps.map(({ gap, tenant }, index) => {
      after += gap;
      return pastRequest(`video_${String(index).padStart(3, '0')}`, after, { tenant });
    });
  };
  const shaky = (seed: number): Partial<ReplayTerms> => ({
    seed,
    measured: new Map([
      ['cheap kling-v3', { seconds: [30, 60, 90, 400], good: 30, bad: 30 }],
      ['dear kling-v3', { seconds: [20, 50], good: 90, bad: 10 }],
    ]),
  });

  it('of the same inputs gives the same bytes, however they are ordered and however it is driven', () => {
    fc.assert(
      fc.property(arrivals, fc.nat(), (gaps, seed) => {
        const past = traffic(gaps);
        const bytes = (outcomes: readonly Outcome[]) =>
          JSON.stringify(showSums({ tally: tally(outcomes), units: null })) + JSON.stringify(shown(outcomes));
        const first = bytes(run(past, replayTerms(shaky(seed))));
        expect(bytes(run([...past].reverse(), replayTerms(shaky(seed))))).toBe(first);
        const driven = replaying(past, replayTerms(shaky(seed)));
        let step = driven.next();
        for (; !step.done; step = driven.next()) expect(step.value).toBeLessThanOrEqual(past.length);
        expect(bytes(step.value.outcomes)).toBe(first);
      }),
    );
  });

  it('loses nobody, and every attempt is somebody’s', () => {
    fc.assert(
      fc.property(arrivals, fc.nat(), (gaps, seed) => {
        const past = traffic(gaps);
        const sums = tally(run(past, replayTerms({ ...shaky(seed) }, { cheap: 1, dear: 1 })));
        expect(sums.completed + sums.failed).toBe(past.length);
        const failures = sums.failures.reduce((sum, [, count]) => sum + count, 0);
        expect(failures).toBe(sums.failed);
        const made = sums.providers.reduce((sum, { clips, failedAttempts }) => sum + clips + failedAttempts, 0);
        expect(made).toBe(sums.attempts);
        const money = sums.providers.reduce((sum, { costMicros }) => sum + costMicros, 0n);
        expect(money + sums.failureMicros).toBe(sums.costMicros);
      }),
    );
  });

  it('with more slots never waits longer in total', () => {
    // One lane, one tenant, no second attempts: with those a shorter wait may send a job into a worse moment elsewhere.
    const waited = (past: readonly PastRequest[], slots: number, seed: number) => {
      const patient = {
        ...replayAsker({ policy: { only: ['cheap'], fallback: 'none' } }),
        queueTimeoutMs: 30 * DAY_MS,
      };
      const terms = { ...replayTerms({ ...shaky(seed), askerOf: () => patient }, { cheap: slots }) };
      return run(past, terms).reduce((sum, { waitMs }) => sum + waitMs, 0);
    };
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 6 }), fc.nat(), (gaps, slots, seed) => {
        const past = traffic(gaps).map((one) => ({ ...one, tenant: 'a' }));
        expect(waited(past, slots + 1, seed)).toBeLessThanOrEqual(waited(past, slots, seed));
      }),
    );
    expect(waited(burst(20), 1, 1)).toBeGreaterThan(waited(burst(20), 2, 1));
  });

  it('under a policy of one provider costs what its card asks for each clip, reckoned apart', () => {
    const lengths = fc.array(fc.integer({ min: 3, max: 15 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(lengths, fc.constantFrom('cheap', 'dear'), fc.constantFrom('0', '12.5'), (seconds, only, markup) => {
        const past = seconds.map((length, index) => {
          const one = pastRequest(`video_${index}`, index * 1_000);
          return { ...one, requests: one.requests.map((request) => ({ ...request, seconds: length })) };
        });
        const terms = replayTerms({ askerOf: () => replayAsker({ policy: { only: [only] }, markupPercent: markup }) });
        const each = seconds.map((length) => times(ratio(only === 'cheap' ? '0.1' : '0.12'), ratio(length)));
        const factor = ratio(markup === '0' ? '1' : '1.125');
        const sums = tally(run(past, terms));
        expect(sums.costMicros).toBe(each.reduce((sum, dollars) => sum + ceilToMicros(dollars), 0n));
        expect(sums.priceMicros).toBe(each.reduce((sum, dollars) => sum + ceilToMicros(times(dollars, factor)), 0n));
      }),
    );
  });
});

describe('the chance of a replay', () => {
  it('depends on the seed and the job, not on the rest', () => {
    const offer = { account: 'cheap', model: 'kling-v3' };
    const fates = (seed: number) =>
      Array.from({ length: 4_000 }, (_, index) => {
        const measured = { seconds: [1, 2, 3, 4], good: 67, bad: 33 };
        return drawFate({ seed, jobId: `video_${index}`, offer, earlier: 0, measured, charged: 'free' });
      });
    const first = fates(1);
    expect(first).toEqual(fates(1));
    expect(first).not.toEqual(fates(2));
    // 67 of 100 are good, give or take three standard deviations of 0.0074.
    const good = first.filter(({ kind }) => kind === null).length / first.length;
    expect(Math.abs(good - 0.67)).toBeLessThan(0.0223);
    const mean = first.reduce((sum, { seconds }) => sum + seconds, 0) / first.length;
    expect(Math.abs(mean - 2.5)).toBeLessThan(0.06);
    expect(fractionOf('a')).not.toBe(fractionOf('b'));
  });

  it('is measured by offer: the median of good takes, and no failure that a tenant brought itself', () => {
    const attempt = (change: object) => ({ ...failed(), kind: null, ...change });
    const measured = measure([
      ...[30, 10, 20, 40].map((seconds) => attempt({ seconds })),
      attempt({ kind: 'generation_failed' }),
      attempt({ kind: 'content_rejected' }),
      attempt({ account: 'dear', seconds: 7 }),
    ]);
    const cheap = measured.get('cheap kling-v3');
    expect(cheap).toEqual({ seconds: [10, 20, 30, 40], good: 4, bad: 1 });
    expect(cheap && medianSeconds(cheap)).toBe(20);
    // Failures are drawn as observed, among at least twenty takes; where none was seen none is made up.
    const share = (good: number, bad: number) => failureShareOf({ seconds: [], good, bad });
    expect([share(0, 0), share(3, 0), share(4, 1), share(50, 50)]).toEqual([0, 0, 0.05, 0.5]);
  });
});

it('a success rate is learned as the replay goes: half of what was seen an hour ago counts', () => {
  const rates = new SuccessRates();
  expect(rates.of('cheap kling-v3', 0)).toBe(0.95);
  for (let take = 0; take < 4; take += 1) rates.note('cheap kling-v3', null, 0);
  expect(rates.of('cheap kling-v3', 0)).toBe(23 / 24);
  expect(rates.of('cheap kling-v3', 3_600_000)).toBe(21 / 22);
  rates.note('cheap kling-v3', 'generation_failed', 3_600_000);
  rates.note('cheap kling-v3', 'content_rejected', 3_600_000);
  expect(rates.of('cheap kling-v3', 3_600_000)).toBe(21 / 23);
  expect(rates.of('dear kling-v3', 3_600_000)).toBe(0.95);
});

describe('packs in a replay', () => {
  const terms = replayTerms({ sellers: [replaySeller('units', { packageId: 'trial' })] });
  const [trial] = cardOf({ packages: PACKAGES }).packages;
  const unitsOf = (count: number) => BigInt(count) * 1_000_000_000n;

  it('are drawn on by what is delivered, at the price of their units', () => {
    const { draws, outcomes } = replay(burst(2), terms);
    expect(outcomes.map(({ costMicros }) => costMicros)).toEqual([usd(0.294), usd(0.294)]);
    const drawn = { account: 'units', units: unitsOf(3), lapsing: 0n };
    expect(draws).toEqual([100, 101].map((after) => ({ ...drawn, atMs: MADE_AT_MS + after * 1_000 })));
  });

  it('are burned where they would lapse, each unit once, at the price of the cheapest other', () => {
    const lasting = { id: 'pack', units: unitsOf(6), boughtAtMs: MADE_AT_MS - 9 * DAY_MS };
    const dearUnits = replaySeller('units', { unitPrice: ratio('0.18') });
    const known = replayTerms({ sellers: [replaySeller('cheap'), dearUnits] });
    const at = (expiresAtMs: number, firstClipAtMs: number | null = MADE_AT_MS - 5 * DAY_MS) => {
      const shelves = new Map([['units', { packs: [{ ...lasting, expiresAtMs }], draws: [] }]]);
      return replay(burst(3), { ...known, packs: { shelves, firstClipAtMs } });
    };
    const { outcomes, draws } = at(MADE_AT_MS + DAY_MS);
    expect(outcomes.map(({ provider, priceMicros }) => [provider, priceMicros])).toEqual([
      ['units', usd(0.5)],
      ['units', usd(0.5)],
      ['cheap', usd(0.5)],
    ]);
    expect(draws.map(({ lapsing }) => lapsing)).toEqual([unitsOf(3), unitsOf(3)]);
    // A take lasts 100 s, and units are taken at its end: a pack that lapses before that gives nothing away.
    expect(at(MADE_AT_MS + 100_000).outcomes.map(({ provider }) => provider)).toEqual(['cheap', 'cheap', 'cheap']);
    // Without a day of traffic, or with none left, every unit costs its price.
    const cheap = ['cheap', 'cheap', 'cheap'];
    expect(at(MADE_AT_MS + DAY_MS, null).outcomes.map(({ provider }) => provider)).toEqual(cheap);
    expect(at(MADE_AT_MS - 1).outcomes.map(({ provider }) => provider)).toEqual(cheap);
  });

  it('are bought as they are needed, and what is left in them lapses', () => {
    if (!trial) throw new Error('there is a trial');
    const draws = [0, 1, 40].map((day) => ({ atMs: MADE_AT_MS + day * DAY_MS, units: unitsOf(60) }));
    const packs = packsAsNeeded(trial, draws);
    // 100 units for 120 in the first two days: two packs; both have lapsed when the third draw comes.
    expect(packs.map(({ boughtAtMs }) => (boughtAtMs - MADE_AT_MS) / DAY_MS)).toEqual([0, 1, 40]);
    const sums = tallyUnits([{ packs, draws }], MADE_AT_MS, MADE_AT_MS + 41 * DAY_MS);
    expect(sums).toMatchObject({ packs: 3, drawn: unitsOf(180), expired: unitsOf(80), left: unitsOf(40) });
    expect(sums?.expiredMicros).toBe(usd(80 * 0.098));
    expect(tallyUnits([{ packs: [], draws }], MADE_AT_MS, MADE_AT_MS + DAY_MS)).toBeNull();
  });
});

it('the difference is what is replayed less what happened', () => {
  const sums = (policy: TenantPolicy) => ({ tally: tally(run(burst(2), under(policy))), units: null });
  expect(differenceOf(sums({}), sums({ only: ['dear'] }))).toMatchObject({
    price_usd: 0.2,
    cost_usd: 0.2,
    completed: 0,
    wait_seconds: { p50: 0, p95: 0 },
    clips: { cheap: -2, dear: 2 },
    units_expired: 0,
  });
});
