/**
 * A provider that does not exist is added as README tells it: an adapter, a card, one line. The adapter below is the
 * shortest complete one; nothing else of the gateway knows that there is a sixth provider.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { failure, isWebAddress, protocolError, read } from '../../providers/answers.ts';
import { defineProvider } from '../../providers/define.ts';
import { HOUR_MS } from '../../src/ground/time.ts';
import { makeClip } from '../../src/sandbox/clip.ts';
import { temporaryFolder } from '../support/temporary.ts';

// 1. The adapter.
const credentials = z.object({ SIXTH_API_KEY: z.string() });
const handle = z.object({ job: z.string() });
const accepted = z.object({ job: z.string().min(1) });
const looked = z.object({ state: z.enum(['making', 'made', 'broken']), video: z.string().default('') });

const sixth = defineProvider<z.infer<typeof credentials>, z.infer<typeof handle>>({
  id: 'sixth',
  name: 'Sixth',
  settings: {
    prefix: 'SIXTH',
    hosts: { api: 'https://api.sixth.example' },
    slotsDefault: 3,
    slotsPer: 'account',
    credentialVariables: [['SIXTH_API_KEY']],
  },
  credentials,
  handle,
  capabilities: [
    {
      model: 'kling-v3',
      task: 'text_to_video',
      resolutions: ['720p'],
      sound: 'never',
      takes: {},
      upstream: 'k3',
    },
  ],
  media: {},
  linkLifeMs: HOUR_MS,
  submit: {
    request: ({ attemptId, request, upstream }, context) => ({
      method: 'POST',
      path: '/jobs',
      headers: { authorization: `Bearer ${context.credentials.SIXTH_API_KEY}`, 'idempotency-key': attemptId },
      body: { what: request.prompt, model: upstream, seconds: request.seconds },
    }),
    response(response) {
      const answer = read(accepted, response);
      if (answer) return { state: 'submitted', taskId: answer.job, handle: { job: answer.job } };
      if (response.status === 429) return failure('rate_limited', 'HTTP 429');
      return protocolError(response, 'a job');
    },
  },
  poll: {
    request: ({ job }, context) => ({
      method: 'GET',
      path: `/jobs/${encodeURIComponent(job)}`,
      headers: { authorization: `Bearer ${context.credentials.SIXTH_API_KEY}` },
    }),
    response(response, input) {
      const answer = read(looked, response);
      if (!answer) return protocolError(response, 'the state of a job');
      if (answer.state === 'making') return { state: 'pending', phase: 'running', handle: input };
      if (answer.state === 'broken') return failure('generation_failed', 'broken', { task: 'ended', charged: 'no' });
      if (!isWebAddress(answer.video)) return failure('video_missing', 'made without a video');
      return { state: 'finished', videoUrl: answer.video };
    },
  },
});

// 2. The card.
const CARD = `
card: sixth
provider: sixth
effective: "2026-11-01"
source: { document: a test, date: "2026-11-01", read: "2026-11-01" }
currency: USD
kind: per_second
failed: free
limits: { min_seconds: 3, max_seconds: 15 }
rates:
  - { model: kling-v3, tasks: [text_to_video], resolution: 720p, audio: false, usd_per_second: 0.01 }
`;

// 3. The one line.
vi.doMock('../../providers/index.ts', async (original) => {
  const { PROVIDERS } = await original<typeof import('../../providers/index.ts')>();
  return { PROVIDERS: [...PROVIDERS, sixth] };
});
// Read after the line above, so that they see the list with it.
const { readConfig } = await import('../../src/config.ts');
const { startGateway } = await import('../../src/main.ts');
const { ADMIN_KEY, endOf } = await import('../support/gateway.ts');

/** Sixth itself: makes every clip on the second look. */
async function startSixth(): Promise<{ url: string; bodies: unknown[] }> {
  const bodies: unknown[] = [];
  let looks = 0;
  const clip = await makeClip(
    { resolution: '720p', aspectRatio: '9:16', seconds: 5, audio: false },
    join(import.meta.dirname, '../../src/sandbox/clips'),
  );
  const server: Server = createServer(async (incoming, answer) => {
    const json = (value: unknown) => answer.setHeader('content-type', 'application/json').end(JSON.stringify(value));
    if (incoming.url === '/clip.mp4') answer.setHeader('content-type', 'video/mp4').end(clip);
    else if (incoming.headers.authorization !== 'Bearer sixth-key') answer.writeHead(401).end();
    else if (incoming.method === 'GET') {
      looks += 1;
      json(looks > 1 ? { state: 'made', video: `${url}/clip.mp4` } : { state: 'making' });
    } else {
      bodies.push(JSON.parse((await incoming.toArray()).join('')));
      json({ job: `job-${bodies.length}` });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => void server.close());
  return { url, bodies };
}

it('takes an adapter, a card and one line', async () => {
  const provider = await startSixth();
  const folder = temporaryFolder();
  const rateCardsDir = join(folder, 'rate-cards');
  cpSync(join(import.meta.dirname, '../../rate-cards'), rateCardsDir, { recursive: true });
  mkdirSync(join(rateCardsDir, 'sixth'));
  writeFileSync(join(rateCardsDir, 'sixth', '2026-11-01.yaml'), CARD);
  const config = readConfig({
    PORT: '0',
    REELAY_DATA_DIR: join(folder, 'data'),
    REELAY_ADMIN_KEY: ADMIN_KEY,
    REELAY_LOG_LEVEL: 'silent',
    REELAY_POLL_MS: '20',
    REELAY_ALLOW_NETWORKS: '127.0.0.0/8',
    SIXTH_API_KEY: 'sixth-key',
    SIXTH_BASE_URL: provider.url,
  });
  const gateway = await startGateway({ ...config, rateCardsDir });
  onTestFinished(() => gateway.stop());

  const ask = async (key: string, path: string, body: unknown): Promise<{ id: string; key: string }> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const answer = await fetch(gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(answer.status).toBeLessThan(300);
    return (await answer.json()) as { id: string; key: string };
  };
  const tenant = await ask(ADMIN_KEY, '/admin/v1/tenants', { name: 'Acme' });
  const { key } = await ask(ADMIN_KEY, `/admin/v1/tenants/${tenant.id}/keys`, {});
  const created = await ask(key, '/v1/videos', { prompt: 'a kite', model: 'kling-v3', seconds: 5, resolution: '720p' });

  const authorized = (path: string) => fetch(gateway.url + path, { headers: { authorization: `Bearer ${key}` } });
  const video = await endOf({ fetch: authorized }, created.id);
  expect(video).toMatchObject({ status: 'completed', provider: 'sixth', usage: { cost: 0.05 } });
  expect(provider.bodies).toEqual([{ what: 'a kite', model: 'k3', seconds: 5 }]);
});
