/** The socket before, while and after the gateway serves. */
import { request } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { listen } from '../../src/server.ts';
import { until } from '../support/until.ts';

const HOST = '127.0.0.1';

async function openFront() {
  const front = await listen({ host: HOST, port: 0 });
  onTestFinished(() => front.close());
  return front;
}

it('a request that comes before the gateway is ready waits, and is served by it', async () => {
  const front = await openFront();
  const answers: string[] = [];
  const asked = fetch(`${front.url}/v1/videos`).then(async (answer) => answers.push(await answer.text()));
  const isHeard = await new Promise<boolean>((resolve) => {
    const probe = request(front.url, () => resolve(false));
    probe.on('socket', (socket) => socket.on('connect', () => setImmediate(() => resolve(true))));
    onTestFinished(() => {
      probe.destroy();
    });
    probe.on('error', () => {});
    probe.end();
  });
  expect([isHeard, answers]).toEqual([true, []]);
  front.open((asking) => new Response(`served ${new URL(asking.url).pathname}`));
  await asked;
  expect(answers).toEqual(['served /v1/videos']);
});

it('a port that is taken is said at once', async () => {
  const front = await openFront();
  await expect(listen({ host: HOST, port: Number(new URL(front.url).port) })).rejects.toThrow(/EADDRINUSE/);
});

it('the end waits for a short answer, cuts off one that never ends, and takes nothing more', async () => {
  const front = await openFront();
  let finish = (): void => {};
  const heard: string[] = [];
  front.open(async (asking) => {
    const { pathname } = new URL(asking.url);
    heard.push(pathname);
    if (pathname === '/endless')
      return new Response(new ReadableStream({ start: (to) => to.enqueue(new Uint8Array(1)) }));
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return new Response('whole');
  });
  const short = fetch(`${front.url}/short`).then((answer) => answer.text());
  const endless = fetch(`${front.url}/endless`).then((answer) => answer.text());
  const cut = expect(endless).rejects.toThrow(/terminated/);
  await until('both to be heard', async () => heard.length === 2);
  const closed = front.close();
  finish();
  expect(await short).toBe('whole');
  await closed;
  await cut;
  await expect(fetch(front.url)).rejects.toThrow(/fetch failed/);
});
