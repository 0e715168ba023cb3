/** Everything official Kling sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { allCompleted, EXTRAS, EXTRAS_OF_API_KEYS, endsOf } from './extras-kling.ts';
import { sold } from './sold/kling.ts';

let gateway: TestGateway;
let emulator: string;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '0.05' });
  const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
  emulator = `http://127.0.0.1:${tasks.portOf('kling')}`;
  tasks.close();
});
afterAll(() => gateway.remove());

/** Of package 1, whose unit price is the list price. */
const USD_PER_UNIT = 0.14;
const MICRO_USD = 0.000_001;

async function read<T>(path: string): Promise<T> {
  const answer = await fetch(emulator + path, { headers: { authorization: 'Bearer sandbox-account' } });
  return (await answer.json()) as T;
}

interface Costs {
  readonly data: {
    readonly resource_pack_subscribe_infos: readonly { total_quantity: number; remaining_quantity: number }[];
  };
}

describe('everything that Kling sells', () => {
  it('is delivered, and no request breaks a documented form', async () => {
    let costUsd = 0;
    const ends = await Promise.all(
      sold.map(async ({ model, task, resolution, audio, fields }) => {
        const order = { model, resolution, generate_audio: audio, ...fields };
        const created = await createVideo(gateway, { ...order, provider: { only: ['kling'], max_premium: 100 } });
        const { status, provider, error, usage } = await endOf(gateway, created.id);
        costUsd += usage.cost;
        return { model, task, resolution, audio, status, provider, error };
      }),
    );
    const delivered = { status: 'completed', provider: 'kling', error: null };
    expect(await read('/__sandbox/violations')).toEqual([]);
    expect(ends).toEqual(
      sold.map(({ model, task, resolution, audio }) => ({ model, task, resolution, audio, ...delivered })),
    );
    const tasks = await read<{ request: { path: string } }[]>('/__sandbox/tasks');
    expect(tasks).toHaveLength(sold.length);
    expect([...new Set(tasks.map(({ request }) => request.path))].sort()).toEqual([
      '/image-to-video/kling-2.5-turbo',
      '/image-to-video/kling-2.6',
      '/image-to-video/kling-3.0',
      '/image-to-video/kling-3.0-turbo',
      '/motion-control/kling-2.6',
      '/motion-control/kling-3.0',
      '/omni-video/kling-3.0-omni',
      '/omni-video/kling-o1',
      '/text-to-video/kling-2.5-turbo',
      '/text-to-video/kling-2.6',
      '/text-to-video/kling-3.0',
      '/text-to-video/kling-3.0-turbo',
      '/v1/videos/image2video',
      '/v1/videos/multi-image2video',
      '/v1/videos/text2video',
    ]);

    // What the pack has lost by the public price page is what the card charges.
    const { data } = await read<Costs>('/account/costs?start_time=0&end_time=1');
    const [pack] = data.resource_pack_subscribe_infos;
    const units = (pack?.total_quantity ?? 0) - (pack?.remaining_quantity ?? 0);
    expect(Math.abs(costUsd - units * USD_PER_UNIT)).toBeLessThan(sold.length * MICRO_USD);
    expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true, differences: [] });
  });
});

describe('what a model takes besides', () => {
  it('is sent in its documented form', async () => {
    const orders = [...EXTRAS, ...EXTRAS_OF_API_KEYS];
    expect(await endsOf(gateway, orders)).toEqual(allCompleted(orders));
    expect(await read('/__sandbox/violations')).toEqual([]);
  });
});
