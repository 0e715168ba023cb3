/** `reelay create` never orders a clip that it cannot save, and never loses the id of one that is being paid for. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { addCreateCommand } from '../../src/commands/create.ts';
import { placeOrder } from '../../src/commands/order.ts';
import { runHere } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary.ts';

interface Stub {
  readonly url: string;
  readonly asked: string[];
  /** Of every order: its key and its body. */
  readonly orders: { readonly key: unknown; readonly body: string }[];
}

/** A gateway of which only this is known: what was asked of it, and that it answers as told, one after another. */
async function gatewayThat(answers: readonly RequestListener[]): Promise<Stub> {
  const asked: string[] = [];
  const orders: Stub['orders'] = [];
  const left = [...answers];
  const server = createServer(async (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const body = await text(request);
    if (request.method === 'POST') orders.push({ key: request.headers['idempotency-key'], body });
    const answer = left.shift() ?? dies;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://127.0.0.1:${address.port}`, asked, orders };
}

const video =
  (status: string): RequestListener =>
  (_request, response) => {
    const usage = { cost: 0.2, estimated_cost: 0.2 };
    response.end(JSON.stringify({ id: 'video_1', status, progress: 0, provider: 'fal', error: null, usage }));
  };
const dies: RequestListener = (request) => void request.socket.destroy();
const cut: RequestListener = (request, response) => {
  response.writeHead(200, { 'content-length': '999' }).write('{"id":');
  setImmediate(() => request.socket.destroy());
};
const refuses =
  (status: number, message: string): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end(JSON.stringify({ error: { message } }));
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
  expect([statSync(file).size, readdirSync(join(file, '..'))]).toEqual([8, ['a.mp4']]);
});

it('says how to fetch a clip that was made and could not be had', async () => {
  const { url } = await gatewayThat([video('queued'), video('completed'), busy]);
  const { code, stderr } = await create(url, '-o', join(temporaryFolder(), 'a.mp4'));
  expect(code).toBe(1);
  expect(stderr).toMatch(/HTTP 503\. video_1 is ordered: curl -fo .*a\.mp4 .*\/v1\/videos\/video_1\/content$/);
});

it('repeats an order whose answer is lost under the same key and with the same body, and has the one clip', async () => {
  const file = join(temporaryFolder(), 'a.mp4');
  const { url, orders } = await gatewayThat([dies, cut, busy, video('completed'), bytes]);
  const { code, stderr } = await create(url, '-o', file, '--seconds', '5');
  expect([code, stderr, readFileSync(file, 'utf8')]).toEqual([0, '', 'the clip']);
  expect(orders).toHaveLength(4);
  expect(new Set(orders.map((order) => JSON.stringify(order))).size).toBe(1);
  expect(orders[0]).toEqual({ key: expect.stringMatching(/^[\w-]{36}$/), body: '{"prompt":"a kite","seconds":"5"}' });
});

it.each([
  ['answers nothing', [dies, dies, dies], 4],
  ['is another server', [refuses(200, 'hello'), refuses(502, 'bad gateway'), bytes, busy], 4],
  ['answers nothing and then refuses', [dies, refuses(402, 'no room')], 2],
])('names the key under which it may be ordered again safely, when the gateway %s', async (_what, answers, tries) => {
  const { url, orders } = await gatewayThat(answers);
  const access = { url, key: 'k' };
  const error = await placeOrder(access, { prompt: 'a kite' }, { key: 'own-key', pausesMs: [0, 0, 0] }).catch(String);
  expect(orders).toHaveLength(tries);
  expect(error).toMatch(/Whether the video was ordered is not known\. .* --idempotency-key own-key/);
});

it('orders under the key it is given, so that an order of before is found', async () => {
  const file = join(temporaryFolder(), 'a.mp4');
  const { url, orders } = await gatewayThat([video('completed'), bytes]);
  const { code } = await create(url, '-o', file, '--idempotency-key', 'key-of-before');
  expect([code, orders.map(({ key }) => key)]).toEqual([0, ['key-of-before']]);
});

it('tells at once of a gateway that is not there, and of an order that is refused', async () => {
  const { url, orders } = await gatewayThat([refuses(400, 'no such model')]);
  expect(await create(url)).toMatchObject({ code: 1, stderr: 'no such model' });
  expect(orders).toHaveLength(1);
  const { stderr } = await create('http://127.0.0.1:1');
  expect(stderr).toMatch(/^no gateway answers at http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)\. Start one [^-]*$/);
});

it.each([429, 401])('says how to fetch the clip when asking for it is answered %i', async (status) => {
  const { url } = await gatewayThat([video('queued'), refuses(status, 'not now.')]);
  const { code, stderr } = await create(url, '-o', join(temporaryFolder(), 'my clip.mp4'));
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^not now\..* video_1 is ordered: curl -fo '.*my clip\.mp4' .*\/v1\/videos\/video_1\/content$/,
  );
});

it('leaves alone what another order is filling, and nothing of its own behind', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'a.mp4');
  writeFileSync(`${file}.part`, 'half of another');
  const { url } = await gatewayThat([video('completed'), bytes]);
  expect(await create(url, '-o', file)).toMatchObject({ code: 0 });
  expect(readFileSync(`${file}.part`, 'utf8')).toBe('half of another');
  expect(readdirSync(folder).sort()).toEqual(['a.mp4', 'a.mp4.part']);
});

it('orders nothing when the name is that of a folder', async () => {
  const folder = join(temporaryFolder(), 'clips');
  mkdirSync(folder);
  const { url, asked } = await gatewayThat([]);
  const { code, stderr } = await create(url, '-o', folder);
  expect([code, asked]).toEqual([1, []]);
  expect(stderr).toMatch(/clips, so nothing was ordered: it is a folder/);
});
