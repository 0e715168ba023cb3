/** An event is signed as receivers verify it, goes to allowed addresses only, and its answer is a status or nothing. */
import { randomBytes } from 'node:crypto';
import OpenAI7 from 'openai';
import OpenAI6 from 'openai-6';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AddressRefused, type AddressRules, blockList, type Resolve } from '../../src/wire/address.ts';
import { checkReceiver, NoticeSender, SEND_TIMEOUT_MS, type Sent, signedHeaders } from '../../src/wire/notify.ts';
import {
  type Answer,
  bytes,
  closedPort,
  cutAfterHeaders,
  cutBeforeAnswer,
  endless,
  hang,
  json,
  page,
  raw,
  redirect,
  startRudeServer,
} from '../support/rude-server.ts';

const secret = (): string => `whsec_${randomBytes(32).toString('base64')}`;
const notice = () => ({
  id: 'evt_1',
  body: '{"type":"video.completed","é":"風"}',
  atMs: Date.now(),
  secrets: [secret()],
});

const LOOPBACK: AddressRules = { allowedNetworks: blockList(['127.0.0.0/8']), exemptOrigins: new Set() };
const NOBODY: AddressRules = { allowedNetworks: blockList([]), exemptOrigins: new Set() };

function openSender(rules: AddressRules, options: { resolve?: Resolve; timeoutMs?: number } = {}): NoticeSender {
  const sender = new NoticeSender(rules, options);
  onTestFinished(() => sender.close());
  return sender;
}

async function sendTo(answer: Answer, timeoutMs?: number): Promise<Sent> {
  const { url } = await startRudeServer(answer);
  const sender = openSender(LOOPBACK, timeoutMs === undefined ? {} : { timeoutMs });
  return await sender.send(`${url}/hook?team=7`, notice());
}

const clients = [
  { version: 7, webhooks: new OpenAI7({ apiKey: 'x' }).webhooks },
  { version: 6, webhooks: new OpenAI6({ apiKey: 'x' }).webhooks as unknown as OpenAI7['webhooks'] },
];

describe('a signature', () => {
  it('is that of the example by which Standard Webhooks libraries test themselves', () => {
    const headers = signedHeaders({
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      body: '{"test": 2432232314}',
      atMs: 1_614_265_330_000,
      secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    });
    expect(headers).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it.each(clients)(
    'is verified by openai $version with either of two secrets, and with no other',
    async ({ webhooks }) => {
      const secrets = [secret(), secret()];
      const sent = { ...notice(), secrets };
      const headers = signedHeaders(sent);
      for (const one of secrets) await expect(webhooks.unwrap(sent.body, headers, one)).resolves.toBeDefined();
      await expect(webhooks.unwrap(sent.body, headers, secret())).rejects.toThrow(/does not match/);
      await expect(webhooks.unwrap(`${sent.body} `, headers, secrets[0])).rejects.toThrow(/does not match/);
      const other = { ...headers, 'webhook-id': 'evt_2' };
      await expect(webhooks.unwrap(sent.body, other, secrets[0])).rejects.toThrow(/does not match/);
    },
  );

  it('is never left out', () => {
    expect(() => signedHeaders({ ...notice(), secrets: [] })).toThrow(/at least one secret/);
  });
});

describe('a sending', () => {
  it('carries the bytes, signed, to the address as it was given', async () => {
    const server = await startRudeServer(json({}));
    const sent = notice();
    const outcome = await openSender(LOOPBACK).send(`${server.url}/a%20b?x=%2F`, sent);
    expect(outcome).toEqual({ kind: 'answered', status: 200 });
    expect(server.received).toMatchObject([
      { method: 'POST', path: '/a%20b?x=%2F', body: sent.body, headers: signedHeaders(sent) },
    ]);
    expect(server.received[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(sent.body)),
    });
  });

  it.each<[what: string, answer: Answer, status: number]>([
    ['without a body', bytes('', { status: 204 }), 204],
    ['an error page', page(502), 502],
    ['gone', json({}, 410), 410],
    ['a body without an end', endless, 200],
    ['a body that is cut', cutAfterHeaders, 200],
  ])('is answered by its status alone: %s', async (_, answer, status) => {
    expect(await sendTo(answer)).toEqual({ kind: 'answered', status });
  });

  it('follows no redirect', async () => {
    const elsewhere = await startRudeServer(json({}));
    expect(await sendTo(redirect(elsewhere.url, 307))).toEqual({ kind: 'answered', status: 307 });
    expect(await elsewhere.connections()).toBe(0);
  });

  it.each<[what: string, answer: Answer]>([
    ['a connection that is cut', cutBeforeAnswer],
    ['bytes that are not HTTP', raw('nonsense\r\n\r\n')],
  ])('that meets %s is unanswered', async (_, answer) => {
    expect(await sendTo(answer)).toMatchObject({ kind: 'unanswered' });
  });

  it('to a port that nobody listens on is unanswered', async () => {
    const outcome = await openSender(LOOPBACK).send(`http://127.0.0.1:${await closedPort()}/`, notice());
    expect(outcome).toMatchObject({ kind: 'unanswered' });
  });

  it('waits 15 s, and no longer: for a status, or for a body behind it', async () => {
    expect(SEND_TIMEOUT_MS).toBe(15_000);
    expect(await sendTo(hang, 50)).toMatchObject({ kind: 'unanswered', detail: expect.stringMatching(/timeout/i) });
    const drip: Answer = (response) => void response.writeHead(202).write('.');
    expect(await sendTo(drip, 1_500)).toEqual({ kind: 'answered', status: 202 });
  });
});

describe('an address that is not public', () => {
  it.each([
    'http://127.0.0.1/',
    'https://10.0.0.1/',
    'http://1.1.1.1/',
    'https://a.example:8443/',
    'nonsense',
    'https://a. b/',
  ])('%s is refused when it is given', (address) => {
    expect(() => checkReceiver(address, NOBODY)).toThrow(AddressRefused);
  });

  it('is refused again when it is connected to, by every address its name leads to', async () => {
    const server = await startRudeServer(json({}));
    const resolve: Resolve = async () => ['93.184.216.34', '127.0.0.1'];
    checkReceiver('https://hooks.example/', NOBODY);
    const outcome = await openSender(NOBODY, { resolve }).send('https://hooks.example/', notice());
    expect(outcome).toMatchObject({
      kind: 'unanswered',
      detail: expect.stringMatching(/AddressRefused.*127\.0\.0\.1/),
    });
    expect(await server.connections()).toBe(0);
  });

  it('stays closed where downloads may go: at the emulators of the sandbox', async () => {
    const server = await startRudeServer(json({}));
    const rules = { ...NOBODY, exemptOrigins: new Set([server.url]) };
    expect(() => checkReceiver(`${server.url}/x`, rules)).toThrow(AddressRefused);
    expect(await openSender(rules).send(`${server.url}/x`, notice())).toMatchObject({ kind: 'unanswered' });
    expect(await server.connections()).toBe(0);
  });
});
