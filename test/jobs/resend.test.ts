/**
 * A lost answer at an account that was seen to replay a repeated key: the submission is sent once more, to the byte, and
 * the task of the first goes on. Told on the virtual clock; what left for the provider is counted there. Where anything
 * speaks against it, and in every gap where the process dies, freezes or loses its store, it is sent again never.
 */
import { eq } from 'drizzle-orm';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { onCrashPoint } from '../../src/ground/crash.ts';
import { requestCancel } from '../../src/jobs/cancel.ts';
import { putAccountSettings } from '../../src/jobs/outlook-rows.ts';
import { REPLAY_BELIEVED_MS } from '../../src/jobs/resend.ts';
import { jobs } from '../../src/store/schema.ts';
import { keptSubmissions } from '../../src/store/schema-resend.ts';
import type { Answer } from '../../src/wire/call.ts';
import type { SimulatedProcess } from '../simulation/process.ts';
import { Scenario, type ScenarioOptions } from '../simulation/scenario.ts';
import { World } from '../simulation/world.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DOUBT_MS = 10 * MINUTE_MS;
const LOST: Answer = { kind: 'unanswered', detail: 'reset' };

/** What the test puts in place of the answer of that number; `null` leaves it. `cut`: it never arrives. */
type Script = (count: number) => Answer | 'cut' | null;

class ScriptedWorld extends World {
  script: Script = () => null;
  private submits = 0;

  override async submit(...args: Parameters<World['submit']>): Promise<Answer> {
    this.submits += 1;
    const scripted = this.script(this.submits);
    if (scripted === 'cut' || scripted?.kind === 'never_sent') {
      const [, , maySend] = args;
      if (!maySend() || scripted !== 'cut') return { kind: 'never_sent', detail: 'no connection' };
      const tag = (args[1].body as { tag: string }).tag;
      this.sent.set(tag, [...(this.sent.get(tag) ?? []), JSON.stringify(args[1].body)]);
      return LOST;
    }
    const answer = await super.submit(...args);
    return answer.kind === 'never_sent' ? answer : (scripted ?? answer);
  }
}

const firstLost: Script = (count) => (count === 1 ? LOST : null);
const firstCut: Script = (count) => (count === 1 ? 'cut' : null);

async function tell(script: Script, options: ScenarioOptions = {}): Promise<Scenario> {
  const makeWorld = (...of: ConstructorParameters<typeof World>): World => {
    const world = new ScriptedWorld(...of);
    world.script = script;
    return world;
  };
  const scenario = await Scenario.open({ doubtMs: DOUBT_MS, makeWorld, ...options });
  onTestFinished(() => scenario.close());
  return scenario;
}

const sentOf = ({ world }: Scenario): string[] => [...world.sent.values()].flat();

/** Nothing but a hook, a person or the deadline ends this doubt: the tenant is not charged, the cost is suspected. */
async function expectDoubtForGood(story: Scenario, id: string, sent: number): Promise<void> {
  expect(await story.end(id)).toMatchObject({ state: 'failed', errorCode: 'provider_outcome_unknown' });
  expect((await story.entries(id)).map(({ kind }) => kind)).toEqual(['hold', 'release', 'suspected_cost']);
  expect([sentOf(story).length, await story.faults()]).toEqual([sent, []]);
}

afterEach(() => onCrashPoint(null));

describe('at an account that was seen to replay', () => {
  it.each([
    ['made its task', firstLost],
    ['never arrived', firstCut],
  ])('a submission that %s is sent once more after a minute, and its clip delivered', async (_what, script) => {
    const story = await tell(script);
    const process = await story.start();
    await story.seeReplay(process);
    const id = await story.request(process, { only: ['gamma'] });
    await story.pass(55 * SECOND_MS);
    expect(sentOf(story)).toHaveLength(1);
    await story.pass(30 * SECOND_MS);
    expect(sentOf(story)).toHaveLength(2);
    expect(await story.end(id)).toMatchObject({ state: 'completed', provider: 'gamma' });
    const [first, second] = sentOf(story);
    expect(second).toBe(first);
    expect((await story.attempts(id)).length).toBe(1);
    expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
  });

  it('an answer that came is no reason to send anything again', async () => {
    const story = await tell(() => null);
    const process = await story.start();
    await story.seeReplay(process);
    const id = await story.request(process, { only: ['gamma'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    expect([sentOf(story).length, await story.faults()]).toEqual([1, []]);
  });

  it('in_doubt: fallback waits for the repeat, and goes on to nobody when it names the task', async () => {
    const story = await tell(firstLost);
    const process = await story.start();
    await story.seeReplay(process);
    const id = await story.request(process, { order: ['gamma'] });
    await story.database.write(async (tx) => {
      const job = await story.job(id);
      const decision = JSON.parse(job.decision);
      const changed = { ...decision, choosing: { ...decision.choosing, inDoubt: 'fallback' } };
      await tx
        .update(jobs)
        .set({ decision: JSON.stringify(changed) })
        .where(eq(jobs.id, id));
    });
    expect(await story.end(id)).toMatchObject({ state: 'completed', provider: 'gamma' });
    expect([sentOf(story).length, story.world.tasks.length, await story.faults()]).toEqual([2, 1, []]);
  });
});

const answered = (status: number, body: unknown): Answer => ({
  kind: 'answered',
  response: { origin: 'https://provider.example', status, headers: {}, body },
});

describe('a repeat that', () => {
  it.each([
    ['is lost again', LOST, 2],
    ['is refused for its rate', answered(429, { error: 'slower' }), 2],
    ['is refused for too many tasks', answered(429, { error: 'busy' }), 2],
    ['is refused for want of money', answered(402, { error: 'poor' }), 2],
    ['is refused for its form', answered(400, { error: 'wrong' }), 2],
    ['conflicts with another body', answered(409, { error: 'known' }), 2],
    ["gets an edge's page", answered(502, null), 2],
    ['gets a success without a task', answered(200, {}), 2],
    ['finds no connection', { kind: 'never_sent', detail: 'refused' } as Answer, 1],
  ])('%s proves nothing: in doubt for good, and never sent a third time', async (_what, answer, sent) => {
    const story = await tell((count) => (count === 1 ? LOST : answer));
    const process = await story.start();
    await story.seeReplay(process);
    const id = await story.request(process, { only: ['gamma'] });
    await story.pass(90 * SECOND_MS);
    expect(await story.attempts(id)).toMatchObject([
      { state: 'in_doubt', slotHeld: true, failureDetail: expect.stringContaining('sent again under its key') },
    ]);
    await expectDoubtForGood(story, id, sent);
  });

  it('names the task of another attempt is not believed', async () => {
    const named: string[] = [];
    const story = await tell((count) => (count === 2 ? LOST : count === 3 ? answered(200, { task: named[0] }) : null));
    const process = await story.start();
    await story.seeReplay(process);
    const theirs = await story.request(process, { only: ['gamma'] });
    await story.pass(5 * SECOND_MS);
    named.push(story.world.tasks[0]?.id ?? '');
    const own = await story.request(process, { only: ['gamma'] });
    expect(await story.end(theirs)).toMatchObject({ state: 'completed' });
    expect(await story.end(own)).toMatchObject({ errorCode: 'provider_outcome_unknown' });
    expect([sentOf(story).length, await story.faults()]).toEqual([3, []]);
  });
});

type Against = (story: Scenario, process: SimulatedProcess) => Promise<void>;

/** What is so before the clip is asked for. */
const BEFORE: readonly (readonly [string, Against])[] = [
  ['nobody has looked', async () => {}],
  ['it was seen to buy twice', (story, process) => story.seeReplay(process, { replays: false })],
  ['it was seen with another key', (story, process) => story.seeReplay(process, { credentialDigest: 'a'.repeat(64) })],
  [
    'it was seen too long ago',
    (story, process) => story.seeReplay(process, { seenAtMs: story.clock.nowMs() - REPLAY_BELIEVED_MS - 1 }),
  ],
  ['only a younger key was seen to be kept', (story, process) => story.seeReplay(process, { heldMs: MINUTE_MS })],
  [
    'the provider declares no replay',
    async (story, process) => {
      const [alpha] = [...process.deps.accounts.values()].filter(({ id }) => id === 'gamma');
      await story.seeReplay(process);
      Object.assign(alpha?.provider ?? {}, { keyReplay: undefined });
      onTestFinished(() => {
        Object.assign(alpha?.provider ?? {}, { keyReplay: { afterMs: MINUTE_MS, withinMs: 5 * MINUTE_MS } });
      });
    },
  ],
];

/** What becomes so while the answer is missing. */
const MEANWHILE: readonly (readonly [string, (story: Scenario, process: SimulatedProcess, id: string) => unknown])[] = [
  ['it is seen to buy twice', (story, process) => story.seeReplay(process, { replays: false })],
  ['its key is changed', (story, process) => story.seeReplay(process, { credentialDigest: 'a'.repeat(64) })],
  ['a person isolates the account', (story, process) => setAccount(story, process, { enabled: true, isolated: true })],
  [
    'a person disables the account',
    (story, process) => setAccount(story, process, { enabled: false, isolated: false }),
  ],
  ['its tenant cancels', (_story, process, id) => requestCancel(process.deps, id)],
  [
    'its request cannot be written as it was',
    (story, _process, id) =>
      story.database.write(async (tx) => {
        const { request } = await story.job(id);
        await tx
          .update(jobs)
          .set({ request: request.replace('16:9', '9:16').replace(id, `${id} `) })
          .where(eq(jobs.id, id));
      }),
  ],
  [
    'what was kept cannot be opened',
    (story) => story.database.write((tx) => tx.update(keptSubmissions).set({ sealed: 'AAAA' })),
  ],
  ['what was kept is gone', (story) => story.database.write((tx) => tx.delete(keptSubmissions))],
];

async function setAccount(
  story: Scenario,
  { deps }: SimulatedProcess,
  flags: { readonly enabled: boolean; readonly isolated: boolean },
): Promise<void> {
  const row = { account: 'gamma', concurrency: null, healthSinceMs: 0, changedAtMs: deps.clock.nowMs(), ...flags };
  await story.database.write((tx) => putAccountSettings(tx, row));
}

describe('nothing is sent again where', () => {
  it.each(BEFORE)('%s', async (_why, against) => {
    const story = await tell(firstLost);
    const process = await story.start();
    await against(story, process);
    await expectDoubtForGood(story, await story.request(process, { only: ['gamma'] }), 1);
  });

  it.each(MEANWHILE)('%s while the answer is missing', async (_why, against) => {
    const story = await tell(firstLost);
    const process = await story.start();
    await story.seeReplay(process);
    const id = await story.request(process, { only: ['gamma'] });
    await story.pass(20 * SECOND_MS);
    await against(story, process, id);
    await story.pass(6 * MINUTE_MS);
    expect([sentOf(story).length, await story.faults(false)]).toEqual([1, []]);
    expect(await story.attempts(id)).toMatchObject([{ state: 'in_doubt' }]);
  });

  it('the key is older than it was seen to be kept, because no process ran meanwhile', async () => {
    const story = await tell(firstLost);
    const process = await story.start();
    await story.seeReplay(process);
    const id = await story.request(process, { only: ['gamma'] });
    await story.pass(20 * SECOND_MS);
    process.kill();
    await story.pass(5 * MINUTE_MS);
    await story.start();
    await expectDoubtForGood(story, id, 1);
  });

  it('nothing was kept, because it was seen only after the submission', async () => {
    const story = await tell(firstLost);
    const process = await story.start();
    const id = await story.request(process, { only: ['gamma'] });
    await story.pass(20 * SECOND_MS);
    await story.seeReplay(process);
    await expectDoubtForGood(story, id, 1);
  });
});

describe('what is kept', () => {
  it('is gone when the next submission is kept after its time', async () => {
    const story = await tell(() => null);
    const process = await story.start();
    await story.seeReplay(process);
    const kept = async () =>
      (await story.database.read((tx) => tx.select().from(keptSubmissions))).map(({ attemptId }) => attemptId);
    await story.end(await story.request(process, { only: ['gamma'] }));
    const [first] = await kept();
    await story.pass(6 * MINUTE_MS);
    await story.end(await story.request(process, { only: ['gamma'] }));
    expect([first, await kept()]).toEqual([expect.any(String), [expect.not.stringContaining(first ?? '')]]);
  });
});

describe('a process that is killed', () => {
  it.each([
    ['after the repeat is committed and before it leaves', 'resend.row', 1],
    ['after the repeat is answered and before that is committed', 'resend.sent', 2],
  ])('%s has used its one repeat up', async (_when, point, sent) => {
    const story = await tell(firstLost);
    const process = await story.start();
    await story.seeReplay(process);
    const id = await story.request(process, { only: ['gamma'] });
    let reached = 0;
    onCrashPoint((name) => {
      if (name !== point) return;
      reached += 1;
      for (const each of story.processes) each.kill();
      story.clock.after(2 * SECOND_MS, () => void story.start());
    });
    await expectDoubtForGood(story, id, sent);
    expect(reached).toBe(1);
  });
});

type Blow = (scenario: Scenario) => void;

/** Runs one clip whose first answer is lost; at the crossing of that number the blow falls. */
async function liveThrough(script: Script, at: number, blow: Blow): Promise<{ crossings: number; faults: string[] }> {
  const story = await tell(script, { doubtMs: 8 * MINUTE_MS });
  let crossings = 0;
  let started = false;
  story.onCross = () => {
    if (!started) return;
    crossings += 1;
    if (crossings === at) blow(story);
  };
  const first = await story.start();
  await story.seeReplay(first);
  started = true;
  const id = await story.tryRequest(first, { only: ['gamma'] });
  if (id === null) {
    await story.pass(10 * MINUTE_MS);
    return { crossings, faults: await story.faults() };
  }
  const job = await story.end(id);
  const faults = await story.faults();
  if (story.world.tasks.length > 1) faults.push(`${story.world.tasks.length} tasks`);
  if (sentOf(story).length > 2) faults.push(`sent ${sentOf(story).length} times`);
  if (job.state !== 'completed' && job.errorCode !== 'provider_outcome_unknown') faults.push(`ended ${job.errorCode}`);
  return { crossings, faults };
}

describe.each([
  ['made its task', firstLost],
  ['never arrived', firstCut],
])('a clip whose first submission %s', (_what, script) => {
  it.each<[string, Blow]>([
    [
      'kill -9',
      (story) => {
        story.processes[0]?.kill();
        story.clock.after(2_000, () => void story.start());
      },
    ],
    [
      'being frozen past its lease while another process takes over',
      (story) => {
        const [first] = story.processes;
        if (!first?.isRunning || story.processes.length > 1) return;
        first.freeze();
        story.clock.after(1_000, () => void story.start());
        story.clock.after(150_000, () => first.unfreeze());
      },
    ],
    [
      'half a minute without its store',
      (story) => {
        story.storeDown = true;
        story.clock.after(30_000, () => {
          story.storeDown = false;
        });
      },
    ],
  ])(
    'outlives %s in every gap around its repeat',
    async (_blow, blow) => {
      const { crossings, faults } = await liveThrough(script, 0, () => {});
      expect([crossings > 30, faults]).toEqual([true, []]);
      for (let at = 1; at <= crossings; at += 1) {
        expect([at, (await liveThrough(script, at, blow)).faults]).toEqual([at, []]);
      }
    },
    60_000,
  );
});
