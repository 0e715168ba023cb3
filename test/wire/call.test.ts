/** A submission leaves at most once, and what is said of it is never rosier than what is known. */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ProviderRequest } from '../../providers/contract.ts';
import { type Answer as Outcome, ProviderWire, type Target } from '../../src/wire/call.ts';
import {
  type Answer,
  bomb,
  bytes,
  closedPort,
  coded,
  codedTwice,
  cutAfterHeaders,
  cutBeforeAnswer,
  cutChunks,
  endless,
  hang,
  json,
  page,
  raw,
  redirect,
  reset,
  slowly,
  startRudeServer,
  wrongLength,
} from '../support/rude-server.ts';
import { until } from '../support/until.ts';

const MEBIBYTE = 1_048_576;
const KEY = 'key-that-nobody-may-see';

const order: ProviderRequest = {
  method: 'POST',
  path: '/videos?from=reelay',
  headers: { authorization: `Bearer ${KEY}` },
  body: { prompt: 'a red kite' },
};
const look: ProviderRequest = { method: 'GET', path: '/tasks/1', headers: {} };

function openWire(): ProviderWire {
  const wire = new ProviderWire();
  onTestFinished(() => wire.close());
  return wire;
}

const at = (api: string): Target => ({ baseUrls: { api }, secrets: [KEY] });
const yes = (): boolean => true;
const submit = (api: string): Promise<Outcome> => openWire().submit(at(api), order, yes);

/** The answer that came, or a failure that shows what came instead. */
function answered(outcome: Outcome) {
  if (outcome.kind !== 'answered') throw new Error(`not answered: ${JSON.stringify(outcome)}`);
  return outcome.response;
}

describe('an exchange', () => {
  it('carries what the adapter wrote, under the path of the base URL', async () => {
    const server = await startRudeServer(json({ id: 1 }, 201, { 'X-Request-Id': 'r1' }));
    const response = answered(await submit(`${server.url}/proxy/kling/`));
    expect(response).toMatchObject({ origin: server.url, status: 201, body: { id: 1 } });
    expect(response.headers).toMatchObject({ 'x-request-id': 'r1' });
    expect(server.received).toMatchObject([
      {
        method: 'POST',
        path: '/proxy/kling/videos?from=reelay',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        body: '{"prompt":"a red kite"}',
      },
    ]);
  });

  it('goes to the base URL that the request names', async () => {
    const [api, files] = [await startRudeServer(json({})), await startRudeServer(json({}))];
    const target: Target = { baseUrls: { api: api.url, files: `${files.url}/v2` }, secrets: [] };
    answered(await openWire().read(target, { ...look, host: 'files' }));
    expect(files.received.map(({ path }) => path)).toEqual(['/v2/tasks/1']);
    expect(await api.connections()).toBe(0);
  });

  it('has no body and no content type when there is nothing to say', async () => {
    const server = await startRudeServer(json({}));
    answered(await openWire().read(at(server.url), look));
    expect(server.received).toMatchObject([{ method: 'GET', body: '' }]);
    expect(Object.keys(server.received[0]?.headers ?? {})).not.toContain('content-type');
  });

  it('that uploads media is made once, and unanswered when it is cut', async () => {
    const server = await startRudeServer(json({ url: 'https://kept.example/1' }), cutBeforeAnswer, json({}));
    const wire = openWire();
    const file: ProviderRequest = { method: 'POST', path: '/files', headers: {}, body: { file: 'AAAA' } };
    expect(answered(await wire.upload(at(server.url), file)).body).toEqual({ url: 'https://kept.example/1' });
    expect((await wire.upload(at(server.url), file)).kind).toBe('unanswered');
    expect(server.received.map(({ body }) => body)).toEqual(['{"file":"AAAA"}', '{"file":"AAAA"}']);
  });

  it.each([301, 302, 303, 307, 308])('returns a redirect as its status %i and never follows it', async (status) => {
    const elsewhere = await startRudeServer(json({}));
    const server = await startRudeServer(redirect(`${elsewhere.url}/x`, status));
    for (const outcome of [await submit(server.url), await openWire().read(at(server.url), look)]) {
      expect(answered(outcome)).toMatchObject({ status, headers: { location: `${elsewhere.url}/x` }, body: null });
    }
    expect(server.received).toHaveLength(2);
    expect(await elsewhere.connections()).toBe(0);
  });

  it.each<[what: string, answer: Answer, status: number]>([
    ['a page of HTML', page(502), 502],
    ['nothing', bytes('', { status: 204 }), 204],
    ['half of a JSON text', bytes('{"id":'), 200],
    ['bytes that are not UTF-8', bytes(Buffer.of(0x22, 0xff, 0xfe, 0x22)), 200],
  ])('reads %s as an answer without a body', async (_, answer, status) => {
    const server = await startRudeServer(answer);
    expect(answered(await submit(server.url))).toMatchObject({ status, body: null });
  });

  it.each<[what: string, answer: Answer]>([
    ['gzip', coded('gzip', '{"id":"1"}')],
    ['deflate', coded('deflate', '{"id":"1"}')],
    ['br', coded('br', '{"id":"1"}')],
    ['identity', bytes('{"id":"1"}', { headers: { 'content-encoding': 'identity' } })],
    ['a byte at a time', slowly('{"id":"1"}')],
    ['exactly a mebibyte', bytes(`{"id":"1"}${' '.repeat(MEBIBYTE - 10)}`)],
  ])('understands an answer that comes as %s', async (_, answer) => {
    const server = await startRudeServer(answer);
    expect(answered(await submit(server.url)).body).toEqual({ id: '1' });
  });

  it('shows no secret that a provider repeats, neither in a body nor in an error', async () => {
    const echo = await startRudeServer(json({ detail: [`bad key ${KEY}, really ${KEY}`] }, 401));
    expect(answered(await submit(echo.url)).body).toEqual({ detail: ['bad key ***, really ***'] });
    const loud = await startRudeServer(bytes('{}', { headers: { 'content-encoding': KEY } }));
    const outcome = await submit(loud.url);
    expect(outcome).toMatchObject({ kind: 'unanswered', detail: expect.stringContaining('***') });
    expect(JSON.stringify(outcome)).not.toContain(KEY);
  });
});

describe('a submission was never sent', () => {
  it.each<[why: string, url: () => Promise<string> | string]>([
    ['nobody listens', async () => `http://127.0.0.1:${await closedPort()}`],
    // A label of 64 letters cannot be asked for: no name server is troubled.
    ['the name has no address', () => `http://${'x'.repeat(64)}.invalid`],
  ])('when %s', async (_, url) => {
    let asked = 0;
    const outcome = await openWire().submit(at(await url()), order, () => {
      asked += 1;
      return true;
    });
    expect(outcome.kind).toBe('never_sent');
    expect(asked).toBe(0);
  });

  it('when the other end does not speak TLS', async () => {
    const server = await startRudeServer(json({}));
    const outcome = await submit(server.url.replace('http:', 'https:'));
    expect(outcome.kind).toBe('never_sent');
    expect(server.received).toEqual([]);
  });

  it('when its time had passed once the connection stood, and not a byte of it was written', async () => {
    const server = await startRudeServer(json({}));
    let asked = 0;
    const outcome = await openWire().submit(at(server.url), order, () => {
      asked += 1;
      return false;
    });
    expect(outcome).toMatchObject({ kind: 'never_sent', detail: expect.stringContaining('had passed') });
    expect(asked).toBe(1);
    await until('the connection to be over', () => server.sockets.length === 1 && server.sockets[0]?.closed);
    expect(server.sockets[0]?.bytesRead).toBe(0);
    expect(server.received).toEqual([]);
  });
});

const BROKEN: readonly [what: string, answer: Answer][] = [
  ['is cut before it begins', cutBeforeAnswer],
  ['is a reset', reset],
  ['is cut in its first line', raw('HTTP/1.1 20')],
  ['is cut after its headers', cutAfterHeaders],
  ['is shorter than announced', wrongLength(100, '{"id":"1"}')],
  ['stops between chunks', cutChunks],
  ['is not HTTP', raw('SSH-2.0-OpenSSH_9.2\r\n')],
  ['announces more than a mebibyte', bytes(' '.repeat(MEBIBYTE + 1))],
  ['has no end', endless],
  ['is a bomb of gzip', bomb('gzip')],
  ['is a bomb of deflate', bomb('deflate')],
  ['is a bomb of brotli', bomb('br')],
  ['is packed twice', codedTwice('{"id":"1"}')],
  ['is packed in an unknown way', bytes('{}', { headers: { 'content-encoding': 'zstd' } })],
  ['says gzip and is not', bytes('{"id":"1"}', { headers: { 'content-encoding': 'gzip' } })],
  ['has endless headers', raw(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(20_000)}\r\n\r\n{}`)],
];

describe('an answer that', () => {
  it.each(BROKEN)('%s leaves a submission unanswered, sent once and never again', async (_, answer) => {
    const server = await startRudeServer(answer, json({ id: 'a second one' }));
    const outcome = await submit(server.url);
    expect(outcome).toEqual({ kind: 'unanswered', detail: expect.stringMatching(/./) });
    expect(server.received).toHaveLength(1);
    expect(await server.connections()).toBe(1);
  });

  it.each(BROKEN)('%s leaves a read unanswered, and is not asked for again', async (_, answer) => {
    const server = await startRudeServer(answer, json({}));
    expect((await openWire().read(at(server.url), look)).kind).toBe('unanswered');
    expect(server.received).toHaveLength(1);
  });

  it('never comes leaves a submission unanswered, sent once', async () => {
    const server = await startRudeServer(hang, json({ id: 'a second one' }));
    const outcome = submit(server.url);
    await until('the submission to arrive', () => server.received.length === 1);
    server.cut();
    expect(await outcome).toMatchObject({ kind: 'unanswered' });
    expect(server.received).toHaveLength(1);
    expect(await server.connections()).toBe(1);
  });
});

describe('connections', () => {
  it('are fresh for every submission, pooled for reads, and never shared between the two', async () => {
    const server = await startRudeServer(json({}));
    const wire = openWire();
    const portsOf = async (ask: () => Promise<Outcome>): Promise<Set<number | undefined>> => {
      const before = server.received.length;
      for (let round = 0; round < 10; round += 1) answered(await ask());
      return new Set(server.received.slice(before).map(({ fromPort }) => fromPort));
    };
    const reads = await portsOf(() => wire.read(at(server.url), look));
    const submissions = await portsOf(() => wire.submit(at(server.url), order, yes));
    expect(reads.size).toBeLessThan(10);
    expect(submissions.size).toBe(10);
    expect([...submissions].filter((port) => reads.has(port))).toEqual([]);
  });

  it('that cannot be made leave a read unanswered: reads prove nothing', async () => {
    const outcome = await openWire().read(at(`http://127.0.0.1:${await closedPort()}`), look);
    expect(outcome).toMatchObject({ kind: 'unanswered', detail: expect.stringContaining('ECONNREFUSED') });
  });
});
