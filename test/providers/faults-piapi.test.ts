/** What goes wrong at PiAPI, ordered one fault at a time from its emulator, and where each leaves the job and the money. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, lineByPrompt } from '../support/provider-lab.ts';
import { until } from '../support/until.ts';
import * as common from './common-faults.ts';
import { FIRST_FRAME } from './sold.ts';

let plain: Bench;
/** Where PiAPI can call back. */
let announced: Bench;
/** Where a generation takes long enough to be cancelled. */
let slow: Bench;

beforeAll(async () => {
  [plain, announced, slow] = await Promise.all([
    Bench.start('piapi'),
    Bench.startAnnounced('piapi'),
    Bench.start('piapi', { REELAY_SANDBOX_SECONDS: '60' }),
  ]);
});
afterAll(() => Promise.all([plain, announced, slow].map((bench) => bench.remove())));

const line = lineByPrompt('piapi', { model: 'kling-v3', seconds: 3 });
const here: common.Subject = { line, costUsd: 0.3, on: () => plain };
const called: common.Subject = { ...here, on: () => announced };

describe.concurrent('at PiAPI', () => {
  describe('a task that ends badly costs nothing', () => common.endsForNothing(here));
  describe('a submission', () => {
    common.isAskedAgain(here, [
      ['rate_limited', 'rate_limited'],
      ['concurrency', 'concurrency_limited'],
    ]);
    common.staysInDoubt(here);
  });
  describe('a task that is hard to read', () => {
    common.deliversAllTheSame(here);
    common.isReadAgain(here);
    common.isNoSuccess(here);
  });
  describe('an announcement', () => {
    common.isFoundByItsCall(called);
    common.changesNothing(called);
  });

  it('a task that waits is cancelled at the provider, and costs nothing', async () => {
    const { id } = await slow.order(line, null, 'unwanted');
    await until('the task', async () => (await slow.tasksOf(line, 'unwanted')).length === 1);
    await slow.gateway.fetch(`/v1/videos/${id}/cancel`, { method: 'POST' });
    await until('the cancelled task', async () => (await slow.tasksOf(line, 'unwanted'))[0]?.cancelledAtMs !== null);
    const isCancelled = async () => (await slow.show(id)).error?.code === 'cancelled';
    await until('the cancelled video', isCancelled);
    expect(await slow.show(id)).toMatchObject({ usage: { cost: 0 } });
  });

  it("a picture that is uploaded here lies at PiAPI's own host when its task is made", async () => {
    const { id } = await plain.order(line, null, 'from a picture', { input_reference: FIRST_FRAME });
    expect(await plain.end(id)).toMatchObject({ status: 'completed' });
    const [task] = await plain.tasksOf(line, 'from a picture');
    const request = task?.request as { readonly input: { readonly image_url?: string } } | undefined;
    const url = request?.input.image_url ?? '';
    expect(url).toMatch(/\/ephemeral\/[0-9a-f-]{36}\.png$/);
    expect((await fetch(url)).status).toBe(200);
  });
});

describe('afterwards', () => common.booksAgree(() => [plain, announced, slow]));
