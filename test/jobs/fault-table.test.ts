/**
 * The faults that providers, clocks, stores and files have, one by one, and what each must come to: on the virtual clock,
 * against the real worker, ledger and SQLite. What is bought is counted at the provider.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { type SQL, sql } from 'drizzle-orm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { present } from '../../src/ground/assert.ts';
import { alarms } from '../../src/store/schema-alarms.ts';
import type { Answer } from '../../src/wire/call.ts';
import { Scenario, type ScenarioOptions } from '../simulation/scenario.ts';
import { deliverHook } from '../simulation/stage.ts';
import { World, type WorldTask } from '../simulation/world.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

async function tell(options: ScenarioOptions = {}): Promise<Scenario> {
  const scenario = await Scenario.open(options);
  onTestFinished(() => scenario.close());
  return scenario;
}

/**
 * A world whose submissions, or reads, a test answers itself: `null` leaves the answer as it is. With `untold`, reads
 * never tell that a task is done, so that its clip cannot be had.
 */
function scripted(script: {
  readonly untold?: true;
  readonly submit?: (answer: Answer, count: number) => Answer | null;
  readonly read?: (answer: Answer, count: number, path: string) => Answer | null;
}): NonNullable<ScenarioOptions['makeWorld']> {
  return (clock, chance, weather) =>
    new (class extends World {
      private submits = 0;
      private reads = 0;

      override async submit(...args: Parameters<World['submit']>): Promise<Answer> {
        const answer = await super.submit(...args);
        this.submits += 1;
        return script.submit?.(answer, this.submits) ?? answer;
      }

      override async read(...args: Parameters<World['read']>): Promise<Answer> {
        const answer = await super.read(...args);
        this.reads += 1;
        return script.read?.(answer, this.reads, args[1].path) ?? answer;
      }

      override tells(task: WorldTask): boolean {
        return script.untold !== true && super.tells(task);
      }
    })(clock, chance, weather);
}

/** Clips that wait for a slot, if so many are wanted, and six before them, the last of which has just left. */
async function inFlight(story: Scenario, waiting = 0): Promise<string[]> {
  const process = await story.start();
  const ids: string[] = [];
  for (const provider of ['alpha', 'beta', 'gamma', 'alpha', 'beta', 'gamma']) {
    await story.pass(8 * SECOND_MS);
    ids.push(await story.request(process, { only: [provider] }));
  }
  while (story.world.sent.size < ids.length && story.clock.step()) await story.quiet();
  const states = await Promise.all(ids.map(async (id) => (await story.attempts(id))[0]?.state));
  expect(new Set(states)).toContain('running');
  expect(states.at(-1)).toBe('submitting');
  for (let count = 0; count < waiting; count += 1) ids.push(await story.request(process, { only: ['alpha'] }));
  return ids;
}

/** Runs a pragma, or whatever is no query of the gateway's, on the connection that writes. */
async function onWriter(story: Scenario, text: SQL): Promise<number> {
  const rows = await story.database.write(async (tx) => tx.values<[number]>(text));
  return rows[0]?.[0] ?? 0;
}

const FILLER = 'the disk is full of this';

/** From here on the store's file cannot grow by a page, as on a disk without room. */
async function fillUp(story: Scenario): Promise<void> {
  await story.database.write(async (tx) => tx.run(sql`create table ${sql.identifier(FILLER)} (bytes blob)`));
  const pages = await onWriter(story, sql`pragma freelist_count`);
  for (let page = 0; page < pages; page += 1) {
    await story.database.write(async (tx) =>
      tx.run(sql`insert into ${sql.identifier(FILLER)} values (zeroblob(4000))`),
    );
  }
  await onWriter(story, sql`pragma max_page_count = 1`);
}

async function makeRoom(story: Scenario): Promise<void> {
  await onWriter(story, sql`pragma max_page_count = 1000000`);
  await story.database.write(async (tx) => tx.run(sql`drop table if exists ${sql.identifier(FILLER)}`));
}

const answered = (status: number, body: unknown): Answer => ({
  kind: 'answered',
  response: { origin: 'https://provider.example', status, headers: {}, body },
});

const LOST: readonly (readonly [what: string, answer: Answer])[] = [
  ['cut after it was accepted', { kind: 'unanswered', detail: 'reset' }],
  ['never answered', { kind: 'unanswered', detail: 'timeout' }],
  ['answered with garbage and 200', answered(200, { hello: 1 })],
  ["answered with an edge's 502 page", answered(502, null)],
  ['answered with 500', answered(500, { error: 'oops' })],
  ['answered with 409', answered(409, { error: 'conflict' })],
  ['answered with 408', answered(408, null)],
];

describe('a submission that was accepted and then', () => {
  it.each(LOST)('%s: found again where the provider keeps our tag, and made once', async (_what, lost) => {
    const story = await tell({ makeWorld: scripted({ submit: (_answer, count) => (count === 1 ? lost : null) }) });
    const id = await story.request(await story.start(), { only: ['alpha'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it.each(LOST)(
    '%s: in doubt elsewhere until its deadline, never sent again, its cost suspected',
    async (_what, lost) => {
      const story = await tell({
        doubtMs: 10 * MINUTE_MS,
        makeWorld: scripted({ submit: (_answer, count) => (count === 1 ? lost : null) }),
      });
      const id = await story.request(await story.start(), { order: ['gamma'] });
      await story.pass(9 * MINUTE_MS);
      expect(await story.attempts(id)).toMatchObject([{ state: 'in_doubt', provider: 'gamma' }]);
      expect(await story.end(id)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
      const kinds = (await story.entries(id)).map(({ kind }) => kind);
      expect(kinds).toEqual(['hold', 'release', 'suspected_cost']);
      expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
    },
  );

  it('is found by its own webhook address where nothing else can find it', async () => {
    const story = await tell({
      publicUrl: 'https://reelay.example',
      makeWorld: scripted({
        submit: (_answer, count) => (count === 1 ? { kind: 'unanswered', detail: 'reset' } : null),
      }),
    });
    const id = await story.request(await story.start(), { only: ['beta'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed', provider: 'beta' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });
});

describe('a submission that was never accepted', () => {
  it('because no connection was made: tried twice more there, then at the next candidate', async () => {
    const refused: Answer = { kind: 'never_sent', detail: 'connection refused' };
    const story = await tell({
      makeWorld: (clock, chance, weather) =>
        new (class extends World {
          override async submit(...args: Parameters<World['submit']>): Promise<Answer> {
            return args[0] === 'alpha' ? refused : await super.submit(...args);
          }
        })(clock, chance, weather),
    });
    const id = await story.request(await story.start(), { order: ['alpha'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    const providers = (await story.attempts(id)).map(({ provider }) => provider);
    expect(providers.slice(0, 3)).toEqual(['alpha', 'alpha', 'alpha']);
    expect(providers[3]).not.toBe('alpha');
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('cut before anything was made: sent again only after two look-ups have proven its absence', async () => {
    const story = await tell({
      makeWorld: (clock, chance, weather) =>
        new (class extends World {
          private first = true;
          override async submit(...args: Parameters<World['submit']>): Promise<Answer> {
            if (!this.first) return await super.submit(...args);
            this.first = false;
            return { kind: 'unanswered', detail: 'cut' };
          }
        })(clock, chance, weather),
    });
    const id = await story.request(await story.start(), { only: ['alpha'] });
    await story.pass(119 * SECOND_MS);
    expect(story.world.tasks).toHaveLength(0);
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect((await story.attempts(id)).length).toBe(1);
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('every provider down: the job fails, free of charge', async () => {
    const story = await tell({ weather: { refuse: 1 } });
    const id = await story.request(await story.start());
    expect(await story.end(id)).toMatchObject({ state: 'failed', errorCode: 'provider_error', settledMicros: 0n });
    expect([story.world.tasks.length, await story.faults()]).toEqual([0, []]);
  });

  it('every provider full: the job waits its half hour, then fails free of charge', async () => {
    const story = await tell({ weather: { busy: 1 } });
    const id = await story.request(await story.start());
    await story.pass(29 * MINUTE_MS);
    expect((await story.job(id)).state).toBe('queued');
    expect(await story.end(id)).toMatchObject({ state: 'failed', errorCode: 'queue_timeout', settledMicros: 0n });
    expect(await story.faults()).toEqual([]);
  });
});

describe('a task', () => {
  it('whose reads fail with 5xx, timeouts and garbage is read until it is done', async () => {
    const story = await tell({ weather: { readFault: 0.8 }, seed: 5 });
    const id = await story.request(await story.start(), { only: ['gamma'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('with a status that nobody knows is neither done nor failed, and does not go on for ever', async () => {
    const story = await tell({
      makeWorld: scripted({
        untold: true,
        read: (_answer, _count, path) => (path.startsWith('/tasks/') ? answered(200, { state: 'pondering' }) : null),
      }),
    });
    const id = await story.request(await story.start(), { only: ['gamma'] });
    await story.pass(2 * HOUR_MS);
    expect((await story.job(id)).state).toBe('running');
    expect(await story.end(id)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('that vanishes is in doubt after a minute, and its cost is suspected at the deadline of doubt', async () => {
    const story = await tell({
      doubtMs: 10 * MINUTE_MS,
      makeWorld: scripted({
        untold: true,
        read: (_answer, _count, path) => (path.startsWith('/tasks/') ? answered(404, { error: 'gone' }) : null),
      }),
    });
    const id = await story.request(await story.start(), { only: ['gamma'] });
    await story.pass(3 * MINUTE_MS);
    expect(await story.attempts(id)).toMatchObject([{ state: 'in_doubt' }]);
    expect(await story.end(id)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it.each([
    ['beta', 'completed'],
    ['gamma', 'failed'],
  ])(
    'stuck at %s is stopped where it can be, and followed to its deadline where it cannot',
    async (provider, state) => {
      const story = await tell({
        makeWorld: (clock, chance, weather) =>
          new (class extends World {
            override hasEnded(task: WorldTask): boolean {
              return task.provider === provider ? task.stopped : super.hasEnded(task);
            }
          })(clock, chance, weather),
      });
      const id = await story.request(await story.start(), { order: [provider] });
      const job = await story.end(id);
      expect(job.state).toBe(state);
      const [first] = await story.attempts(id);
      expect(first).toMatchObject({ provider, state: provider === 'beta' ? 'cancelled' : 'in_doubt' });
      expect(job.endedAtMs ?? 0).toBeGreaterThan(job.createdAtMs + HOUR_MS);
      expect(await story.faults()).toEqual([]);
    },
  );

  it('that is done without an address is read again three times, then believed, billed, and made elsewhere', async () => {
    const story = await tell({
      makeWorld: scripted({
        read: (answer) =>
          answer.kind === 'answered' &&
          (answer.response.body as { state?: string }).state === 'made' &&
          story.world.tasks.length === 1
            ? answered(200, { state: 'made', url: null })
            : null,
      }),
    });
    const id = await story.request(await story.start(), { order: ['gamma'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    const [first, second] = await story.attempts(id);
    expect([first?.state, first?.failureKind, second?.state]).toEqual(['failed', 'generation_failed', 'succeeded']);
    const costs = (await story.entries(id)).filter(({ kind }) => kind === 'cost');
    expect(costs.map(({ attemptId }) => attemptId)).toEqual([first?.id, second?.id]);
  });

  it('whose id is given out for a second job: I6 refuses, the operator hears of it once, and both are in doubt', async () => {
    const story = await tell({
      doubtMs: 5 * MINUTE_MS,
      makeWorld: scripted({
        submit: (_answer, count) => (count === 2 ? answered(200, { task: story.world.tasks[0]?.id }) : null),
      }),
    });
    const process = await story.start();
    const first = await story.request(process, { only: ['gamma'] });
    await story.pass(4 * SECOND_MS);
    const second = await story.request(process, { only: ['gamma'] });
    await story.pass(10 * SECOND_MS);
    expect(await story.attempts(second)).toMatchObject([{ state: 'in_doubt', taskId: null }]);
    // Whose clip it makes nobody knows: neither tenant gets the other's.
    const [theirs] = await story.attempts(first);
    expect(theirs).toMatchObject({ state: 'in_doubt', taskId: story.world.tasks[0]?.id, handle: null });
    expect(await story.end(first)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    expect(await story.end(second)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    const told = await story.database.read(async (tx) => tx.select().from(alarms));
    const [own] = await story.attempts(second);
    expect(told.filter(({ type }) => type === 'task.reused').map(({ body }) => JSON.parse(body).data)).toEqual([
      {
        account: 'gamma',
        provider: 'gamma',
        task: theirs?.taskId,
        first: { video: first, attempt: theirs?.id, state: 'running' },
        second: { video: second, attempt: own?.id },
      },
    ]);
  });

  it('whose id is given out for a second job is found again by its own tag, where the provider keeps one', async () => {
    const story = await tell({
      makeWorld: scripted({
        submit: (_answer, count) => (count === 2 ? answered(200, { task: story.world.tasks[0]?.id }) : null),
      }),
    });
    const process = await story.start();
    const ids: string[] = [];
    for (let count = 0; count < 2; count += 1) {
      ids.push(await story.request(process, { only: ['alpha'] }));
      await story.pass(4 * SECOND_MS);
    }
    for (const id of ids) expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([2, []]);
  });

  it('whose id is given out again after its clip was saved stays that clip’s; the operator hears of it', async () => {
    const story = await tell({
      doubtMs: 5 * MINUTE_MS,
      makeWorld: scripted({
        submit: (_answer, count) => (count === 2 ? answered(200, { task: story.world.tasks[0]?.id }) : null),
      }),
    });
    const process = await story.start();
    const first = await story.request(process, { only: ['gamma'] });
    expect(await story.end(first)).toMatchObject({ state: 'completed' });
    const second = await story.request(process, { only: ['gamma'] });
    expect(await story.end(second)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    expect((await story.job(first)).state).toBe('completed');
    const told = await story.database.read(async (tx) => tx.select().from(alarms));
    expect(told.map(({ type }) => type)).toContain('task.reused');
  });
});

describe('the wall clock', () => {
  it.each([HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS, -SECOND_MS])(
    'set by %i ms: nothing expires early',
    async (jump) => {
      const story = await tell();
      const id = await story.request(await story.start(), { only: ['gamma'] });
      await story.pass(5 * SECOND_MS);
      story.clock.jump(jump);
      expect(await story.end(id, 10 * MINUTE_MS)).toMatchObject({ state: 'completed' });
      expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
    },
  );

  it('past midnight: what was admitted before it is booked on its own day', async () => {
    const story = await tell();
    const process = await story.start();
    await story.pass(9 * MINUTE_MS + 55 * SECOND_MS);
    const before = await story.request(process, { only: ['gamma'] });
    await story.pass(10 * SECOND_MS);
    const after = await story.request(process, { only: ['gamma'] });
    await story.end(before);
    await story.end(after);
    const days = async (id: string) => [...new Set((await story.entries(id)).map(({ day }) => day))];
    expect([await days(before), await days(after)]).toEqual([['2026-11-21'], ['2026-11-22']]);
    expect(await story.faults()).toEqual([]);
  });
});

describe('the file', () => {
  const files = (fault: 'gone' | 'broken' | 'short' | 'html', times: number): ScenarioOptions => ({
    makeWorld: (clock, chance, weather) =>
      new (class extends World {
        private left = times;
        override spoil(): 'gone' | 'broken' | 'short' | 'html' | null {
          this.left -= 1;
          return this.left >= 0 ? fault : null;
        }
      })(clock, chance, weather),
  });

  it.each([
    ['gone', 0],
    ['broken', 0],
    ['html', 3],
    ['short', 3],
  ] as const)(
    '%s the first times is fetched again, from a fresh address; only a bad one counts as a try',
    async (fault, saveTries) => {
      const story = await tell(files(fault, 3));
      const id = await story.request(await story.start(), { only: ['gamma'] });
      expect(await story.end(id)).toMatchObject({ state: 'completed', saveTries });
      expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
    },
  );

  it.each([
    ['gone', 'asset_unavailable', 'HTTP 404'],
    ['short', 'asset_invalid', '1000 ms long, 5000 ms were ordered'],
    ['html', 'asset_invalid', 'not an MP4 video'],
  ] as const)('%s every time ends the job at our expense, with the evidence', async (fault, code, evidence) => {
    const story = await tell(files(fault, 10_000));
    const id = await story.request(await story.start(), { order: ['gamma'] });
    expect(await story.end(id)).toMatchObject({ state: 'failed', errorCode: code, settledMicros: 0n });
    expect((await story.attempts(id)).map(({ failureDetail }) => failureDetail)).toEqual([evidence]);
    expect((await story.entries(id)).map(({ kind }) => kind)).toEqual(['hold', 'release', 'cost']);
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });
});

describe('a webhook', () => {
  it('that comes a hundred times at once leads to one more read a second, and to one video', async () => {
    let reads = 0;
    const story = await tell({
      publicUrl: 'https://reelay.example',
      makeWorld: scripted({
        read: () => {
          reads += 1;
          return null;
        },
      }),
    });
    const process = await story.start();
    const id = await story.request(process, { only: ['beta'] });
    await story.pass(4 * SECOND_MS);
    const [task] = story.world.tasks;
    const before = reads;
    for (let count = 0; count < 100; count += 1) await deliverHook(process, task?.hook ?? '', task?.id ?? '');
    await story.pass(900);
    expect(reads - before).toBeLessThanOrEqual(2);
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    for (let count = 0; count < 5; count += 1) await deliverHook(process, task?.hook ?? '', task?.id ?? '');
    await story.pass(MINUTE_MS);
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('that names the task of another job is not believed', async () => {
    const story = await tell({
      publicUrl: 'https://reelay.example',
      doubtMs: 5 * MINUTE_MS,
      makeWorld: scripted({
        submit: (_answer, count) => (count === 2 ? { kind: 'unanswered', detail: 'reset' } : null),
      }),
    });
    story.world.onCall = () => {};
    const process = await story.start();
    const first = await story.request(process, { only: ['beta'] });
    await story.pass(4 * SECOND_MS);
    const second = await story.request(process, { only: ['beta'] });
    await story.pass(4 * SECOND_MS);
    const [theirs, own] = story.world.tasks;
    await deliverHook(process, own?.hook ?? '', theirs?.id ?? '');
    expect(await story.end(first)).toMatchObject({ state: 'completed' });
    expect(await story.end(second)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
    expect(await story.faults()).toEqual([]);
  });

  it('whose address is unknown wakes nobody', async () => {
    const story = await tell({ publicUrl: 'https://reelay.example' });
    const process = await story.start();
    const id = await story.request(process, { only: ['beta'] });
    await deliverHook(process, `https://reelay.example/hooks/beta/${'0'.repeat(32)}`, 'x');
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
  });
});

describe('the store', () => {
  it('down: nothing is submitted, nothing is lost, and it goes on by itself', async () => {
    const story = await tell();
    const process = await story.start();
    // Its answer comes while the store takes no writes.
    const id = await story.request(process, { only: ['gamma'] });
    while (story.world.sent.size === 0 && story.clock.step()) await story.quiet();
    story.storeDown = true;
    expect(await story.tryRequest(process, { only: ['gamma'] })).toBeNull();
    await story.pass(10 * SECOND_MS);
    expect(await story.attempts(id)).toMatchObject([{ state: 'submitting' }]);
    await story.pass(5 * MINUTE_MS);
    expect(story.world.tasks.length).toBe(1);
    story.storeDown = false;
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('locked for half a minute by another connection, with clips at every stage: none is lost, and it goes on by itself', async () => {
    const story = await tell();
    await onWriter(story, sql`pragma busy_timeout = 0`);
    onTestFinished(async () => void (await onWriter(story, sql`pragma busy_timeout = 5000`)));
    const ids = await inFlight(story);
    const other = new Sqlite(join(story.folder, 'reelay.db'));
    onTestFinished(() => void other.close());
    other.exec('begin immediate');
    const made = story.world.sent.size;
    await story.pass(30 * SECOND_MS);
    expect(story.refusals).toBeGreaterThan(ids.length);
    // What was on its way to a provider arrives; nothing new leaves.
    expect(story.world.sent.size).toBe(made);
    other.exec('rollback');
    for (const id of ids) expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([ids.length, []]);
  });

  it('full, with clips at every stage: none is lost, none is bought meanwhile, and it goes on once there is room', async () => {
    const story = await tell();
    const ids = await inFlight(story, 20);
    await fillUp(story);
    onTestFinished(() => makeRoom(story));
    await story.pass(2 * MINUTE_MS);
    expect(story.refusals).toBeGreaterThan(0);
    expect(await story.tryRequest(present(story.running, 'the process'), { only: ['gamma'] })).toBeNull();
    await makeRoom(story);
    for (const id of ids) expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([story.world.tasks.length, await story.faults()]).toEqual([ids.length, []]);
  });
});
