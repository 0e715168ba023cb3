/**
 * A provider that is down for a minute, as a whole: the real worker, queue, ledger and store on a virtual clock. Clips
 * come every few seconds from three tenants who all want that provider first, and differ in where a clip may go on to.
 */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ProviderRequest } from '../../providers/contract.ts';
import { SECOND_MS } from '../../src/ground/time.ts';
import { type Admission, admit } from '../../src/jobs/admit.ts';
import { CircuitWatch } from '../../src/jobs/circuit-watch.ts';
import { consider } from '../../src/routing/consider.ts';
import { NO_ROUTING, type RequestRouting } from '../../src/routing/policy.ts';
import { type AttemptRow, apiKeys, type JobRow, tenants } from '../../src/store/schema.ts';
import { alarms } from '../../src/store/schema-alarms.ts';
import type { Answer } from '../../src/wire/call.ts';
import { Chance } from '../simulation/chance.ts';
import type { SimulatedProcess } from '../simulation/process.ts';
import { SIMULATED, SIMULATED_CARDS, TRAITS } from '../simulation/providers.ts';
import { FAIR, Scenario } from '../simulation/scenario.ts';
import { requestFor } from '../simulation/stage.ts';
import type { VirtualClock } from '../simulation/virtual-clock.ts';
import { World } from '../simulation/world.ts';

const DOWN_FROM = 20;
const DOWN_UNTIL = 80;
const SLOW_MS = 2_500;

/** Everything takes as little time as it may: generations ten seconds. */
class Steady extends Chance {
  override between(min: number): number {
    return min;
  }
}

interface Sent {
  readonly second: number;
  readonly to: string;
  readonly videoId: string;
  readonly answered: 'taken' | 'refused' | '503';
}

interface Outage {
  readonly provider: string;
  /** Connections are refused, or every call is answered 503, of which nobody knows whether it made a task. */
  readonly by: 'refused' | '503';
}

/** One provider is down from the 20th second to the 80th; nothing else goes wrong. */
class Minute extends World {
  readonly sendings: Sent[] = [];
  private readonly time: VirtualClock;
  private readonly outage: Outage;

  constructor(clock: VirtualClock, outage: Outage) {
    super(clock, new Steady(1), FAIR);
    this.time = clock;
    this.outage = outage;
  }

  private get second(): number {
    return this.time.monotonicMs() / SECOND_MS;
  }

  private isDown(provider: string): boolean {
    return provider === this.outage.provider && this.second >= DOWN_FROM && this.second < DOWN_UNTIL;
  }

  private async noService(): Promise<Answer> {
    await this.time.wait(5);
    if (this.outage.by === 'refused') return { kind: 'never_sent', detail: 'connection refused' };
    const response = { origin: 'https://provider.example', status: 503, headers: {}, body: null };
    return { kind: 'answered', response };
  }

  override async submit(provider: string, request: ProviderRequest, maySend: () => boolean): Promise<Answer> {
    const isDown = this.isDown(provider);
    const { prompt } = request.body as { prompt: string };
    const answered = isDown ? this.outage.by : 'taken';
    this.sendings.push({ second: this.second, to: provider, videoId: prompt, answered });
    if (isDown) return await this.noService();
    // It comes back slowly, so that clips arrive while one is trying it.
    if (provider === this.outage.provider && this.second >= DOWN_UNTIL) await this.time.wait(SLOW_MS);
    return await super.submit(provider, request, maySend);
  }

  override async read(provider: string, request: ProviderRequest): Promise<Answer> {
    return this.isDown(provider) ? await this.noService() : await super.read(provider, request);
  }
}

// Slots are not what this is about: with two or three each, clips would go elsewhere for want of them.
beforeAll(() => {
  for (const trait of TRAITS) Object.assign(trait, { slots: 20 });
});

/** Alpha is the cheapest, then beta, then gamma. */
const TENANTS = {
  any: { fallback: 'any', order: ['beta'], ignore: ['alpha'] },
  cheaper: { fallback: 'cheaper', order: ['beta'] },
  none: { fallback: 'none', order: ['beta'] },
  alphas: { fallback: 'any', order: ['alpha'] },
} as const satisfies Record<string, Partial<RequestRouting>>;
type Name = keyof typeof TENANTS;

/** A day on which one provider is down for a minute, and all that is known of it. */
class Story {
  readonly scenario: Scenario;
  readonly process: SimulatedProcess;
  readonly world: Minute;
  readonly clips: { readonly name: Name; readonly videoId: string; readonly second: number }[] = [];
  /** Changes of the circuit, what was sent there while it was not closed, and alarms: as they were seen, each second. */
  readonly events: { readonly second: number; readonly what: string }[] = [];
  private readonly account: string;
  private watch: CircuitWatch;
  private circuit = 'closed';
  private told = 0;
  private seen = 0;

  private constructor(scenario: Scenario, process: SimulatedProcess, world: Minute, account: string) {
    [this.scenario, this.process, this.world, this.account] = [scenario, process, world, account];
    this.watch = new CircuitWatch(process.deps);
  }

  static async open(outage: Outage): Promise<Story> {
    const worlds: Minute[] = [];
    const makeWorld = (clock: VirtualClock): Minute => {
      const world = new Minute(clock, outage);
      worlds.push(world);
      return world;
    };
    const scenario = await Scenario.open({ makeWorld });
    const createdAtMs = scenario.clock.nowMs();
    await scenario.database.write(async (tx) => {
      for (const name of Object.keys(TENANTS)) {
        await tx.insert(tenants).values({ id: `ten_${name}`, name, markupPercent: '10', policy: '{}', createdAtMs });
        const shown = { prefix: 'sk', lastFour: 'wxyz', digest: name, name };
        await tx.insert(apiKeys).values({ id: `key_${name}`, tenantId: `ten_${name}`, createdAtMs, ...shown });
      }
    });
    const [world] = worlds;
    if (!world) throw new Error('the scenario has made no world');
    return new Story(scenario, await scenario.start(), world, outage.provider);
  }

  /** Admits a clip as the front door does: routed by what is known of the providers now. */
  async send(name: Name): Promise<void> {
    const { deps, worker } = this.process;
    const videoId = deps.mint('video');
    const tenant = { id: `ten_${name}`, markupPercent: '10', policy: {} } as Admission['tenant'];
    const request = requestFor(videoId, 5);
    const route = consider({
      requests: [request],
      routing: { ...NO_ROUTING, ...TENANTS[name] },
      asker: { ...tenant, maxPriceMicros: null },
      sellers: SIMULATED.map(({ id, capabilities }) => ({
        ...{ provider: id, account: id, capabilities, credentials: [] },
        refuses: () => null,
      })),
      cards: SIMULATED_CARDS,
      conditionsOf: (offer) => worker.conditionsOf(offer, tenant.id),
      nowMs: this.scenario.clock.nowMs(),
    });
    const presentation = { model: 'kling-v3', size: '', seconds: '5', estimate: 1, metadata: {}, warnings: [] };
    const key = { id: `key_${name}` } as Admission['key'];
    const repeat = { fingerprint: videoId, idempotencyKey: null, retryCount: 0 };
    await admit(deps, { videoId, tenant, key, request, presentation, route, repeat });
    this.scenario.admitted.push(videoId);
    this.clips.push({ name, videoId, second: this.second });
    worker.take(videoId);
  }

  get second(): number {
    return this.scenario.clock.monotonicMs() / SECOND_MS;
  }

  /** Lets a second pass and puts down what it has brought. */
  async tick(): Promise<void> {
    await this.scenario.pass(SECOND_MS);
    const { outlook } = this.process.worker;
    await outlook.refresh();
    const before = this.circuit;
    const { circuit, health } = outlook.outlookOf({ account: this.account, model: 'kling-v3', upstream: 'k3' });
    for (const { to, answered } of this.world.sendings.slice(this.seen)) {
      if (to === this.account && before !== 'closed') this.put(`a clip is ${answered}`);
    }
    this.seen = this.world.sendings.length;
    this.circuit = circuit;
    if (circuit !== before)
      this.put(circuit === 'open' ? `opens, time ${health.timesOpened}` : circuit.replace('_', ' '));
    await this.watch.look();
    for (const { type } of (await this.alarms()).slice(this.told)) {
      this.told += 1;
      this.put(`the operator hears ${type}`);
    }
  }

  /** As a restart does: what was kept in memory is gone. */
  forgetTold(): void {
    this.watch = new CircuitWatch(this.process.deps);
  }

  async alarms() {
    const rows = await this.scenario.database.read((tx) => tx.select().from(alarms).orderBy(alarms.id));
    return rows.map(({ type, subject, body }) => ({ type, subject, body, data: (JSON.parse(body) as Told).data }));
  }

  secondOf(what: string, nth = 0): number {
    return this.events.filter((event) => event.what === what)[nth]?.second ?? expect.fail(`never: ${what}`);
  }

  close(): Promise<void> {
    return this.scenario.close();
  }

  /** Each clip with what became of it, once all have ended. */
  async ends(): Promise<Ended[]> {
    const ended: Ended[] = [];
    for (const clip of this.clips) {
      const job = await this.scenario.end(clip.videoId);
      ended.push({ ...clip, job, attempts: await this.scenario.attempts(clip.videoId) });
    }
    return ended;
  }

  private put(what: string): void {
    this.events.push({ second: this.second, what });
  }
}

interface Told {
  readonly data: Readonly<Record<string, unknown>>;
}

interface Ended {
  readonly name: Name;
  readonly second: number;
  readonly videoId: string;
  readonly job: JobRow;
  readonly attempts: readonly AttemptRow[];
}

const to = ({ attempts }: Ended): string[] => attempts.map(({ provider }) => provider);

/** Three clips at once every four seconds, another one a second later, and one that may go nowhere else every twenty. */
async function tellMinute(): Promise<Story> {
  const story = await Story.open({ provider: 'beta', by: 'refused' });
  for (let second = 0; second < 180; second += 1) {
    if (second % 4 === 0) for (const name of ['any', 'any', 'cheaper'] as const) await story.send(name);
    if (second % 4 === 1 && second > 25) await story.send('any');
    if (second % 20 === 0) await story.send('none');
    if (second === 40) story.forgetTold();
    await story.tick();
  }
  return story;
}

/** When, in seconds from and to, and what. It is down from the 20th second to the 80th. */
const TIMELINE = [
  [20, 22, 'opens, time 1'],
  [20, 22, 'the operator hears circuit.opened'],
  // One clip has nowhere else to go: the last candidate standing is never held back by a circuit.
  [20, 25, 'a clip is refused'],
  // After 30 s it is read there, before any clip tries it, and again every 30 s: the first read that is answered lets one.
  [80, 121, 'half open'],
  // Three come at once, one of them tries it.
  [80, 125, 'a clip is taken'],
  [85, 130, 'a clip is taken'],
  [85, 130, 'closed'],
  [85, 135, 'the operator hears circuit.closed'],
] as const;

describe('a provider that is down for a minute', () => {
  let story: Story;
  let ends: readonly Ended[];
  beforeAll(async () => {
    story = await tellMinute();
    ends = await story.ends();
  });
  afterAll(() => story.close());

  it('is left alone, tried by one clip at a time, and taken up again by itself', async () => {
    expect(story.events.map(({ what }) => what)).toEqual(TIMELINE.map(([, , what]) => what));
    for (const [index, [from, until, what]] of TIMELINE.entries()) {
      const second = story.events[index]?.second ?? Number.NaN;
      expect(second >= from && second <= until, `${what} at ${second}, expected ${from} to ${until}`).toBe(true);
    }
    const toIt = story.world.sendings.filter((sent) => sent.to === 'beta');
    const opened = story.secondOf('opens, time 1');
    const failed = toIt.filter(({ answered, second }) => answered === 'refused' && second <= opened);
    expect(failed.filter(({ second }) => second >= DOWN_FROM)).toHaveLength(5);
    // Back in use within a minute after it is well, and everything that comes goes there again.
    const closed = story.secondOf('closed');
    expect(closed - DOWN_UNTIL).toBeLessThanOrEqual(60);
    const after = story.clips.filter(({ second }) => second >= closed);
    expect(after.length).toBeGreaterThan(30);
    for (const clip of ends.filter(({ second }) => second >= closed)) expect(to(clip)).toEqual(['beta']);
    expect(await story.scenario.faults()).toEqual([]);
  });

  it('moves each clip in the direction that its tenant allows, and buys none of them twice', async () => {
    const of = (name: Name): Ended[] => ends.filter((clip) => clip.name === name);
    const opened = story.secondOf('opens, time 1');
    const whileShut = ({ second }: Ended): boolean => second > opened && second < story.secondOf('half open');
    const metIt = (clip: Ended): boolean => clip.attempts.some(({ failureKind }) => failureKind === 'unavailable');

    // Any: to the next, which is dearer.
    for (const { job } of of('any')) expect(job.state).toBe('completed');
    expect(of('any').filter(metIt).map(to).at(0)).toContain('gamma');
    for (const clip of of('any').filter(whileShut)) expect(to(clip)).toEqual(['gamma']);

    // Cheaper: only to one that is not dearer, although the dearer one is idle.
    for (const { job } of of('cheaper')) expect(job.state).toBe('completed');
    expect(
      of('cheaper')
        .filter(metIt)
        .map((clip) => to(clip).at(-1))
        .at(0),
    ).toBe('alpha');
    expect(of('cheaper').flatMap(to)).not.toContain('gamma');
    for (const clip of of('cheaper').filter(whileShut)) expect(to(clip)).toEqual(['alpha']);

    // None: asked three times there, then ended free of charge; who comes later begins with another.
    const [ended, ...others] = of('none').filter(metIt);
    expect([ended?.second, ended?.job.state, ended?.job.errorCode]).toEqual([20, 'failed', 'provider_error']);
    expect([others, ended && to(ended)]).toEqual([[], ['beta', 'beta', 'beta']]);
    const kinds = (await story.scenario.entries(ended?.videoId ?? '')).map(({ kind }) => kind);
    expect([kinds, ended?.job.settledMicros]).toEqual([['hold', 'release'], 0n]);
    const later = of('none').filter(whileShut);
    expect(later.map(({ second }) => second)).toEqual([40, 60, 80]);
    expect(later.map(to)).toEqual(later.map(() => ['alpha']));

    // What ran there when it went down was followed to its end.
    const running = ends.filter(({ second }) => second >= 12 && second < DOWN_FROM);
    expect(running.map((clip) => [to(clip), clip.job.state])).toEqual(running.map(() => [['beta'], 'completed']));
    const bought = ends.filter(({ job }) => job.state === 'completed').length;
    expect([story.world.tasks.length, ends.length]).toEqual([bought, bought + 1]);
    expect(await story.scenario.faults()).toEqual([]);
  });

  it('gets nothing while its circuit is open but from a clip that has nowhere else to go', async () => {
    const [opened, halfOpen] = [story.secondOf('opens, time 1'), story.secondOf('half open')];
    const strays = story.world.sendings
      .filter((sent) => sent.to === 'beta' && sent.second >= opened && sent.second < halfOpen)
      .map(({ videoId }) => story.clips.find((clip) => clip.videoId === videoId)?.name);
    expect(strays).toEqual(['none']);
    // Of the three that come at once when it is half open one is sent there, and none of those that come meanwhile.
    const closed = story.secondOf('closed');
    const probes = story.world.sendings.filter(
      (sent) => sent.to === 'beta' && sent.second >= halfOpen - 1 && sent.second < closed,
    );
    expect(probes.map(({ answered }) => answered)).toEqual(['taken', 'taken']);
    const [first, second] = probes;
    expect((second?.second ?? 0) - (first?.second ?? 0)).toBeGreaterThanOrEqual(SLOW_MS / SECOND_MS);
  });

  it('is told of once when it opens and once when it has closed, with what an operator needs and nothing else', async () => {
    const [opened, closed, ...more] = await story.alarms();
    expect(more).toEqual([]);
    const place = { account: 'beta', provider: 'beta', model: 'kling-v3', reason: 'failures' };
    const times = { opened_at: expect.any(Number), until: expect.any(Number) };
    expect(opened?.data).toEqual({ ...place, ...times, failures: 5 });
    expect(closed?.data).toEqual({ ...place, opened_at: opened?.data.opened_at, closed_by: 'success' });
    const stays = Number(opened?.data.until) - Number(opened?.data.opened_at);
    expect(stays >= 27 && stays <= 33).toBe(true);
    for (const { videoId } of story.clips) expect(opened?.body).not.toContain(videoId);
  });
});

describe('a provider that answers 503 for a minute', () => {
  it('may have made each task: lost answers count, lost reads too, and every clip waits until it is known', async () => {
    const story = await Story.open({ provider: 'alpha', by: '503' });
    onTestFinished(() => story.close());
    for (let second = 0; second < 60; second += 1) {
      if (second % 2 === 0) await story.send('alphas');
      await story.tick();
    }
    const [opened] = await story.alarms();
    expect(opened?.data).toMatchObject({ account: 'alpha', reason: 'failures' });
    const ends = await story.ends();
    const lost = story.world.sendings.filter(({ answered }) => answered === '503');
    // Five of them would open it alone; the tasks that run there and cannot be read are failures too.
    expect(lost.length).toBeGreaterThanOrEqual(2);
    expect(lost.length).toBeLessThan(5);
    for (const { videoId, second } of lost) {
      // Sent again under its own tag, once its provider has shown twice that it has no such task.
      const [, again, ...more] = story.world.sendings.filter((sent) => sent.videoId === videoId);
      expect([again?.to, again?.answered, more]).toEqual(['alpha', 'taken', []]);
      expect((again?.second ?? 0) - second).toBeGreaterThanOrEqual(120);
      expect(ends.find((clip) => clip.videoId === videoId)?.job.state).toBe('completed');
    }
    const shut = ends.filter(({ second }) => second > DOWN_FROM + 20);
    expect(new Set(shut.flatMap(to))).toEqual(new Set(['beta']));
    expect(await story.scenario.faults()).toEqual([]);
  });
});
