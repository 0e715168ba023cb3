/** What goes wrong at official Kling, ordered one fault at a time from its emulator, and where each leaves job and money. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault } from '../../src/sandbox/faults.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { endOf, type ShownVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/port.ts';
import { until } from '../support/until.ts';

interface Bench {
  readonly gateway: TestGateway;
  readonly emulator: string;
}

/** Doubts for a minute, so that what is lost is looked for; `hasty` gives up at the first look. */
let patient: Bench;
let hasty: Bench;
/** Can be called: its tasks are announced. */
let announced: Bench;

async function start(environment: Record<string, string>): Promise<Bench> {
  const gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '0.1', ...environment });
  const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
  const emulator = `http://127.0.0.1:${tasks.portOf('kling')}`;
  tasks.close();
  return { gateway, emulator };
}

beforeAll(async () => {
  const port = String(await freePort());
  patient = await start({});
  hasty = await start({ REELAY_DOUBT_SECONDS: '1' });
  // Polls so seldom that only an announcement can bring a clip home in time.
  announced = await start({ PORT: port, REELAY_PUBLIC_URL: `http://127.0.0.1:${port}`, REELAY_POLL_MS: '60000' });
});
afterAll(() => Promise.all([patient, hasty, announced].map(({ gateway }) => gateway.remove())));

/** One order on each generation: 3.0 from text, and 1.6, which the legacy one alone makes. */
const ORDERS = {
  new: { model: 'kling-v3', seconds: 3, resolution: '720p' },
  legacy: { model: 'kling-v1-6', seconds: 5, resolution: '720p' },
} as const;
type Generation = keyof typeof ORDERS;
const PRICES = { new: 0.252, legacy: 0.28 } as const;

async function order({ gateway }: Bench, fault: Fault | null, generation: Generation): Promise<ShownVideo> {
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(fault && { 'x-reelay-sandbox-fault': fault }) },
    body: JSON.stringify({
      prompt: `${fault} ${generation}`,
      ...ORDERS[generation],
      provider: { only: ['kling'], max_premium: 100 },
    }),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as ShownVideo;
}

interface MadeTask {
  readonly reads: number;
  readonly fault: Fault | null;
  readonly request: { readonly path: string };
}

/** The tasks that the provider was made to make with this fault. */
async function tasksOf({ emulator }: Bench, fault: Fault | null, generation: Generation): Promise<MadeTask[]> {
  const all = (await (await fetch(`${emulator}/__sandbox/tasks`)).json()) as MadeTask[];
  const isLegacy = generation === 'legacy';
  return all.filter((task) => task.fault === fault && task.request.path.startsWith('/v1/') === isLegacy);
}

async function meet(bench: Bench, fault: Fault, generation: Generation): Promise<ShownVideo & { tasks: number }> {
  const { id } = await order(bench, fault, generation);
  const video = await endOf(bench.gateway, id);
  return { ...video, tasks: (await tasksOf(bench, fault, generation)).length };
}

const stateOf = async ({ gateway }: Bench, id: string): Promise<ShownVideo> =>
  (await (await gateway.fetch(`/v1/videos/${id}`)).json()) as ShownVideo;

const GENERATIONS: readonly Generation[] = ['new', 'legacy'];
const onBoth = <F extends Fault>(...faults: readonly F[]): (readonly [F, Generation])[] =>
  faults.flatMap((fault) => GENERATIONS.map((generation) => [fault, generation] as const));

describe.concurrent('at Kling', () => {
  describe('a task that ends badly costs nothing', () => {
    const ENDS = {
      fail: ['provider_error', 'generation_failed'],
      content: ['moderation_blocked', 'content_rejected'],
    } as const;

    it.each(onBoth('fail', 'content'))('%s, %s generation', async (fault, generation) => {
      const [code, kind] = ENDS[fault];
      const video = await meet(patient, fault, generation);
      expect(video).toMatchObject({ status: 'failed', error: { code }, usage: { cost: 0 }, tasks: 1 });
      expect(video.attempts).toEqual([{ provider: 'kling', status: 'failed', error: kind }]);
    });
  });

  describe('a submission', () => {
    it('whose answer is lost is found by its tag, and is not sent again', async () => {
      const lost = onBoth('lost_answer', 'html_after', 'truncated', 'no_id');
      const ends = await Promise.all(lost.map(([fault, generation]) => meet(patient, fault, generation)));
      expect(ends.map(({ status, usage, tasks, attempts }) => [status, usage.cost, tasks, attempts.length])).toEqual(
        lost.map(([, generation]) => ['completed', PRICES[generation], 1, 1]),
      );
    });

    it('that may have made a task stays in doubt, and costs its tenant nothing', async () => {
      const unknown = onBoth('cut', 'server_error', 'html');
      const ends = await Promise.all(unknown.map(([fault, generation]) => meet(hasty, fault, generation)));
      expect(
        ends.map(({ error, attempts, usage, tasks }) => [
          error?.code,
          attempts.map(({ status }) => status),
          usage.cost,
          tasks,
        ]),
      ).toEqual(unknown.map(() => ['provider_outcome_unknown', ['in_doubt'], 0, 0]));
    });
  });

  describe('a submission that was refused for now', () => {
    it.each(['rate_limited', 'concurrency'] as const)('%s is sent again, and delivers', async (fault) => {
      const bench = fault === 'concurrency' ? hasty : patient;
      await fetch(`${bench.emulator}/__sandbox/faults`, { method: 'POST', body: JSON.stringify({ fault }) });
      const { id } = await order(bench, null, 'new');
      expect(await endOf(bench.gateway, id)).toMatchObject({ status: 'completed', provider: 'kling' });
    });
  });

  describe('a task that is hard to read', () => {
    it.each(onBoth('read_errors', 'slow', 'expired_link', 'overpriced'))(
      '%s, %s generation: is delivered all the same',
      async (fault, generation) => {
        const video = await meet(patient, fault, generation);
        expect(video).toMatchObject({ status: 'completed', usage: { cost: PRICES[generation] }, tasks: 1 });
      },
    );

    it.each(onBoth('unknown_status', 'vanished', 'stuck'))(
      '%s, %s generation: is neither success nor failure, and is read again',
      async (fault, generation) => {
        const { id } = await order(patient, fault, generation);
        const readAgain = async () => ((await tasksOf(patient, fault, generation))[0]?.reads ?? 0) >= 3;
        await until(`three reads of ${fault}`, readAgain);
        expect(await stateOf(patient, id)).toMatchObject({ status: 'in_progress', error: null });
        expect(await tasksOf(patient, fault, generation)).toHaveLength(1);
      },
    );

    it.each(onBoth('no_url'))('%s, %s generation: is not a success', async (fault, generation) => {
      const { id } = await order(patient, fault, generation);
      await until('a read', async () => ((await tasksOf(patient, fault, generation))[0]?.reads ?? 0) >= 1);
      expect(await stateOf(patient, id)).toMatchObject({ status: 'in_progress' });
    });
  });

  describe('an announcement', () => {
    it.each(onBoth('duplicate_hook', 'forged_hook'))(
      '%s, %s generation: brings the clip home once',
      async (fault, generation) => {
        expect(await meet(announced, fault, generation)).toMatchObject({ status: 'completed', tasks: 1 });
      },
    );
  });

  describe('an extension', () => {
    it('goes on where a clip ends, at the generation that made it', async () => {
      const source = await order(patient, null, 'legacy');
      await endOf(patient.gateway, source.id);
      const answer = await patient.gateway.fetch('/v1/videos/extensions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: 'it flies on', video: { id: source.id }, provider: { max_premium: 100 } }),
      });
      const created = (await answer.json()) as ShownVideo;
      expect([answer.status, created]).toMatchObject([200, { seconds: '10' }]);
      const extended = await endOf(patient.gateway, created.id);
      expect(extended).toMatchObject({ status: 'completed', provider: 'kling', usage: { cost: 0.28 } });
    });
  });
});

describe('afterwards', () => {
  it('the books agree, and no request broke a documented form', async () => {
    for (const { gateway, emulator } of [patient, hasty, announced]) {
      expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true, differences: [] });
      expect(await (await fetch(`${emulator}/__sandbox/violations`)).json()).toEqual([]);
    }
  });
});
