/**
 * A provider that takes tasks and then cannot say how they are doing: each failed read counts toward its circuit, one that
 * is answered takes them back, and a clip that cannot be had counts as a bad take.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ProviderRequest } from '../../providers/contract.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/ground/time.ts';
import type { Answer } from '../../src/wire/call.ts';
import { TRAITS } from '../simulation/providers.ts';
import { Scenario } from '../simulation/scenario.ts';
import { World } from '../simulation/world.ts';

const OFFER = { account: 'beta', model: 'kling-v3' };

/** As good as ever, but for reads that are answered 503 while a test says so. */
class Silent extends World {
  silent = false;
  reads = 0;
  override async read(provider: string, request: ProviderRequest): Promise<Answer> {
    if (!this.silent) return await super.read(provider, request);
    this.reads += 1;
    return { kind: 'answered', response: { status: 503, headers: {}, body: null, text: '' } } as unknown as Answer;
  }
}

async function open(weather: { badFile?: number } = {}) {
  const scenario = await Scenario.open({ weather, makeWorld: (clock, chance, of) => new Silent(clock, chance, of) });
  onTestFinished(() => scenario.close());
  const process = await scenario.start();
  const health = async () => {
    await process.worker.outlook.refresh();
    return process.worker.outlook.healthOf(OFFER);
  };
  const order = { order: ['beta'], maxPremium: 9 };
  /** A clip whose task runs. */
  const send = async () => {
    const id = await scenario.request(process, order);
    while ((await scenario.attempts(id)).at(-1)?.state !== 'running') await scenario.pass(100);
    return id;
  };
  return { scenario, process, world: scenario.world as Silent, health, send };
}

describe('reads that fail', () => {
  it('open the circuit at the fifth, after a restart too, and close it when one is answered', async () => {
    const { scenario, process, world, health, send } = await open();
    const id = await send();
    world.silent = true;
    while (world.reads < 4) await scenario.pass(SECOND_MS);
    expect((await health()).circuit).toBe('closed');
    while (world.reads < 5) await scenario.pass(SECOND_MS);
    expect((await health()).circuit).toBe('open');

    process.kill();
    const next = await scenario.start();
    await next.worker.outlook.refresh();
    expect(next.worker.outlook.healthOf(OFFER).circuit).toBe('open');
    // Another clip goes to the next one as long as nobody can say how tasks there are doing.
    const other = await scenario.request(next, { order: ['beta'], maxPremium: 9 });
    await scenario.pass(5 * SECOND_MS);
    expect((await scenario.attempts(other)).map(({ provider }) => provider)).not.toContain('beta');

    world.silent = false;
    expect((await scenario.end(id)).state).toBe('completed');
    await next.worker.outlook.refresh();
    expect(next.worker.outlook.healthOf(OFFER)).toMatchObject({ circuit: 'closed', recentFailures: 0 });
    await scenario.end(other);
    expect(await scenario.faults()).toEqual([]);
  });

  it('are written down as long as the store takes them, and are repeated all the same while it does not', async () => {
    const { scenario, world, health, send } = await open();
    const id = await send();
    world.silent = true;
    scenario.storeDown = true;
    while (world.reads < 3) await scenario.pass(SECOND_MS);
    expect((await scenario.attempts(id)).map(({ readFailures }) => readFailures)).toEqual([0]);
    scenario.storeDown = false;
    while (world.reads < 5) await scenario.pass(SECOND_MS);
    expect((await health()).circuit).toBe('closed');
    world.silent = false;
    expect((await scenario.end(id)).state).toBe('completed');
  });
});

describe('an answer that was lost', () => {
  const ALPHA = { account: 'alpha', model: 'kling-v3' };
  const UNANSWERED: Answer = { kind: 'unanswered', detail: 'reset' };
  /** Takes what it is sent and never says so; reads have no answer while a test says so. */
  class Forgetful extends Silent {
    override async submit(...args: Parameters<World['submit']>): Promise<Answer> {
      await super.submit(...args);
      return UNANSWERED;
    }
  }
  async function forgetful() {
    const alpha = TRAITS.find(({ id }) => id === 'alpha') ?? expect.fail('no alpha');
    const { slots } = alpha;
    Object.assign(alpha, { slots: 5 });
    onTestFinished(() => {
      Object.assign(alpha, { slots });
    });
    const scenario = await Scenario.open({ makeWorld: (clock, chance, of) => new Forgetful(clock, chance, of) });
    onTestFinished(() => scenario.close());
    const process = await scenario.start();
    const health = async () => {
      await process.worker.outlook.refresh();
      return process.worker.outlook.healthOf(ALPHA);
    };
    const ask = () => scenario.request(process, { only: ['alpha'], maxPremium: 9 });
    return { scenario, world: scenario.world as Forgetful, health, ask };
  }

  it('stays lost when its task is found, and when reads of that fail and are answered again', async () => {
    const { scenario, world, health, ask } = await forgetful();
    const ids = await Promise.all(Array.from({ length: 5 }, ask));
    const all = async () => (await Promise.all(ids.map((id) => scenario.attempts(id)))).flat();
    while ((await all()).filter(({ state }) => state === 'running').length < ids.length) await scenario.pass(100);
    const lost = (await all()).map(({ troubledAtMs }) => troubledAtMs);
    const { openedAtMs } = await health();
    expect([lost.every((atMs) => atMs !== null), openedAtMs]).toEqual([true, Math.max(...lost.map(Number))]);
    world.silent = true;
    while ((await all()).some(({ readFailures }) => readFailures === 0)) await scenario.pass(SECOND_MS);
    expect((await health()).openedAtMs).toBe(openedAtMs);
    world.silent = false;
    for (const id of ids) expect((await scenario.end(id)).state).toBe('completed');
    expect((await all()).map(({ lostAtMs }) => lostAtMs)).toEqual(lost);
    expect(await health()).toMatchObject({ circuit: 'half_open', openedAtMs });
  });

  it('is one failure, however often nobody can tell of it past the end of doubt', async () => {
    const { scenario, world, health, ask } = await forgetful();
    const id = await ask();
    world.silent = true;
    await scenario.pass(80 * MINUTE_MS);
    const [attempt] = await scenario.attempts(id);
    expect(attempt).toMatchObject({ state: 'in_doubt', readFailures: 0 });
    expect(attempt?.lookFailures).toBeGreaterThanOrEqual(5);
    expect(await health()).toMatchObject({ circuit: 'closed', timesOpened: 0 });
  });
});

it('a clip that was made and cannot be had is a bad take', async () => {
  const { scenario, health, send } = await open({ badFile: 1 });
  const before = (await health()).successRate;
  const id = await send();
  const job = await scenario.end(id, HOUR_MS);
  expect(['asset_unavailable', 'asset_invalid']).toContain(job.errorCode);
  await scenario.pass(MINUTE_MS);
  expect((await health()).successRate).toBeLessThan(before);
});
