/** Everything EvoLink sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench } from '../support/provider-lab.ts';
import { sold } from './sold/evolink.ts';
import { deliverAll, distinct, expectSameMoney } from './sold.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start('evolink');
});
afterAll(() => bench.remove());

const CREDITS_PER_USD = 68;

describe('everything that EvoLink sells', () => {
  it('is delivered, costs what the emulator charges, and no request breaks a documented form', async () => {
    const { costUsd, tasks } = await deliverAll<{ model: string }>(bench, 'evolink', sold);
    expect(distinct(tasks.map(({ request }) => request.model))).toEqual([
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
    const { data } = await bench.read<{ data: { user: { used_credits: number } } }>('/v1/credits');
    expectSameMoney(costUsd, data.user.used_credits / CREDITS_PER_USD, sold.length);
  });
});
