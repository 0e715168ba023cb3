/** What goes wrong at fal, ordered one fault at a time from its emulator, and where each leaves the job and the money. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePng } from '../support/images.ts';
import { Bench, lineByPrompt } from '../support/provider-lab.ts';
import { until } from '../support/until.ts';
import * as common from './common-faults.ts';

let plain: Bench;
/** Where fal can call back. */
let announced: Bench;
/** Where a generation takes long enough to be cancelled at work, and where it waits in fal's queue all the while. */
let slow: Bench;
let queued: Bench;

beforeAll(async () => {
  [plain, announced, slow, queued] = await Promise.all([
    Bench.start('fal'),
    Bench.startAnnounced('fal'),
    Bench.start('fal', { REELAY_SANDBOX_SECONDS: '2' }),
    Bench.start('fal', { REELAY_SANDBOX_SECONDS: '120' }),
  ]);
});
const allBenches = (): Bench[] => [plain, announced, slow, queued];
afterAll(() => Promise.all(allBenches().map((bench) => bench.remove())));

const line = lineByPrompt('fal', { model: 'kling-v3', seconds: 3 });
const here: common.Subject = { line, costUsd: 0.252, on: () => plain };
const called: common.Subject = { ...here, on: () => announced };

/** The prompt of the one wrong request that this file sends by itself. */
const ON_PURPOSE = 'wrong on purpose';
const ACCOUNT = { headers: { authorization: 'Key sandbox-account' } };

/** That it is more than a megabyte matters here, not what it shows. */
const LARGE_PNG = Buffer.concat([makePng(640, 640), Buffer.alloc(1_100_000, 7)]);

describe.concurrent('at fal', () => {
  describe('a task that ends badly costs its tenant nothing', () => common.endsForNothing(here));

  describe('a submission', () => {
    common.isAskedAgain(here, [
      ['rate_limited', 'rate_limited'],
      ['concurrency', 'concurrency_limited'],
      ['html', 'unavailable'],
    ]);
    common.staysInDoubt(
      here,
      common.UNANSWERED.filter(([fault]) => fault !== 'html'),
    );

    it('with a picture too large for a data URL leaves it at fal first, or as a link where fal can call', async () => {
      const picture = `data:image/png;base64,${LARGE_PNG.toString('base64')}`;
      const sent = async (bench: Bench) => {
        const { id } = await bench.order(line, null, 'large', { input_reference: picture });
        expect(await bench.end(id)).toMatchObject({ status: 'completed', provider: 'fal' });
        const [task] = await bench.tasksOf(line, 'large');
        const request = task?.request as { readonly input: { readonly start_image_url: string } } | undefined;
        return request?.input.start_image_url ?? '';
      };
      const [stored, linked] = await Promise.all([sent(plain), sent(announced)]);
      expect(stored.startsWith(`${plain.emulator}/media/b/`)).toBe(true);
      // Not compared by the matcher, which takes seconds over a megabyte and stops everything meanwhile.
      expect(LARGE_PNG.equals(Buffer.from(await (await fetch(stored)).arrayBuffer()))).toBe(true);
      expect(linked.startsWith(`${announced.gateway.url}/uploads/`)).toBe(true);
    });
  });

  describe('a task that is hard to read', () => {
    common.deliversAllTheSame(here);
    common.isReadAgain(here);
    common.isNoSuccess(here, ['no_url'], 2);

    it('a field that the model refuses shows in the result alone', async () => {
      const endpoint = `${plain.emulator}/fal-ai/kling-video/v3/pro/text-to-video`;
      const body = JSON.stringify({ prompt: ON_PURPOSE, duration: 5 });
      const submitted = await fetch(endpoint, { method: 'POST', body, ...ACCOUNT });
      expect(submitted.status).toBe(200);
      const { status_url: status, response_url: result } = (await submitted.json()) as Record<string, string>;
      await until('the end of it', async () => (await fetch(status ?? '', ACCOUNT)).status === 200);
      expect(await (await fetch(status ?? '', ACCOUNT)).json()).not.toHaveProperty('error');
      const refused = await fetch(result ?? '', ACCOUNT);
      expect(refused.status).toBe(422);
      expect(await refused.json()).toMatchObject({ detail: [{ loc: ['body', 'duration'], type: 'value_error' }] });
    });
  });

  describe('an announcement', () => {
    common.isFoundByItsCall(called);
    common.changesNothing(called);
  });

  describe('a cancelled video', () => {
    const cancel = (bench: Bench, id: string) => bench.gateway.fetch(`/v1/videos/${id}/cancel`, { method: 'POST' });
    const made = async (bench: Bench, prompt: string) => (await bench.tasksOf(line, prompt))[0];

    it('that still waits at fal is taken off its queue, and costs nothing', async () => {
      const { id } = await queued.order(line, null, 'unwanted');
      await until('the task', () => made(queued, 'unwanted'));
      await until('the video to run', async () => (await queued.show(id)).status === 'in_progress');
      expect((await cancel(queued, id)).status).toBe(200);
      expect(await queued.end(id)).toMatchObject({ error: { code: 'cancelled' }, usage: { cost: 0 } });
      expect((await made(queued, 'unwanted'))?.cancelledAtMs).not.toBeNull();
    });

    it('that is being made is followed to its end, and settled', async () => {
      const { id } = await slow.order(line, null, 'cancelled at work');
      const task = await until('the task', () => made(slow, 'cancelled at work'));
      const status = `/fal-ai/kling-video/requests/${task.id}/status`;
      const isAtWork = async () => (await slow.read<{ status: string }>(status)).status === 'IN_PROGRESS';
      await until('the work to begin', isAtWork);
      expect((await cancel(slow, id)).status).toBe(200);
      expect(await slow.end(id)).toMatchObject({ error: { code: 'cancelled' }, usage: { cost: 0.252 } });
    });
  });
});

describe('afterwards', () => common.booksAgree(allBenches, (complaint) => complaint.includes(ON_PURPOSE)));
