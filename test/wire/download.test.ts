/** What is saved is what was sent, whole; everything else is a value that says what to do next, never a throw. */
import { createHash } from 'node:crypto';
import { BlockList } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Files, openDiskFiles, type PartFile } from '../../src/store/files.ts';
import { type Downloaded, Downloader, type NotDownloaded } from '../../src/wire/download.ts';
import {
  type Answer,
  bytes,
  closedPort,
  cutAfterHeaders,
  cutBeforeAnswer,
  cutChunks,
  endless,
  hang,
  page,
  raw,
  redirect,
  reset,
  slowly,
  startRudeServer,
  wrongLength,
} from '../support/rude-server.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const NAME = 'videos/video_1';
const BYTES_MAX = 1_000_000;
const clip = Buffer.alloc(50_000, 'frames ');

interface Desk {
  readonly files: Files;
  readonly part: PartFile;
  readonly downloader: Downloader;
  download(address: string, bytesMax?: number): Promise<Downloaded | NotDownloaded>;
  put: Downloader['put'];
}

/** A downloader that may reach these origins, and a file to download into. */
async function openDesk(...origins: string[]): Promise<Desk> {
  const downloads = new Downloader({ allowedNetworks: new BlockList(), exemptOrigins: new Set(origins) });
  onTestFinished(() => downloads.close());
  const files = await openDiskFiles(temporaryFolder());
  const part = await files.create(NAME);
  onTestFinished(() => part.discard());
  return {
    files,
    part,
    downloader: downloads,
    download: (address, bytesMax = BYTES_MAX) => downloads.download(address, part, bytesMax),
    put: (...file) => downloads.put(...file),
  };
}

async function downloadFrom(...answers: Answer[]): Promise<Downloaded | NotDownloaded> {
  const { url } = await startRudeServer(...answers);
  return await (await openDesk(url)).download(`${url}/v.mp4`);
}

const digestOf = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

describe('a file that arrives whole', () => {
  it.each<[how: string, answer: Answer, content: Buffer]>([
    ['with its length', bytes(clip), clip],
    ['in chunks', slowly('frames'), Buffer.from('frames')],
    ['until the connection ends', raw('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nframes'), Buffer.from('frames')],
    ['empty', bytes(''), Buffer.alloc(0)],
  ])('%s is saved byte for byte, with its length and its digest', async (_, answer, content) => {
    const { url } = await startRudeServer(answer);
    const { files, part, download } = await openDesk(url);
    const end = await download(`${url}/v.mp4?sig=a%2Fb`);
    expect(end).toEqual({ kind: 'downloaded', bytes: content.length, digest: digestOf(content) });
    await part.finish();
    expect(content.equals(await buffer(files.read(NAME)))).toBe(true);
  });

  it('is asked for at the address as it was given, signature and all', async () => {
    const server = await startRudeServer(bytes(clip));
    await (await openDesk(server.url)).download(`${server.url}/a%20b.mp4?sig=a%2Fb&x=1#t=1`);
    expect(server.received).toMatchObject([{ method: 'GET', path: '/a%20b.mp4?sig=a%2Fb&x=1', body: '' }]);
  });

  it('may be as long as the limit, and not a byte longer', async () => {
    const announced: Answer = (response) => response.writeHead(200, { 'content-length': clip.length }).flushHeaders();
    const { url } = await startRudeServer(bytes(clip), announced);
    const { download } = await openDesk(url);
    expect((await download(url, clip.length)).kind).toBe('downloaded');
    const detail = '50000 bytes announced, at most 49999 are taken';
    expect(await download(url, clip.length - 1)).toEqual({ kind: 'too_large', detail });
  });
});

describe('a download is', () => {
  it.each([400, 401, 403, 404, 410])('gone when the answer is %i: a fresh address may live', async (status) => {
    expect(await downloadFrom(page(status))).toEqual({ kind: 'gone', detail: `HTTP ${status}` });
  });

  it.each([204, 206, 304, 408, 425, 429, 500, 502, 503])('broken when the answer is %i', async (status) => {
    const bodiless = status === 204 || status === 304;
    const answer = bodiless ? bytes('', { status }) : page(status);
    expect(await downloadFrom(answer)).toEqual({ kind: 'broken', detail: `HTTP ${status}` });
  });

  it.each<[how: string, answer: Answer]>([
    ['is cut before it begins', cutBeforeAnswer],
    ['is a reset', reset],
    ['announces two lengths', raw('HTTP/1.1 200 OK\r\ncontent-length: 6\r\ncontent-length: 7\r\n\r\nframes')],
    ['is not HTTP', raw('ICY 200 OK\r\n\r\n')],
    ['has endless headers', raw(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)],
  ])('broken when the answer %s', async (_, answer) => {
    expect(await downloadFrom(answer)).toEqual({ kind: 'broken', detail: expect.stringMatching(/./) });
  });

  it.each<[how: string, answer: Answer]>([
    ['after its headers', cutAfterHeaders],
    ['in the middle', wrongLength(clip.length, clip.toString().slice(0, 1_000))],
    ['between chunks', cutChunks],
  ])('cut when the answer ends %s', async (_, answer) => {
    expect(await downloadFrom(answer)).toEqual({ kind: 'cut', detail: expect.stringMatching(/bytes/) });
  });

  it.each<[how: string, answer: Answer]>([
    ['announces too much', wrongLength(BYTES_MAX + 1, 'frames')],
    ['never ends', endless],
  ])('too large when the answer %s', async (_, answer) => {
    expect(await downloadFrom(answer)).toEqual({ kind: 'too_large', detail: expect.stringMatching(/./) });
  });

  it.each<[when: string, answer: Answer]>([
    ['before the answer', hang],
    ['in the middle of it', (response) => void response.writeHead(200).write('fra')],
  ])('broken at once when it is stopped from our side %s, and so is one that begins after that', async (_, answer) => {
    const server = await startRudeServer(answer);
    const { part, downloader } = await openDesk(server.url);
    const stops = new AbortController();
    const end = downloader.download(server.url, part, BYTES_MAX, stops.signal);
    await until('the request to arrive', () => server.received.length === 1);
    stops.abort();
    expect(await end).toMatchObject({ kind: 'broken', detail: expect.stringContaining('stopped') });
    expect((await downloader.download(server.url, part, BYTES_MAX, stops.signal)).kind).toBe('broken');
    expect(server.received).toHaveLength(1);
  });

  it('broken or cut when the sender stalls and hangs up, before or in the body, and what had come stays invisible', async () => {
    const server = await startRudeServer((response) => void response.writeHead(200).write('fra'));
    const { files, part, download } = await openDesk(server.url);
    const end = download(server.url);
    await until('the request to arrive', () => server.received.length === 1);
    server.cut();
    expect(['broken', 'cut']).toContain((await end).kind);
    await part.discard();
    expect(await files.list('videos')).toEqual([]);
  });

  it('broken when the sender never answers and is cut', async () => {
    const server = await startRudeServer(hang);
    const end = (await openDesk(server.url)).download(server.url);
    await until('the request to arrive', () => server.received.length === 1);
    server.cut();
    expect((await end).kind).toBe('broken');
  });

  it('broken when nobody listens', async () => {
    const origin = `http://127.0.0.1:${await closedPort()}`;
    const detail = expect.stringContaining('ECONNREFUSED');
    expect(await (await openDesk(origin)).download(origin)).toEqual({ kind: 'broken', detail });
  });
});

describe('a file of ours is put', () => {
  it('at the address that was named for it, byte for byte', async () => {
    const server = await startRudeServer(bytes('', { status: 200 }));
    const { put } = await openDesk(server.url);
    expect(await put(`${server.url}/a?sig=a%2Fb`, Buffer.from('frames'), 'image/png')).toBeNull();
    const headers = expect.objectContaining({ 'content-type': 'image/png', 'content-length': '6' });
    expect(server.received).toMatchObject([{ method: 'PUT', path: '/a?sig=a%2Fb', body: 'frames', headers }]);
  });

  it.each<[how: string, answer: Answer]>([
    ['refuses it', page(403)],
    ['fails', page(500)],
    ['sends it elsewhere', redirect('/b', 307)],
    ['cuts it', cutBeforeAnswer],
  ])('in vain when the other end %s, which is said and not tried again', async (_, answer) => {
    const server = await startRudeServer(answer, bytes(''));
    const { put } = await openDesk(server.url);
    expect(await put(server.url, Buffer.from('frames'), 'image/png')).toMatch(/./);
    expect(server.received).toHaveLength(1);
  });

  it('nowhere that is not public', async () => {
    const server = await startRudeServer(bytes(''));
    expect(await (await openDesk()).put(server.url, Buffer.from('frames'), 'image/png')).toMatch(/AddressRefused/);
    expect(await server.connections()).toBe(0);
  });
});

describe('redirects', () => {
  const hops = (count: number): Answer[] => Array.from({ length: count }, (_, hop) => redirect(`/hop/${hop + 1}`));

  it('are followed five times', async () => {
    const server = await startRudeServer(...hops(5), bytes(clip));
    const end = await (await openDesk(server.url)).download(`${server.url}/hop/0`);
    expect(end).toMatchObject({ kind: 'downloaded', bytes: clip.length });
    expect(server.received.map(({ path }) => path)).toEqual([0, 1, 2, 3, 4, 5].map((hop) => `/hop/${hop}`));
  });

  it('are refused the sixth time, and the sixth address is not asked', async () => {
    const server = await startRudeServer(...hops(6), bytes(clip));
    expect((await (await openDesk(server.url)).download(`${server.url}/hop/0`)).kind).toBe('refused');
    expect(server.received).toHaveLength(6);
  });

  it.each([301, 302, 303, 307, 308])('of status %i are followed with a GET', async (status) => {
    const server = await startRudeServer(redirect('../v.mp4?b', status), bytes(clip));
    expect((await (await openDesk(server.url)).download(`${server.url}/a/b/c`)).kind).toBe('downloaded');
    expect(server.received[1]).toMatchObject({ method: 'GET', path: '/a/v.mp4?b' });
  });

  it('carry nothing from one origin to the next but who we are and what we take', async () => {
    const target = await startRudeServer(bytes(clip));
    const cookies = { 'set-cookie': 'session=1', 'www-authenticate': 'Basic realm="x"' };
    const source = await startRudeServer(redirect(`${target.url}/v.mp4`, 302, cookies));
    expect((await (await openDesk(source.url, target.url)).download(source.url)).kind).toBe('downloaded');
    const { connection: _, ...headers } = target.received[0]?.headers ?? {};
    expect(headers).toEqual({ host: new URL(target.url).host, accept: '*/*', 'user-agent': 'reelay/0.1' });
  });

  it.each<[what: string, answer: Answer]>([
    ['without an address', bytes('', { status: 302 })],
    ['with two addresses', bytes('', { status: 302, headers: { location: ['/a', '/b'] } })],
  ])('%s lead nowhere', async (_, answer) => {
    expect(await downloadFrom(answer, bytes(clip))).toEqual({ kind: 'broken', detail: 'HTTP 302' });
  });

  it('with a body are followed without reading all of it', async () => {
    const long: Answer = (response, socket, request) => {
      response.writeHead(302, { location: '/v.mp4' });
      endless(response, socket, request);
    };
    expect((await downloadFrom(long, bytes(clip))).kind).toBe('downloaded');
  });
});
