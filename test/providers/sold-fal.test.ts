/** Everything fal sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fal } from '../../providers/fal/index.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { sold } from './sold/fal.ts';

let gateway: TestGateway;
let emulator: string;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '0.05', FAL_CONCURRENCY: '8' });
  const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
  emulator = `http://127.0.0.1:${tasks.portOf('fal')}`;
  tasks.close();
});
afterAll(() => gateway.remove());

const MICRO_USD = 0.000_001;

async function read<T>(path: string): Promise<T> {
  const answer = await fetch(emulator + path, { headers: { authorization: 'Key sandbox-account' } });
  return (await answer.json()) as T;
}

describe('everything that fal sells', () => {
  it('is delivered, and no request breaks a documented form', async () => {
    let costUsd = 0;
    const ends = await Promise.all(
      sold.map(async ({ model, task, resolution, audio, fields }) => {
        const order = { model, resolution, generate_audio: audio, ...fields };
        const created = await createVideo(gateway, { ...order, provider: { only: ['fal'], max_premium: 100 } });
        const { status, provider, error, usage } = await endOf(gateway, created.id);
        costUsd += usage.cost;
        return { model, task, resolution, audio, status, provider, error };
      }),
    );
    expect(await read('/__sandbox/violations')).toEqual([]);
    const delivered = { status: 'completed', provider: 'fal', error: null };
    expect(ends).toEqual(
      sold.map(({ model, task, resolution, audio }) => ({ model, task, resolution, audio, ...delivered })),
    );

    // Every endpoint that the adapter knows was asked, and each clip once.
    const tasks = await read<{ request: { endpoint: string } }[]>('/__sandbox/tasks');
    expect(tasks).toHaveLength(sold.length);
    expect(new Set(tasks.map(({ request }) => request.endpoint))).toEqual(
      new Set(fal.capabilities.map(({ upstream }) => upstream)),
    );

    // What the emulator has charged by the public price list is what the card charges.
    const { credits } = await read<{ credits: { current_balance: number } }>('/v1/account/billing?expand=credits');
    expect(Math.abs(costUsd - (1_000 - credits.current_balance))).toBeLessThan(sold.length * MICRO_USD);
    const audit = await (await gateway.admin('GET', '/audit')).json();
    expect(audit).toMatchObject({ ok: true, differences: [] });
  });
});
