/** Everything EvoLink sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { sold } from './sold/evolink.ts';

let gateway: TestGateway;
let emulator: string;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '0.05' });
  const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
  emulator = `http://127.0.0.1:${tasks.portOf('evolink')}`;
  tasks.close();
});
afterAll(() => gateway.remove());

const CREDITS_PER_USD = 68;
const MICRO_USD = 0.000_001;

async function read<T>(path: string): Promise<T> {
  const answer = await fetch(emulator + path, { headers: { authorization: 'Bearer sandbox-account' } });
  return (await answer.json()) as T;
}

describe('everything that EvoLink sells', () => {
  it('is delivered, and no request breaks a documented form', async () => {
    let costUsd = 0;
    const ends = await Promise.all(
      sold.map(async ({ model, task, resolution, audio, fields }) => {
        const order = { model, resolution, generate_audio: audio, ...fields };
        const created = await createVideo(gateway, { ...order, provider: { only: ['evolink'], max_premium: 100 } });
        const { status, provider, error, usage } = await endOf(gateway, created.id);
        costUsd += usage.cost;
        return { model, task, resolution, audio, status, provider, error };
      }),
    );
    const delivered = { status: 'completed', provider: 'evolink', error: null };
    expect(ends).toEqual(
      sold.map(({ model, task, resolution, audio }) => ({ model, task, resolution, audio, ...delivered })),
    );
    expect(await read('/__sandbox/violations')).toEqual([]);
    const tasks = await read<{ request: { model: string } }[]>('/__sandbox/tasks');
    expect(tasks).toHaveLength(sold.length);
    expect([...new Set(tasks.map(({ request }) => request.model))].sort()).toEqual([
      'kling-o1-image-to-video',
      'kling-o1-video-edit',
      'kling-o1-video-edit-fast',
      'kling-o3-image-to-video',
      'kling-o3-reference-to-video',
      'kling-o3-text-to-video',
      'kling-o3-video-edit',
      'kling-v2.6-motion-control',
      'kling-v3-image-to-video',
      'kling-v3-motion-control',
      'kling-v3-text-to-video',
      'kling-v3-turbo-image-to-video',
      'kling-v3-turbo-text-to-video',
    ]);

    // What the emulator has charged by the public rules is what the card charges, but for rounding up each clip.
    const { data } = await read<{ data: { user: { used_credits: number } } }>('/v1/credits');
    expect(Math.abs(costUsd - data.user.used_credits / CREDITS_PER_USD)).toBeLessThan(sold.length * MICRO_USD);
    const audit = await (await gateway.admin('GET', '/audit')).json();
    expect(audit).toMatchObject({ ok: true, differences: [] });
  });
});
