/**
 * The answer to a submission is given once. Whatever the store, the lease, or the process does in that moment, a task's id
 * is not lost; and nothing leaves later than its row says.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { requestCancel } from '../../src/jobs/cancel.ts';
import { untilWritten } from '../../src/jobs/keep.ts';
import { StoreUnavailable } from '../../src/store/database.ts';
import type { Answer } from '../../src/wire/call.ts';
import { Scenario, type ScenarioOptions } from '../simulation/scenario.ts';
import { World } from '../simulation/world.ts';
import { ManualClock } from '../support/manual-clock.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** A story in which `blow` falls when an answer to a submission is on its way back. */
async function tell(blow: (story: Scenario, answer: Answer) => Promise<Answer>, options: ScenarioOptions = {}) {
  const stories: Scenario[] = [];
  const makeWorld: ScenarioOptions['makeWorld'] = (clock, chance, weather) =>
    new (class extends World {
      override async submit(...args: Parameters<World['submit']>): Promise<Answer> {
        const answer = await super.submit(...args);
        const [story] = stories;
        return story ? await blow(story, answer) : answer;
      }
    })(clock, chance, weather);
  const story = await Scenario.open({ ...options, makeWorld });
  stories.push(story);
  onTestFinished(() => story.close());
  return story;
}

/** Takes the store away for so long. */
function storeDownFor(story: Scenario, ms: number): void {
  story.storeDown = true;
  story.clock.after(ms, () => {
    story.storeDown = false;
  });
}

const kinds = async (story: Scenario, id: string) => (await story.entries(id)).map(({ kind }) => kind);

describe('the answer to a submission', () => {
  it('that names a task is kept while the store refuses it for a minute, and written then', async () => {
    const story = await tell(async (now, answer) => {
      storeDownFor(now, MINUTE_MS);
      return answer;
    });
    const id = await story.request(await story.start(), { only: ['gamma'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect(await story.attempts(id)).toMatchObject([{ state: 'succeeded', taskId: story.world.tasks[0]?.id }]);
    expect([story.world.tasks.length, await kinds(story, id), await story.faults()]).toEqual([
      1,
      ['hold', 'settlement', 'cost'],
      [],
    ]);
  });

  it('that is a certain refusal is kept too: the clip is sent again, and nobody waits for the end of a doubt', async () => {
    const stories: Scenario[] = [];
    const story = await Scenario.open({
      makeWorld: (clock, chance, weather) =>
        new (class extends World {
          private refused = false;
          override async submit(...args: Parameters<World['submit']>): Promise<Answer> {
            const [now] = stories;
            if (this.refused || !now) return await super.submit(...args);
            this.refused = true;
            storeDownFor(now, 20 * SECOND_MS);
            return { kind: 'never_sent', detail: 'connection refused' };
          }
        })(clock, chance, weather),
    });
    stories.push(story);
    onTestFinished(() => story.close());
    const id = await story.request(await story.start(), { only: ['gamma'] });
    const job = await story.end(id);
    expect(job.state).toBe('completed');
    expect((job.endedAtMs ?? 0) - job.createdAtMs).toBeLessThan(5 * MINUTE_MS);
    expect((await story.attempts(id)).map(({ state }) => state)).toEqual(['failed', 'succeeded']);
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('is still ours to write when it takes longer than the lease', async () => {
    const slow = async ({ clock }: Scenario, answer: Answer) => {
      await clock.wait(25 * SECOND_MS);
      return answer;
    };
    const story = await tell(slow, { leaseMs: 10 * SECOND_MS });
    const process = await story.start();
    const ids = [await story.request(process, { only: ['gamma'] }), await story.request(process, { only: ['gamma'] })];
    for (const id of ids) expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([2, []]);
  });

  it('is still ours to write after a freeze past the lease, while nobody else has taken the job', async () => {
    const story = await tell(async (now, answer) => {
      const [process] = now.processes;
      process?.freeze();
      now.clock.after(70 * SECOND_MS, () => process?.unfreeze());
      return answer;
    });
    const id = await story.request(await story.start(), { only: ['gamma'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('that comes to a process which has lost the job meanwhile becomes a hint for the one that has it', async () => {
    const story = await tell(
      async (now, answer) => {
        const [first] = now.processes;
        first?.freeze();
        now.clock.after(MINUTE_MS, () => void now.start());
        now.clock.after(3 * MINUTE_MS, () => first?.unfreeze());
        return answer;
      },
      { publicUrl: 'https://reelay.example' },
    );
    // No call of the provider's helps: only the late answer names the task.
    story.world.onCall = () => {};
    const id = await story.request(await story.start(), { only: ['beta'] });
    await story.pass(2.5 * MINUTE_MS);
    expect([(await story.job(id)).leaseOwner, await story.attempts(id)]).toMatchObject([
      'process_2',
      [{ state: 'in_doubt', announcedTaskId: null }],
    ]);
    expect(await story.end(id)).toMatchObject({ state: 'completed', leaseOwner: 'process_2' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });
});

describe('a write that is kept', () => {
  const kept = { video: 'video_1', attempt: 'att_1', account: 'fal', detail: 'accepted as task 7' };
  const bench = (stopping?: AbortSignal) => {
    const clock = new ManualClock();
    const said: string[] = [];
    const say = (event: string) => said.push(event);
    const log = { info: say, warn: say, error: say, flush() {} };
    return { clock, said, deps: { clock, log, ...(stopping && { stopping }) } };
  };
  const refuse = () => Promise.reject(new StoreUnavailable('the disk is full'));

  it('is tried once a second, and is given up only half a minute after the process was told to stop', async () => {
    const stops = new AbortController();
    const { clock, said, deps } = bench(stops.signal);
    let tries = 0;
    const writing = untilWritten(deps, kept, () => {
      tries += 1;
      return refuse();
    });
    const lost = expect(writing).rejects.toThrow('the disk is full');
    const pass = async (seconds: number) => {
      for (let second = 0; second < seconds; second += 1) {
        await new Promise(setImmediate);
        clock.advance(SECOND_MS);
      }
    };
    await pass(600);
    expect(tries).toBe(601);
    stops.abort();
    await pass(40);
    await lost;
    expect(tries).toBeLessThanOrEqual(633);
    expect(said).toEqual(['not written yet', 'never written']);
  });

  it('is not tried again for an error that is not the store’s', async () => {
    let tries = 0;
    const writing = untilWritten(bench().deps, kept, async () => {
      tries += 1;
      throw new Error('ours');
    });
    await expect(writing).rejects.toThrow('ours');
    expect(tries).toBe(1);
  });
});

it('an attempt leaves never later than its row says, in whatever gap its process is frozen for six seconds', async () => {
  for (let at = 1, crossings = 1; at <= crossings; at += 1) {
    const late: number[] = [];
    const stories: Scenario[] = [];
    const story = await Scenario.open({
      makeWorld: (clock, chance, weather) =>
        new (class extends World {
          override async submit(
            provider: string,
            request: Parameters<World['submit']>[1],
            maySend: () => boolean,
          ): Promise<Answer> {
            const [row] = (await stories[0]?.attempts(stories[0].admitted[0] ?? ''))?.slice(-1) ?? [];
            return await super.submit(provider, request, () => {
              const sent = maySend();
              if (sent && clock.nowMs() > (row?.sendByMs ?? 0)) late.push(clock.nowMs() - (row?.sendByMs ?? 0));
              return sent;
            });
          }
        })(clock, chance, weather),
    });
    stories.push(story);
    try {
      const process = await story.start();
      crossings = 0;
      story.onCross = () => {
        crossings += 1;
        if (crossings !== at) return;
        process.freeze();
        story.clock.after(6 * SECOND_MS, () => process.unfreeze());
      };
      const id = await story.request(process, { only: ['gamma'] });
      expect(await story.end(id)).toMatchObject({ state: 'completed' });
      expect([at, late, await story.faults()]).toEqual([at, [], []]);
    } finally {
      await story.close();
    }
  }
});

it('a job that is woken twice a second is read once a second, and not put off', async () => {
  let reads = 0;
  const story = await Scenario.open({
    makeWorld: (clock, chance, weather) =>
      new (class extends World {
        override async read(...args: Parameters<World['read']>): Promise<Answer> {
          reads += 1;
          return await super.read(...args);
        }
      })(clock, chance, weather),
  });
  onTestFinished(() => story.close());
  const process = await story.start();
  const id = await story.request(process, { only: ['gamma'] });
  await story.pass(5 * SECOND_MS);
  reads = 0;
  let seconds = 0;
  for (; (await story.job(id)).dueAtMs !== null && seconds < 300; seconds += 1) {
    for (const _ of ['first', 'second']) {
      await requestCancel(process.deps, id).catch(() => {});
      process.worker.wake(id);
      await story.pass(500);
    }
  }
  expect(await story.job(id)).toMatchObject({ state: 'cancelled' });
  expect(seconds).toBeLessThan(100);
  expect(reads).toBeGreaterThan(seconds / 2);
  expect(reads).toBeLessThanOrEqual(seconds + 2);
});
