/** A job that waits for a slot says where it stands, and fails free of charge when its time in the queue is over. */
import { expect, it, onTestFinished } from 'vitest';
import { endOf, startTestGateway } from '../support/gateway.ts';

it('the second clip of a provider with one slot waits in first place until its time is up, and costs nothing', async () => {
  const gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '4', ATLASCLOUD_CONCURRENCY: '1' });
  onTestFinished(() => gateway.remove());
  const policy = { queue_timeout_seconds: 1 };
  await gateway.admin('POST', '/tenants', { id: 'hasty', name: 'Hasty', policy });
  const { key } = (await (await gateway.admin('POST', '/tenants/hasty/keys', {})).json()) as { key: string };
  const as = { fetch: (path: string, init: RequestInit = {}) => gateway.fetch(path, { ...init, key }) };
  const create = async (): Promise<string> => {
    const body = { prompt: 'a red kite', model: 'kling-v3', seconds: 3, provider: { only: ['atlas'] } };
    const headers = { 'content-type': 'application/json' };
    const answer = await as.fetch('/v1/videos', { method: 'POST', headers, body: JSON.stringify(body) });
    return ((await answer.json()) as { id: string }).id;
  };
  const first = await create();
  const second = await create();
  const show = async (id: string) =>
    (await (await as.fetch(`/v1/videos/${id}`)).json()) as {
      status: string;
      queue: { position: number; estimated_start: number } | null;
      created_at: number;
    };
  const waiting = await show(second);
  expect(waiting).toMatchObject({ status: 'queued', queue: { position: 1 } });
  expect(waiting.queue?.estimated_start).toBeGreaterThan(waiting.created_at);
  expect((await show(first)).queue).toBeNull();

  const ended = await endOf(as, second);
  expect(ended).toMatchObject({ status: 'failed', error: { code: 'queue_timeout' }, usage: { cost: 0 }, attempts: [] });
  const job = (await (await gateway.admin('GET', `/jobs/${second}`)).json()) as { entries: { kind: string }[] };
  expect(job.entries.map(({ kind }) => kind)).toEqual(['hold', 'release']);
  expect((await show(second)).queue).toBeNull();
  expect(await endOf(as, first)).toMatchObject({ status: 'completed' });
});
