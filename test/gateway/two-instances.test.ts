/**
 * Two gateways on one data directory: refused, also while the one that has it is frozen; and where somebody forces it, by
 * taking the lock file away under a frozen process, no clip is made twice and none is lost.
 */
import { rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gatewayOn, PROVIDER_IDS } from '../support/emulated.ts';
import { endOf } from '../support/gateway.ts';
import { spawnSandbox } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

/** How long an answer of a provider far away is under way: time enough to freeze whoever waits for it. */
const FAR_MS = 1_500;

describe('a frozen gateway', () => {
  it('keeps its data directory: a second one is refused; thawed it goes on, and each clip is made once', {
    timeout: 90_000,
  }, async () => {
    const { folder, sandbox } = await setUp('1');
    const first = await gatewayOn(sandbox.urls, folder);
    const ids = await Promise.all(PROVIDER_IDS.map((provider) => first.create(provider)));
    first.child.kill('SIGSTOP');
    await expect(gatewayOn(sandbox.urls, folder, first.key)).rejects.toThrow(/another reelay is running/);
    first.child.kill('SIGCONT');
    for (const id of ids) expect(await endOf(first, id)).toMatchObject({ status: 'completed' });
    for (const provider of PROVIDER_IDS) expect(await sandbox.tasks(provider)).toHaveLength(1);
    expect(await first.audit()).toMatchObject({ ok: true, differences: [] });
  });

  it('whose lock file was taken away: a second one takes over, learns the answer that it had, and makes no clip twice', {
    timeout: 90_000,
  }, async () => {
    const { folder, sandbox } = await setUp('2');
    // What it sends reaches the provider at once; the answer comes when it is frozen.
    const far = await farAway(sandbox.urls.piapi ?? '');
    const first = await gatewayOn({ ...sandbox.urls, piapi: far }, folder);
    const accepted = ['kling', 'evolink', 'atlas', 'fal'];
    const ids = await Promise.all(accepted.map((provider) => first.create(provider)));
    await until('four tasks to be accepted', async () => {
      const videos = await Promise.all(ids.map((id) => first.show(id)));
      return videos.every((video) => video.attempts[0]?.status === 'in_progress');
    });
    ids.push(await first.create('piapi'));
    await until('the fifth task to be made', async () => (await sandbox.tasks('piapi')).length === 1);
    first.child.kill('SIGSTOP');

    rmSync(join(folder, 'reelay.lock'));
    const second = await gatewayOn(sandbox.urls, folder, first.key);
    await until('the fifth clip to be in doubt', async () => {
      return (await second.show(ids.at(-1) ?? '')).attempts[0]?.status === 'in_doubt';
    });
    first.child.kill('SIGCONT');

    // The answer that the first one had in its hands is not lost: the second reads the task that it names.
    for (const id of ids) expect(await endOf(second, id, 40_000)).toMatchObject({ status: 'completed' });
    for (const provider of PROVIDER_IDS) expect(await sandbox.tasks(provider)).toHaveLength(1);
    expect(await twins(first, second)).toHaveLength(1);
    expect(await second.audit()).toMatchObject({ ok: true, differences: [] });
  });
});

async function setUp(seconds: string) {
  const folder = temporaryFolder();
  const sandbox = await spawnSandbox({ REELAY_DATA_DIR: join(folder, 'sandbox'), REELAY_SANDBOX_SECONDS: seconds });
  return { folder: join(folder, 'data'), sandbox };
}

type Gateway = Awaited<ReturnType<typeof gatewayOn>>;

/** One request under one key, at both gateways at once: the ids of the clips that came of it. */
async function twins(...gateways: readonly Gateway[]): Promise<string[]> {
  const answers = await Promise.all(
    gateways.map((gateway) =>
      gateway.fetch('/v1/videos', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'twins' },
        body: JSON.stringify({ prompt: 'two red kites', model: 'kling-v3', seconds: 3 }),
      }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  const videos = (await Promise.all(answers.map((answer) => answer.json()))) as { id: string }[];
  return [...new Set(videos.map(({ id }) => id))];
}

/** The address of a pipe to another address: what is asked arrives at once, what is answered takes its time. */
async function farAway(address: string): Promise<string> {
  const { hostname, port } = new URL(address);
  const pipe: Server = createServer((near) => {
    const there = connect(Number(port), hostname, () => near.pipe(there));
    there.on('data', (chunk) => {
      const timer = setTimeout(() => near.write(chunk), FAR_MS);
      near.once('close', () => clearTimeout(timer));
    });
    for (const [one, other] of [
      [near, there],
      [there, near],
    ] as const) {
      one.on('error', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => pipe.listen(0, '127.0.0.1', () => resolve()));
  onTestFinished(() => void pipe.close());
  return `http://127.0.0.1:${(pipe.address() as AddressInfo).port}`;
}
