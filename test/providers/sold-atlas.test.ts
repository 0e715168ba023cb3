/** Everything Atlas sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench } from '../support/provider-lab.ts';
import { sold } from './sold/atlas.ts';
import { deliverAll, distinct, expectSameMoney } from './sold.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start('atlas');
});
afterAll(() => bench.remove());

const CASH_USD = 10_000;

describe('everything that Atlas sells', () => {
  it('is delivered, costs what the emulator charges, and no request breaks a documented form', async () => {
    const { costUsd, tasks } = await deliverAll<{ model: string }>(bench, 'atlas', sold);
    expect(distinct(tasks.map(({ request }) => request.model.replace('kwaivgi/kling-', '')))).toEqual([
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
    const { cash } = await bench.read<{ cash: { value: string } }>('/public/v1/balance');
    expectSameMoney(costUsd, CASH_USD - Number(cash.value), sold.length);
  });
});
