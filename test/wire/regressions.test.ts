/** Faults of the wire that were found once: each test here failed before its fault was mended. */
import { BlockList } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { PROVIDERS } from '../../providers/index.ts';
import { Schedule } from '../../src/jobs/schedule.ts';
import { checkUrl } from '../../src/wire/address.ts';
import { ProviderWire } from '../../src/wire/call.ts';
import { Downloader } from '../../src/wire/download.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { bytes, json, startRudeServer } from '../support/rude-server.ts';
import { until } from '../support/until.ts';

const look = { method: 'GET', path: '/x', headers: { authorization: 'Key abc/def' } } as const;
const exempt = (origin: string) => ({ allowedNetworks: new BlockList(), exemptOrigins: new Set([origin]) });

it('a sender that hangs up behind its last byte, while the disk is slow, does not end the process', async () => {
  const server = await startRudeServer((_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 65537\r\nconnection: close\r\n\r\nx');
  });
  const downloads = new Downloader(exempt(server.url));
  let looks = 0;
  let writes = 0;
  const write = async (): Promise<void> => {
    writes += 1;
    if (writes > 1) return;
    server.sockets[0]?.end(Buffer.alloc(65_536)); // the rest, while the first byte is still being written
    await until('the sender to hang up, and the news of it', () => server.sockets[0]?.writableFinished && ++looks > 4);
  };
  const part = { path: '', write, finish: async () => {}, discard: async () => {} };
  expect(await downloads.download(server.url, part, 1e6)).toMatchObject({ kind: 'downloaded', bytes: 65_537 });
});

it('a file that is announced as too large, and is there at once, does not end the process', async () => {
  const server = await startRudeServer(bytes(Buffer.alloc(50_000)));
  const part = { path: '', write: async () => {}, finish: async () => {}, discard: async () => {} };
  expect((await new Downloader(exempt(server.url)).download(server.url, part, 49_999)).kind).toBe('too_large');
  await new Promise((resolve) => setImmediate(resolve));
});

it('no path leads a key to another host than the configured one', async () => {
  const [own, other] = [await startRudeServer(json({})), await startRudeServer(json({}))];
  const wire = new ProviderWire();
  onTestFinished(() => wire.close());
  const target = { baseUrls: { api: own.url }, secrets: [] };
  await wire.read(target, { ...look, path: `//127.0.0.1:${other.port}/x` }).catch(() => {});
  expect(other.received).toEqual([]);
});

it('a secret is masked however JSON spells it, and in headers too', async () => {
  const server = await startRudeServer(bytes('{"detail":"bad key abc\\/def"}', { headers: { 'x-key': 'abc/def' } }));
  const wire = new ProviderWire();
  onTestFinished(() => wire.close());
  const answer = await wire.read({ baseUrls: { api: server.url }, secrets: ['abc/def'] }, look);
  expect(JSON.stringify(answer)).not.toContain('abc/def');
});

const deep = JSON.parse('['.repeat(500_000) + ']'.repeat(500_000));
it.each(PROVIDERS.map((provider) => [provider.id, provider] as const))(
  '%s reads a deep answer as a failure',
  (_, provider) => {
    const [names = []] = provider.settings.credentialVariables;
    const { submit } = provider.connect(Object.fromEntries(names.map((name) => [name, 'k'])));
    const response = { origin: 'https://x.example', status: 200, headers: {}, body: deep };
    expect(submit.response(response, { upstream: '' } as never)).toMatchObject({ state: 'failure' });
  },
);

it('fal 500 without its mark is doubt: its own client repeats 502, 503 and 504 of nginx only', () => {
  const fal = PROVIDERS.find(({ id }) => id === 'fal')?.connect({ FAL_KEY: 'k' });
  const response = { origin: 'https://queue.fal.run', status: 500, headers: {}, body: { detail: 'internal' } };
  expect(fal?.submit.response(response, {} as never)).not.toMatchObject({ task: 'none' });
});

it('nothing falls due any more once the schedule has stopped', () => {
  const clock = new ManualClock();
  let due = 0;
  const schedule = new Schedule(clock, () => {
    due += 1;
  });
  schedule.stop();
  schedule.put('a', 10);
  clock.advance(100);
  expect(due).toBe(0);
});

it('only http and https are exempt', () => {
  expect(() => checkUrl('blob:http://127.0.0.1:41234/x', exempt('http://127.0.0.1:41234'))).toThrow();
});
