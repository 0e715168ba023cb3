/** What goes wrong at PiAPI, ordered one fault at a time from its emulator, and where each leaves the job and the money. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault } from '../../src/sandbox/faults.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { endOf, type ShownVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/port.ts';
import { until } from '../support/until.ts';
import { FIRST_FRAME } from './sold.ts';

interface Bench {
  readonly gateway: TestGateway;
  readonly emulator: string;
}

let plain: Bench;
let announced: Bench;
let slow: Bench;

async function start(environment: Record<string, string>): Promise<Bench> {
  const quick = { REELAY_SANDBOX_SECONDS: '0.1', REELAY_DOUBT_SECONDS: '1' };
  const gateway = await startTestGateway({ ...quick, ...environment });
  const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
  const emulator = `http://127.0.0.1:${tasks.portOf('piapi')}`;
  tasks.close();
  return { gateway, emulator };
}

beforeAll(async () => {
  const port = String(await freePort());
  [plain, announced, slow] = await Promise.all([
    start({}),
    start({ PORT: port, REELAY_PUBLIC_URL: `http://127.0.0.1:${port}`, REELAY_DOUBT_SECONDS: '60' }),
    start({ REELAY_SANDBOX_SECONDS: '60' }),
  ]);
});
afterAll(() => Promise.all([plain, announced, slow].map(({ gateway }) => gateway.remove())));

/** Orders a clip that meets the fault; the prompt is how its tasks are found again at the other end. */
async function order(
  { gateway }: Bench,
  fault: Fault | null,
  prompt: string,
  more: Record<string, unknown> = {},
): Promise<ShownVideo> {
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(fault && { 'x-reelay-sandbox-fault': fault }) },
    body: JSON.stringify({ model: 'kling-v3', seconds: 3, prompt, provider: { only: ['piapi'] }, ...more }),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as ShownVideo;
}

interface MadeTask {
  readonly id: string;
  readonly reads: number;
  readonly cancelledAtMs: number | null;
  readonly request: { readonly input: { readonly prompt: string; readonly image_url?: string } };
}

async function read<T>({ emulator }: Bench, path: string): Promise<T> {
  return (await (await fetch(emulator + path, { headers: { 'x-api-key': 'sandbox-account' } })).json()) as T;
}

/** The tasks that the provider was made to make with this prompt. */
async function tasksOf(bench: Bench, prompt: string): Promise<MadeTask[]> {
  const all = await read<MadeTask[]>(bench, '/__sandbox/tasks');
  return all.filter(({ request }) => request.input.prompt === prompt);
}

async function meet(bench: Bench, fault: Fault): Promise<ShownVideo & { tasks: number }> {
  const { id } = await order(bench, fault, fault);
  const video = await endOf(bench.gateway, id);
  return { ...video, tasks: (await tasksOf(bench, fault)).length };
}

const stateOf = async ({ gateway }: Bench, id: string): Promise<ShownVideo> =>
  (await (await gateway.fetch(`/v1/videos/${id}`)).json()) as ShownVideo;

describe.concurrent('a task that ends badly costs nothing', () => {
  it.each([
    ['fail', 'provider_error', 'generation_failed'],
    ['content', 'moderation_blocked', 'content_rejected'],
  ] as const)('%s', async (fault, code, kind) => {
    const video = await meet(plain, fault);
    expect(video).toMatchObject({ status: 'failed', error: { code }, usage: { cost: 0 }, tasks: 1 });
    expect(video.attempts).toEqual([{ provider: 'piapi', status: 'failed', error: kind }]);
  });
});

/** How each submission without an answer goes wrong, and how many tasks it has made. */
const UNANSWERED: readonly (readonly [fault: Fault, tasks: number])[] = [
  ['cut', 0],
  ['server_error', 0],
  ['html', 0],
  ['lost_answer', 1],
  ['html_after', 1],
  ['truncated', 1],
  ['no_id', 1],
];

describe.concurrent('a submission', () => {
  it.each(['rate_limited', 'concurrency'] as const)(
    '%s: the same candidate is asked again, and delivers',
    async (fault) => {
      const bench = fault === 'concurrency' ? announced : plain;
      await fetch(`${bench.emulator}/__sandbox/faults`, { method: 'POST', body: JSON.stringify({ fault }) });
      const { id } = await order(bench, null, `once ${fault}`);
      const video = await endOf(bench.gateway, id);
      expect(video).toMatchObject({ status: 'completed', provider: 'piapi' });
      expect(video.attempts.map(({ status }) => status)).toEqual(['failed', 'completed']);
      expect(await tasksOf(bench, `once ${fault}`)).toHaveLength(1);
    },
  );

  it('whose outcome nobody knows stays in doubt, is never sent twice, and costs its tenant nothing', async () => {
    const ends = await Promise.all(UNANSWERED.map(([fault]) => meet(plain, fault)));
    expect(
      ends.map(({ status, error, attempts, usage, tasks }) => [
        status,
        error?.code,
        attempts.map((attempt) => attempt.status),
        usage.cost,
        tasks,
      ]),
    ).toEqual(UNANSWERED.map(([, tasks]) => ['failed', 'provider_outcome_unknown', ['in_doubt'], 0, tasks]));
  });
});

describe.concurrent('a task that is hard to read', () => {
  it.each(['read_errors', 'slow', 'expired_link', 'overpriced'] as const)(
    '%s is delivered all the same',
    async (fault) => {
      const video = await meet(plain, fault);
      expect(video).toMatchObject({ status: 'completed', usage: { cost: 0.3 }, tasks: 1 });
    },
  );

  it.each(['unknown_status', 'vanished', 'stuck'] as const)(
    '%s is neither success nor failure, and is read again',
    async (fault) => {
      const { id } = await order(plain, fault, fault);
      await until(`three reads of ${fault}`, async () => ((await tasksOf(plain, fault))[0]?.reads ?? 0) >= 3);
      expect(await stateOf(plain, id)).toMatchObject({ status: 'in_progress', error: null });
      expect(await tasksOf(plain, fault)).toHaveLength(1);
    },
  );

  it('no_url is not a success', async () => {
    const { id } = await order(plain, 'no_url', 'no_url');
    const isRead = async () => ((await tasksOf(plain, 'no_url'))[0]?.reads ?? 0) >= 1;
    await until('a read of no_url', isRead);
    expect(await stateOf(plain, id)).toMatchObject({ status: 'in_progress' });
  });
});

describe.concurrent('an announcement', () => {
  it.each(['lost_answer', 'html_after', 'no_id'] as const)('finds the task of %s again', async (fault) => {
    const video = await meet(announced, fault);
    expect(video).toMatchObject({ status: 'completed', provider: 'piapi', tasks: 1 });
  });

  it.each(['duplicate_hook', 'forged_hook'] as const)('%s changes nothing', async (fault) => {
    expect(await meet(announced, fault)).toMatchObject({ status: 'completed', tasks: 1 });
  });
});

describe.concurrent('a task that waits', () => {
  it('is cancelled at the provider, and costs nothing', async () => {
    const { id } = await order(slow, null, 'unwanted');
    await until('the task', async () => (await tasksOf(slow, 'unwanted')).length === 1);
    await slow.gateway.fetch(`/v1/videos/${id}/cancel`, { method: 'POST' });
    await until('the cancelled task', async () => (await tasksOf(slow, 'unwanted'))[0]?.cancelledAtMs !== null);
    const isCancelled = async () => (await stateOf(slow, id)).error?.code === 'cancelled';
    await until('the cancelled video', isCancelled);
    expect(await stateOf(slow, id)).toMatchObject({ usage: { cost: 0 } });
  });
});

describe.concurrent('a picture that is uploaded here', () => {
  it("lies at PiAPI's own host when its task is made", async () => {
    const { id } = await order(plain, null, 'from a picture', { input_reference: FIRST_FRAME });
    expect(await endOf(plain.gateway, id)).toMatchObject({ status: 'completed' });
    const [task] = await tasksOf(plain, 'from a picture');
    const url = task?.request.input.image_url ?? '';
    expect(url).toMatch(/\/ephemeral\/[0-9a-f-]{36}\.png$/);
    expect((await fetch(url)).status).toBe(200);
  });
});

describe('afterwards', () => {
  it('the books agree, and no request broke a documented form', async () => {
    for (const bench of [plain, announced, slow]) {
      expect(await (await bench.gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true, differences: [] });
      expect(await read(bench, '/__sandbox/violations')).toEqual([]);
    }
  });
});
