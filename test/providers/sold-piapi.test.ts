/** Everything PiAPI sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { createVideo, endOf, type ShownVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { sold } from './sold/piapi.ts';

let gateway: TestGateway;
let emulator: string;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '0.05' });
  const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
  emulator = `http://127.0.0.1:${tasks.portOf('piapi')}`;
  tasks.close();
});
afterAll(() => gateway.remove());

const POINTS_PER_USD = 10_000_000;
const MICRO_USD = 0.000_001;
const only = { only: ['piapi'], max_premium: 100 };

async function read<T>(path: string): Promise<T> {
  const answer = await fetch(emulator + path, { headers: { 'x-api-key': 'sandbox-account' } });
  return (await answer.json()) as T;
}

interface Task {
  readonly id: string;
  readonly request: {
    readonly model: string;
    readonly task_type: string;
    readonly input: { readonly version?: string };
  };
}

/** What the emulator has taken for a task, by the public pages. */
async function pointsFor({ id }: Task): Promise<number> {
  const { data } = await read<{ data: { meta: { usage: { consume: number } } } }>(`/api/v1/task/${id}`);
  return data.meta.usage.consume;
}

describe('everything that PiAPI sells', () => {
  it('is delivered, and no request breaks a documented form', async () => {
    let costUsd = 0;
    const ends = await Promise.all(
      sold.map(async ({ model, task, resolution, audio, fields }) => {
        const order = { model, resolution, generate_audio: audio, ...fields };
        const created = await createVideo(gateway, { ...order, provider: only });
        const { status, provider, error, usage } = await endOf(gateway, created.id);
        costUsd += usage.cost;
        return { model, task, resolution, audio, status, provider, error };
      }),
    );
    const delivered = { status: 'completed', provider: 'piapi', error: null };
    expect(await read('/__sandbox/violations')).toEqual([]);
    expect(ends).toEqual(
      sold.map(({ model, task, resolution, audio }) => ({ model, task, resolution, audio, ...delivered })),
    );
    const tasks = await read<Task[]>('/__sandbox/tasks');
    expect(tasks).toHaveLength(sold.length);
    const kinds = tasks.map(({ request }) => `${request.model} ${request.task_type} ${request.input.version}`);
    expect([...new Set(kinds)].sort()).toEqual([
      'kling motion_control 2.6',
      'kling motion_control 3.0',
      'kling omni_video_generation 3.0',
      'kling omni_video_generation o1',
      'kling text_to_video 4.0',
      'kling video_generation 1.5',
      'kling video_generation 1.6',
      'kling video_generation 2.1',
      'kling video_generation 2.1-master',
      'kling video_generation 2.5',
      'kling video_generation 2.6',
      'kling video_generation 3.0',
      'kling video_generation 3.0-turbo',
    ]);

    // What the emulator has taken by the public pages is what the card charges.
    const points = await Promise.all(tasks.map(pointsFor));
    const takenUsd = points.reduce((sum, each) => sum + each, 0) / POINTS_PER_USD;
    expect(Math.abs(costUsd - takenUsd)).toBeLessThan(sold.length * MICRO_USD);
    expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true, differences: [] });
  });

  it.each(['kling-v1-5', 'kling-v1-6'])('%s is extended from the task that made it', async (model) => {
    const made = await createVideo(gateway, { model, seconds: 5, resolution: '1080p', provider: only });
    await endOf(gateway, made.id);
    const answer = await gateway.fetch('/v1/videos/extensions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ video: { id: made.id }, prompt: 'it lands', provider: only }),
    });
    expect(answer.status).toBe(200);
    const extended = await endOf(gateway, ((await answer.json()) as ShownVideo).id);
    expect(extended).toMatchObject({ status: 'completed', provider: 'piapi', usage: { cost: 0.46 } });
    expect(await read('/__sandbox/violations')).toEqual([]);
  });
});
