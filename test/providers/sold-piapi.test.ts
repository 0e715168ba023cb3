/** Everything PiAPI sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench } from '../support/provider-lab.ts';
import { sold } from './sold/piapi.ts';
import { deliverAll, distinct, expectSameMoney } from './sold.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start('piapi');
});
afterAll(() => bench.remove());

const POINTS_PER_USD = 10_000_000;

interface Request {
  readonly model: string;
  readonly task_type: string;
  readonly input: { readonly version?: string };
}

/** What the emulator has taken for a task, by the public pages. */
async function pointsFor({ id }: { readonly id: string }): Promise<number> {
  const task = await bench.read<{ data: { meta: { usage: { consume: number } } } }>(`/api/v1/task/${id}`);
  return task.data.meta.usage.consume;
}

describe('everything that PiAPI sells', () => {
  it('is delivered, costs what the emulator charges, and no request breaks a documented form', async () => {
    const { costUsd, tasks } = await deliverAll<Request>(bench, 'piapi', sold);
    const kinds = tasks.map(({ request }) => `${request.model} ${request.task_type} ${request.input.version}`);
    expect(distinct(kinds)).toEqual([
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
    const points = await Promise.all(tasks.map(pointsFor));
    expectSameMoney(costUsd, points.reduce((sum, taken) => sum + taken, 0) / POINTS_PER_USD, sold.length);
  });

  it.each(['kling-v1-5', 'kling-v1-6'])('%s is extended from the task that made it', async (model) => {
    const provider = { only: ['piapi'], max_premium: 100 };
    const order = { prompt: 'it flies', model, seconds: 5, resolution: '1080p', provider };
    const { id } = await bench.post('/v1/videos', order);
    await bench.end(id);
    const created = await bench.post('/v1/videos/extensions', { video: { id }, prompt: 'it lands', provider });
    const extended = await bench.end(created.id);
    expect(extended).toMatchObject({ status: 'completed', provider: 'piapi', usage: { cost: 0.46 } });
    expect(await bench.complaints()).toEqual([]);
  });
});
