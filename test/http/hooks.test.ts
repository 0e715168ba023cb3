/** Calls of providers: each delivery is worked on once, and only one that was worked on counts as known. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { DeliveryLog } from '../../src/http/delivery-log.ts';
import { type ShownVideo, startTestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

it('a call that met a locked store is worked on when it comes again', { timeout: 60_000 }, async () => {
  const gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '600', REELAY_PUBLIC_URL: 'http://127.0.0.1:1' });
  onTestFinished(() => gateway.remove());
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-reelay-sandbox-fault': 'lost_answer' },
    body: JSON.stringify({
      prompt: 'x',
      model: 'kling-v3',
      seconds: 5,
      provider: { only: ['evolink'], max_premium: 9 },
    }),
  });
  const { id } = (await answer.json()) as ShownVideo;
  const store = new Sqlite(join(gateway.dataDir, 'reelay.db'), { timeout: 1_000 });
  onTestFinished(() => void store.close());
  const inDoubt = store.prepare("select id from attempts where job_id = ? and state = 'in_doubt'").pluck();
  const attempt = await until('doubt', async () => inDoubt.get(id) as string | undefined);
  // A token of our own: of the real one only the digest is stored.
  const token = 'ab'.repeat(16);
  const digest = createHash('sha256').update(token).digest('hex');
  store.prepare('update attempts set hook_token_digest = ? where id = ?').run(digest, attempt);
  const call = async (): Promise<number> => {
    const body = JSON.stringify({ id: 'task-unified-1-abc', status: 'completed' });
    return (await fetch(`${gateway.url}/hooks/evolink/${token}`, { method: 'POST', body })).status;
  };
  const named = () => store.prepare('select announced_task_id from attempts where id = ?').pluck().get(attempt);
  store.exec('begin immediate');
  const first = await call();
  store.exec('rollback');
  expect([first, named()]).toEqual([503, null]);
  expect([await call(), named()]).toEqual([200, 'task-unified-1-abc']);
});

it('two deliveries of one kind at once are worked on once; one that failed is worked on again', async () => {
  const log = new DeliveryLog(() => 0);
  const held: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const work = () => new Promise<void>((resolve, reject) => held.push({ resolve, reject }));
  const failing = [log.once('one', work), log.once('one', work)];
  held[0]?.reject(new Error('the store is locked'));
  expect((await Promise.allSettled(failing)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const both = [log.once('one', work), log.once('one', work), log.once('two', work)];
  expect(held).toHaveLength(3);
  for (const each of held) each.resolve();
  await Promise.all(both);
  await log.once('one', work);
  expect(held).toHaveLength(3);
});
