/** Everything official Kling sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench } from '../support/provider-lab.ts';
import { allCompleted, EXTRAS, EXTRAS_OF_API_KEYS, endsOf } from './extras-kling.ts';
import { sold } from './sold/kling.ts';
import { deliverAll, distinct, expectSameMoney } from './sold.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start('kling');
});
afterAll(() => bench.remove());

/** Of package 1, whose unit price is the list price. */
const USD_PER_UNIT = 0.14;

interface Costs {
  readonly data: {
    readonly resource_pack_subscribe_infos: readonly { total_quantity: number; remaining_quantity: number }[];
  };
}

describe('everything that Kling sells', () => {
  it('is delivered, costs what the pack has lost, and no request breaks a documented form', async () => {
    const { costUsd, tasks } = await deliverAll<{ path: string }>(bench, 'kling', sold);
    expect(distinct(tasks.map(({ request }) => request.path))).toEqual([
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
    const { data } = await bench.read<Costs>('/account/costs?start_time=0&end_time=1');
    const [pack] = data.resource_pack_subscribe_infos;
    const units = (pack?.total_quantity ?? 0) - (pack?.remaining_quantity ?? 0);
    expectSameMoney(costUsd, units * USD_PER_UNIT, sold.length);
  });
});

describe('what a model takes besides', () => {
  it('is sent in its documented form', async () => {
    const orders = [...EXTRAS, ...EXTRAS_OF_API_KEYS];
    expect(await endsOf(bench.gateway, orders)).toEqual(allCompleted(orders));
    expect(await bench.complaints()).toEqual([]);
  });
});
