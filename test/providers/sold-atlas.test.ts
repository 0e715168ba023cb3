/** Everything Atlas sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { sold } from './sold/atlas.ts';

let gateway: TestGateway;
let emulator: string;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '0.05' });
  const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
  emulator = `http://127.0.0.1:${tasks.portOf('atlas')}`;
  tasks.close();
});
afterAll(() => gateway.remove());

const CASH_USD = 10_000;

async function read<T>(path: string): Promise<T> {
  const answer = await fetch(emulator + path, { headers: { authorization: 'Bearer sandbox-account' } });
  return (await answer.json()) as T;
}

describe('everything that Atlas sells', () => {
  it('is delivered, costs what the emulator charges, and no request breaks a documented form', async () => {
    let costUsd = 0;
    const ends = await Promise.all(
      sold.map(async ({ model, task, resolution, audio, fields }) => {
        const order = { model, resolution, generate_audio: audio, ...fields };
        const created = await createVideo(gateway, { ...order, provider: { only: ['atlas'], max_premium: 100 } });
        const { status, provider, error, usage } = await endOf(gateway, created.id);
        costUsd += usage.cost;
        return { model, task, resolution, audio, status, provider, error };
      }),
    );
    const delivered = { status: 'completed', provider: 'atlas', error: null };
    expect(ends).toEqual(
      sold.map(({ model, task, resolution, audio }) => ({ model, task, resolution, audio, ...delivered })),
    );
    expect(await read('/__sandbox/violations')).toEqual([]);
    const tasks = await read<{ request: { model: string } }[]>('/__sandbox/tasks');
    expect(tasks).toHaveLength(sold.length);
    expect([...new Set(tasks.map(({ request }) => request.model.replace('kwaivgi/kling-', '')))].sort()).toEqual([
      'v1.6-i2v-pro',
      'v1.6-i2v-standard',
      'v1.6-multi-i2v-pro',
      'v1.6-multi-i2v-standard',
      'v1.6-t2v-standard',
      'v2.1-i2v-master',
      'v2.1-i2v-pro',
      'v2.1-i2v-pro/start-end-frame',
      'v2.1-i2v-standard',
      'v2.1-t2v-master',
      'v2.5-turbo-pro/image-to-video',
      'v2.5-turbo-pro/text-to-video',
      'v2.6-pro/image-to-video',
      'v2.6-pro/motion-control',
      'v2.6-pro/text-to-video',
      'v2.6-std/motion-control',
      'v3.0-4k/image-to-video',
      'v3.0-4k/text-to-video',
      'v3.0-pro/image-to-video',
      'v3.0-pro/motion-control',
      'v3.0-pro/text-to-video',
      'v3.0-std/image-to-video',
      'v3.0-std/motion-control',
      'v3.0-std/text-to-video',
      'v3.0-turbo/image-to-video',
      'v3.0-turbo/text-to-video',
      'video-o1/image-to-video',
      'video-o1/text-to-video',
      'video-o3-4k/image-to-video',
      'video-o3-4k/text-to-video',
      'video-o3-pro/image-to-video',
      'video-o3-pro/reference-to-video',
      'video-o3-pro/text-to-video',
      'video-o3-pro/video-edit',
      'video-o3-std/image-to-video',
      'video-o3-std/reference-to-video',
      'video-o3-std/text-to-video',
      'video-o3-std/video-edit',
    ]);

    const { cash } = await read<{ cash: { value: string } }>('/public/v1/balance');
    expect(costUsd).toBeCloseTo(CASH_USD - Number(cash.value), 6);
    const audit = await (await gateway.admin('GET', '/audit')).json();
    expect(audit).toMatchObject({ ok: true, differences: [] });
  });
});
