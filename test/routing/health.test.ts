/**
 * A provider that is down for a minute: its circuit opens after the documented number of failures, jobs go where their
 * direction lets them, and it comes back by itself. The fold is a function of what happened: shown as timelines.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { believedSlots } from '../../src/routing/capacity.ts';
import { circuitReason, type Health, healthOf, type Outcome, shutReason, spellOf } from '../../src/routing/health.ts';
import { combinePolicy, NO_ROUTING } from '../../src/routing/policy.ts';
import { decide } from '../../src/routing/route.ts';
import { idleConditions } from '../../src/routing/score.ts';
import { offer } from '../support/rows.ts';

const NOON = Date.UTC(2026, 10, 21, 12);
const at = (second: number): number => NOON + second * 1_000;
const terms = (second: number) => ({ nowMs: at(second), openMs: 30_000, name: 'a/m' });
const outcome = (second: number, kind: Outcome['kind'], madeAt = second): Outcome => {
  return { atMs: at(second), madeAtMs: at(madeAt), kind };
};
const health = (outcomes: readonly Outcome[], second: number): Health => healthOf(outcomes, terms(second));
const failures = (count: number, from = 0): Outcome[] =>
  Array.from({ length: count }, (_, index) => outcome(from + index, 'failed'));

describe('a circuit', () => {
  it('is closed while nothing is known, and believes nineteen of twenty', () => {
    const circuit = {
      circuit: 'closed',
      openUntilMs: null,
      openedAtMs: null,
      timesOpened: 0,
      taken: false,
      certain: false,
    };
    expect(health([], 0)).toEqual({ ...circuit, successRate: 0.95, recentFailures: 0 });
  });

  it('opens at the fifth failure in a row, not at the fourth, and not when one went well between', () => {
    expect(health(failures(4), 4).circuit).toBe('closed');
    expect(health(failures(5), 5).circuit).toBe('open');
    expect(health([...failures(4), outcome(4, 'accepted'), ...failures(4, 5)], 9).circuit).toBe('closed');
  });

  it('counts a lost answer whole in a row, half among many, and a clip that came out badly not at all', () => {
    const doubts = (count: number) => Array.from({ length: count }, (_, index) => outcome(index, 'doubt'));
    expect(health(doubts(4), 10).circuit).toBe('closed');
    expect(health(doubts(5), 10).circuit).toBe('open');
    expect(health(doubts(4), 4).successRate).toBeCloseTo(19 / 22, 3);
    const mixed = (share: number, kind: Outcome['kind']) =>
      Array.from({ length: 20 }, (_, index) => outcome(index, index % share === 0 ? 'accepted' : kind));
    expect(health(mixed(2, 'failed'), 20).circuit).toBe('open');
    expect([health(mixed(2, 'doubt'), 20).circuit, health(mixed(4, 'doubt'), 20).circuit]).toEqual([
      'closed',
      'closed',
    ]);
    const spoiled = Array.from({ length: 50 }, (_, index) => outcome(index, 'spoiled'));
    expect(health(spoiled, 50)).toMatchObject({ circuit: 'closed', recentFailures: 50 });
    expect(health(spoiled, 50).successRate).toBeLessThan(0.3);
  });

  it('opens when half of twenty outcomes of a minute are bad, however they are mixed', () => {
    const mixed = (count: number, apart: number) =>
      Array.from({ length: count }, (_, index) => outcome(index * apart, index % 2 === 0 ? 'accepted' : 'failed'));
    expect(health(mixed(19, 2), 40).circuit).toBe('closed');
    expect(health(mixed(20, 2), 40).circuit).toBe('open');
    // The same ones, but never twenty within a minute.
    expect(health(mixed(40, 4), 160).circuit).toBe('closed');
  });

  it('stays open for 30 s, and then for 60 s each time; it knows how often it opened, and what was taken since', () => {
    const first = health(failures(5), 5).openUntilMs ?? 0;
    expect(Math.abs(first - at(4) - 30_000)).toBeLessThanOrEqual(3_000);
    const probe = outcome(40, 'failed');
    const second = health([...failures(5), probe], 41);
    expect(second).toMatchObject({ circuit: 'open', timesOpened: 2 });
    expect((second.openUntilMs ?? 0) - at(40)).toBeGreaterThanOrEqual(54_000);
    const many = [...failures(5), ...[40, 110, 180].map((second) => outcome(second, 'failed'))];
    expect((health(many.slice(0, -1), 111).openUntilMs ?? 0) - at(110)).toBeLessThanOrEqual(60_000);
    expect(health(many, 239)).toMatchObject({ circuit: 'open', timesOpened: 4, taken: false });
    expect(health(many, 240)).toMatchObject({ circuit: 'half_open', timesOpened: 4, taken: false });
    // A job that had nowhere else to go was taken, or one that was made before it opened.
    expect(health([...many, outcome(200, 'accepted', 199)], 241)).toMatchObject({ circuit: 'half_open', taken: true });
    expect(health([...many, outcome(200, 'accepted', 170)], 241)).toMatchObject({ circuit: 'half_open', taken: false });
    const other = healthOf(failures(5), { ...terms(5), name: 'b/m' }).openUntilMs;
    expect(other).not.toBe(first);
  });

  it('half opens by itself, and closes after two probes that went well; one that fails opens it again', () => {
    const down = failures(5);
    expect(health(down, 33 + 5).circuit).toBe('half_open');
    expect(health([...down, outcome(40, 'accepted')], 41).circuit).toBe('half_open');
    const healed = [...down, outcome(40, 'accepted'), outcome(42, 'accepted')];
    expect(health(healed, 43)).toMatchObject({ circuit: 'closed', timesOpened: 0 });
    expect(health([...down, outcome(40, 'accepted'), outcome(42, 'failed')], 43)).toMatchObject({ circuit: 'open' });
  });

  it('takes only what was sent after it half opened for a probe', () => {
    const late = [...failures(5), outcome(40, 'accepted', 3), outcome(41, 'accepted', 3), outcome(42, 'failed', 4)];
    expect(health(late, 43)).toMatchObject({ circuit: 'half_open', timesOpened: 1 });
  });

  it('is in one spell from its first opening until it closes, with the failures that opened it', () => {
    const spell = (outcomes: readonly Outcome[]) => spellOf(outcomes, terms(0));
    expect(spell(failures(4))).toBeNull();
    const first = { openedAtMs: at(4), failures: 5, untilMs: health(failures(5), 5).openUntilMs };
    const down = [...failures(5), outcome(40, 'failed'), outcome(110, 'accepted')];
    expect([spell(failures(5)), spell(down)]).toEqual([first, first]);
    expect(spell([...down, outcome(111, 'accepted')])).toBeNull();
    const mixed = Array.from({ length: 20 }, (_, index) => outcome(index, index % 2 === 0 ? 'accepted' : 'failed'));
    expect(spell(mixed)).toMatchObject({ openedAtMs: at(19), failures: 10 });
    const doubts = Array.from({ length: 5 }, (_, index) => outcome(index, 'doubt'));
    expect(spell(doubts)).toMatchObject({ openedAtMs: at(4), failures: 5 });
  });

  it('knows when it opened last, and whether all of it was refusals of which no task can have come', () => {
    const refusals = failures(5).map((each) => ({ ...each, certain: true as const }));
    expect(health(refusals, 5)).toMatchObject({ openedAtMs: at(4), certain: true });
    expect(health([...refusals.slice(1), outcome(5, 'doubt')], 6)).toMatchObject({ openedAtMs: at(5), certain: false });
    expect(health([...refusals, outcome(40, 'doubt')], 41)).toMatchObject({ openedAtMs: at(40), certain: false });
  });

  it('says why, and lets one job through once it is half open', () => {
    expect(circuitReason(health([], 0), false, at(0))).toBeNull();
    expect(circuitReason(health(failures(5), 5), false, at(5))).toMatch(
      /^circuit open for another \d+ s after repeated/,
    );
    const halfOpen = health(failures(5), 40);
    expect(circuitReason(halfOpen, false, at(40))).toBeNull();
    expect(circuitReason(halfOpen, true, at(40))).toBe('circuit half open: one job tries it now');
  });
});

describe('a success rate', () => {
  it('is forgotten by halves each hour', () => {
    const bad = Array.from({ length: 20 }, () => outcome(0, 'spoiled'));
    expect(health(bad, 0).successRate).toBeCloseTo(19 / 40);
    expect(health(bad, 3_600).successRate).toBeCloseTo(19 / 30);
    expect(health(bad, 7_200).successRate).toBeCloseTo(19 / 25);
    expect(health(bad, 3_601).recentFailures).toBe(0);
  });

  it('rises with good takes, and acceptance alone is no take', () => {
    const made = Array.from({ length: 80 }, (_, index) => outcome(index / 100, 'made'));
    expect(health(made, 1).successRate).toBeCloseTo(99 / 100, 3);
    expect(health([outcome(0, 'accepted')], 1).successRate).toBe(0.95);
  });

  it('is in (0, 1] whatever happens, and the same for the same events', () => {
    const kinds = fc.constantFrom('accepted', 'made', 'spoiled', 'failed', 'doubt') as fc.Arbitrary<Outcome['kind']>;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5_000), kinds), { maxLength: 80 }), (events) => {
        const outcomes = events.sort(([a], [b]) => a - b).map(([second, kind]) => outcome(second, kind));
        const once = health(outcomes, 5_000);
        expect(once.successRate > 0 && once.successRate <= 1).toBe(true);
        expect(once.openUntilMs === null).toBe(once.circuit !== 'open');
        expect(health([...outcomes], 5_000)).toEqual(once);
      }),
    );
  });
});

describe('money, key and a person', () => {
  const well = { enabled: true, isolated: false, shut: null, offerRefusedAtMs: null };
  it.each([
    [{}, null],
    [{ enabled: false }, 'disabled by the operator'],
    [{ isolated: true }, 'isolated by the operator'],
    [{ offerRefusedAtMs: 1 }, 'isolated: the provider refused this offer as unknown or malformed'],
    [{ shut: { kind: 'unauthorized', atMs: 0 } }, 'circuit open: the provider refuses the key'],
    [{ shut: { kind: 'out_of_credit', atMs: at(-299) } }, 'circuit open: the provider account is out of credit'],
    [{ shut: { kind: 'out_of_credit', atMs: at(-300) } }, null],
  ] as const)('%j: %s', (change, reason) => {
    expect(shutReason({ ...well, ...change }, at(0))).toBe(reason);
  });
});

describe('a believed limit', () => {
  it('is one less for each refusal of the last minute, never below one, and recovers by itself', () => {
    expect(believedSlots(5, [], at(0))).toBe(5);
    expect(believedSlots(5, [at(0), at(1)], at(2))).toBe(3);
    expect(believedSlots(5, [at(0), at(1)], at(60))).toBe(4);
    expect(believedSlots(5, [at(0), at(1)], at(61))).toBe(5);
    expect(believedSlots(2, [at(0), at(0), at(0)], at(1))).toBe(1);
  });
});

describe('a provider that is down for a minute', () => {
  /** A job every two seconds; the cheap one fails each submission between 10 s and 70 s. */
  function minute(fallback: 'any' | 'cheaper') {
    const outcomes: Outcome[] = [];
    const log: { second: number; to: string; circuit: Health['circuit'] }[] = [];
    for (let second = 0; second < 240; second += 2) {
      const state = health(outcomes, second);
      const a = {
        ...idleConditions(9),
        ...{ successRate: state.successRate, recentFailures: state.recentFailures },
        unhealthy: circuitReason(state, false, at(second)),
      };
      const { route } = decide({
        offers: [offer('cheap', 1), offer('dear', 1.2), offer('middle', 1.1)],
        policy: combinePolicy({}, { ...NO_ROUTING, fallback }, null),
        conditionsOf: ({ provider }) => (provider === 'cheap' ? a : idleConditions(9)),
      });
      for (const { provider } of route) {
        log.push({ second, to: provider, circuit: state.circuit });
        const down = provider === 'cheap' && second >= 10 && second < 70;
        if (provider === 'cheap') outcomes.push(outcome(second, down ? 'failed' : 'accepted'));
        if (!down) break;
      }
    }
    return log;
  }

  it('gets five jobs and then only probes, until it is back; every job has somewhere to go', () => {
    const log = minute('any');
    const toCheap = log.filter(({ to }) => to === 'cheap').map(({ second }) => second);
    const failed = toCheap.filter((second) => second >= 10 && second < 70);
    expect(failed.slice(0, 5)).toEqual([10, 12, 14, 16, 18]);
    expect(failed.length).toBeLessThanOrEqual(5 + 3);
    const back = toCheap.find((second) => second >= 70) ?? Number.POSITIVE_INFINITY;
    expect(back).toBeLessThanOrEqual(130);
    expect(toCheap.filter((second) => second >= back)).toHaveLength((240 - back) / 2);
    expect(log.filter(({ to }) => to === 'dear')).toEqual([]);
    expect(new Set(log.map(({ second }) => second)).size).toBe(120);
    expect(log.findLast(({ to }) => to === 'cheap')?.circuit).toBe('closed');
  });

  it('under `cheaper` a job that was sent to it goes nowhere dearer; those that find it open start at the next', () => {
    const log = minute('cheaper');
    const failing = log.filter(({ second, to }) => to === 'cheap' && second >= 10 && second < 70);
    for (const { second } of failing) {
      expect(log.filter((entry) => entry.second === second && entry.to !== 'cheap')).toEqual([]);
    }
    expect(log.some(({ to }) => to === 'middle')).toBe(true);
  });
});
