/** What each fault comes to wherever it is met: the cases that all providers share, for one line of one of them. */
import { expect, it } from 'vitest';
import type { Fault } from '../../src/sandbox/faults.ts';
import type { Bench, Line } from '../support/provider-lab.ts';

export interface Subject {
  readonly line: Line;
  /** What a clip of the line costs its tenant, in dollars. */
  readonly costUsd: number;
  /** The bench to meet the faults on; asked when a test runs. */
  readonly on: () => Bench;
}

/** A task that fails or is refused ends its job, and costs nothing. */
export function endsForNothing({ line, on }: Subject): void {
  it.each([
    ['fail', 'provider_error', 'generation_failed'],
    ['content', 'moderation_blocked', 'content_rejected'],
  ] as const)('%s', async (fault, code, kind) => {
    const video = await on().meet(line, fault);
    expect(video).toMatchObject({ status: 'failed', error: { code }, usage: { cost: 0 }, tasks: 1 });
    expect(video.attempts).toEqual([{ provider: line.provider, status: 'failed', error: kind }]);
  });
}

/** A refusal for now, which the attempt records by that name, is followed by a second submission that delivers. */
export function isAskedAgain({ line, costUsd, on }: Subject, refusals: readonly (readonly [Fault, string])[]): void {
  it.each(refusals)('%s: nothing was made, so the same candidate is asked again, and delivers', async (fault, kind) => {
    const video = await on().meet(line, fault);
    const delivered = { status: 'completed', provider: line.provider, usage: { cost: costUsd } };
    expect(video).toMatchObject(delivered);
    expect(video.attempts.map(({ status, error }) => [status, error])).toEqual([
      ['failed', kind],
      ['completed', null],
    ]);
    const { length } = await on().tasksOf(line, fault);
    expect(length).toBe(1);
  });
}

/** How a submission without an answer goes wrong, and how many tasks it has made. */
export const UNANSWERED: readonly (readonly [fault: Fault, tasks: number])[] = [
  ['cut', 0],
  ['server_error', 0],
  ['html', 0],
  ['lost_answer', 1],
  ['html_after', 1],
  ['truncated', 1],
  ['no_id', 1],
];

/** Submissions whose outcome nobody knows end in doubt after one try, and cost nothing. */
export function staysInDoubt({ line, on }: Subject, unanswered = UNANSWERED): void {
  it('whose outcome nobody knows stays in doubt, is never sent twice, and costs its tenant nothing', async () => {
    const ends = await Promise.all(unanswered.map(([fault]) => on().meet(line, fault)));
    expect(
      ends.map(({ status, error, attempts, usage, tasks }) => [
        status,
        error?.code,
        attempts.map((attempt) => attempt.status),
        usage.cost,
        tasks,
      ]),
    ).toEqual(unanswered.map(([, tasks]) => ['failed', 'provider_outcome_unknown', ['in_doubt'], 0, tasks]));
  });
}

/** What only makes a task hard to read or to fetch neither stops it nor changes its price. */
export function deliversAllTheSame({ line, costUsd, on }: Subject): void {
  it.each(['read_errors', 'slow', 'expired_link', 'overpriced'] as const)(
    '%s is delivered all the same, at the price that was quoted',
    async (fault) => {
      expect(await on().meet(line, fault)).toMatchObject({ status: 'completed', usage: { cost: costUsd }, tasks: 1 });
    },
  );
}

/** What is neither success nor failure leaves the job open, with its one task read again. */
export function isReadAgain({ line, on }: Subject): void {
  it.each(['unknown_status', 'vanished', 'stuck'] as const)(
    '%s is neither success nor failure, and is read again',
    async (fault) => {
      const { id } = await on().order(line, fault, fault);
      await on().untilRead(line, fault, 3);
      expect(await on().show(id)).toMatchObject({ status: 'in_progress', error: null });
      expect(await on().tasksOf(line, fault)).toHaveLength(1);
    },
  );
}

/** A task that says it is done, but gives no video as ordered, completes no job. */
export function isNoSuccess({ line, on }: Subject, faults: readonly Fault[] = ['no_url'], reads = 1): void {
  it.each(faults)('%s is not a success', async (fault) => {
    const { id } = await on().order(line, fault, fault);
    await on().untilRead(line, fault, reads);
    expect((await on().show(id)).status).not.toBe('completed');
  });
}

/** A call finds a task whose answer was lost; the bench must be one that can be called. */
export function isFoundByItsCall({ line, on }: Subject): void {
  it.each(['lost_answer', 'html_after', 'no_id'] as const)('finds the task of %s again', async (fault) => {
    const found = { status: 'completed', provider: line.provider, tasks: 1 };
    expect(await on().meet(line, fault)).toMatchObject(found);
  });
}

/** Calls that are repeated or forged bring the clip home once; the bench must be one that can be called. */
export function changesNothing({ line, on }: Subject): void {
  it.each(['duplicate_hook', 'forged_hook'] as const)('%s changes nothing', async (fault) => {
    const video = await on().meet(line, fault);
    expect(video).toMatchObject({ status: 'completed', provider: line.provider, tasks: 1 });
    expect(video.attempts).toHaveLength(1);
  });
}

/** At the end of a file: books that agree, and no request that broke a documented form but those that `mayStand`. */
export function booksAgree(
  benches: () => readonly Bench[],
  mayStand: (complaint: string) => boolean = () => false,
): void {
  it('the books agree, and no request broke a documented form', async () => {
    const complaints = await Promise.all(benches().map((bench) => bench.complaints()));
    expect(complaints.flat().filter((complaint) => !mayStand(complaint))).toEqual([]);
  });
}
