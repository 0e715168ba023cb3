/** When a job may try a half-open circuit: only after a sign that the account answers, or when no money can be lost by it. */
import { describe, expect, it } from 'vitest';
import { type FreeRead, holdingOf, type Signs } from '../../src/routing/probe.ts';

const OPEN_MS = 30_000;
const OPENED_AT = 1_000_000;
const anew = { openedAtMs: OPENED_AT, timesOpened: 1, taken: false, certain: false };
const halfOpen = { circuit: 'half_open', ...anew } as const;
const at = (second: number): number => OPENED_AT + second * 1_000;
const read = (second: number, answer: FreeRead['answer'], findable = false): FreeRead => {
  return { askedAtMs: at(second), answer, findable, backAtMs: null };
};
const holding = (signs: Partial<Signs>, second = 40, health: Parameters<typeof holdingOf>[0] = halfOpen) =>
  holdingOf(health, { answeredAtMs: null, read: null, ...signs }, { nowMs: at(second), openMs: OPEN_MS });

describe('a half-open circuit', () => {
  it.each([
    ['nothing is known since it opened', {}, 'reads first'],
    ['a read of before it opened', { read: read(-1, 'good') }, 'reads first'],
    ['a read since then was answered', { read: read(35, 'good') }, 'job'],
    ['a task was taken or read since then', { answeredAtMs: at(1) }, 'job'],
    ['a task was taken before', { answeredAtMs: at(0) }, 'reads first'],
    ['the read was not answered', { read: read(35, 'silent') }, 'waits'],
    ['the read was not answered, half a minute ago', { read: read(10, 'silent') }, 'reads first'],
    ['nothing can be read, and a task could not be found', { read: read(35, 'none') }, 'waits'],
    ['nothing can be read, but a task could be found', { read: read(35, 'none', true) }, 'job'],
    ['a task could be found, but reads are not answered', { read: read(35, 'silent', true) }, 'waits'],
  ] as const)('%s: %j: %s', (_, signs, then) => {
    const held = holding(signs);
    expect(held === null ? 'job' : held.wantsRead ? 'reads first' : 'waits').toBe(then);
  });

  it('is tried in the end where it answers without anything to read, and once in three hours while it does not answer', () => {
    for (const [answer, second] of [
      ['none', 599],
      ['silent', 600],
      ['silent', 9_000],
      ['silent', 10_799],
    ] as const) {
      expect(holding({ read: read(second - 1, answer) }, second)).not.toBeNull();
    }
    expect(holding({ read: read(35, 'none') }, 600)).toBeNull();
    expect(holding({ read: read(10_770, 'silent') }, 10_800)).toBeNull();
    expect(holding({ read: read(35, 'silent') }, 9_000)).toMatchObject({ wantsRead: true });
    // After a restart nothing is known of reads: no job goes before the first of them.
    expect(holding({}, 9_000)).toMatchObject({ wantsRead: true });
  });

  it('that three jobs have tried in vain waits ten minutes for the next, and is read on meanwhile', () => {
    const rare = { ...halfOpen, timesOpened: 4 };
    const answered = { read: read(35, 'good'), answeredAtMs: at(36) };
    expect(holding(answered, 40, { ...rare, timesOpened: 3 })).toBeNull();
    expect(holding(answered, 40, rare)).toEqual({
      reason: 'circuit open for another 560 s: 3 jobs have tried it in vain',
      untilMs: at(600),
      wantsRead: false,
    });
    expect(holding(answered, 65, rare)).toMatchObject({ wantsRead: true });
    expect(holding(answered, 600, rare)).toBeNull();
    // Unless a job was taken since, or the account was silent since and answers again.
    expect(holding(answered, 40, { ...rare, taken: true })).toBeNull();
    const back = (second: number) => ({ read: { ...read(35, 'good'), backAtMs: at(second) } });
    expect(holding(back(35), 40, rare)).toBeNull();
    expect(holding(back(-1), 40, rare)).not.toBeNull();
    expect(holding({ read: { ...read(35, 'silent'), backAtMs: at(5) } }, 40, rare)).not.toBeNull();
  });

  it('that nothing can be read of is tried when all that opened it were refusals for certain', () => {
    expect(holding({ read: read(35, 'none') }, 40, { ...halfOpen, certain: true })).toBeNull();
    expect(holding({ read: read(35, 'silent') }, 40, { ...halfOpen, certain: true })).not.toBeNull();
  });

  it('says what it waits for, and until when', () => {
    expect(holding({ read: read(35, 'silent') })).toEqual({
      reason: 'circuit open: the account does not answer free reads, the next one in 25 s',
      untilMs: at(65),
      wantsRead: false,
    });
    expect(holding({ read: read(35, 'none') })).toEqual({
      reason: 'circuit open for another 560 s: a task there could not be found again',
      untilMs: at(600),
      wantsRead: false,
    });
  });

  it('alone is held: one that is open or closed is not asked', () => {
    expect(holding({}, 40, { ...halfOpen, circuit: 'open' })).toBeNull();
    expect(holding({}, 40, { ...halfOpen, circuit: 'closed', openedAtMs: null })).toBeNull();
  });
});
