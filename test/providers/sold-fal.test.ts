/** Everything fal sells is ordered once, through the gateway, from its emulator, which puts wrong forms on record. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fal } from '../../providers/fal/index.ts';
import { Bench } from '../support/provider-lab.ts';
import { sold } from './sold/fal.ts';
import { deliverAll, distinct, expectSameMoney } from './sold.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start('fal');
});
afterAll(() => bench.remove());

const CREDITS_USD = 1_000;

describe('everything that fal sells', () => {
  it('is delivered, costs what the emulator charges, and no request breaks a documented form', async () => {
    const { costUsd, tasks } = await deliverAll<{ endpoint: string }>(bench, 'fal', sold);
    // Every endpoint that the adapter knows was asked.
    expect(distinct(tasks.map(({ request }) => request.endpoint))).toEqual(
      distinct(fal.capabilities.map(({ upstream }) => upstream)),
    );
    const { credits } = await bench.read<{ credits: { current_balance: number } }>(
      '/v1/account/billing?expand=credits',
    );
    expectSameMoney(costUsd, CREDITS_USD - credits.current_balance, sold.length);
  });
});
