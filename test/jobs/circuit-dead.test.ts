/**
 * A provider that is dead for ten minutes while another one is idle: how many clips it gets, what is read there meanwhile,
 * and how soon it is used again. The real worker, queue, ledger and store on a virtual clock; a clip every five seconds.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ProviderRequest } from '../../providers/contract.ts';
import { SECOND_MS } from '../../src/ground/time.ts';
import { type Admission, admit } from '../../src/jobs/admit.ts';
import { CircuitWatch } from '../../src/jobs/circuit-watch.ts';
import { collectRateCards } from '../../src/pricing/cards.ts';
import { parseRateCard } from '../../src/pricing/rate-card.ts';
import { consider } from '../../src/routing/consider.ts';
import { NO_ROUTING } from '../../src/routing/policy.ts';
import { alarms } from '../../src/store/schema-alarms.ts';
import type { Answer } from '../../src/wire/call.ts';
import { Chance } from '../simulation/chance.ts';
import { SIMULATED, TRAITS } from '../simulation/providers.ts';
import { FAIR, Scenario } from '../simulation/scenario.ts';
import { requestFor } from '../simulation/stage.ts';
import type { VirtualClock } from '../simulation/virtual-clock.ts';
import { World } from '../simulation/world.ts';

const DEAD_FROM = 20;
const DEAD_UNTIL = 620;
const EVERY = 5;
const HANG_MS = 30 * SECOND_MS;
const READ_TIMEOUT_MS = 15 * SECOND_MS;

/** Everything takes as little time as it may: generations ten seconds. */
class Steady extends Chance {
  override between(min: number): number {
    return min;
  }
}

type Way = '502' | 'hang' | 'refused';
interface Death {
  readonly by: Way;
  /** Whether reads are answered all the same. */
  readonly reads: 'dead' | 'well';
  readonly until: number;
}

class Dying extends World {
  readonly sendings: { readonly second: number; readonly to: string }[] = [];
  /** When something was read there. */
  readonly reads: number[] = [];
  private readonly time: VirtualClock;
  private readonly death: Death;

  constructor(clock: VirtualClock, death: Death) {
    super(clock, new Steady(1), FAIR);
    [this.time, this.death] = [clock, death];
  }

  get second(): number {
    return this.time.monotonicMs() / SECOND_MS;
  }

  private isDead(provider: string): boolean {
    return provider === 'beta' && this.second >= DEAD_FROM && this.second < this.death.until;
  }

  private async fail(hangMs: number): Promise<Answer> {
    const { by } = this.death;
    await this.time.wait(by === 'hang' ? hangMs : 100);
    if (by === 'refused') return { kind: 'never_sent', detail: 'connection refused' };
    if (by === 'hang') return { kind: 'unanswered', detail: 'no headers' };
    const response = { origin: 'https://provider.example', status: 502, headers: {}, body: null };
    return { kind: 'answered', response };
  }

  override async submit(provider: string, request: ProviderRequest, maySend: () => boolean): Promise<Answer> {
    this.sendings.push({ second: this.second, to: provider });
    return this.isDead(provider) ? await this.fail(HANG_MS) : await super.submit(provider, request, maySend);
  }

  override async read(provider: string, request: ProviderRequest): Promise<Answer> {
    if (provider === 'beta') this.reads.push(this.second);
    const isLost = this.death.reads === 'dead' && this.isDead(provider);
    return isLost ? await this.fail(READ_TIMEOUT_MS) : await super.read(provider, request);
  }
}

// As the simulated cards, but a failed take is free: no expected cost of failures keeps clips away.
const CARDS = collectRateCards(
  TRAITS.map(({ id, usdPerSecond }) => {
    const source = { document: 's', date: '2026-11-01', read: '2026-11-01' };
    const rate = { model: 'kling-v3', tasks: ['text_to_video'], resolution: '720p', audio: false };
    const rates = [{ ...rate, usd_per_second: Number(usdPerSecond) }];
    const limits = { min_seconds: 3, max_seconds: 15 };
    const head = { card: id, provider: id, effective: '2026-11-01', source, currency: 'USD', kind: 'per_second' };
    return parseRateCard(JSON.stringify({ ...head, failed: 'free', limits, rates }), `${id}/2026-11-01.yaml`);
  }),
);

async function open(death: Death) {
  const worlds: Dying[] = [];
  const slots = TRAITS.map((trait) => trait.slots);
  // Slots are not what this is about.
  for (const trait of TRAITS) Object.assign(trait, { slots: 40 });
  const scenario = await Scenario.open({
    makeWorld: (clock) => {
      const world = new Dying(clock, death);
      worlds.push(world);
      return world;
    },
  });
  onTestFinished(async () => {
    await scenario.close();
    for (const [index, trait] of TRAITS.entries()) Object.assign(trait, { slots: slots[index] });
  });
  const [world] = worlds;
  if (!world) throw new Error('the scenario has made no world');
  return { scenario, world, process: await scenario.start() };
}

type Set = Awaited<ReturnType<typeof open>>;

/** Admits a clip as the front door does; beta is the cheaper of the two that it may go to. */
async function send({ scenario, process }: Set, policy: Admission['tenant']['policy'] = {}): Promise<string> {
  const { deps, worker } = process;
  const videoId = deps.mint('video');
  const tenant = { id: 'ten_one', markupPercent: '10', policy } as Admission['tenant'];
  const request = requestFor(videoId, 5);
  const route = consider({
    requests: [request],
    routing: { ...NO_ROUTING, ignore: ['alpha'] },
    asker: { ...tenant, maxPriceMicros: null },
    sellers: SIMULATED.map(({ id, capabilities }) => ({
      ...{ provider: id, account: id, capabilities, credentials: [] },
      refuses: () => null,
    })),
    cards: CARDS,
    conditionsOf: (offer) => worker.conditionsOf(offer, tenant.id),
    nowMs: scenario.clock.nowMs(),
  });
  const presentation = { model: 'kling-v3', size: '', seconds: '5', estimate: 1, metadata: {}, warnings: [] };
  const repeat = { fingerprint: videoId, idempotencyKey: null, retryCount: 0 };
  const key = { id: 'key_one' } as Admission['key'];
  await admit(deps, { videoId, tenant, key, request, presentation, route, repeat });
  scenario.admitted.push(videoId);
  worker.take(videoId);
  return videoId;
}

/** A clip every so many seconds; but those that were there before it died have ended by then, so that none is polled. */
const isDue = (second: number, every: number): boolean => second % every === 0 && (second < 5 || second >= DEAD_FROM);

interface Shown {
  readonly second: number;
  readonly circuit: string;
  readonly reason: string | null;
  readonly timesOpened: number;
}

/** Clips until then; the jobs that beta got while it was dead, and the seconds at which it got any. */
async function day(death: Death, seconds: number, every = EVERY, isStubborn = (_second: number) => false) {
  const set = await open(death);
  const watch = new CircuitWatch(set.process.deps);
  const clips: { readonly videoId: string; readonly second: number }[] = [];
  const shown: Shown[] = [];
  for (let second = 0; second < seconds; second += 1) {
    if (isDue(second, every)) clips.push({ videoId: await send(set), second });
    if (isStubborn(second)) await send(set, { only: ['beta'] });
    await set.scenario.pass(SECOND_MS);
    await set.process.worker.outlook.refresh();
    const { circuit, reason, health } = set.process.worker.outlook.outlookOf({
      ...{ account: 'beta', model: 'kling-v3', upstream: 'k3' },
    });
    shown.push({ second, circuit, reason, timesOpened: health.timesOpened });
    if (second % EVERY === 0) await watch.look();
  }
  const there: { readonly videoId: string; readonly second: number }[] = [];
  for (const clip of clips) {
    const attempts = await set.scenario.attempts(clip.videoId);
    if (attempts.some(({ account }) => account === 'beta')) there.push(clip);
  }
  const told = (await set.scenario.database.read((tx) => tx.select().from(alarms).orderBy(alarms.id))).map(
    ({ type }) => type,
  );
  const whileDead = there.filter(({ second }) => second >= DEAD_FROM && second < death.until);
  return { ...set, clips, there, whileDead, shown, told };
}

/** Five failures, those that come within ten seconds while they have no answer, and three that try it. */
const MOST = 5 + 10 / EVERY + 3;

describe('a provider that is dead for ten minutes', () => {
  it.each([
    ['502', 'dead'],
    ['hang', 'dead'],
    ['refused', 'dead'],
    ['502', 'well'],
    ['hang', 'well'],
    ['refused', 'well'],
  ] as const)(
    'by %s, its reads %s: gets five clips, those under way within 10 s and at most three that try it',
    async (by, reads) => {
      const { whileDead, clips, scenario, there, told, world } = await day(
        { by, reads, until: DEAD_UNTIL },
        reads === 'well' ? DEAD_UNTIL : 710,
      );
      expect(whileDead.length).toBeLessThanOrEqual(MOST);
      // While nothing is answered there, reads try it and no clips.
      if (reads === 'dead') expect(whileDead.length).toBeLessThanOrEqual(5 + (by === 'hang' ? 10 / EVERY : 0));
      // All the others were made elsewhere at once.
      for (const { videoId } of clips.filter((clip) => clip.second < DEAD_UNTIL - 30 && !there.includes(clip))) {
        expect((await scenario.job(videoId)).state).toBe('completed');
      }
      expect(told.filter((type) => type === 'circuit.opened')).toHaveLength(1);
      if (reads === 'well') return;
      // Back in use within a minute, and for all that come from then on.
      const back = there.find(({ second }) => second >= DEAD_UNTIL)?.second ?? Number.POSITIVE_INFINITY;
      expect(back - DEAD_UNTIL).toBeLessThanOrEqual(60);
      const after = clips.filter(({ second }) => second >= back + 2 * EVERY);
      expect(after.length).toBeGreaterThan(5);
      expect(there).toEqual(expect.arrayContaining(after));
      expect(told).toEqual(['circuit.opened', 'circuit.closed']);
      // At most one read in each half minute.
      const alone = world.reads.filter((second) => second >= DEAD_FROM && second < DEAD_UNTIL);
      expect(alone.length).toBeGreaterThan(5);
      expect(alone.length).toBeLessThanOrEqual((DEAD_UNTIL - DEAD_FROM) / 30);
    },
  );

  it('for a minute by each way is back in use within a minute', async () => {
    for (const by of ['502', 'hang', 'refused'] as const) {
      const { there } = await day({ by, reads: 'dead', until: 80 }, 200);
      const back = there.find(({ second }) => second >= 80)?.second ?? Number.POSITIVE_INFINITY;
      expect(back - 80, by).toBeLessThanOrEqual(60);
      expect(there.filter(({ second }) => second >= 180)).toHaveLength(4);
    }
  });

  it('and hangs gets none any more ten seconds after the fifth was sent, and operators are shown why', async () => {
    const { whileDead, shown } = await day({ by: 'hang', reads: 'dead', until: DEAD_UNTIL }, 150);
    expect(whileDead.map(({ second }) => second)).toEqual([20, 25, 30, 35, 40, 45]);
    expect(shown.find(({ circuit }) => circuit !== 'closed')?.second).toBeLessThanOrEqual(51);
    // Its dates stay what they are when the answers are given up: it is open for its time, and then for want of a read.
    for (const { second, circuit, reason } of shown.filter((each) => each.second > 51)) {
      expect([second, circuit, reason]).toEqual([second, 'open', expect.stringMatching(/^circuit open/)]);
    }
    expect(shown.at(-1)?.reason).toMatch(
      /^circuit open: the account does not answer free reads, the next one in \d+ s$/,
    );
  });

  it('is not what it is taken for when our own process ended before the answers', async () => {
    const set = await open({ by: 'hang', reads: 'well', until: DEAD_UNTIL });
    await set.scenario.pass(DEAD_FROM * SECOND_MS);
    for (let count = 0; count < 6; count += 1) await send(set);
    await set.scenario.pass(SECOND_MS);
    set.process.kill();
    const next = await set.scenario.start();
    await set.scenario.pass(90 * SECOND_MS);
    await next.worker.outlook.refresh();
    const { circuit, recentFailures } = next.worker.outlook.healthOf({ account: 'beta', model: 'kling-v3' });
    expect([circuit, recentFailures, set.world.sendings.length]).toEqual(['closed', 0, 6]);
    for (const videoId of set.scenario.admitted) {
      expect((await set.scenario.attempts(videoId)).map(({ state }) => state)).toEqual(['in_doubt']);
    }
  });

  it.each([33, 90])(
    'for %i minutes is read and gets no clip that tries it, and is back in use within a minute',
    async (minutes) => {
      const until = DEAD_FROM + minutes * 60;
      const { whileDead, there, told, clips } = await day({ by: '502', reads: 'dead', until }, until + 90, 15);
      // Five that open it; at most three are allowed to try it, and none is needed.
      expect(whileDead.length).toBeLessThanOrEqual(5);
      const back = there.find(({ second }) => second >= until)?.second ?? Number.POSITIVE_INFINITY;
      expect(back - until).toBeLessThanOrEqual(60);
      const after = clips.filter(({ second }) => second >= back + 30);
      expect([after.length > 0, there]).toEqual([true, expect.arrayContaining(after)]);
      expect(told).toEqual(['circuit.opened', 'circuit.closed']);
    },
    60_000,
  );

  it('and tried in vain by clips that have nowhere else to go is back in use within a minute for all the others', async () => {
    const until = DEAD_FROM + 17 * 60;
    const isStubborn = (second: number) => second % 75 === 0 && second > 60 && second < until - 70;
    const { there, whileDead, shown } = await day({ by: '502', reads: 'dead', until }, until + 90, 15, isStubborn);
    expect(whileDead.length).toBeLessThanOrEqual(5);
    expect(Math.max(...shown.map(({ timesOpened }) => timesOpened))).toBeGreaterThan(4);
    // Long enough ago that it would not be its turn yet, had it not been silent.
    expect(shown.findLast(({ circuit }) => circuit !== 'closed')?.second).toBeLessThan(until + 75);
    const back = there.find(({ second }) => second >= until)?.second ?? Number.POSITIVE_INFINITY;
    expect(back - until).toBeLessThanOrEqual(60);
  });
});
