/**
 * A finished clip is paid for: as long as it can be had it is asked for, its operator hears when half of that time is over,
 * and a slow or dead file host holds up nobody else. On the virtual clock, with the real worker and store.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/ground/time.ts';
import { requestCancel } from '../../src/jobs/cancel.ts';
import { faultOf } from '../../src/jobs/save.ts';
import { alarms } from '../../src/store/schema-alarms.ts';
import { SIMULATED, TRAITS } from '../simulation/providers.ts';
import { Scenario } from '../simulation/scenario.ts';
import { type BadFile, World, type WorldTask } from '../simulation/world.ts';

/** The life of an address in the simulation, and so the time in which a clip can be had. */
const LINK_LIFE_MS = SIMULATED[0]?.linkLifeMs ?? 0;

/** A world whose file host has one fault for a while, counted from the first fetch, and takes its time. */
class Host extends World {
  fault: BadFile = 'gone';
  outMs = 0;
  slowMs = 1_000;
  readonly fetchedAtMs: number[] = [];
  /** Fetches under way, and the most there ever were. */
  most = 0;
  private readonly endsAtMs: number[] = [];
  private readonly ownClock: { monotonicMs(): number };

  constructor(...args: ConstructorParameters<typeof World>) {
    super(...args);
    [this.ownClock] = args;
  }

  override fetchingMs(): number {
    const nowMs = this.ownClock.monotonicMs();
    this.endsAtMs.push(nowMs + this.slowMs);
    this.most = Math.max(this.most, this.endsAtMs.filter((endMs) => endMs > nowMs).length);
    return this.slowMs;
  }

  /** Addresses here live as long as their providers say, also where a process was away meanwhile. */
  override videoOf(address: string): WorldTask | null {
    return this.tasks.find(({ id }) => address === `https://files.example/${id}.mp4`) ?? null;
  }

  override spoil(): BadFile | null {
    const nowMs = this.ownClock.monotonicMs();
    this.fetchedAtMs.push(nowMs);
    return nowMs < (this.fetchedAtMs[0] ?? 0) + this.outMs ? this.fault : null;
  }
}

async function open(change: Partial<Pick<Host, 'fault' | 'outMs' | 'slowMs'>> = {}) {
  const story = await Scenario.open({ makeWorld: (...args) => Object.assign(new Host(...args), change) });
  onTestFinished(() => story.close());
  const process = await story.start();
  const told = async () =>
    (await story.database.read((tx) => tx.select().from(alarms))).map(({ body }) => JSON.parse(body));
  return { story, process, host: story.world as Host, told };
}

/** Slots enough for this test alone. */
function widen(provider: string, slots: number): void {
  const traits = TRAITS.find(({ id }) => id === provider) as { slots: number };
  const before = traits.slots;
  traits.slots = slots;
  onTestFinished(() => {
    traits.slots = before;
  });
}

function live(provider: string, linkLifeMs: number): void {
  const sold = SIMULATED.find(({ id }) => id === provider) as { linkLifeMs: number };
  const before = sold.linkLifeMs;
  sold.linkLifeMs = linkLifeMs;
  onTestFinished(() => {
    sold.linkLifeMs = before;
  });
}

describe('a file host that is out', () => {
  it.each(['gone', 'broken'] as const)(
    '(%s) for five minutes, or for most of the life of the address, costs no paid clip',
    async (fault) => {
      for (const outMs of [5 * MINUTE_MS, LINK_LIFE_MS - 5 * MINUTE_MS]) {
        const { story, process, host } = await open({ fault, outMs });
        const id = await story.request(process, { only: ['gamma'] });
        expect(await story.end(id)).toMatchObject({ state: 'completed', saveTries: 0 });
        expect([story.world.tasks.length, await story.faults()]).toEqual([1, []]);
        // Soon at first, then at least once a minute, and not all the time.
        const apart = host.fetchedAtMs.slice(1).map((atMs, at) => atMs - (host.fetchedAtMs[at] ?? 0));
        expect(Math.max(...apart)).toBeLessThanOrEqual(MINUTE_MS + 5 * SECOND_MS);
        expect(host.fetchedAtMs.length).toBeLessThan(20 + outMs / (15 * SECOND_MS));
      }
    },
  );

  it('(a page instead of a video) for two minutes costs no paid clip either', async () => {
    const { story, process } = await open({ fault: 'html', outMs: 2 * MINUTE_MS });
    const id = await story.request(process, { only: ['gamma'] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
  });

  it('for ever ends the job when the address has died, soon after, at our expense', async () => {
    const { story, process, host } = await open({ outMs: 100 * HOUR_MS });
    const id = await story.request(process, { order: ['gamma'] });
    const job = await story.end(id);
    expect(job).toMatchObject({ state: 'failed', errorCode: 'asset_unavailable', settledMicros: 0n });
    const triedMs = (host.fetchedAtMs.at(-1) ?? 0) - (host.fetchedAtMs[0] ?? 0);
    expect(triedMs).toBeGreaterThan(LINK_LIFE_MS - MINUTE_MS);
    expect(triedMs).toBeLessThan(LINK_LIFE_MS + 30 * MINUTE_MS);
    expect((await story.entries(id)).map(({ kind }) => kind)).toEqual(['hold', 'release', 'cost']);
  });

  it('after half of the time raises one alarm for the clip, over a restart too, and not a moment sooner', async () => {
    const { story, process, host, told } = await open({ outMs: 100 * HOUR_MS });
    const id = await story.request(process, { only: ['gamma'] });
    while (host.fetchedAtMs.length === 0) await story.pass(SECOND_MS);
    await story.pass(LINK_LIFE_MS / 2 - 2 * MINUTE_MS);
    expect(await told()).toEqual([]);
    await story.pass(5 * MINUTE_MS);
    expect(await told()).toMatchObject([
      { type: 'video.at_risk', data: { video: id, provider: 'gamma', account: 'gamma', reason: 'gone' } },
    ]);
    process.kill();
    await story.start();
    await story.pass(10 * MINUTE_MS);
    expect(await told()).toHaveLength(1);
  });

  it('for ever, with an address that lives for a day: the alarm comes after three hours, the end with the deadline', async () => {
    live('gamma', DAY_MS);
    const { story, process, told } = await open({ fault: 'broken', outMs: 100 * HOUR_MS });
    const id = await story.request(process, { only: ['gamma'] });
    await story.pass(3 * HOUR_MS - 5 * MINUTE_MS);
    expect(await told()).toEqual([]);
    await story.pass(10 * MINUTE_MS);
    expect((await told()).map(({ type }) => type)).toEqual(['video.at_risk']);
    const job = await story.end(id);
    expect(job).toMatchObject({ state: 'failed', errorCode: 'asset_unavailable' });
    expect((job.endedAtMs ?? 0) - job.deadlineAtMs).toBeGreaterThan(0);
    expect((job.endedAtMs ?? 0) - job.deadlineAtMs).toBeLessThan(30 * MINUTE_MS);
  });

  it('is no reason to give up sooner because the job was at its deadline when the clip came', async () => {
    const { story, process } = await open({ outMs: 30 * MINUTE_MS });
    const id = await story.request(process, { only: ['gamma'] });
    await story.pass(6 * SECOND_MS);
    process.kill();
    await story.pass(7 * HOUR_MS);
    await story.start();
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
  });
});

it('a disk of ours that takes no video loses none: the clip waits at its provider, and the alarm is raised', async () => {
  const { story, process, told } = await open({ fault: 'not_stored', outMs: LINK_LIFE_MS - 5 * MINUTE_MS });
  const id = await story.request(process, { only: ['gamma'] });
  expect(await story.end(id)).toMatchObject({ state: 'completed', saveTries: 0 });
  expect(await told()).toMatchObject([{ type: 'video.at_risk', data: { video: id, reason: 'not_stored' } }]);
});

it('a download does not hold up a stop: it is cut, counts for nothing, and is begun again by the next process', async () => {
  const { story, process, told } = await open();
  let cut = false;
  process.deps.downloads.download = (_address, _part, _bytesMax, signal) =>
    new Promise((resolve) => {
      signal?.addEventListener('abort', () => {
        cut = true;
        resolve({ kind: 'broken', detail: 'stopped' });
      });
    });
  const id = await story.request(process, { only: ['gamma'] });
  while ((await story.job(id)).state !== 'saving') await story.pass(SECOND_MS);
  await story.pass(LINK_LIFE_MS - 5 * MINUTE_MS);
  const stopped: boolean[] = [];
  void process.worker.stop().then(() => stopped.push(cut));
  await story.pass(SECOND_MS);
  expect([stopped, await told()]).toEqual([[true], []]);
  expect(await story.job(id)).toMatchObject({ state: 'saving', saveTries: 0 });
  await story.start();
  expect(await story.end(id)).toMatchObject({ state: 'completed' });
});

describe('a clip is as ordered', () => {
  const facts = { contentType: 'video/mp4', durationMs: 3_041, width: 1_280, height: 720, hasAudio: false } as const;
  const order = { seconds: 3, audio: false, resolution: '720p' };

  it.each([
    // What providers really send: a frame, or a tenth, more than was ordered.
    [3, 3_041, true],
    [5, 5_100, true],
    [8, 8_041, true],
    // A few frames less still look like what was ordered.
    [3, 2_958, true],
    [3, 2_750, true],
    [3, 2_749, false],
    [3, 2_100, false],
    [5, 4_500, false],
    [30, 29_000, false],
    [null, 1, true],
  ])('%s s ordered, %i ms had: %s', (seconds, durationMs, isTaken) => {
    expect(faultOf({ ...order, seconds }, { ...facts, durationMs }) === null).toBe(isTaken);
  });
});

describe('a slow file host', () => {
  it('serves two downloads at a time and holds up nobody else, however many of its clips wait', async () => {
    widen('beta', 200);
    const { story, process, host } = await open({ slowMs: 14 * MINUTE_MS });
    const ids: string[] = [];
    for (let clip = 0; clip < 70; clip += 1) ids.push(await story.request(process, { only: ['beta'] }));
    await story.pass(3 * MINUTE_MS);
    const states = await Promise.all(ids.map((id) => story.job(id)));
    expect(states.filter(({ state }) => state === 'saving').length).toBeGreaterThan(64);
    const other = await story.request(process, { only: ['gamma'] });
    await story.pass(3 * SECOND_MS);
    expect(await story.attempts(other)).toHaveLength(1);
    expect(host.most).toBe(2);
    // Who waits for a download is still there to be cancelled.
    const last = ids.at(-1) ?? '';
    await requestCancel(process.deps, last);
    process.worker.wake(last);
    await story.pass(3 * SECOND_MS);
    expect((await story.job(last)).state).toBe('cancelled');
  });

  it('saves every clip in the end, two by two', async () => {
    widen('beta', 20);
    const { story, process, host } = await open({ slowMs: MINUTE_MS });
    const ids: string[] = [];
    for (let clip = 0; clip < 10; clip += 1) ids.push(await story.request(process, { only: ['beta'] }));
    for (const id of ids) expect((await story.end(id)).state).toBe('completed');
    expect([host.most, host.fetchedAtMs.length]).toEqual([2, 10]);
    expect(await story.faults()).toEqual([]);
  });
});
