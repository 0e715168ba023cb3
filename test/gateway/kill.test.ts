/**
 * The real process, killed -9 at random moments with clips in flight and providers that misbehave: no accepted clip is
 * lost, none is paid for twice, and the books agree. `KILL_RESTARTS=50 npx vitest run --config test/vitest.config.ts
 * test/gateway/kill.test.ts` does it more often; `KILL_SEED` repeats a run's moments.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Chance } from '../simulation/chance.ts';
import { gatewayOn, PROVIDER_IDS } from '../support/emulated.ts';
import { endOf } from '../support/gateway.ts';
import { spawnSandbox } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary.ts';

const RESTARTS = Number(process.env.KILL_RESTARTS ?? 10);
const SEED = Number(process.env.KILL_SEED ?? 20_261_121);
const CLIPS_EACH = 6;
/** Faults that nobody met yet lie in wait for those who are left: the more there were, the longer the last ones take. */
const ENDED_WITHIN_MS = 60_000 + RESTARTS * 5_000;

/** Faults after which no second paid task may follow, and some after which one must. */
const FAULTS = [
  'cut',
  'lost_answer',
  'html_after',
  'truncated',
  'no_id',
  'rate_limited',
  'server_error',
  'read_errors',
  'fail',
  'truncated_file',
];

interface Clip {
  readonly prompt: string;
  readonly provider: string;
  /** Null while no answer has said that it was accepted. */
  id: string | null;
}

it(`survives ${RESTARTS} kills (seed ${SEED})`, { timeout: 120_000 + RESTARTS * 30_000 }, async () => {
  const chance = new Chance(SEED);
  const folder = temporaryFolder();
  const sandbox = await spawnSandbox({ REELAY_DATA_DIR: join(folder, 'sandbox'), REELAY_SANDBOX_SECONDS: '0.6' });
  const environment = { REELAY_DOUBT_SECONDS: '3', REELAY_POLL_MS: '50', ...slots() };
  const start = (key?: string) => gatewayOn(sandbox.urls, join(folder, 'data'), key, environment);
  const clips: Clip[] = [];
  let gateway = await start();
  const { key } = gateway;

  const send = async (clip: Clip): Promise<void> => {
    try {
      const answer = await gateway.fetch('/v1/videos', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': clip.prompt.replace(' ', '-') },
        body: JSON.stringify({
          prompt: clip.prompt,
          model: 'kling-v3',
          seconds: 3,
          provider: { order: [clip.provider], max_premium: 10 },
        }),
      });
      expect(answer.status).toBe(200);
      clip.id = ((await answer.json()) as { id: string }).id;
    } catch (error) {
      // The process died under the request: whether it was accepted, its repeat will tell.
      if (!(error instanceof TypeError)) throw error;
    }
  };

  for (let restart = 1; restart <= RESTARTS; restart += 1) {
    for (let count = 0; count < 3; count += 1) await sandbox.orderFault(chance.pick(PROVIDER_IDS), chance.pick(FAULTS));
    const fresh = Array.from({ length: CLIPS_EACH }, (_, index) => ({
      prompt: `clip ${restart}-${index}.`,
      provider: chance.pick(PROVIDER_IDS),
      id: null,
    }));
    clips.push(...fresh);
    const sending = Promise.all(fresh.map(send));
    // The moment is the point of this test: any one will do, and each run has many.
    await pause(chance.between(0, 900));
    await gateway.kill();
    await sending;
    gateway = await start(key);
  }
  // What was never answered is sent again under its key: accepted then or now, it is one clip.
  await Promise.all(clips.filter(({ id }) => id === null).map(send));

  const accepted = clips.flatMap(({ id }) => id ?? []);
  expect(accepted.length).toBeGreaterThan(RESTARTS);
  const ends = await Promise.all(accepted.map((id) => endOf(gateway, id, ENDED_WITHIN_MS)));
  expect(ends.every(({ status }) => status === 'completed' || status === 'failed')).toBe(true);
  expect(ends.filter(({ status }) => status === 'completed').length).toBeGreaterThan(accepted.length / 2);

  const tasks = (await Promise.all(PROVIDER_IDS.map((id) => sandbox.tasks(id)))).flat();
  for (const { prompt } of clips) {
    const ofClip = tasks.filter(({ request }) => JSON.stringify(request).includes(prompt));
    const paid = ofClip.filter((task) => (task as unknown as { fault: string | null }).fault !== 'fail');
    expect([prompt, paid.length]).toEqual([prompt, Math.min(1, paid.length)]);
  }
  expect(await gateway.audit()).toMatchObject({ ok: true, differences: [] });
});

/** Slots enough that doubtful attempts, which keep theirs, do not hold up the rest. */
const slots = (): Record<string, string> =>
  Object.fromEntries(
    ['KLING', 'EVOLINK', 'ATLASCLOUD', 'FAL', 'PIAPI'].map((prefix) => [`${prefix}_CONCURRENCY`, '200']),
  );
