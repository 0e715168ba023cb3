/**
 * A clip's whole life, from its admission to its file, has some dozens of gaps: before and after each commit and each
 * call. The process is killed in every one of them, frozen past its lease in every one, and cut off from its store in
 * every one, at three providers that differ in what they can tell. Whatever happens, the clip is made once, ends, and the
 * books agree; and it is delivered, but from the few gaps in which nobody can know whether it was sent, or what came of it.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Excuse } from '../simulation/lost.ts';
import { Scenario, type ScenarioOptions } from '../simulation/scenario.ts';
import { World, type WorldTask } from '../simulation/world.ts';

const PROVIDERS = ['alpha', 'beta', 'gamma'] as const;
const WITH_ADDRESS: ScenarioOptions = { publicUrl: 'https://reelay.example' };

type Blow = (scenario: Scenario) => Promise<void> | void;

/** What became of a clip: delivered; not promised at all; or lost, and what excuses that. */
type End = 'completed' | 'not_promised' | 'nothing_made' | Excuse;

interface Lived {
  readonly crossings: number;
  readonly end: End;
  readonly faults: readonly string[];
}

/** Runs one clip; at the crossing of that number the blow falls. How many crossings there were, and what was broken. */
async function liveThrough(provider: string, at: number, blow: Blow): Promise<Lived> {
  const scenario = await Scenario.open(WITH_ADDRESS);
  try {
    let crossings = 0;
    let started = false;
    scenario.onCross = () => {
      if (!started) return;
      crossings += 1;
      if (crossings === at) void blow(scenario);
    };
    const first = await scenario.start();
    started = true;
    const id = await scenario.tryRequest(first, { only: [provider] });
    if (id === null) {
      // Nothing was promised; if the hold was committed all the same, its job ends like any other.
      await scenario.pass(600_000);
      return { crossings, end: 'not_promised', faults: await scenario.faults() };
    }
    const job = await scenario.end(id);
    const tasks = scenario.world.tasks.filter(({ videoId }) => videoId === id);
    const faults = await scenario.faults();
    if (tasks.length > 1) faults.push(`${tasks.length} tasks`);
    const [excuse] = Object.keys((await scenario.lost()).excused) as Excuse[];
    const end = job.state === 'completed' ? 'completed' : (excuse ?? 'nothing_made');
    if (end !== 'completed' && job.errorCode !== 'provider_outcome_unknown') {
      faults.push(`ended ${job.state} ${job.errorCode}`);
    }
    return { crossings, end, faults };
  } finally {
    await scenario.close();
  }
}

/** To how many ends the blow led, over all gaps, that were not the clip. */
async function everyGap(provider: string, blow: Blow): Promise<{ gaps: number; lost: Partial<Record<End, number>> }> {
  const { crossings, faults, end } = await liveThrough(provider, 0, () => {});
  expect([end, faults]).toEqual(['completed', []]);
  const lost: Partial<Record<End, number>> = {};
  for (let at = 1; at <= crossings; at += 1) {
    const lived = await liveThrough(provider, at, blow);
    expect([at, lived.faults]).toEqual([at, []]);
    if (lived.end !== 'completed') lost[lived.end] = (lost[lived.end] ?? 0) + 1;
  }
  return { gaps: crossings, lost };
}

/** Gaps between the commit of the row and the first byte: nobody knows that it never left. */
const KILLED_BEFORE = { nothing_made: 2 };
/** The same, and the one in which it was about to leave: thawed, it may not. */
const FROZEN_BEFORE = { nothing_made: 3 };

/** Gaps after which a clip is not delivered, because nobody can know of it. Everywhere else it is. */
const LOST: Readonly<Record<(typeof PROVIDERS)[number], Readonly<Record<'killed' | 'frozen', object>>>> = {
  // It keeps our tag: what was made is found, and what was not is proven absent and sent again.
  alpha: { killed: {}, frozen: {} },
  // It calls: what was made is announced.
  beta: { killed: KILLED_BEFORE, frozen: FROZEN_BEFORE },
  // It can neither be asked nor call: the answer is all there is.
  gamma: {
    killed: { ...KILLED_BEFORE, unanswered: 1, died_with_answer: 1 },
    frozen: { ...FROZEN_BEFORE, taken_over: 1 },
  },
};

describe.each(PROVIDERS)('a clip at %s', (provider) => {
  it('outlives kill -9 in every gap, delivered from all but those in which nobody can know of it', async () => {
    const { gaps, lost } = await everyGap(provider, (scenario) => {
      scenario.processes[0]?.kill();
      scenario.clock.after(2_000, () => void scenario.start());
    });
    expect(gaps).toBeGreaterThan(20);
    // Before its hold is committed nothing is promised.
    expect(lost).toEqual({ not_promised: 2, ...LOST[provider].killed });
  });

  it('outlives being frozen past its lease in every gap, while another process takes over', async () => {
    const { lost } = await everyGap(provider, (scenario) => {
      const [first] = scenario.processes;
      if (!first?.isRunning || scenario.processes.length > 1) return;
      first.freeze();
      scenario.clock.after(1_000, () => void scenario.start());
      scenario.clock.after(150_000, () => first.unfreeze());
    });
    expect(lost).toEqual(LOST[provider].frozen);
  });

  it('is delivered although its store is down for half a minute, from whatever gap on', async () => {
    const { lost } = await everyGap(provider, (scenario) => {
      scenario.storeDown = true;
      scenario.clock.after(30_000, () => {
        scenario.storeDown = false;
      });
    });
    expect(lost).toEqual({});
  });
});

/** At this time the work in the background that is due next takes jobs over; ten seconds later the lease is renewed. */
const TAKES_OVER_FIRST_MS = 40_000;
const FETCH_MS = 2_000;

/** A task that is done at that time. Counts the fetches of its file that go on at the same time. */
class SlowFiles extends World {
  fetchesAtOnceMost = 0;
  /** Called once, when the task is first seen to be done. */
  onDone: (() => void) | null = null;
  private fetches = 0;
  private readonly now: () => number;

  constructor(...of: ConstructorParameters<typeof World>) {
    super(...of);
    const [clock] = of;
    this.now = () => clock.monotonicMs();
  }

  override hasEnded(): boolean {
    if (this.now() < TAKES_OVER_FIRST_MS) return false;
    this.onDone?.();
    this.onDone = null;
    return true;
  }

  override fetchingMs(): number {
    this.fetches += 1;
    this.fetchesAtOnceMost = Math.max(this.fetchesAtOnceMost, this.fetches);
    return FETCH_MS;
  }

  override videoOf(address: string): WorldTask | null {
    this.fetches -= 1;
    return super.videoOf(address);
  }
}

describe('a process that is frozen past its lease, with nobody to take its jobs over', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'takes its own job over, but runs one step of it at a time (gap %i)',
    async (gap) => {
      let toCome = Number.POSITIVE_INFINITY;
      const worlds: SlowFiles[] = [];
      const makeWorld = (...of: ConstructorParameters<typeof World>): World => {
        const world = new SlowFiles(...of);
        world.onDone = () => {
          toCome = gap;
        };
        worlds.push(world);
        return world;
      };
      const scenario = await Scenario.open({ ...WITH_ADDRESS, makeWorld });
      onTestFinished(() => scenario.close());
      scenario.onCross = (process) => {
        toCome -= 1;
        if (toCome !== 0) return;
        process.freeze();
        scenario.clock.after(150_000, () => process.unfreeze());
      };
      const id = await scenario.request(await scenario.start(), { only: ['beta'] });
      scenario.clock.after(TAKES_OVER_FIRST_MS + 1_000, () => {
        const [task] = scenario.world.tasks;
        scenario.world.onCall(task?.hook ?? '', task?.id ?? '');
      });
      expect(await scenario.end(id)).toMatchObject({ state: 'completed' });
      await scenario.pass(60_000);
      expect(worlds.map(({ fetchesAtOnceMost }) => fetchesAtOnceMost)).toEqual([1]);
      expect([toCome <= 0, scenario.world.tasks.length, await scenario.faults()]).toEqual([true, 1, []]);
    },
  );
});
