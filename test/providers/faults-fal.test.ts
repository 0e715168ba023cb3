/** What goes wrong at fal, ordered one fault at a time from its emulator, and where each leaves the job and the money. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault } from '../../src/sandbox/faults.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { endOf, type ShownVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { makePng } from '../support/images.ts';
import { freePort } from '../support/port.ts';
import { until } from '../support/until.ts';

interface Bench {
  readonly gateway: TestGateway;
  readonly emulator: string;
}

let plain: Bench;
/** Where fal can call back. */
let announced: Bench;
/** Where a generation takes long enough to be cancelled. */
let slow: Bench;

async function start(environment: Record<string, string>): Promise<Bench> {
  // More than an account of fal's has: a job without an end keeps its slot, and would hold up the others.
  const quick = { REELAY_SANDBOX_SECONDS: '0.1', REELAY_DOUBT_SECONDS: '1', FAL_CONCURRENCY: '40' };
  const gateway = await startTestGateway({ ...quick, ...environment });
  const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
  const emulator = `http://127.0.0.1:${tasks.portOf('fal')}`;
  tasks.close();
  await fetch(`${emulator}/__sandbox/limits`, { method: 'POST', body: JSON.stringify({ slots: 40 }) });
  return { gateway, emulator };
}

beforeAll(async () => {
  const port = String(await freePort());
  plain = await start({});
  announced = await start({ PORT: port, REELAY_PUBLIC_URL: `http://127.0.0.1:${port}`, REELAY_DOUBT_SECONDS: '60' });
  slow = await start({ REELAY_SANDBOX_SECONDS: '2' });
});
afterAll(() => Promise.all(allBenches().map(({ gateway }) => gateway.remove())));

const allBenches = (): Bench[] => [plain, announced, slow];

/** Orders a clip that meets the fault; the prompt is how its tasks are found again at the other end. */
async function order({ gateway }: Bench, fault: Fault | null, prompt: string, more = {}): Promise<ShownVideo> {
  const body = { model: 'kling-v3', seconds: 3, prompt, provider: { only: ['fal'] }, ...more };
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(fault && { 'x-reelay-sandbox-fault': fault }) },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as ShownVideo;
}

interface MadeTask {
  readonly id: string;
  readonly reads: number;
  readonly cancelledAtMs: number | null;
  readonly request: { readonly input: { readonly prompt: string; readonly start_image_url?: string } };
}

/** The tasks that the provider was made to make with this prompt. */
async function tasksOf({ emulator }: Bench, prompt: string): Promise<MadeTask[]> {
  const all = (await (await fetch(`${emulator}/__sandbox/tasks`)).json()) as MadeTask[];
  return all.filter(({ request }) => request.input.prompt === prompt);
}

async function meet(bench: Bench, fault: Fault): Promise<ShownVideo & { tasks: number }> {
  const { id } = await order(bench, fault, fault);
  const video = await endOf(bench.gateway, id);
  return { ...video, tasks: (await tasksOf(bench, fault)).length };
}

const stateOf = async ({ gateway }: Bench, id: string): Promise<ShownVideo> =>
  (await (await gateway.fetch(`/v1/videos/${id}`)).json()) as ShownVideo;

describe.concurrent('a task that ends badly costs its tenant nothing', () => {
  it.each([
    ['fail', 'provider_error', 'generation_failed'],
    ['content', 'moderation_blocked', 'content_rejected'],
  ] as const)('%s', async (fault, code, kind) => {
    const video = await meet(plain, fault);
    expect(video).toMatchObject({ status: 'failed', error: { code }, usage: { cost: 0 }, tasks: 1 });
    expect(video.attempts).toEqual([{ provider: 'fal', status: 'failed', error: kind }]);
  });
});

/** How each submission without an answer goes wrong, and how many tasks it has made. */
const UNANSWERED: readonly (readonly [fault: Fault, tasks: number])[] = [
  ['cut', 0],
  ['server_error', 0],
  ['lost_answer', 1],
  ['html_after', 1],
  ['truncated', 1],
  ['no_id', 1],
];

describe.concurrent('a submission', () => {
  it.each([
    ['rate_limited', 'rate_limited'],
    ['concurrency', 'concurrency_limited'],
    ['html', 'unavailable'],
  ] as const)('%s: nothing was made, so the same candidate is asked again, and delivers', async (fault, kind) => {
    const video = await meet(plain, fault);
    expect(video).toMatchObject({ status: 'completed', provider: 'fal', usage: { cost: 0.252 }, tasks: 1 });
    expect(video.attempts.map(({ error }) => error)).toEqual([kind, null]);
  });

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

  it('with a picture too large for a data URL leaves it at fal first, or as a link where fal can call', async () => {
    const picture = `data:image/png;base64,${largePng().toString('base64')}`;
    const sent = async (bench: Bench) => {
      const { id } = await order(bench, null, 'large', { input_reference: picture });
      expect(await endOf(bench.gateway, id)).toMatchObject({ status: 'completed', provider: 'fal' });
      return (await tasksOf(bench, 'large'))[0]?.request.input.start_image_url ?? '';
    };
    const stored = await sent(plain);
    expect(stored.startsWith(`${plain.emulator}/media/b/`)).toBe(true);
    expect(Buffer.from(await (await fetch(stored)).arrayBuffer())).toEqual(largePng());
    expect((await sent(announced)).startsWith(`${announced.gateway.url}/uploads/`)).toBe(true);
  });
});

/** The prompt of the one wrong request that this file sends by itself. */
const ON_PURPOSE = 'wrong on purpose';

/** A megabyte that no compression makes smaller matters here, not what it shows. */
function largePng(): Buffer {
  return Buffer.concat([makePng(640, 640), Buffer.alloc(1_100_000, 7)]);
}

describe.concurrent('a task that is hard to read', () => {
  it.each(['read_errors', 'slow', 'expired_link', 'overpriced'] as const)(
    '%s is delivered all the same',
    async (fault) => {
      const video = await meet(plain, fault);
      expect(video).toMatchObject({ status: 'completed', usage: { cost: 0.252 }, tasks: 1 });
    },
  );

  it.each(['unknown_status', 'vanished', 'stuck', 'no_url'] as const)(
    '%s is neither success nor failure, and is read again',
    async (fault) => {
      const { id } = await order(plain, fault, fault);
      const readsNeeded = fault === 'no_url' ? 2 : 3;
      await until(`reads of ${fault}`, async () => ((await tasksOf(plain, fault))[0]?.reads ?? 0) >= readsNeeded);
      expect(await stateOf(plain, id)).toMatchObject({ status: 'in_progress', error: null });
      expect(await tasksOf(plain, fault)).toHaveLength(1);
    },
  );

  it('a field that the model refuses shows in the result alone', async () => {
    const headers = { authorization: 'Key sandbox-account' };
    const endpoint = `${plain.emulator}/fal-ai/kling-video/v3/pro/text-to-video`;
    const body = JSON.stringify({ prompt: ON_PURPOSE, duration: 5 });
    const submitted = await fetch(endpoint, { method: 'POST', headers, body });
    expect(submitted.status).toBe(200);
    const { status_url: status, response_url: result } = (await submitted.json()) as Record<string, string>;
    await until('the end of it', async () => (await fetch(status ?? '', { headers })).status === 200);
    expect(await (await fetch(status ?? '', { headers })).json()).not.toHaveProperty('error');
    const refused = await fetch(result ?? '', { headers });
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({ detail: [{ loc: ['body', 'duration'], type: 'value_error' }] });
  });
});

describe.concurrent('an announcement', () => {
  it.each(['lost_answer', 'html_after', 'no_id'] as const)('finds the task of %s again', async (fault) => {
    const video = await meet(announced, fault);
    expect(video).toMatchObject({ status: 'completed', provider: 'fal', tasks: 1 });
  });

  it.each(['duplicate_hook', 'forged_hook'] as const)('%s changes nothing', async (fault) => {
    const video = await meet(announced, fault);
    expect(video).toMatchObject({ status: 'completed', provider: 'fal', tasks: 1 });
    expect(video.attempts).toHaveLength(1);
  });
});

describe.concurrent('a cancelled video', () => {
  const cancel = (id: string) => slow.gateway.fetch(`/v1/videos/${id}/cancel`, { method: 'POST' });
  const made = async (prompt: string) => (await tasksOf(slow, prompt))[0];

  it('that still waits at fal is taken off its queue, and costs nothing', async () => {
    const { id } = await order(slow, null, 'cancelled in the queue');
    await until('the task', () => made('cancelled in the queue'));
    await until('the video to run', async () => (await stateOf(slow, id)).status === 'in_progress');
    expect((await cancel(id)).status).toBe(200);
    expect(await endOf(slow.gateway, id)).toMatchObject({ error: { code: 'cancelled' }, usage: { cost: 0 } });
    expect((await made('cancelled in the queue'))?.cancelledAtMs).not.toBeNull();
  });

  it('that is being made is followed to its end, and settled', async () => {
    const { id } = await order(slow, null, 'cancelled at work');
    const task = await until('the task', () => made('cancelled at work'));
    const status = `${slow.emulator}/fal-ai/kling-video/requests/${task.id}/status`;
    const isAtWork = async () => {
      const answer = await fetch(status, { headers: { authorization: 'Key sandbox-account' } });
      return ((await answer.json()) as { status: string }).status === 'IN_PROGRESS';
    };
    await until('the work to begin', isAtWork);
    expect((await cancel(id)).status).toBe(200);
    expect(await endOf(slow.gateway, id)).toMatchObject({ error: { code: 'cancelled' }, usage: { cost: 0.252 } });
  });
});

describe('afterwards', () => {
  it('the books agree, and no request of ours broke a documented form', async () => {
    for (const { gateway, emulator } of allBenches()) {
      expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true, differences: [] });
      const violations = (await (await fetch(`${emulator}/__sandbox/violations`)).json()) as string[];
      expect(violations.filter((violation) => !violation.includes(ON_PURPOSE))).toEqual([]);
    }
  });
});
