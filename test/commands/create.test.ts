/** `reelay create` never orders a clip that it cannot save, and never loses the id of one that is being paid for. */
import { existsSync, statSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { addCreateCommand } from '../../src/commands/create.ts';
import { runHere } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** A gateway of which only this is known: what was asked of it, and that it answers as told, one after another. */
async function gatewayThat(answers: readonly RequestListener[]): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const left = [...answers];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const answer = left.shift();
    if (answer) answer(request, response);
    else request.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://127.0.0.1:${address.port}`, asked };
}

const video =
  (status: string): RequestListener =>
  (_request, response) => {
    const usage = { cost: 0.2, estimated_cost: 0.2 };
    response.end(JSON.stringify({ id: 'video_1', status, progress: 0, provider: 'fal', error: null, usage }));
  };
const dies: RequestListener = (request) => void request.destroy();
const busy: RequestListener = (_request, response) => void response.writeHead(503).end('{}');
const bytes: RequestListener = (_request, response) => void response.end('the clip');

const create = (url: string, ...words: string[]) =>
  runHere(addCreateCommand, ['create', 'a kite', '--json', '--url', url, ...words]);

it('orders nothing when the file cannot be written', async () => {
  const { url, asked } = await gatewayThat([]);
  const { code, stderr } = await create(url, '-o', join(temporaryFolder(), 'nowhere', 'a.mp4'));
  expect([code, asked]).toEqual([1, []]);
  expect(stderr).toMatch(/^cannot write .*a\.mp4, so nothing was ordered: ENOENT/);
});

it('goes on asking while the gateway restarts, and saves the clip', async () => {
  const file = join(temporaryFolder(), 'a.mp4');
  const { url, asked } = await gatewayThat([video('queued'), dies, busy, video('completed'), bytes]);
  const { code, stderr } = await create(`${url}/v1/`, '-o', file);
  expect([code, stderr]).toEqual([0, '']);
  expect(asked.filter((what) => what.startsWith('POST'))).toEqual(['POST /v1/videos']);
  expect([statSync(file).size, existsSync(`${file}.part`)]).toEqual([8, false]);
});

it('says how to fetch a clip that was made and could not be had', async () => {
  const { url } = await gatewayThat([video('queued'), video('completed'), busy]);
  const { code, stderr } = await create(url, '-o', join(temporaryFolder(), 'a.mp4'));
  expect(code).toBe(1);
  expect(stderr).toMatch(/HTTP 503\. video_1 is ordered: curl -fo .*a\.mp4 .*\/v1\/videos\/video_1\/content$/);
});
