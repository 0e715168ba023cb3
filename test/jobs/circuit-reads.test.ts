/**
 * The read that comes before a clip where a circuit may be tried again: what is asked of which provider, what its answer is
 * taken for, and that there is one at a time. The real adapters and a real store; the wire answers as a test says.
 */
import { describe, expect, it } from 'vitest';
import type { ProviderRequest } from '../../providers/contract.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { Secret } from '../../src/ground/secret.ts';
import { FreeReads } from '../../src/jobs/free-reads.ts';
import { Sealer } from '../../src/store/seal.ts';
import type { Answer } from '../../src/wire/call.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { attemptRow, jobRow, MADE_AT_MS, openStoreWithTenant, store } from '../support/rows.ts';
import { until } from '../support/until.ts';

const CREDENTIALS: Readonly<Record<string, Record<string, string>>> = {
  kling: { KLING_API_KEY: 'key' },
  evolink: { EVOLINK_API_KEY: 'key' },
  atlas: { ATLASCLOUD_API_KEY: 'key' },
  fal: { FAL_KEY: 'key:x' },
  piapi: { PIAPI_API_KEY: 'key' },
};
const answered = (status: number, body: unknown): Answer => ({
  kind: 'answered',
  response: { origin: 'https://provider.example', status, headers: {}, body },
});
const LOST: Answer = { kind: 'unanswered', detail: 'reset' };

async function setting(provider: string, publicUrl: string | null = null) {
  const database = await openStoreWithTenant();
  const clock = new ManualClock(MADE_AT_MS);
  const found = PROVIDERS.find(({ id }) => id === provider) ?? expect.fail(`no provider ${provider}`);
  const account = {
    ...{ id: provider, provider: found, connection: found.connect(CREDENTIALS[provider] ?? {}) },
    ...{ target: { baseUrls: { api: 'https://provider.example' }, secrets: [] }, credentials: [], hookSecrets: [] },
    slots: 1,
  };
  const asked: ProviderRequest[] = [];
  let answer = async (_request: ProviderRequest): Promise<Answer> => LOST;
  const random = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0 };
  const deps = {
    ...{ database, clock, wallMs: () => clock.nowMs(), accounts: new Map([[provider, account]]) },
    ...{ settings: { publicUrl }, sealer: new Sealer(new Secret('a secret of tests'), random) },
    log: { info: () => {}, warn: () => {}, error: () => {}, flush: () => {} },
    wire: {
      read: (_target: unknown, request: ProviderRequest) => {
        asked.push(request);
        return answer(request);
      },
    },
  } as unknown as ConstructorParameters<typeof FreeReads>[0];
  const woken = { times: 0 };
  const reads = new FreeReads(deps, () => {
    woken.times += 1;
  });
  const ask = async (next: typeof answer) => {
    answer = next;
    clock.advance(1_000);
    const askedAtMs = clock.nowMs();
    reads.tend(() => true);
    return await until('the read', () => (reads.of(provider)?.askedAtMs === askedAtMs ? reads.of(provider) : null));
  };
  const took = async (handle: string) => {
    const taken = { state: 'running', acceptedAtMs: MADE_AT_MS, taskId: 'task_1', handle } as const;
    await store(database, {
      jobs: [jobRow({ id: 'video_1', state: 'running', startedAtMs: MADE_AT_MS })],
      attempts: [attemptRow({ account: provider, lane: provider, ...taken })],
    });
  };
  return { reads, asked, ask, took, woken };
}

describe('a free read', () => {
  it.each([
    ['kling', '/account/costs', { code: 0, data: { code: 0, resource_pack_subscribe_infos: [] } }, true],
    ['evolink', '/v1/credits', { data: { user: { remaining_credits: 5 } } }, false],
    ['atlas', '/public/v1/balance', { available: { value: '5', currency: 'usd' } }, false],
    ['fal', '/account/billing', { credits: { current_balance: 5, currency: 'USD' } }, false],
    ['piapi', '/account/info', { data: { equivalent_in_usd: 5 } }, false],
  ] as const)(
    'at %s is of the balance where no task was taken lately, and buys nothing',
    async (id, path, body, finds) => {
      const { asked, ask, woken } = await setting(id);
      expect(await ask(async () => answered(200, body))).toMatchObject({ answer: 'good', findable: finds });
      expect(asked.map(({ method }) => method)).toEqual(['GET']);
      expect(asked[0]?.path).toContain(path);
      expect(woken.times).toBe(1);
      // Down: asked again later; but where the balance is told by another host, that one's silence says nothing.
      const silence = id === 'fal' ? 'none' : 'silent';
      expect(await ask(async () => LOST)).toMatchObject({ answer: silence });
      expect(await ask(async () => answered(502, null))).toMatchObject({ answer: silence });
      expect(woken.times).toBe(id === 'fal' ? 3 : 1);
      // Answered by the provider itself, but not with a balance: nothing is there to be read.
      expect(await ask(async () => answered(404, {}))).toMatchObject({ answer: 'none' });
      expect(await ask(async () => answered(500, { error: 'the ledger is down' }))).toMatchObject({ answer: 'none' });
      expect(asked).toHaveLength(5);
    },
  );

  it('is of the task that was taken last, where clips are ordered; of the balance if that one is not known', async () => {
    const { asked, ask, took } = await setting('piapi');
    await took(JSON.stringify({ taskId: 'task_1' }));
    const running = { code: 200, data: { task_id: 'task_1', status: 'processing' } };
    expect(await ask(async () => answered(200, running))).toMatchObject({ answer: 'good' });
    expect(asked.map(({ path }) => path)).toEqual([expect.stringContaining('task_1')]);
    const balance = { data: { equivalent_in_usd: 5 } };
    const gone = async ({ path }: ProviderRequest) =>
      path.includes('task_1') ? answered(404, { code: 404, message: 'task not found' }) : answered(200, balance);
    expect(await ask(gone)).toMatchObject({ answer: 'good' });
    expect(asked).toHaveLength(3);
    expect(await ask(async () => LOST)).toMatchObject({ answer: 'silent' });
    expect(asked).toHaveLength(4);
  });

  it('knows that a task can be found where its provider calls us, and only there', async () => {
    const { ask } = await setting('fal', 'https://reelay.example');
    expect(await ask(async () => answered(403, {}))).toMatchObject({ answer: 'none', findable: true });
  });

  it('tells when an account has answered again after it was silent, and that what we cannot understand is no silence', async () => {
    const { ask } = await setting('atlas');
    const balance = async () => answered(200, { available: { value: '5', currency: 'usd' } });
    expect(await ask(balance)).toMatchObject({ answer: 'good', backAtMs: null });
    expect(await ask(async () => LOST)).toMatchObject({ answer: 'silent', backAtMs: null });
    const back = await ask(balance);
    expect(back).toMatchObject({ answer: 'good', backAtMs: back?.askedAtMs });
    expect(await ask(balance)).toMatchObject({ backAtMs: back?.askedAtMs });
    expect(await ask(async () => Promise.reject(new Error('a fault of ours')))).toMatchObject({ answer: 'none' });
  });

  it('is one at a time, only where it is wanted, and none after the stop', async () => {
    const { reads, asked, ask } = await setting('atlas');
    reads.tend(() => false);
    let release = (_answer: Answer): void => {};
    const held = ask(
      () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    );
    await until('the question', () => asked.length === 1);
    for (let again = 0; again < 3; again += 1) reads.tend(() => true);
    release(LOST);
    expect(await held).toMatchObject({ answer: 'silent' });
    expect(asked).toHaveLength(1);
    reads.stop();
    reads.tend(() => true);
    expect(asked).toHaveLength(1);
  });
});
