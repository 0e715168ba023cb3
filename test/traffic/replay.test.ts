/**
 * The log of the flood, replayed: under the policy that was in force it comes to what happened, and other policies stand
 * beside it. Job by job from the rows, and as `reelay replay` prints it over the admin route.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dollars } from '../../src/commands/print.ts';
import { addReplayCommand } from '../../src/commands/replay.ts';
import { runHere } from '../support/command.ts';
import { likeness, replayEach, serveReplays } from './replayed.ts';
import { Stage } from './stage.ts';
import { makeTrace } from './trace.ts';

const options = { valueOfTime: 1.8 };
/** How near a replay of nothing else comes: of 310 jobs so many at the same provider, their money and their waits. */
const SAME_AT_LEAST = 300;
const MONEY_APART = 0.0005;
const WAIT_APART_SECONDS = 5;

describe('the log of a flood', () => {
  let stage: Stage;
  let served: Awaited<ReturnType<typeof serveReplays>>;
  beforeAll(async () => {
    vi.stubEnv('REELAY_ADMIN_KEY', 'admin-key-for-tests-0123456789');
    stage = await Stage.open(options);
    await stage.run(makeTrace(1));
    served = await serveReplays(stage);
  }, 60_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await served.close();
    await stage.close();
  });

  const run = (...args: string[]) =>
    runHere(addReplayCommand, ['replay', '--url', served.url, '--from', '2026-11-21', '--to', '2026-11-22', ...args]);
  const replayed = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args, '--json');
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(stdout);
  };

  it('comes to what happened under the policy that was in force', async () => {
    const like = likeness(await replayEach(stage, options, {}));
    expect(like.jobs).toBe(310);
    expect(Math.abs(like.replayedUsd / like.happenedUsd - 1)).toBeLessThan(MONEY_APART);
    expect(like.same).toBeGreaterThanOrEqual(SAME_AT_LEAST);
    expect(like.waitApartSeconds).toBeLessThan(WAIT_APART_SECONDS);
    const { happened, replayed: again, jobs } = await replayed();
    expect([jobs, again.completed, happened.completed]).toEqual([310, 310, 310]);
    expect(again.price_usd).toBeCloseTo(like.replayedUsd, 6);
    expect(Math.abs(again.wait_seconds.p50 / happened.wait_seconds.p50 - 1)).toBeLessThan(0.02);
    expect(Math.abs(again.wait_seconds.p95 / happened.wait_seconds.p95 - 1)).toBeLessThan(0.02);
  });

  it('is dearer and quicker where only time counts', async () => {
    const { happened, replayed: quick, difference } = await replayed('--sort', 'latency');
    expect(quick.completed).toBe(310);
    expect(difference.price_usd).toBeGreaterThan(0.03 * happened.price_usd);
    expect(difference.wait_seconds.p95).toBeLessThan(0);
    expect(difference.done_seconds.p50).toBeLessThan(0);
  });

  it('is cheaper and slower where nobody may go on to a dearer one', async () => {
    const { replayed: cheap, difference } = await replayed('--fallback', 'cheaper');
    expect(cheap.completed).toBe(310);
    expect(difference.price_usd).toBeLessThan(0);
    expect(difference.wait_seconds.p95).toBeGreaterThan(0);
  });

  it('stands beside the other policy in the table that is printed', async () => {
    for (const other of [
      ['--fallback', 'cheaper'],
      ['--sort', 'latency'],
    ]) {
      const shown = await replayed(...other);
      const { code, stdout } = await run(...other);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^310 videos/);
      expect(stdout).toMatch(/│ +happened +│ +replayed +│ difference/);
      for (const side of [shown.happened, shown.replayed]) {
        expect(stdout).toMatch(new RegExp(`tenant price.*\\${dollars(side.price_usd)} `));
        expect(stdout).toMatch(new RegExp(`wait, 95 %, s.* ${side.wait_seconds.p95} `));
      }
    }
  });
});
