/** The states of jobs and attempts move as this file draws it, and in no other way. */
import { describe, expect, it } from 'vitest';
import { attemptMoves, hasEnded, isLive, jobMoves } from '../../src/jobs/job.ts';
import { ATTEMPT_STATES, type AttemptState, JOB_STATES, type JobState } from '../../src/store/schema.ts';

const JOB_WAYS = `
  queued   -> running failed cancelled
  running  -> saving failed cancelled
  saving   -> completed failed cancelled`;

const ATTEMPT_WAYS = `
  submitting -> running in_doubt failed cancelled
  in_doubt   -> running submitting failed cancelled
  running    -> succeeded failed cancelled in_doubt`;

/** The arrows of a drawing, `from -> to` each. */
function arrows(drawing: string): Set<string> {
  const lines = drawing.trim().split('\n');
  return new Set(
    lines.flatMap((line) => {
      const [from = '', targets = ''] = line.split('->').map((side) => side.trim());
      return targets.split(' ').map((to) => `${from} -> ${to}`);
    }),
  );
}

const pairs = <State extends string>(states: readonly State[]): [from: State, to: State][] =>
  states.flatMap((from) => states.map((to): [State, State] => [from, to]));

describe('a job', () => {
  const allowed = arrows(JOB_WAYS);
  const ways = pairs<JobState>(JOB_STATES);

  it.each(ways.filter(([from, to]) => allowed.has(`${from} -> ${to}`)))('goes from %s to %s', (from, to) => {
    expect(jobMoves(from, to)).toBe(to);
  });

  it.each(ways.filter(([from, to]) => from !== to && !allowed.has(`${from} -> ${to}`)))(
    'never goes from %s to %s',
    (from, to) => {
      expect(() => jobMoves(from, to)).toThrow(`a job to go from ${from} only to`);
    },
  );

  it.each(JOB_STATES)('may stay %s', (state) => {
    expect(jobMoves(state, state)).toBe(state);
  });

  it('has ended when it is completed, failed or cancelled, and in no other state', () => {
    expect(JOB_STATES.filter(hasEnded)).toEqual(['completed', 'failed', 'cancelled']);
  });

  it.each(JOB_STATES.filter(hasEnded))('that is %s has no way out', (ended) => {
    for (const to of JOB_STATES) if (to !== ended) expect(() => jobMoves(ended, to)).toThrow(/only to nowhere/);
  });

  it.each(JOB_STATES.filter((state) => !hasEnded(state)))('that is %s can still fail and be cancelled', (open) => {
    expect([jobMoves(open, 'failed'), jobMoves(open, 'cancelled')]).toEqual(['failed', 'cancelled']);
  });
});

describe('an attempt', () => {
  const allowed = arrows(ATTEMPT_WAYS);
  const ways = pairs<AttemptState>(ATTEMPT_STATES);

  it.each(ways.filter(([from, to]) => allowed.has(`${from} -> ${to}`)))('goes from %s to %s', (from, to) => {
    expect(attemptMoves(from, to)).toBe(to);
  });

  it.each(ways.filter(([from, to]) => !allowed.has(`${from} -> ${to}`)))('never goes from %s to %s', (from, to) => {
    expect(() => attemptMoves(from, to)).toThrow(`an attempt to go from ${from} only to`);
  });

  it('may be paid for while it is submitting, running or in doubt, and in no other state', () => {
    expect(ATTEMPT_STATES.filter(isLive)).toEqual(['submitting', 'running', 'in_doubt']);
  });

  it.each(ATTEMPT_STATES.filter((state) => !isLive(state)))(
    'that has %s has no way out, not even to itself',
    (ended) => {
      for (const to of ATTEMPT_STATES) expect(() => attemptMoves(ended, to)).toThrow(/only to nowhere/);
    },
  );
});
