/** Who was given which slot, and against whom: the numbers that are kept with an attempt. */
import { describe, expect, it } from 'vitest';
import { micros, usd } from '../../src/ground/money.ts';
import { showChoice, weigh, writeChoice } from '../../src/routing/explain.ts';
import { linesOf, planQueue } from '../../src/routing/fair.ts';
import { combinePolicy, NO_ROUTING } from '../../src/routing/policy.ts';
import { decide } from '../../src/routing/route.ts';
import { type Conditions, idleConditions } from '../../src/routing/score.ts';
import type { InFlight, LaneOption, Waiter } from '../../src/routing/waiter.ts';
import { offer } from '../support/rows.ts';

const option = (name: string, cents: number): LaneOption => ({
  ...{ provider: name, account: name, model: 'm', upstream: 'u', lane: name, offer: `${name}/m` },
  ...{ costMicros: usd(cents / 100), priceMicros: usd(cents / 100), failed: 'free', units: 0n, again: false },
});
const choosing = decide({
  offers: [offer('cheap', 1)],
  policy: combinePolicy({}, NO_ROUTING, null),
  conditionsOf: () => idleConditions(1),
}).choosing;
const idle: InFlight = { tasks: 0, micros: micros(0n), tasksMax: null };

describe('a choice', () => {
  it('tells why a clip was made elsewhere than where it was admitted for: what waiting there had come to', () => {
    const waiters = [1, 2].map(
      (number): Waiter => ({
        ...{ jobId: `job${number}`, tenantId: 't', createdAtMs: number, untilMs: 1_800_000, holdMicros: usd(1) },
        ...{ options: [option('cheap', 35), option('dear', 40)], choosing },
      }),
    );
    const { grants } = planQueue({
      nowMs: 0,
      lines: linesOf(waiters),
      lanes: [option('cheap', 35), option('dear', 40)],
      laneOf: () => ({ slots: 1, taken: 0 }),
      inFlightOf: () => idle,
      conditionsOf: () => idleConditions(0),
    });
    const told = grants.map(({ waiter, weighed }) => [waiter.jobId, showChoice(writeChoice(weighed))]);
    const wait = 0.063158;
    expect(told).toEqual([
      [
        'job1',
        [
          {
            ...named('cheap'),
            price_usd: 0.35,
            score: { total: 0.413158, cost: 0.35, failures: 0, wait },
            chosen: true,
          },
          { ...named('dear'), price_usd: 0.4, score: { total: 0.463158, cost: 0.4, failures: 0, wait }, chosen: false },
        ],
      ],
      [
        'job2',
        [
          { ...named('dear'), price_usd: 0.4, score: { total: 0.463158, cost: 0.4, failures: 0, wait }, chosen: true },
          // Two minutes for the first one's slot, at $1.80 an hour.
          {
            ...{ ...named('cheap'), price_usd: 0.35, chosen: false },
            score: { total: 0.473158, cost: 0.35, failures: 0, wait: 0.123158 },
          },
        ],
      ],
    ]);
  });

  it('names what keeps the others out, behind those that only a score kept out', () => {
    const options = [option('isolated', 1), option('sick', 2), option('slow', 3), option('taken', 4)];
    const states: Record<string, Partial<Conditions>> = {
      isolated: { blocked: 'isolated by the operator' },
      sick: { unhealthy: 'circuit open' },
      slow: { generationSeconds: 900 },
    };
    const conditionsOf = ({ account }: LaneOption): Conditions => ({ ...idleConditions(1), ...states[account] });
    const [, , , taken] = options;
    const weighed = weigh(options, choosing, conditionsOf, taken ?? expect.fail('there are four'));
    expect(weighed.map(({ account, chosen, reason }) => [account, chosen, reason])).toEqual([
      ['taken', true, null],
      ['slow', false, null],
      ['isolated', false, 'isolated by the operator'],
      ['sick', false, 'circuit open'],
    ]);
  });

  it('of before it was kept is none', () => {
    expect(showChoice(null)).toBeNull();
    expect(() => showChoice('[{"provider":"a"}]')).toThrow();
  });
});

function named(name: string) {
  return { provider: name, account: name, model: 'm', reason: null };
}
