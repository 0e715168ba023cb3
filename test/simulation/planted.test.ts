/**
 * The simulation is worth what it finds: each of these bugs, planted into the real code, breaks an invariant within a
 * few hundred seeds. One module is replaced by itself with one promise broken.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { VideoFailureCode } from '../../src/ground/errors.ts';
import type { Database } from '../../src/store/database.ts';
import type { AttemptRow } from '../../src/store/schema.ts';

type Exports = Record<string, unknown>;
type Fn = (...args: never[]) => unknown;

/** A bug: which module, and what its exports are with the bug in. */
interface Planted {
  readonly bug: string;
  /** The seed to begin with: a little before the first that caught it when this was written. The driver may change. */
  readonly from?: number;
  readonly module: string;
  readonly plant: (real: Exports) => Exports;
  /** One of the faults that are found says this. */
  readonly shows: RegExp;
}

const call = (real: Exports, name: string) => real[name] as (...args: unknown[]) => Promise<unknown>;

const PLANTED: readonly Planted[] = [
  {
    bug: 'a submission without an answer counts as refused, and is tried again',
    from: 28,
    module: '../../src/jobs/verdict.ts',
    plant: (real) => ({
      judgeSubmission: (answer: { kind: string; detail: string }, ...rest: unknown[]) => {
        if (answer.kind !== 'unanswered')
          return (real.judgeSubmission as (...args: unknown[]) => unknown)(answer, ...rest);
        return { kind: 'refused', failure: { state: 'failure', kind: 'unavailable', detail: answer.detail } };
      },
    }),
    shows: /a second task for|two tasks of one attempt/,
  },
  {
    bug: "an edge's 502 counts as refused",
    from: 26,
    module: '../../src/jobs/verdict.ts',
    plant: (real) => ({
      judgeSubmission: (...args: unknown[]) => {
        const [answer] = args as [{ kind: string; response?: { status: number } }];
        const verdict = (real.judgeSubmission as (...args: unknown[]) => unknown)(...args);
        if (answer.response?.status !== 502) return verdict;
        return { kind: 'refused', failure: { state: 'failure', kind: 'unavailable', detail: 'HTTP 502' } };
      },
    }),
    shows: /a second task for/,
  },
  {
    bug: 'the attempt row is written with the answer, not before the submission',
    module: '../../src/jobs/rows.ts',
    plant(real) {
      const late = new Map<unknown, unknown>();
      return {
        insertAttempt: async (_tx: unknown, row: { id: string }) => void late.set(row.id, row),
        updateAttempt: async (tx: unknown, id: string, change: unknown) => {
          const row = late.get(id);
          if (row !== undefined) await call(real, 'insertAttempt')(tx, row);
          late.delete(id);
          await call(real, 'updateAttempt')(tx, id, change);
        },
      };
    },
    shows: /left before its row was committed|lane/,
  },
  {
    bug: 'the lease is ignored: whoever writes last wins',
    from: 320,
    module: '../../src/jobs/rows.ts',
    plant: (real) => ({
      updateJob: async (tx: unknown, job: { id: string }, change: unknown) => {
        const now = (await call(real, 'loadJob')(tx, job.id)) as object;
        await call(real, 'updateJob')(tx, now, change);
      },
    }),
    shows: /./,
  },
  {
    bug: 'a hold is released twice',
    from: 15,
    module: '../../src/ledger/account.ts',
    plant: (real) => ({
      releaseHold: async (...args: unknown[]) => {
        await call(real, 'releaseHold')(...args);
        await call(real, 'releaseHold')(...args);
      },
    }),
    shows: /has not ended/,
  },
  {
    bug: 'a job is admitted without its hold',
    module: '../../src/ledger/account.ts',
    plant: () => ({ placeHold: async () => [] }),
    shows: /0 holds, expected 1/,
  },
  {
    bug: 'a hold counts in no budget',
    module: '../../src/ledger/budget.ts',
    plant: () => ({ holdInBudgets: async () => [] }),
    shows: /budget (tenant|key) .* held, its entries/,
  },
  {
    bug: 'the end of a hold counts in no budget',
    module: '../../src/ledger/budget-counters.ts',
    plant: () => ({ endInBudgets: async () => {} }),
    shows: /budget (tenant|key) .* held, its entries/,
  },
  {
    bug: 'a video is completed without a settlement',
    module: '../../src/ledger/account.ts',
    plant: () => ({ settleHold: async () => {} }),
    shows: /0 endings of its hold while completed|settled \$0.00, its job says/,
  },
  {
    bug: 'what failed tasks cost is not booked',
    module: '../../src/ledger/account.ts',
    plant: () => ({ bookCost: async () => {} }),
    shows: /neither a cost nor suspected/,
  },
  {
    bug: 'a slot is never given back',
    module: '../../src/jobs/rows.ts',
    plant: () => ({ freeSlot: async () => {} }),
    shows: /lane \w+: counts/,
  },
  {
    bug: 'a read that fails counts as the end of the task',
    from: 15,
    module: '../../providers/answers.ts',
    plant: (real) => ({
      failure: (kind: string, detail: string, more: object = {}) =>
        (real.failure as (...args: unknown[]) => unknown)(kind, detail, {
          ...more,
          ...(kind === 'unavailable' && { task: 'ended', charged: 'no' }),
        }),
    }),
    shows: /a second task for|neither a cost nor suspected/,
  },
  {
    bug: 'after a restart open jobs are forgotten',
    module: '../../src/jobs/rows.ts',
    plant: () => ({ claimAbandoned: async () => [] }),
    shows: /has not ended/,
  },
  {
    bug: 'an attempt in doubt is given to the next provider',
    module: '../../src/jobs/doubt.ts',
    plant: () => ({
      lookAfterDoubt: async (deps: never, job: never, attempt: never) => {
        const { endAttempt } = await import('../../src/jobs/close.ts');
        const { updateJob } = await import('../../src/jobs/rows.ts');
        const { database, clock } = deps as { database: { write: Fn }; clock: { nowMs(): number } };
        const failure = { kind: 'unavailable', detail: 'no answer' } as const;
        await (database.write as (work: (tx: never) => Promise<void>) => Promise<void>)(async (tx) => {
          await updateJob(tx, job, { dueAtMs: clock.nowMs() });
          await endAttempt(tx, attempt, { state: 'failed', failure }, clock.nowMs());
        });
        return { kind: 'due', inMs: 0 };
      },
    }),
    shows: /a second task for|neither a cost nor suspected/,
  },
  {
    bug: 'that a submission was sent again is not written down',
    from: 365,
    module: '../../src/jobs/resend-rows.ts',
    plant: () => ({ markSentAgain: async () => true }),
    shows: /was sent 3 times/,
  },
  {
    bug: 'what a delivered clip cost is not booked',
    module: '../../src/jobs/settlement.ts',
    plant: (real) => ({
      settlementOf: (...args: unknown[]) => {
        const settled = (real.settlementOf as (...args: unknown[]) => Record<string, bigint>)(...args);
        return { ...settled, costMicros: (settled.costMicros ?? 0n) * 0n };
      },
    }),
    shows: /neither a cost nor suspected/,
  },
  {
    bug: 'every accepted answer is thrown away',
    module: '../../src/jobs/verdict.ts',
    plant: (real) => ({
      judgeSubmission: (...args: unknown[]) => {
        const verdict = (real.judgeSubmission as (...args: unknown[]) => { kind: string })(...args);
        return verdict.kind === 'accepted' ? { kind: 'in_doubt', detail: 'thrown away' } : verdict;
      },
    }),
    shows: /made its clip .* was told of it, yet it ended failed provider_outcome_unknown/,
  },
  {
    bug: 'every finished clip is dropped unsaved',
    module: '../../src/jobs/save.ts',
    plant: () => ({ saveVideo: failAllTheSame('asset_unavailable') }),
    shows: /made its clip .* had its id, yet it ended failed asset_unavailable/,
  },
  {
    bug: 'a finished clip is saved, but its job fails all the same',
    module: '../../src/jobs/close.ts',
    plant: () => ({ completeJob: failAllTheSame('server_error') }),
    shows: /made its clip .* had its id, yet it ended failed server_error/,
  },
  {
    bug: "a hook's task is ignored",
    from: 17,
    module: '../../src/jobs/rows.ts',
    plant: () => ({ noteAnnouncedTask: async () => {} }),
    shows: /made its clip .* were called, yet it ended failed provider_outcome_unknown/,
  },
];

/** What is put in the place of saving, or of completing: the cost is booked, and the tenant gets nothing. */
function failAllTheSame(code: string): (deps: never, job: never, attempt: never) => Promise<unknown> {
  return async (deps, job, attempt) => {
    const { failJobIn, pricedBy, stampOf } = await import('../../src/jobs/close.ts');
    const { bookCost } = await import('../../src/ledger/account.ts');
    const { id, costMicros } = attempt as AttemptRow;
    const stamp = stampOf(deps);
    const { database } = deps as { database: Database };
    await database.write(async (tx) => {
      await failJobIn(tx, deps, job, code as VideoFailureCode, stamp);
      const of = { attemptId: id, pricedBy: pricedBy(attempt) };
      await bookCost(tx, job, { kind: 'cost', amountMicros: costMicros, ...of }, stamp);
    });
    return { kind: 'ended' };
  };
}

const SEEDS_MAX = 400;
/** A bug that keeps a job from its end shows when seven hours of the virtual clock have passed, step by step. */
const WITHIN_MS = 120_000;

afterEach(() => {
  vi.doUnmock('../../src/jobs/verdict.ts');
  for (const { module } of PLANTED) vi.doUnmock(module);
  vi.resetModules();
});

describe('a planted bug is caught', () => {
  it.each(PLANTED.map((planted) => [planted.bug, planted] as const))(
    '%s',
    { timeout: WITHIN_MS },
    async (_bug, { from = 1, module, plant, shows }) => {
      vi.resetModules();
      vi.doMock(module, async (original) => {
        const real = await original<Exports>();
        return { ...real, ...plant(real) };
      });
      const { simulate } = await import('./run.ts');
      let found: readonly string[] = [];
      for (let seed = from; seed < from + SEEDS_MAX && !found.some((fault) => shows.test(fault)); seed += 1) {
        ({ faults: found } = await simulate(seed));
      }
      expect(found.join('\n')).toMatch(shows);
    },
  );
});
