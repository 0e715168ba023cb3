/**
 * The real process, killed -9 at random moments with clips in flight and providers that misbehave: every accepted clip is
 * delivered, but for those whose task has failed, and those of which nobody can know what became; none is paid for twice,
 * and the books agree. `KILL_RESTARTS=50 npx vitest run --config test/vitest.config.ts
 * test/gateway/kill.test.ts` does it more often; `KILL_SEED` repeats a run's moments.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { Chance } from '../simulation/chance.ts';
import { gatewayOn, PROVIDER_IDS } from '../support/emulated.ts';
import { endOf, type ShownVideo } from '../support/gateway.ts';
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
  'expired_link',
];

interface Clip {
  readonly prompt: string;
  readonly provider: string;
  /** Null while no answer has said that it was accepted. */
  id: string | null;
}

/** Faults after which it may never be learned what became of a submission. */
const ANSWER_LOST = ['cut', 'lost_answer', 'html_after', 'truncated', 'no_id', 'server_error'];
/** Where a submission without an answer is looked up by our tag. */
const LOOKED_UP = ['kling'];
/** Submissions that one kill may strike between their row and their answer. */
const STRUCK_EACH = 2;
/** What is given up after three seconds of doubt is looked up afterwards too. */
const PROVEN_ABSENT = /given up, and proven absent later/;
const KILLED = /process ended between the row and the answer/;

interface MadeTask {
  readonly tag: string | null;
  readonly request: Record<string, unknown>;
  readonly fault: string | null;
}

interface Attempt {
  readonly id: string;
  readonly provider: string;
  readonly state: string;
  readonly task_id: string | null;
  readonly failure_detail: string | null;
}

type Loss = 'its task failed' | 'nothing was made' | 'answer lost by a fault' | 'answer lost by a kill' | string;

/** Why a clip was not delivered; what is no excuse is told in full. */
function lossOf({ error }: ShownVideo, attempts: readonly Attempt[], tasks: readonly MadeTask[]): Loss {
  const last = attempts.at(-1);
  const told = JSON.stringify({ error: error?.code, attempts, tasks });
  if (!last) return `never sent: ${told}`;
  if (error?.code === 'provider_error' && tasks.some(({ fault }) => fault === 'fail')) return 'its task failed';
  const isKnown =
    last.task_id !== null || (LOOKED_UP.includes(last.provider) && tasks.some(({ tag }) => tag === last.id));
  if (PROVEN_ABSENT.test(last.failure_detail ?? '') && !isKnown) return 'nothing was made';
  if (last.state !== 'in_doubt' || isKnown) return `lost although its task was known: ${told}`;
  return KILLED.test(last.failure_detail ?? '') ? 'answer lost by a kill' : 'answer lost by a fault';
}

/** The attempts of all jobs, as the store has them. */
function attemptsIn(dataDir: string): (id: string) => Attempt[] {
  const store = new Sqlite(join(dataDir, 'reelay.db'), { readonly: true });
  const ofJob = store.prepare<[string], Attempt>(
    'select id, provider, state, task_id, failure_detail from attempts where job_id = ? order by number',
  );
  onTestFinished(() => void store.close());
  return (id) => ofJob.all(id);
}

it(`survives ${RESTARTS} kills (seed ${SEED})`, { timeout: 120_000 + RESTARTS * 30_000 }, async () => {
  const chance = new Chance(SEED);
  const folder = temporaryFolder();
  const sandbox = await spawnSandbox({ REELAY_DATA_DIR: join(folder, 'sandbox'), REELAY_SANDBOX_SECONDS: '0.6' });
  const environment = { REELAY_DOUBT_SECONDS: '3', REELAY_POLL_MS: '50', ...slots() };
  const start = (key?: string) => gatewayOn(sandbox.urls, join(folder, 'data'), key, environment);
  const clips: Clip[] = [];
  let answersLost = 0;
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
    for (let count = 0; count < 3; count += 1) {
      const fault = chance.pick(FAULTS);
      if (ANSWER_LOST.includes(fault)) answersLost += 1;
      await sandbox.orderFault(chance.pick(PROVIDER_IDS), fault);
    }
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

  const accepted = clips.flatMap(({ id, prompt }) => (id === null ? [] : [{ id, prompt }]));
  expect(accepted.length).toBe(clips.length);
  const ends = await Promise.all(accepted.map(({ id }) => endOf(gateway, id, ENDED_WITHIN_MS)));
  const tasks = (await Promise.all(PROVIDER_IDS.map((id) => sandbox.tasks(id)))).flat();
  const attemptsOf = attemptsIn(join(folder, 'data'));
  const losses: Loss[] = [];
  for (const [index, { id, prompt }] of accepted.entries()) {
    const ofClip = tasks.filter(({ request }) => JSON.stringify(request).includes(prompt));
    const paid = ofClip.filter(({ fault }) => fault !== 'fail');
    expect([prompt, paid.length]).toEqual([prompt, Math.min(1, paid.length)]);
    const video = ends[index];
    if (video && video.status !== 'completed') losses.push(lossOf(video, attemptsOf(id), ofClip));
  }
  const excuses = ['its task failed', 'nothing was made', 'answer lost by a fault', 'answer lost by a kill'];
  expect(losses.filter((loss) => !excuses.includes(loss))).toEqual([]);
  const count = (which: Loss) => losses.filter((loss) => loss === which).length;
  expect(count('answer lost by a fault')).toBeLessThanOrEqual(answersLost);
  expect(count('answer lost by a kill')).toBeLessThanOrEqual(RESTARTS * STRUCK_EACH);
  expect(losses.length - count('its task failed')).toBeLessThanOrEqual(answersLost + RESTARTS * STRUCK_EACH);
  expect(await gateway.audit()).toMatchObject({ ok: true, differences: [] });
});

/** Slots enough that doubtful attempts, which keep theirs, do not hold up the rest. */
const slots = (): Record<string, string> =>
  Object.fromEntries(
    ['KLING', 'EVOLINK', 'ATLASCLOUD', 'FAL', 'PIAPI'].map((prefix) => [`${prefix}_CONCURRENCY`, '200']),
  );
