/**
 * Attempts in doubt on the virtual clock: how each comes to an end after downtime, after a cancel, without its account,
 * and what a task that surfaces too late comes to. What is bought is counted at the provider.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TaskIdentity } from '../../providers/identity.ts';
import { requestCancel } from '../../src/jobs/cancel.ts';
import { wakeLate } from '../../src/jobs/late.ts';
import { resolveDoubt } from '../../src/jobs/resolve.ts';
import { accountSettings } from '../../src/store/schema-accounts.ts';
import { alarms } from '../../src/store/schema-alarms.ts';
import type { Answer } from '../../src/wire/call.ts';
import type { ProviderAccount } from '../../src/wire/provider-account.ts';
import type { SimulatedProcess } from '../simulation/process.ts';
import { Scenario, type ScenarioOptions } from '../simulation/scenario.ts';
import { deliverHook } from '../simulation/stage.ts';
import { World, type WorldTask } from '../simulation/world.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const LOST: Answer = { kind: 'unanswered', detail: 'reset' };

async function tell(options: ScenarioOptions = {}): Promise<Scenario> {
  const scenario = await Scenario.open({ makeWorld: scripted({}), ...options });
  onTestFinished(() => scenario.close());
  return scenario;
}

/** What a test lets happen to submissions and reads; `null` leaves them as they are. */
interface Script {
  /** `before`: lost before anything was made. `after`: the task is made, and the answer is lost. */
  readonly lose?: (count: number) => 'before' | 'after' | null;
  readonly read?: (path: string, ask: () => Promise<Answer>) => Promise<Answer>;
}

function scripted({ lose, read }: Script): NonNullable<ScenarioOptions['makeWorld']> {
  return (clock, chance, weather) =>
    new (class extends World {
      private submits = 0;

      override async submit(...args: Parameters<World['submit']>): Promise<Answer> {
        this.submits += 1;
        const lost = lose?.(this.submits) ?? null;
        if (lost === 'before') return LOST;
        const answer = await super.submit(...args);
        return lost === 'after' ? LOST : answer;
      }

      /** Files are kept for as long as a story takes. */
      override videoOf(address: string): WorldTask | null {
        return this.tasks.find(({ id }) => address.includes(id)) ?? null;
      }

      override read(...args: Parameters<World['read']>): Promise<Answer> {
        return read ? read(args[1].path, () => super.read(...args)) : super.read(...args);
      }
    })(clock, chance, weather);
}

const kinds = async (story: Scenario, id: string): Promise<string[]> =>
  (await story.entries(id)).map(({ kind }) => kind);

/** Of a clip that is lost by the story itself, everything else is to be in order. */
const otherFaults = async (story: Scenario): Promise<string[]> =>
  (await story.faults()).filter(
    (fault) => !/ made its clip .* yet it ended failed provider_outcome_unknown$/.test(fault),
  );

describe('an account that is taken out of the configuration', () => {
  const withoutGamma = async (story: Scenario): Promise<SimulatedProcess> => {
    for (const process of story.processes) process.kill();
    const next = await story.start();
    (next.deps.accounts as Map<string, ProviderAccount>).delete('gamma');
    return next;
  };

  it('while a task of it runs: the job ends at its deadline, the hold goes back, its cost is suspected', async () => {
    const story = await tell();
    const id = await story.request(await story.start(), { only: ['gamma'] });
    await story.pass(6 * SECOND_MS);
    const process = await withoutGamma(story);
    await story.pass(3 * MINUTE_MS);
    await requestCancel(process.deps, id);
    process.worker.wake(id);
    const told = await story.database.read((tx) => tx.select().from(alarms));
    expect(told.map(({ type, subject }) => [type, subject])).toEqual([['account.missing', 'gamma']]);
    const job = await story.end(id, 24 * HOUR_MS);
    expect(job).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown', endedAtMs: job.deadlineAtMs });
    expect([await kinds(story, id), await otherFaults(story)]).toEqual([['hold', 'release', 'suspected_cost'], []]);
  });

  it.each([
    ['charged', 'failed', ['hold', 'release', 'cost']],
    ['not_charged', 'cancelled', ['hold', 'release']],
  ] as const)('is no obstacle to a verdict by hand: %s', async (verdict, state, expected) => {
    const story = await tell();
    const id = await story.request(await story.start(), { only: ['gamma'] });
    await story.pass(6 * SECOND_MS);
    const process = await withoutGamma(story);
    await story.pass(3 * MINUTE_MS);
    await requestCancel(process.deps, id);
    await resolveDoubt(process.deps, id, verdict);
    process.worker.wake(id);
    expect([(await story.end(id)).state, await kinds(story, id)]).toEqual([state, expected]);
  });

  it('and comes back in time: its task is followed as if nothing had been', async () => {
    const story = await tell();
    const id = await story.request(await story.start(), { only: ['gamma'] });
    await story.pass(6 * SECOND_MS);
    (await withoutGamma(story)).kill();
    await story.pass(2 * HOUR_MS);
    await story.start();
    expect(await story.end(id)).toMatchObject({ state: 'completed', provider: 'gamma' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });
});

describe('a clip that has finished', () => {
  it('is saved although its account is not configured any more: nobody need be asked for its address', async () => {
    const story = await tell();
    const first = await story.start();
    const id = await story.request(first, { only: ['gamma'] });
    while ((await story.job(id)).state !== 'saving') {
      story.clock.step();
      await story.quiet();
    }
    first.kill();
    const next = await story.start();
    (next.deps.accounts as Map<string, ProviderAccount>).delete('gamma');
    expect(await story.end(id)).toMatchObject({ state: 'completed', provider: 'gamma' });
    expect([await kinds(story, id), await story.faults()]).toEqual([['hold', 'settlement', 'cost'], []]);
  });
});

describe('an attempt whose doubt lasts', () => {
  it('gives its slot back after an hour, however long its provider is asked on', async () => {
    const deaf = scripted({ lose: () => 'after', read: () => Promise.resolve(LOST) });
    const story = await tell({ makeWorld: deaf });
    const id = await story.request(await story.start(), { only: ['alpha'] });
    await story.pass(58 * MINUTE_MS);
    expect(await story.attempts(id)).toMatchObject([{ state: 'in_doubt', slotHeld: true }]);
    await story.pass(4 * MINUTE_MS);
    expect(await story.attempts(id)).toMatchObject([{ state: 'in_doubt', slotHeld: false }]);
    expect((await story.job(id)).state).toBe('running');
  });

  it('ends with its job’s time when all that is found is the task of another', async () => {
    let taken: string | null = null;
    const named = (): Answer => ({
      kind: 'answered',
      response: { origin: 'https://alpha.example', status: 200, headers: {}, body: { task: taken } },
    });
    const makeWorld: ScenarioOptions['makeWorld'] = (clock, chance, weather) =>
      new (class extends World {
        override submit(...args: Parameters<World['submit']>): Promise<Answer> {
          return taken === null ? super.submit(...args) : Promise.resolve(named());
        }

        override read(...args: Parameters<World['read']>): Promise<Answer> {
          const isLookUp = args[1].path.startsWith('/tags/');
          return taken !== null && isLookUp ? Promise.resolve(named()) : super.read(...args);
        }
      })(clock, chance, weather);
    const story = await tell({ makeWorld });
    const process = await story.start();
    const first = await story.request(process, { only: ['alpha'] });
    expect((await story.end(first)).state).toBe('completed');
    taken = story.world.tasks[0]?.id ?? expect.fail('nothing was made');
    const second = await story.request(process, { only: ['alpha'] });
    const job = await story.end(second, 30 * HOUR_MS);
    expect(job).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    expect((job.endedAtMs ?? 0) - job.createdAtMs).toBeLessThan(2 * HOUR_MS);
    expect(await kinds(story, second)).toEqual(['hold', 'release', 'suspected_cost']);
  });
});

describe('an attempt that is proven absent', () => {
  it('and sent again, is in doubt from then on, however long it was before', async () => {
    // Found absent for minutes, then made, with its answer lost as late as it can be.
    const story = await tell({
      doubtMs: 5 * MINUTE_MS,
      makeWorld: scripted({ lose: (count) => (count <= 2 ? 'before' : 'after') }),
    });
    const id = await story.request(await story.start(), { only: ['alpha'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    const [attempt] = await story.attempts(id);
    expect((attempt?.acceptedAtMs ?? 0) - (attempt?.createdAtMs ?? 0)).toBeGreaterThan(5 * MINUTE_MS);
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('three times over is somebody else’s to make', async () => {
    let submits = 0;
    const story = await tell({
      makeWorld: scripted({
        lose: (count) => {
          submits = count;
          return count <= 4 ? 'before' : null;
        },
      }),
    });
    const id = await story.request(await story.start(), { order: ['alpha'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    const [at, next] = await story.attempts(id);
    expect([at?.account, at?.state, at?.repeats, submits]).toEqual(['alpha', 'failed', 3, 5]);
    expect(next?.account).not.toBe('alpha');
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  const absent = { makeWorld: scripted({ lose: (count) => (count === 1 ? 'before' : null) }) };

  it('after its job was cancelled is not bought: the job ends as cancelled, free of charge', async () => {
    const story = await tell(absent);
    const process = await story.start();
    const id = await story.request(process, { only: ['alpha'] });
    await story.pass(20 * SECOND_MS);
    await requestCancel(process.deps, id);
    process.worker.wake(id);
    expect(await story.end(id)).toMatchObject({ state: 'cancelled', errorCode: 'cancelled', settledMicros: 0n });
    expect([story.world.tasks.length, await kinds(story, id)]).toEqual([0, ['hold', 'release']]);
    expect(await story.faults()).toEqual([]);
  });

  it.each(['isolated', 'disabled'] as const)('at an account that is %s goes on to the next one', async (how) => {
    const story = await tell(absent);
    const id = await story.request(await story.start(), { order: ['alpha', 'beta'], maxPremium: 9 });
    await story.pass(20 * SECOND_MS);
    const row = { account: 'alpha', enabled: how !== 'disabled', isolated: how === 'isolated' };
    const since = { healthSinceMs: 0, changedAtMs: 0 };
    await story.database.write((tx) => tx.insert(accountSettings).values({ ...row, ...since }));
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect(story.world.tasks.map(({ provider }) => provider)).not.toContain('alpha');
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });
});

describe('a gateway that is back after the deadline of doubt', () => {
  /** Killed between the task and its answer. */
  async function killedAfterAccept(
    options: ScenarioOptions,
    only: string,
    downMs: number,
  ): Promise<[Scenario, string]> {
    const story = await tell(options);
    story.world.onCall = () => {};
    const process = await story.start();
    const made = story.world.submit.bind(story.world);
    story.world.submit = async (...args) => {
      const answer = await made(...args);
      process.kill();
      return answer;
    };
    const id = await story.request(process, { only: [only] });
    await story.pass(downMs);
    story.world.submit = made;
    await story.start();
    return [story, id];
  }

  it.each([61 * MINUTE_MS, 5 * HOUR_MS, 9 * HOUR_MS])(
    'by %i ms asks by the tag before it gives up: the clip is delivered',
    async (downMs) => {
      const [story, id] = await killedAfterAccept({}, 'alpha', downMs);
      expect(await story.end(id)).toMatchObject({ state: 'completed', provider: 'alpha' });
      expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
    },
  );

  it('asks on while no look-up is answered, and is delivered the clip when one is', async () => {
    let downUntilMs = 0;
    let clockMs = () => 0;
    const makeWorld: ScenarioOptions['makeWorld'] = (clock, chance, weather) => {
      clockMs = () => clock.monotonicMs();
      const read: Script['read'] = (_path, ask) => (clockMs() < downUntilMs ? Promise.resolve(LOST) : ask());
      return scripted({ read })(clock, chance, weather);
    };
    downUntilMs = 61 * MINUTE_MS + 40 * MINUTE_MS;
    const [story, id] = await killedAfterAccept({ makeWorld }, 'alpha', 61 * MINUTE_MS);
    expect(await story.end(id)).toMatchObject({ state: 'completed', provider: 'alpha' });
    expect(await story.faults()).toEqual([]);
  });

  it.each([
    [61 * MINUTE_MS, 'at the deadline of its job', 0],
    [9 * HOUR_MS, 'a few minutes later', 2 * MINUTE_MS],
  ])('by %i ms, with no look-up ever answered, gives up %s', async (downMs, _when, soonestMs) => {
    const makeWorld = scripted({ read: () => Promise.resolve(LOST) });
    const [story, id] = await killedAfterAccept({ makeWorld }, 'alpha', downMs);
    const backAtMs = story.clock.nowMs();
    const job = await story.end(id, 12 * HOUR_MS);
    expect(job).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    const lateByMs = (job.endedAtMs ?? 0) - Math.max(backAtMs, job.deadlineAtMs);
    expect(lateByMs).toBeGreaterThanOrEqual(soonestMs);
    expect(lateByMs).toBeLessThan(10 * MINUTE_MS);
    expect([await kinds(story, id), await otherFaults(story)]).toEqual([['hold', 'release', 'suspected_cost'], []]);
  });

  it('gives up at once where nobody can be asked', async () => {
    const [story, id] = await killedAfterAccept({}, 'gamma', 61 * MINUTE_MS);
    await story.pass(5 * SECOND_MS);
    expect(await story.job(id)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
  });

  it('reads the task that was announced before it went down', async () => {
    const publicUrl = 'https://reelay.example';
    const story = await tell({
      publicUrl,
      makeWorld: scripted({ lose: () => 'after', read: (_path, ask) => (deaf ? Promise.resolve(LOST) : ask()) }),
    });
    let deaf = true;
    const process = await story.start();
    const id = await story.request(process, { only: ['beta'] });
    await story.pass(5 * MINUTE_MS);
    expect(await story.attempts(id)).toMatchObject([{ state: 'in_doubt', taskId: null }]);
    process.kill();
    await story.pass(61 * MINUTE_MS);
    deaf = false;
    await story.start();
    expect(await story.end(id)).toMatchObject({ state: 'completed', provider: 'beta' });
  });
});

describe('a task that surfaces after its job was given up', () => {
  /** A clip whose answer was lost, and whose provider answered no look-up until it was given up; from `hear` on it does. */
  async function givenUpUnheard(lost: 'before' | 'after') {
    let isDeaf = true;
    const read: Script['read'] = (_path, ask) => (isDeaf ? Promise.resolve(LOST) : ask());
    const story = await tell({ makeWorld: scripted({ lose: () => lost, read }) });
    const process = await story.start();
    const id = await story.request(process, { only: ['alpha'] });
    await story.end(id, 12 * HOUR_MS);
    const hear = (): void => {
      isDeaf = false;
    };
    return { story, process, id, hear };
  }

  /** Given up in doubt at beta, whose call comes only now. */
  async function givenUp(
    options: ScenarioOptions = {},
  ): Promise<{ story: Scenario; id: string; call: () => Promise<unknown> }> {
    const story = await tell({
      publicUrl: 'https://reelay.example',
      doubtMs: 5 * MINUTE_MS,
      makeWorld: scripted({ lose: () => 'after' }),
      ...options,
    });
    story.world.onCall = () => {};
    const process = await story.start();
    const id = await story.request(process, { only: ['beta'] });
    expect(await story.end(id)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    expect(await kinds(story, id)).toEqual(['hold', 'release', 'suspected_cost']);
    const [task] = story.world.tasks;
    return { story, id, call: () => deliverHook(process, task?.hook ?? '', task?.id ?? '') };
  }

  it('books its cost in place of the suspicion; the job stays failed and the tenant pays nothing', async () => {
    const { story, id, call } = await givenUp();
    await call();
    await story.pass(MINUTE_MS);
    const entries = await story.entries(id);
    expect(entries.map(({ kind }) => kind)).toEqual(['hold', 'release', 'suspected_cost', 'cost_resolution', 'cost']);
    expect(entries.at(-1)?.amountMicros).toBe(entries[2]?.amountMicros);
    expect(await story.job(id)).toMatchObject({ state: 'failed', settledMicros: 0n });
    expect(await story.attempts(id)).toMatchObject([{ state: 'failed', taskId: story.world.tasks[0]?.id }]);
    await call();
    await story.pass(MINUTE_MS);
    expect([(await story.entries(id)).length, await otherFaults(story)]).toEqual([5, []]);
  });

  it('that the provider refused costs nothing: the suspicion is taken back', async () => {
    const { story, id, call } = await givenUp();
    const [task] = story.world.tasks;
    Object.assign(task ?? {}, { end: 'refused', charged: false });
    await call();
    await story.pass(MINUTE_MS);
    expect(await kinds(story, id)).toEqual(['hold', 'release', 'suspected_cost', 'cost_resolution']);
    expect(await story.faults()).toEqual([]);
  });

  it('is read again until it has ended, and after a restart with the next round', async () => {
    const { story, id, call } = await givenUp();
    const [task] = story.world.tasks;
    const readyAtMs = story.clock.monotonicMs() + 10 * MINUTE_MS;
    Object.assign(task ?? {}, { readyAtMs });
    await call();
    await story.pass(5 * MINUTE_MS);
    expect(await kinds(story, id)).toEqual(['hold', 'release', 'suspected_cost']);
    for (const process of story.processes) process.kill();
    const next = await story.start();
    await wakeLate(next.deps, (jobId) => next.worker.wake(jobId));
    await story.pass(7 * MINUTE_MS);
    expect(await kinds(story, id)).toEqual(['hold', 'release', 'suspected_cost', 'cost_resolution', 'cost']);
  });

  it('is found by its tag when the provider answers look-ups again', async () => {
    const { story, process, id, hear } = await givenUpUnheard('after');
    expect(await kinds(story, id)).toEqual(['hold', 'release', 'suspected_cost']);
    hear();
    await wakeLate(process.deps, (jobId) => process.worker.wake(jobId));
    await story.pass(MINUTE_MS);
    expect(await kinds(story, id)).toEqual(['hold', 'release', 'suspected_cost', 'cost_resolution', 'cost']);
  });

  it('may still be on its way shortly after: looks that find nothing prove nothing yet', async () => {
    const story = await tell({ doubtMs: 30 * SECOND_MS, makeWorld: scripted({ lose: () => 'before' }) });
    const process = await story.start();
    const id = await story.request(process, { only: ['alpha'] });
    await story.end(id);
    const looked = async (): Promise<string | undefined> => {
      await wakeLate(process.deps, (jobId) => process.worker.wake(jobId));
      await story.pass(2 * SECOND_MS);
      return (await kinds(story, id)).at(-1);
    };
    for (let count = 0; count < 4; count += 1) expect(await looked()).toBe('suspected_cost');
    await story.pass(2 * MINUTE_MS);
    // Twice at once counts once; half a minute later it is proven.
    for (let count = 0; count < 3; count += 1) expect(await looked()).toBe('suspected_cost');
    await story.pass(MINUTE_MS / 2);
    expect([await looked(), await story.faults()]).toEqual(['cost_resolution', []]);
  });

  it('or was proven never to have been made, by two look-ups: the suspicion is taken back', async () => {
    const { story, process, id, hear } = await givenUpUnheard('before');
    hear();
    for (const expected of [3, 4]) {
      await wakeLate(process.deps, (jobId) => process.worker.wake(jobId));
      await story.pass(HOUR_MS);
      expect(await kinds(story, id)).toHaveLength(expected);
    }
    expect((await kinds(story, id)).at(-1)).toBe('cost_resolution');
    expect(await story.faults()).toEqual([]);
  });
});

describe('a task that an announcement names', () => {
  async function announced(identity: (attempt: { id: string; createdAtMs: number }) => TaskIdentity) {
    const story = await tell({
      publicUrl: 'https://reelay.example',
      doubtMs: 20 * MINUTE_MS,
      makeWorld: scripted({ lose: () => 'after' }),
    });
    const process = await story.start();
    const accounts = process.deps.accounts as Map<string, ProviderAccount>;
    const beta = accounts.get('beta') as ProviderAccount;
    const told: { identity: TaskIdentity } = { identity: {} };
    const hooks = beta.provider.hooks && { ...beta.provider.hooks, identity: () => told.identity };
    accounts.set('beta', { ...beta, provider: { ...beta.provider, ...(hooks && { hooks }) } });
    const id = await story.request(process, { only: ['beta'] });
    await story.pass(5 * SECOND_MS);
    const [attempt] = await story.attempts(id);
    told.identity = identity({ id: attempt?.id ?? '', createdAtMs: attempt?.createdAtMs ?? 0 });
    return await story.end(id);
  }

  it('is taken when tag, model and time are those of the attempt', async () => {
    const job = await announced(({ id, createdAtMs }) => ({ attemptId: id, isOfOrder: true, createdAtMs }));
    expect(job.state).toBe('completed');
  });

  it.each([
    ['has the tag of another attempt', () => ({ attemptId: 'att_other' })],
    ['is of another model', () => ({ isOfOrder: false })],
    ['is older than the attempt', ({ createdAtMs }) => ({ createdAtMs: createdAtMs - 6 * MINUTE_MS })],
    ['was made after it could have left', ({ createdAtMs }) => ({ createdAtMs: createdAtMs + 7 * MINUTE_MS })],
  ] as const satisfies readonly [string, (attempt: { createdAtMs: number }) => TaskIdentity][])(
    'and %s is not believed to be the attempt',
    async (_what, identity) => {
      expect((await announced(identity)).errorCode).toBe('provider_outcome_unknown');
    },
  );
});
