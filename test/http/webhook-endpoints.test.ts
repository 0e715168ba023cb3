/**
 * Webhooks from outside: the official SDK registers, lists, changes, rotates, tests and deletes; what the gateway sends
 * is what the SDK verifies; and no tenant sees anything of another's.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SANDBOX_CALLBACK_SECRET } from '../../src/ledger/webhook-secret.ts';
import { createVideo, endOf, type ShownVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { bytes, hang, json, type Received, redirect, startRudeServer } from '../support/rude-server.ts';
import { until } from '../support/until.ts';

const CANARY_KEY = 'a secret key for the tests of webhooks';
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_ALLOW_NETWORKS: '127.0.0.0/8', REELAY_SECRET_KEY: CANARY_KEY });
});
afterAll(() => gateway.remove());

const BOTH = ['video.completed', 'video.failed'] as const;
const ok = json({ received: true });
const CLIP = { model: 'kling-v3', seconds: 3 };

interface Member {
  readonly id: string;
  readonly key: string;
  readonly client: OpenAI;
  readonly callbackSecret: string;
}

/** A tenant of its own with a key, so that tests do not hear each other's events. */
async function newTenant(name: string): Promise<Member> {
  const tenant = (await (await gateway.admin('POST', '/tenants', { name })).json()) as Record<string, string>;
  const { key = '' } = (await (await gateway.admin('POST', `/tenants/${tenant.id}/keys`, {})).json()) as {
    key?: string;
  };
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 });
  return { id: tenant.id ?? '', key, client, callbackSecret: tenant.webhook_secret ?? '' };
}

const register = (client: OpenAI, url: string, types: readonly (typeof BOTH)[number][] = BOTH) =>
  client.webhooks.create({ name: 'app', url, event_types: [...types] });

const create = async (member: Member, body: object, headers: Record<string, string> = {}): Promise<ShownVideo> => {
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    key: member.key,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ prompt: 'a kite that nobody may read of', ...CLIP, ...body }),
  });
  const video = (await answer.json()) as ShownVideo;
  if (answer.status !== 200) throw new Error(`create answered ${answer.status}: ${JSON.stringify(video)}`);
  return video;
};

/** What the SDK makes of a delivery; throws when it does not verify. */
async function unwrap({ body, headers }: Received, secret: string) {
  const plain = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  const event: unknown = await new OpenAI({ apiKey: 'x' }).webhooks.unwrap(body, plain, secret);
  return event as { id: string; object: string; type: string; created_at: number; data: { id: string } };
}

interface Delivery {
  readonly id: string;
  readonly event_id: string;
  readonly event_type: string;
  readonly video_id: string;
  readonly status: string;
  readonly attempts: { at: number; status_code: number | null }[];
  readonly next_attempt_at: number | null;
}
interface Page {
  readonly data: Delivery[];
  readonly has_more: boolean;
  readonly last_id: string;
}
const deliveries = async (member: Member, endpoint: string, query = ''): Promise<Page> =>
  await member.client.get<Page>(`/webhook_endpoints/${endpoint}/deliveries${query}`);

describe('the SDK', () => {
  it('registers, retrieves, lists, changes and deletes an endpoint', async () => {
    const { client } = await newTenant('Crud');
    const made = await register(client, 'https://hooks.example.com/reelay?team=7');
    expect(made).toMatchObject({ object: 'webhook_endpoint', name: 'app', event_types: [...BOTH] });
    expect(made.url).toBe('https://hooks.example.com/reelay?team=7');
    expect(made.id).toMatch(/^whe_[0-9A-Za-z]{34}$/);
    expect(Buffer.from(made.signing_secret.replace('whsec_', ''), 'base64')).toHaveLength(32);
    expect(made.signing_secret_hint).toBe(`whsec_…${made.signing_secret.slice(-4)}`);

    const { signing_secret: _, ...shown } = made;
    expect(await client.webhooks.retrieve(made.id)).toEqual(shown);
    const changed = await client.webhooks.update(made.id, { name: 'other', event_types: ['video.failed'] });
    expect(changed).toMatchObject({ name: 'other', url: made.url, event_types: ['video.failed'] });
    expect(await client.webhooks.update(made.id)).toEqual(changed);
    expect(await client.webhooks.delete(made.id)).toEqual({
      id: made.id,
      object: 'webhook_endpoint.deleted',
      deleted: true,
    });
    await expect(client.webhooks.retrieve(made.id)).rejects.toMatchObject({ status: 404, code: 'not_found' });
    expect((await client.webhooks.list()).data).toEqual([]);
  });

  it('pages through endpoints, newest first, up to twenty', async () => {
    const { client } = await newTenant('Pages');
    const made: string[] = [];
    for (let index = 0; index < 20; index += 1) made.push((await register(client, 'https://a.example/')).id);
    const seen: string[] = [];
    for await (const endpoint of client.webhooks.list({ limit: 7 })) seen.push(endpoint.id);
    expect(seen).toEqual([...made].reverse());
    await expect(register(client, 'https://a.example/')).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(/20 webhook endpoints/),
    });
    await expect(client.webhooks.list({ after: 'whe_unknown' })).rejects.toMatchObject({ status: 400, param: 'after' });
    await expect(client.webhooks.list({ limit: 101 })).rejects.toMatchObject({ status: 400, param: 'limit' });
  });

  it('lists the types of events', async () => {
    const types = await gateway.client.webhooks.eventTypes.list();
    expect(types.object).toBe('list');
    expect(types.data).toEqual(expect.arrayContaining([...BOTH]));
  });

  it.each([
    ['no name', { name: '' }, 'name'],
    ['another type', { event_types: ['response.completed'] }, 'event_types.0'],
    ['no type', { event_types: [] }, 'event_types'],
    ['no address', { url: 'hooks' }, 'url'],
    ['another scheme', { url: 'ftp://hooks.example.com/' }, 'url'],
    ['a private address', { url: 'https://10.0.0.1/hook' }, 'url'],
    ['a private address in disguise', { url: 'https://0xa000001/hook' }, 'url'],
    ['the metadata service', { url: 'http://169.254.169.254/' }, 'url'],
  ])('is told what is wrong: %s', async (_, change, param) => {
    const { webhooks } = gateway.client;
    const endpoint = { name: 'app', url: 'https://hooks.example.com/', event_types: [...BOTH] };
    await expect(webhooks.create({ ...endpoint, ...change } as never)).rejects.toMatchObject({ status: 400, param });
  });

  it('sends a sample, and is told the status, once', async () => {
    const { client } = await newTenant('Samples');
    const server = await startRudeServer(json({}, 418), redirect('http://127.0.0.1:1/'), ok);
    const { id, signing_secret: secret } = await register(client, server.url);
    const result = await client.webhooks.test(id, { event_type: 'video.failed' });
    const told = {
      object: 'webhook_endpoint.test',
      webhook_endpoint_id: id,
      event_type: 'video.failed',
      success: true,
    };
    expect(result).toEqual({ ...told, status_code: 418 });
    expect(await client.webhooks.test(id, { event_type: 'video.completed' })).toMatchObject({ status_code: 302 });
    expect(server.received).toHaveLength(2);
    const [first] = server.received;
    expect(first && (await unwrap(first, secret))).toMatchObject({ object: 'event', type: 'video.failed' });
    server.cut();
  });

  it('is told no more of an address that does not answer than that', async () => {
    const { client } = await newTenant('Silent');
    const { id } = await register(client, 'http://127.0.0.1:9/');
    await expect(client.webhooks.test(id, { event_type: 'video.failed' })).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(/not reachable or not allowed\.$/),
    });
  });

  it('rotates a secret: with the old one for 24 hours where that is asked for, else at once', async () => {
    const { client } = await newTenant('Rotation');
    const server = await startRudeServer(ok);
    const { id, signing_secret: first } = await register(client, server.url);
    const second = await client.webhooks.rotateSecret(id, { keep_old_secret_active_for_24_hours: true });
    await client.webhooks.test(id, { event_type: 'video.failed' });
    const third = await client.webhooks.rotateSecret(id);
    await client.webhooks.test(id, { event_type: 'video.failed' });
    expect(new Set([first, second.signing_secret, third.signing_secret]).size).toBe(3);
    expect(third.signing_secret_hint).toBe(`whsec_…${third.signing_secret.slice(-4)}`);
    const [during, after] = server.received;
    if (!during || !after) throw new Error('expected two requests');
    await unwrap(during, first);
    await unwrap(during, second.signing_secret);
    await unwrap(after, third.signing_secret);
    await expect(unwrap(after, second.signing_secret)).rejects.toThrow(/does not match/);
  });
});

describe('a video', () => {
  it('that is completed or fails is told to the endpoints of its tenant, by its id alone', async () => {
    const member = await newTenant('Events');
    const server = await startRudeServer(ok);
    const { id, signing_secret: secret } = await register(member.client, server.url);
    const completed = await create(member, {});
    const only = { provider: { only: ['fal'], max_premium: 9 } };
    const failed = await create(member, only, { 'x-reelay-sandbox-fault': 'content' });
    await until('both deliveries', () => server.received.length === 2);
    const fetchAs = { fetch: (path: string) => gateway.fetch(path, { key: member.key }) };
    expect((await endOf(fetchAs, failed.id)).error?.code).toBe('moderation_blocked');
    const events = await Promise.all(server.received.map((request) => unwrap(request, secret)));
    expect(new Map(events.map((event) => [event.data.id, event.type]))).toEqual(
      new Map([
        [completed.id, 'video.completed'],
        [failed.id, 'video.failed'],
      ]),
    );
    for (const event of events) expect(Object.keys(event.data)).toEqual(['id']);
    const log = await until('the log', async () => {
      const page = await deliveries(member, id);
      return page.data.every(({ status }) => status === 'delivered') ? page : null;
    });
    expect(log.data.map(({ video_id }) => video_id).sort()).toEqual([completed.id, failed.id].sort());
    expect(log.data[0]).toMatchObject({ attempts: [{ status_code: 200 }], next_attempt_at: null });
  });

  it('that is cancelled has failed, whether a provider had begun or not', async () => {
    const slow = await startTestGateway({ REELAY_ALLOW_NETWORKS: '127.0.0.0/8', REELAY_SANDBOX_SECONDS: '1' });
    try {
      const server = await startRudeServer(ok);
      const { signing_secret: secret } = await register(slow.client, server.url, ['video.failed']);
      const stopped = await createVideo(slow, { ...CLIP, provider: { only: ['fal'], max_premium: 9 } });
      const followed = await createVideo(slow, { ...CLIP, provider: { only: ['kling'] } });
      for (const { id } of [stopped, followed]) {
        await until('a task', async () => {
          const job = (await (await slow.admin('GET', `/jobs/${id}`)).json()) as { attempts: { task_id: unknown }[] };
          return job.attempts[0]?.task_id != null;
        });
        await slow.fetch(`/v1/videos/${id}/cancel`, { method: 'POST' });
      }
      await until('both deliveries', () => server.received.length === 2);
      const events = await Promise.all(server.received.map((request) => unwrap(request, secret)));
      expect(events.map(({ type }) => type)).toEqual(['video.failed', 'video.failed']);
      expect(new Set(events.map(({ data }) => data.id))).toEqual(new Set([stopped.id, followed.id]));
    } finally {
      await slow.remove();
    }
  });

  it('is told to the callback of its request, signed with the secret of its tenant, in JSON and in a form', async () => {
    const member = await newTenant('Callbacks');
    const server = await startRudeServer(ok);
    const video = await create(member, { callback_url: `${server.url}/done?order=7` });
    const form = await member.client.videos.create({
      prompt: 'a boat',
      webhook_url: `${server.url}/form`,
    } as OpenAI.VideoCreateParams);
    await until('both callbacks', () => server.received.length === 2);
    const told = await Promise.all(
      server.received.map(async (request) => ({
        path: request.path,
        type: (await unwrap(request, member.callbackSecret)).type,
        id: JSON.parse(request.body).data.id,
      })),
    );
    expect(told).toEqual(
      expect.arrayContaining([
        { path: '/done?order=7', type: 'video.completed', id: video.id },
        { path: '/form', type: 'video.completed', id: form.id },
      ]),
    );
  });

  it('in the sandbox calls back under a secret that everybody knows', async () => {
    const server = await startRudeServer(ok);
    await createVideo(gateway, { ...CLIP, callback_url: server.url });
    await until('the callback', () => server.received.length === 1);
    const [request] = server.received;
    expect(request && (await unwrap(request, SANDBOX_CALLBACK_SECRET)).type).toBe('video.completed');
  });

  it.each([
    'http://10.1.2.3/',
    'https://[::1]/x',
    'http://2852039166/',
    'file:///etc/passwd',
    'not an address',
    'https://a .example/',
  ])('cannot be asked to call %s', async (address) => {
    const answer = await gateway.fetch('/v1/videos', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'x', ...CLIP, callback_url: address }),
    });
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error: { code: 'invalid_value', param: 'callback_url' } },
    ]);
  });
});

describe('loopback', () => {
  it('is closed to webhooks unless it is opened, in the sandbox too', async () => {
    const closed = await startTestGateway();
    try {
      const server = await startRudeServer(ok);
      await expect(register(closed.client, server.url)).rejects.toMatchObject({ status: 400, param: 'url' });
      const callback = { ...CLIP, callback_url: server.url };
      await expect(createVideo(closed, callback)).rejects.toThrow(/400.*callback_url/);
      // A name passes until it is resolved.
      const { id } = await register(closed.client, 'https://localhost/hook');
      await expect(closed.client.webhooks.test(id, { event_type: 'video.failed' })).rejects.toMatchObject({
        status: 400,
        param: 'url',
      });
      expect(await server.connections()).toBe(0);
    } finally {
      await closed.remove();
    }
  });
});

describe('the log of an endpoint', () => {
  it('shows failed tries and the next one, pages, and an event is sent again on request, the same', async () => {
    const member = await newTenant('Log');
    const server = await startRudeServer(bytes('', { status: 500 }), ok);
    const { id, signing_secret: secret } = await register(member.client, server.url);
    await create(member, {});
    const failing = await until('the first try', async () => {
      const [delivery] = (await deliveries(member, id)).data;
      return delivery?.attempts.length === 1 ? delivery : null;
    });
    expect(failing).toMatchObject({
      status: 'pending',
      event_type: 'video.completed',
      attempts: [{ status_code: 500 }],
    });
    expect((failing.next_attempt_at ?? 0) - (failing.attempts[0]?.at ?? 0)).toBeGreaterThanOrEqual(4);

    const path = `/webhook_endpoints/${id}/deliveries/${failing.id}/resend`;
    expect(await member.client.post<Delivery>(path)).toMatchObject({ id: failing.id, status: 'pending' });
    await until('the second try', () => server.received.length === 2);
    const [first, second] = server.received;
    if (!first || !second) throw new Error('expected two requests');
    expect([second.body, second.headers['webhook-id']]).toEqual([first.body, failing.event_id]);
    await unwrap(second, secret);

    // A delivered event too.
    await until('the log', async () => (await deliveries(member, id)).data[0]?.status === 'delivered');
    await member.client.post(path);
    await until('the third', () => server.received.length === 3);
    await create(member, {});
    const page = await until('the second event', async () => {
      const found = await deliveries(member, id, '?limit=1');
      return found.has_more ? found : null;
    });
    const rest = await deliveries(member, id, `?limit=1&after=${page.last_id}`);
    expect([rest.has_more, rest.data.map((delivery) => delivery.id)]).toEqual([false, [failing.id]]);
  });

  it('of a receiver that is gone says so; a new address enables it again', async () => {
    const member = await newTenant('Gone');
    const server = await startRudeServer(bytes('', { status: 410 }), ok);
    const { id } = await register(member.client, server.url);
    await create(member, {});
    const disabled = await until('410', async () => {
      const shown = (await member.client.webhooks.retrieve(id)) as { disabled_at?: number | null };
      return shown.disabled_at ? shown : null;
    });
    expect(disabled.disabled_at).toBeGreaterThan(1.7e9);
    const [delivery] = (await deliveries(member, id)).data;
    expect(delivery).toMatchObject({ status: 'failed', attempts: [{ status_code: 410 }], next_attempt_at: null });
    const path = `/webhook_endpoints/${id}/deliveries/${delivery?.id}/resend`;
    await expect(member.client.post(path)).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(/410/),
    });
    expect(await member.client.webhooks.update(id, { url: server.url })).toMatchObject({ disabled_at: null });
    await member.client.post(path);
    await until('the delivery', async () => (await deliveries(member, id)).data[0]?.status === 'delivered');
  });

  it('goes with its endpoint, also while something is being sent there', async () => {
    const member = await newTenant('Deleted');
    const server = await startRudeServer(hang);
    const { id } = await register(member.client, server.url);
    await create(member, {});
    await until('the first try', () => server.received.length === 1);
    await member.client.webhooks.delete(id);
    server.cut();
    await expect(deliveries(member, id)).rejects.toMatchObject({ status: 404 });
    const other = await startRudeServer(ok);
    await register(member.client, other.url);
    await create(member, {});
    await until('the next event, at another endpoint', () => other.received.length === 1);
    expect(server.received).toHaveLength(1);
  });
});

describe("another tenant's endpoint", () => {
  it('is not there, in the same words as one that never was, by every route', async () => {
    const [owner, stranger] = [await newTenant('Owner'), await newTenant('Stranger')];
    const server = await startRudeServer(ok);
    const { id } = await register(owner.client, server.url);
    await create(owner, {});
    const delivery = await until('a delivery', async () => (await deliveries(owner, id)).data[0]);
    const unknown = `whe_${'0'.repeat(34)}`;
    const json = { 'content-type': 'application/json' };
    const routes = [
      ['GET', ''],
      ['POST', '', { name: 'mine now' }],
      ['DELETE', ''],
      ['POST', '/rotate_secret', {}],
      ['POST', '/test', { event_type: 'video.failed' }],
      ['GET', '/deliveries'],
      ['POST', `/deliveries/${delivery.id}/resend`],
    ] as const;
    for (const [method, path, body] of routes) {
      const ask = async (endpoint: string) => {
        const answer = await gateway.fetch(`/v1/webhook_endpoints/${endpoint}${path}`, {
          method,
          key: stranger.key,
          ...(body && { body: JSON.stringify(body), headers: json }),
        });
        return [method, path, answer.status, await answer.text()];
      };
      const foreign = await ask(id);
      expect(foreign).toEqual(await ask(unknown));
      expect(foreign[2]).toBe(404);
    }
    expect(await owner.client.webhooks.retrieve(id)).toMatchObject({ name: 'app' });
    expect((await stranger.client.webhooks.list()).data).toEqual([]);
    await expect(stranger.client.webhooks.list({ after: id })).rejects.toMatchObject({ status: 400 });
    const own = await register(stranger.client, server.url);
    const mixed = `/webhook_endpoints/${own.id}/deliveries/${delivery.id}/resend`;
    await expect(stranger.client.post(mixed)).rejects.toMatchObject({ status: 404 });
    await expect(deliveries(stranger, own.id, `?after=${delivery.id}`)).rejects.toMatchObject({ status: 400 });
  });

  it('hears nothing of a video that is not its own', async () => {
    const [one, two] = [await newTenant('One'), await newTenant('Two')];
    const [mine, other] = [await startRudeServer(ok), await startRudeServer(ok)];
    await register(one.client, mine.url);
    const { id } = await register(two.client, other.url);
    await create(one, {});
    await until('the delivery', () => mine.received.length === 1);
    expect((await deliveries(two, id)).data).toEqual([]);
    expect(await other.connections()).toBe(0);
  });
});

describe('the secret of callbacks', () => {
  it('is shown when a tenant is made, and a new one when it is replaced: for a day both sign, or only the new one', async () => {
    const member = await newTenant('Secrets');
    expect(member.callbackSecret).toMatch(/^whsec_[0-9A-Za-z+/]{43}=$/);
    const shown = await (await gateway.admin('GET', `/tenants/${member.id}`)).text();
    expect(shown).not.toContain('secret');
    const replace = async (body?: object) => {
      const answer = await gateway.admin('POST', `/tenants/${member.id}/webhook_secret`, body);
      return (await answer.json()) as { webhook_secret: string; old_secret_active_until: number | null };
    };
    const server = await startRudeServer(ok);
    const second = await replace();
    await create(member, { callback_url: server.url });
    await until('the first callback', () => server.received.length === 1);
    const third = await replace({ keep_old_secret_active_for_24_hours: false });
    await create(member, { callback_url: server.url });
    await until('the second callback', () => server.received.length === 2);
    const [during, after] = server.received;
    if (!during || !after) throw new Error('expected two requests');
    await unwrap(during, member.callbackSecret);
    await unwrap(during, second.webhook_secret);
    await unwrap(after, third.webhook_secret);
    await expect(unwrap(after, second.webhook_secret)).rejects.toThrow(/does not match/);
    expect(second.old_secret_active_until).toBeGreaterThan(1.7e9);
    expect(third.old_secret_active_until).toBeNull();
    expect((await gateway.admin('POST', '/tenants/ten_nobody/webhook_secret')).status).toBe(404);
  });

  it('must be there before a callback is promised: nothing is sent unsigned', async () => {
    const member = await newTenant('Old');
    const { default: Sqlite } = await import('better-sqlite3');
    const file = new Sqlite(join(gateway.dataDir, 'reelay.db'));
    file.prepare('update tenants set callback_secret_sealed = null where id = ?').run(member.id);
    file.close();
    const video = { callback_url: 'https://hooks.example.com/' };
    await expect(create(member, video)).rejects.toThrow(/400.*no webhook secret yet/);
    await gateway.admin('POST', `/tenants/${member.id}/webhook_secret`);
    expect((await create(member, video)).id).toMatch(/^video_/);
  });
});

describe('secrets and prompts', () => {
  it('are in no file of the store, and in nothing that is sent', async () => {
    const member = await newTenant('Canaries');
    const server = await startRudeServer(ok);
    const { id, signing_secret: secret } = await register(member.client, server.url);
    const { signing_secret: rotated } = await member.client.webhooks.rotateSecret(id, {
      keep_old_secret_active_for_24_hours: true,
    });
    await create(member, { callback_url: server.url });
    await until('both', () => server.received.length === 2);
    const files = readdirSync(gateway.dataDir).filter((name) => name.startsWith('reelay.db'));
    const stored = files.map((name) => readFileSync(join(gateway.dataDir, name)));
    expect(stored.some((file) => file.includes(id))).toBe(true);
    for (const canary of [secret, rotated, member.callbackSecret, CANARY_KEY]) {
      const clear = canary.replace('whsec_', '');
      expect(stored.filter((file) => file.includes(clear) || file.includes(Buffer.from(clear, 'base64')))).toEqual([]);
      expect(JSON.stringify(server.received)).not.toContain(clear);
    }
    expect(JSON.stringify(server.received)).not.toContain('nobody may read');
    expect(await (await gateway.fetch('/v1/webhook_endpoints', { key: member.key })).text()).not.toContain(secret);
  });
});
