/** What attempts say of the account they went to: read from rows, the same before and after a restart. */
import { describe, expect, it } from 'vitest';
import {
  Facts,
  lastAnswerOf,
  mayRepeat,
  nextOverdueAtMs,
  offerRefusalOf,
  outcomesOf,
  refusalsOf,
  shutOf,
} from '../../src/jobs/facts.ts';
import type { AttemptFact } from '../../src/jobs/outlook-rows.ts';
import { healthOf, spellOf } from '../../src/routing/health.ts';

let made = 0;
const fact = (second: number, change: Partial<AttemptFact> = {}): AttemptFact => {
  made += 1;
  const at = second * 1_000;
  const offer = { account: 'a', model: 'm', upstream: 'u', lane: 'a' };
  const times = { createdAtMs: at, sendByMs: at + 5_000, acceptedAtMs: null, endedAtMs: at };
  const calm = { readFailures: 0, troubledAtMs: null, lostAtMs: null };
  const names = { id: `att_${made}`, jobId: `job_${made}`, ...offer };
  return { ...names, state: 'failed', failureKind: null, ...times, ...calm, ...change };
};
const failed = (second: number, failureKind: string, change: Partial<AttemptFact> = {}): AttemptFact =>
  fact(second, { failureKind, ...change });
const accepted = (second: number): AttemptFact =>
  fact(second, { state: 'running', acceptedAtMs: second * 1_000, endedAtMs: null });

describe('an attempt', () => {
  it.each([
    [fact(1, { state: 'submitting', endedAtMs: null }), []],
    [fact(1, { state: 'in_doubt', endedAtMs: null, troubledAtMs: 1_000 }), ['doubt']],
    // Our own process ended before its answer: no word about the provider.
    [fact(1, { state: 'in_doubt', endedAtMs: null }), []],
    // Given up for another candidate, sent again, or found: its answer was lost all the same.
    [failed(1, 'generation_failed', { troubledAtMs: 1_000, endedAtMs: 3_000 }), ['doubt', 'spoiled']],
    [fact(1, { state: 'submitting', endedAtMs: null, troubledAtMs: 1_000 }), ['doubt']],
    [fact(1, { state: 'running', acceptedAtMs: 3_000, endedAtMs: null, troubledAtMs: 2_000 }), ['doubt', 'accepted']],
    [accepted(1), ['accepted']],
    [fact(1, { state: 'succeeded', acceptedAtMs: 1_000, endedAtMs: 9_000 }), ['accepted', 'made']],
    [failed(1, 'generation_failed', { acceptedAtMs: 1_000, endedAtMs: 9_000 }), ['accepted', 'spoiled']],
    [failed(1, 'unavailable'), ['failed']],
    [failed(1, 'invalid_request'), []],
    [failed(1, 'content_rejected'), []],
    [failed(1, 'concurrency_limited'), []],
    [failed(1, 'rate_limited'), []],
    [fact(1, { state: 'cancelled' }), []],
    [{ ...accepted(1), readFailures: 2, troubledAtMs: 5_000 }, ['accepted', 'failed', 'failed']],
    [{ ...accepted(1), readFailures: 99, troubledAtMs: 5_000 }, ['accepted', ...Array(5).fill('failed')]],
    [{ ...accepted(1), readFailures: 0, troubledAtMs: 5_000 }, ['accepted']],
    [fact(1, { state: 'succeeded', acceptedAtMs: 1_000, endedAtMs: 3_000, troubledAtMs: 2_000 }), ['accepted', 'made']],
    // Lost, found, and then in trouble with its reads, or with its video: it was lost all the same.
    [{ ...accepted(3), readFailures: 1, troubledAtMs: 5_000, lostAtMs: 2_000 }, ['doubt', 'accepted', 'failed']],
    [{ ...accepted(3), readFailures: 0, troubledAtMs: 5_000, lostAtMs: 2_000 }, ['doubt', 'accepted']],
    // What failed before there was a task were no reads of it.
    [fact(1, { state: 'in_doubt', endedAtMs: null, troubledAtMs: 2_000, readFailures: 5 }), ['doubt']],
    [{ ...accepted(3), readFailures: 5, troubledAtMs: 2_000 }, ['doubt', 'accepted']],
    [
      fact(1, { state: 'succeeded', acceptedAtMs: 1_000, endedAtMs: 3_000, troubledAtMs: 9_000 }),
      ['accepted', 'spoiled'],
    ],
  ])('%j says %j: what a tenant asked wrongly says nothing', (each, kinds) => {
    expect(outcomesOf([each], { sinceMs: 0, nowMs: 9_000 }).map(({ kind }) => kind)).toEqual(kinds);
    expect(outcomesOf([each], { sinceMs: 10_000, nowMs: 9_000 })).toEqual([]);
  });

  it('without an answer for ten seconds counts as a lost one from then on, until its answer is there', () => {
    const waiting = fact(1, { state: 'submitting', endedAtMs: null });
    const seen = (each: AttemptFact, second: number) => outcomesOf([each], { sinceMs: 0, nowMs: second * 1_000 });
    const doubt = { atMs: 11_000, madeAtMs: 1_000, kind: 'doubt' };
    expect([seen(waiting, 10), seen(waiting, 11), seen(waiting, 99)]).toEqual([[], [doubt], [doubt]]);
    expect([nextOverdueAtMs([waiting], 10_000), nextOverdueAtMs([waiting], 11_000)]).toEqual([11_000, Infinity]);
    // Its date is the same when it is given up; one that is lost sooner is dated when that was written down.
    const lost = (second: number) => ({ ...waiting, state: 'in_doubt', troubledAtMs: second * 1_000 });
    expect([seen(lost(31), 40), seen(lost(2), 40)]).toEqual([[doubt], [{ ...doubt, atMs: 2_000 }]]);
    const taken = { ...waiting, state: 'running', acceptedAtMs: 20_000 };
    expect(seen(taken, 40)).toEqual([{ atMs: 20_000, madeAtMs: 1_000, kind: 'accepted' }]);
  });

  it('whose answer was lost once opens no circuit, however often nobody can tell of it; five lost ones do for good', () => {
    const circuit = (facts: readonly AttemptFact[], second: number) => {
      const [nowMs, terms] = [second * 1_000, { openMs: 30_000, name: 'a/m' }];
      const outcomes = outcomesOf(facts, { sinceMs: 0, nowMs });
      return [healthOf(outcomes, { ...terms, nowMs }).circuit, spellOf(outcomes, terms)?.openedAtMs ?? null];
    };
    const lost = (change: Partial<AttemptFact> = {}) =>
      fact(1, { state: 'in_doubt', endedAtMs: null, troubledAtMs: 3_000, ...change });
    for (const readFailures of [0, 1, 5, 9]) expect(circuit([lost({ readFailures })], 4_000)).toEqual(['closed', null]);
    const five = (change: Partial<AttemptFact> = {}) => Array.from({ length: 5 }, () => lost(change));
    const found = { state: 'running', acceptedAtMs: 20_000, lostAtMs: 3_000 };
    const readAgain = { ...found, troubledAtMs: 40_000 };
    for (const later of [{}, found, readAgain, { ...readAgain, readFailures: 1 }]) {
      expect(circuit(five(later), 50)).toEqual(['half_open', 3_000]);
    }
  });

  it('that was refused for certain can have made no task, and one that failed later can', () => {
    const [refused] = outcomesOf([failed(1, 'unavailable')], { sinceMs: 0, nowMs: 9_000 });
    const [, later] = outcomesOf([failed(1, 'unavailable', { acceptedAtMs: 500 })], { sinceMs: 0, nowMs: 9_000 });
    expect([refused?.certain, later?.kind, later?.certain]).toEqual([true, 'failed', undefined]);
  });

  it('shows when its account answered last: with a task, with its end, or with a read after one that failed', () => {
    expect(lastAnswerOf([failed(9, 'unavailable'), fact(9, { state: 'in_doubt', troubledAtMs: 9_000 })])).toBeNull();
    const running = accepted(2);
    const read = { ...running, troubledAtMs: 7_000 };
    const facts = [
      [accepted(2), 2],
      [{ ...running, state: 'succeeded', endedAtMs: 6_000 }, 6],
      [read, 7],
      [{ ...read, readFailures: 3 }, 2],
    ] as const;
    for (const [each, second] of facts) expect(lastAnswerOf([accepted(1), each])).toBe(second * 1_000);
  });

  it('that is read again replaces itself, and only what has changed is looked at again', () => {
    const facts = new Facts();
    const before = accepted(1);
    facts.note([before], 0);
    facts.changed.clear();
    facts.note([before], 0);
    expect([...facts.changed]).toEqual([]);
    facts.note([{ ...before, state: 'succeeded', endedAtMs: 2_000 }], 0);
    expect([...facts.changed]).toEqual(['a/m']);
    const outcomes = outcomesOf(facts.of('a/m'), { sinceMs: 0, nowMs: 9_000 });
    expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'made']);
  });
});

describe('a limit of running tasks', () => {
  it('was met by each refusal for it, and by each refusal for the rate past the third repeat of one job', () => {
    const limited = Array.from({ length: 5 }, (_, index) => failed(index, 'rate_limited', { jobId: 'job_x' }));
    expect(refusalsOf(limited, 'a')).toEqual([3_000, 4_000]);
    const others = [failed(1, 'rate_limited'), failed(2, 'concurrency_limited'), failed(3, 'unavailable')];
    expect(refusalsOf(others, 'a')).toEqual([2_000]);
    expect(refusalsOf(others, 'b')).toEqual([]);
  });
});

describe('money and key', () => {
  const since = { healthMs: 0, keyMs: 0 };
  it('shut an account until something is accepted there, or a person or a restart says otherwise', () => {
    const poor = [failed(5, 'out_of_credit')];
    expect(shutOf(poor, since)).toEqual({ kind: 'out_of_credit', atMs: 5_000 });
    expect(shutOf([...poor, accepted(6)], since)).toBeNull();
    expect(shutOf([...poor, accepted(4)], since)).not.toBeNull();
    expect(shutOf(poor, { ...since, healthMs: 6_000 })).toBeNull();
    expect(shutOf(poor, { ...since, keyMs: 6_000 })).not.toBeNull();
    const locked = [failed(5, 'unauthorized')];
    expect(shutOf(locked, since)).toEqual({ kind: 'unauthorized', atMs: 5_000 });
    expect(shutOf(locked, { ...since, keyMs: 6_000 })).toBeNull();
  });

  it('an offer that the provider does not know is left out alone, until it takes one', () => {
    const refused = [failed(5, 'offer_refused')];
    expect(offerRefusalOf(refused, 'u', 0)).toBe(5_000);
    expect(offerRefusalOf(refused, 'other', 0)).toBeNull();
    expect(offerRefusalOf([...refused, accepted(6)], 'u', 0)).toBeNull();
  });
});

describe('repeats of submissions', () => {
  it('are at most a tenth of a minute’s submissions, but three in any case', () => {
    const now = 60_000;
    const repeats = (count: number) => [
      failed(1, 'unavailable', { jobId: 'job_r' }),
      ...Array.from({ length: count }, () => failed(2, 'unavailable', { jobId: 'job_r' })),
    ];
    expect(mayRepeat(repeats(2), now)).toBe(true);
    expect(mayRepeat(repeats(3), now)).toBe(false);
    expect(mayRepeat([...repeats(3), ...Array.from({ length: 40 }, () => accepted(3))], now)).toBe(true);
    expect(mayRepeat(repeats(3), now + 60_000)).toBe(true);
  });
});
