/**
 * Every event is delivered at least once: the same id and the same bytes at each try, at the documented times, across
 * failures, kills and several processes. Real store, real receivers on loopback; only the clock is moved by hand.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { like } from 'drizzle-orm';
import OpenAI from 'openai';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { onCrashPoint } from '../../src/ground/crash.ts';
import { createMint, systemRandom } from '../../src/ground/id.ts';
import { silentLog } from '../../src/ground/log.ts';
import { Secret } from '../../src/ground/secret.ts';
import { insertDelivery, insertEvent, type Try, triesOf } from '../../src/jobs/delivery-rows.ts';
import { insertEndpoint, removeEndpoint } from '../../src/jobs/endpoint-rows.ts';
import { type EventType, recordEnd } from '../../src/jobs/events.ts';
import { Notifier, type NotifierDeps, outcomeOf, RETRY_AFTER_MS } from '../../src/jobs/notify.ts';
import { insertJob } from '../../src/jobs/rows.ts';
import { hintOf, mintWebhookSecret, replaceCallbackSecret } from '../../src/ledger/webhook-secret.ts';
import { type Database, Undo } from '../../src/store/database.ts';
import { tenants } from '../../src/store/schema.ts';
import {
  type WebhookDeliveryRow,
  type WebhookEndpointRow,
  webhookDeliveries,
  webhookEndpoints,
  webhookEvents,
} from '../../src/store/schema-webhooks.ts';
import { Sealer } from '../../src/store/seal.ts';
import { blockList } from '../../src/wire/address.ts';
import { NoticeSender } from '../../src/wire/notify.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { COMPLETED, jobRow, openStoreWithTenant } from '../support/rows.ts';
import { type Answer, bytes, hang, json, type Received, startRudeServer } from '../support/rude-server.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

afterEach(() => onCrashPoint(null));

/** A store with a tenant, and processes that deliver its events. */
async function openBench(folder = temporaryFolder()) {
  const database = await openStoreWithTenant(folder);
  const clock = new ManualClock();
  const sealer = new Sealer(new Secret('seal'), systemRandom);
  const mint = createMint(clock, systemRandom);
  const notifiers: Notifier[] = [];
  const signals = { slotFreed() {}, eventRecorded: () => notifiers.forEach((notifier) => void notifier.wake()) };
  let videos = 0;

  /** Another process; its name resolutions and its sender may be the test's own. */
  const open = (change: Partial<NotifierDeps> = {}): Notifier => {
    const sender = new NoticeSender({ allowedNetworks: blockList(['127.0.0.0/8']), exemptOrigins: new Set() });
    onTestFinished(() => sender.close());
    const wallMs = () => Date.now();
    const notifier = new Notifier({ database, clock, sealer, log: silentLog, sender, wallMs, ...change });
    onTestFinished(() => notifier.stop());
    notifiers.push(notifier);
    return notifier;
  };

  /** An endpoint for everything, with its secret. */
  const endpoint = async (url: string, change: Partial<WebhookEndpointRow> = {}) => {
    const secret = mintWebhookSecret(systemRandom);
    const row: WebhookEndpointRow = {
      ...{ id: mint('whe'), tenantId: 'ten_acme', name: 'app', url, disabledAtMs: null },
      eventTypes: JSON.stringify(['video.completed', 'video.failed']),
      ...{
        secretSealed: sealer.seal(secret),
        secretHint: hintOf(secret),
        oldSecretSealed: null,
        oldSecretUntilMs: null,
      },
      ...{ createdAtMs: clock.nowMs(), updatedAtMs: clock.nowMs() },
      ...change,
    };
    await database.write((tx) => insertEndpoint(tx, row, 100));
    return { id: row.id, secret };
  };

  /** Ends a job, as its last step does; the video's id. */
  const end = async (type: EventType = 'video.completed', presentation: object = {}, tenantId = 'ten_acme') => {
    videos += 1;
    const job = jobRow({ id: `video_${videos}`, ...COMPLETED, tenantId, presentation: JSON.stringify(presentation) });
    const stamp = { nowMs: clock.nowMs(), mint };
    await database.write(async (tx) => {
      await insertJob(tx, job);
      await recordEnd(tx, { signals }, job, type, stamp);
    });
    return job.id;
  };

  const idle = async () => {
    for (const notifier of notifiers) await notifier.idle();
  };
  return { folder, database, clock, sealer, mint, signals, open, endpoint, end, idle };
}
type Bench = Awaited<ReturnType<typeof openBench>>;

const deliveriesIn = (database: Database): Promise<WebhookDeliveryRow[]> =>
  database.read((tx) => tx.select().from(webhookDeliveries).orderBy(webhookDeliveries.id));

async function onlyDelivery(database: Database): Promise<WebhookDeliveryRow & { tried: Try[] }> {
  const [row, ...others] = await deliveriesIn(database);
  if (!row || others.length > 0) throw new Error(`expected one delivery, not ${others.length + (row ? 1 : 0)}`);
  return { ...row, tried: triesOf(row) };
}

const ok = json({ received: true });
const broken = bytes('', { status: 500 });

const signatureOf = (request: Received): string => String(request.headers['webhook-signature']);
/** Whether the official SDK takes the request as signed by that secret. */
async function isSignedBy(secret: string, { body, headers }: Received): Promise<boolean> {
  const { webhooks } = new OpenAI({ apiKey: 'x' });
  const plain = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  return await webhooks.unwrap(body, plain, secret).then(
    () => true,
    () => false,
  );
}

/** Lets that much time pass and what falls due at its end be done; `before` is asked just before its end. */
async function pass(bench: Bench, ms: number, before: () => void = () => {}): Promise<void> {
  await bench.idle();
  bench.clock.advance(ms - 1);
  await bench.idle();
  before();
  bench.clock.advance(1);
  await bench.idle();
}

/** Like `pass`, and holds that nothing arrives early. */
async function passTo(bench: Bench, ms: number, { received }: { received: readonly Received[] }): Promise<void> {
  const count = received.length;
  await pass(bench, ms, () => expect(received).toHaveLength(count));
}

describe('an event', () => {
  it.each<[type: EventType]>([['video.completed'], ['video.failed']])(
    'of %s is delivered at once, small, and signed as the official SDK verifies it',
    async (type) => {
      const bench = await openBench();
      const server = await startRudeServer(ok);
      const { secret } = await bench.endpoint(`${server.url}/hook`);
      bench.open();
      const videoId = await bench.end(type);
      await until('the delivery', () => server.received.length === 1);
      await bench.idle();
      const [request] = server.received;
      const body = JSON.parse(request?.body ?? '');
      const seconds = bench.clock.nowMs() / 1_000;
      const id = expect.stringMatching(/^evt_[0-9A-Za-z]{34}$/);
      expect(body).toEqual({ id, object: 'event', created_at: seconds, type, data: { id: videoId } });
      expect(request?.headers).toMatchObject({ 'webhook-id': body.id, 'content-type': 'application/json' });
      expect(request && (await isSignedBy(secret, request))).toBe(true);
      const { state, tried, dueAtMs } = await onlyDelivery(bench.database);
      expect([state, tried, dueAtMs]).toEqual(['delivered', [{ atMs: bench.clock.nowMs(), status: 200 }], null]);
    },
  );

  it('goes to each endpoint that wants its type, under one id, and to no other', async () => {
    const bench = await openBench();
    const [both, failures, disabled] = [
      await startRudeServer(ok),
      await startRudeServer(ok),
      await startRudeServer(ok),
    ];
    await bench.endpoint(both.url);
    await bench.endpoint(failures.url, { eventTypes: '["video.failed"]' });
    await bench.endpoint(disabled.url, { disabledAtMs: 1 });
    bench.open();
    await bench.end('video.completed');
    await bench.end('video.failed');
    await until('three deliveries', () => both.received.length + failures.received.length === 3);
    await bench.idle();
    expect(failures.received.map(({ body }) => JSON.parse(body).type)).toEqual(['video.failed']);
    const ids = both.received.map(({ headers }) => headers['webhook-id']);
    expect(ids).toContain(failures.received[0]?.headers['webhook-id']);
    expect(new Set(ids).size).toBe(2);
    expect(disabled.received).toEqual([]);
  });

  it('that nobody wants is not written', async () => {
    const bench = await openBench();
    await bench.endpoint('https://hooks.example/', { eventTypes: '["video.failed"]' });
    await bench.end('video.completed');
    expect(await bench.database.read((tx) => tx.select().from(webhookEvents))).toEqual([]);
  });

  it('of a transaction that is undone is not sent', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    await bench.endpoint(server.url);
    bench.open();
    const job = jobRow(COMPLETED);
    await bench.database.write(async (tx) => {
      await insertJob(tx, job);
      await recordEnd(tx, bench, job, 'video.completed', { nowMs: bench.clock.nowMs(), mint: bench.mint });
      throw new Undo(null);
    });
    await bench.idle();
    expect(await server.connections()).toBe(0);
  });

  it('goes to the callback of its request, signed by the tenant, for a day by both secrets', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    const [old, fresh] = [mintWebhookSecret(systemRandom), mintWebhookSecret(systemRandom)];
    const replace = (secret: string, oldUntilMs: number | null) =>
      bench.database.write((tx) =>
        replaceCallbackSecret(tx, 'ten_acme', { sealed: bench.sealer.seal(secret), oldUntilMs }),
      );
    await replace(old, null);
    await replace(fresh, bench.clock.nowMs() + DAY_MS);
    bench.open();
    await bench.end('video.completed', { callbackUrl: `${server.url}/mine` });
    await until('the first', () => server.received.length === 1);
    bench.clock.advance(DAY_MS);
    await bench.end('video.failed', { callbackUrl: `${server.url}/mine` });
    await until('the second', () => server.received.length === 2);
    const signed = await Promise.all(
      server.received.flatMap((request) => [isSignedBy(fresh, request), isSignedBy(old, request)]),
    );
    expect(signed).toEqual([true, true, true, false]);
    expect(server.received.map(({ path }) => path)).toEqual(['/mine', '/mine']);
  });

  it('is never sent unsigned: a tenant whose secret cannot be opened gets nothing', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    await bench.endpoint(server.url);
    const notifier = bench.open({ sealer: new Sealer(new Secret('another key'), systemRandom) });
    await bench.end();
    await notifier.idle();
    expect(await server.connections()).toBe(0);
    expect((await onlyDelivery(bench.database)).tried).toMatchObject([{ status: null }]);
  });
});

describe('a receiver that fails', () => {
  it('five times gets the event when it answers: the same id and bytes, each time at its time and newly signed', async () => {
    const bench = await openBench();
    const server = await startRudeServer(broken, broken, broken, broken, broken, ok);
    const { secret } = await bench.endpoint(server.url);
    let wallMs = Date.now() - 12 * SECOND_MS;
    bench.open({
      wallMs: () => {
        wallMs += 2 * SECOND_MS;
        return wallMs;
      },
    });
    const startMs = bench.clock.nowMs();
    await bench.end();
    await until('the first try', () => server.received.length === 1);
    await bench.idle();
    const waits = [5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 5 * HOUR_MS];
    for (const waitMs of waits) await passTo(bench, waitMs, server);
    expect(server.received).toHaveLength(6);
    expect(new Set(server.received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(server.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(server.received.map(signatureOf)).size).toBe(6);
    for (const request of server.received) expect(await isSignedBy(secret, request)).toBe(true);

    const { state, tried } = await onlyDelivery(bench.database);
    const times = [startMs];
    for (const waitMs of waits) times.push((times.at(-1) ?? 0) + waitMs);
    const statuses = [500, 500, 500, 500, 500, 200];
    expect(state).toBe('delivered');
    expect(tried).toEqual(times.map((atMs, index) => ({ atMs, status: statuses[index] })));
    await pass(bench, 30 * DAY_MS);
    expect(server.received).toHaveLength(6);
  });

  it('slowly is not sent the same event twice when the clock jumps', async () => {
    const bench = await openBench();
    const server = await startRudeServer(hang);
    await bench.endpoint(server.url);
    const notifier = bench.open();
    await bench.end();
    await until('the first sending', () => server.received.length === 1);
    bench.clock.jump(HOUR_MS);
    notifier.wake();
    const quick = await startRudeServer(ok);
    await bench.endpoint(quick.url, { eventTypes: '["video.failed"]' });
    await bench.end('video.failed');
    await until('another event', () => quick.received.length === 1);
    expect(server.received.map(({ body }) => JSON.parse(body).type)).toEqual(['video.completed', 'video.failed']);
    server.cut();
  });

  it('always is given up after ten tries, and three days', async () => {
    const bench = await openBench();
    const server = await startRudeServer(broken);
    await bench.endpoint(server.url);
    bench.open();
    await bench.end();
    await until('the first try', () => server.received.length === 1);
    await bench.idle();
    for (const waitMs of RETRY_AFTER_MS) await passTo(bench, waitMs, server);
    expect(server.received).toHaveLength(10);
    const { state, dueAtMs, tried } = await onlyDelivery(bench.database);
    expect([state, dueAtMs, tried.length]).toEqual(['failed', null, 10]);
    await pass(bench, 30 * DAY_MS);
    expect(server.received).toHaveLength(10);
  });

  it.each([
    [200, 0, 'delivered'],
    [299, 9, 'delivered'],
    [301, 0, 5 * SECOND_MS],
    [404, 1, 5 * MINUTE_MS],
    [500, 2, 30 * MINUTE_MS],
    [null, 3, 2 * HOUR_MS],
    [503, 4, 5 * HOUR_MS],
    [503, 5, 10 * HOUR_MS],
    [503, 6, 14 * HOUR_MS],
    [503, 7, 20 * HOUR_MS],
    [503, 8, 24 * HOUR_MS],
    [503, 9, 'failed'],
    [410, 0, 'failed'],
  ])('answering %s after %i failures means %s', (status, tries, then) => {
    const outcome = outcomeOf(status, tries, 7);
    expect(outcome).toEqual(typeof then === 'string' ? { state: then } : { state: 'pending', dueAtMs: 7 + then });
  });

  it('with a redirect is not followed, and tried again', async () => {
    const bench = await openBench();
    const elsewhere = await startRudeServer(ok);
    const server = await startRudeServer(bytes('', { status: 308, headers: { location: elsewhere.url } }), ok);
    await bench.endpoint(server.url);
    bench.open();
    await bench.end();
    await until('the first try', () => server.received.length === 1);
    await bench.idle();
    expect(await elsewhere.connections()).toBe(0);
    await passTo(bench, 5 * SECOND_MS, server);
    expect((await onlyDelivery(bench.database)).tried.map(({ status }) => status)).toEqual([308, 200]);
  });

  it('because its name leads to a private address hears nothing, at any try', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    await bench.endpoint('https://hooks.example/');
    const rules = { allowedNetworks: blockList([]), exemptOrigins: new Set<string>() };
    const sender = new NoticeSender(rules, { resolve: async () => ['127.0.0.1'] });
    const notifier = bench.open({ sender });
    await bench.end();
    await notifier.idle();
    await pass(bench, 5 * SECOND_MS);
    expect((await onlyDelivery(bench.database)).tried.map(({ status }) => status)).toEqual([null, null]);
    expect(await server.connections()).toBe(0);
  });

  it('with 410 is sent nothing more: its endpoint is disabled, and what was to go there has failed', async () => {
    const bench = await openBench();
    const server = await startRudeServer(broken, bytes('', { status: 410 }), ok);
    const other = await startRudeServer(ok);
    const { id } = await bench.endpoint(server.url);
    await bench.endpoint(other.url);
    bench.open();
    await bench.end();
    await until('the first try', () => server.received.length === 1);
    await bench.idle();
    await bench.end();
    await until('the second', () => server.received.length === 2);
    await bench.idle();
    await bench.end();
    await pass(bench, 30 * DAY_MS);
    expect(server.received).toHaveLength(2);
    expect(other.received).toHaveLength(3);
    const rows = await bench.database.read((tx) => tx.select().from(webhookEndpoints));
    expect(rows.map((row) => [row.id === id, row.disabledAtMs !== null])).toEqual([
      [true, true],
      [false, false],
    ]);
    const there = (await deliveriesIn(bench.database)).filter(({ endpointId }) => endpointId === id);
    expect(there.map(({ state }) => state)).toEqual(['failed', 'failed']);
  });

  it('and whose endpoint is deleted meanwhile hears nothing more', async () => {
    const bench = await openBench();
    const server = await startRudeServer(broken, ok);
    const { id } = await bench.endpoint(server.url);
    bench.open();
    await bench.end();
    await until('the first try', () => server.received.length === 1);
    await bench.idle();
    await bench.database.write((tx) => removeEndpoint(tx, id));
    await pass(bench, DAY_MS);
    expect(server.received).toHaveLength(1);
    expect(await deliveriesIn(bench.database)).toEqual([]);
  });

  it('slowly keeps nobody else waiting: eight at once of one tenant, and others go on, however many wait', async () => {
    const bench = await openBench();
    const fields = { name: 'Other', createdAtMs: 0, markupPercent: '0', policy: '{}' };
    await bench.database.write((tx) => tx.insert(tenants).values({ id: 'ten_other', ...fields }));
    const [slow, quick] = [await startRudeServer(hang), await startRudeServer(ok)];
    await bench.endpoint(slow.url);
    await bench.endpoint(quick.url, { tenantId: 'ten_other' });
    bench.open();
    for (let index = 0; index < 12; index += 1) await bench.end();
    await until('eight at once', () => slow.received.length === 8);
    // More than are looked at in one go, all of them older than the other tenant's.
    const [one] = (await deliveriesIn(bench.database)).filter(({ state }) => state === 'pending');
    const { tenantId, endpointId, callbackUrl } = one ?? expect.fail('nothing is pending');
    const createdAtMs = bench.clock.nowMs() - MINUTE_MS;
    await bench.database.write(async (tx) => {
      for (let index = 0; index < 700; index += 1) {
        const eventId = `evt_crowd${index}`;
        await insertEvent(tx, { id: eventId, tenantId, jobId: null, type: 'video.completed', body: '{}', createdAtMs });
        await insertDelivery(tx, { id: `whd_crowd${index}`, eventId, tenantId, endpointId, callbackUrl }, createdAtMs);
      }
    });
    await bench.end('video.completed', {}, 'ten_other');
    await until('the other tenant', () => quick.received.length === 1);
    expect(slow.received).toHaveLength(8);
    const crowd = like(webhookDeliveries.id, 'whd_crowd%');
    await bench.database.write(async (tx) => void (await tx.delete(webhookDeliveries).where(crowd)));
    slow.cut();
    await until('the next ones', () => slow.received.length === 12);
    slow.cut();
  });
});

describe('a rotated secret', () => {
  it('signs together with the old one for 24 hours, then alone', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    const old = mintWebhookSecret(systemRandom);
    const { secret } = await bench.endpoint(server.url, {
      oldSecretSealed: bench.sealer.seal(old),
      oldSecretUntilMs: bench.clock.nowMs() + DAY_MS,
    });
    bench.open();
    bench.clock.advance(DAY_MS - 1);
    await bench.end();
    await until('the first', () => server.received.length === 1);
    bench.clock.advance(1);
    await bench.end();
    await until('the second', () => server.received.length === 2);
    const [during, after] = server.received;
    if (!during || !after) throw new Error('expected two requests');
    expect(signatureOf(during).split(' ')).toHaveLength(2);
    expect([await isSignedBy(secret, during), await isSignedBy(old, during)]).toEqual([true, true]);
    expect([await isSignedBy(secret, after), await isSignedBy(old, after)]).toEqual([true, false]);
  });
});

describe('a process that dies', () => {
  it('between sending and writing it down leaves the event to be sent again, with the same id and bytes', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    const { secret } = await bench.endpoint(server.url);
    onCrashPoint((point) => {
      if (point === 'webhook.sent') throw new Error('killed');
    });
    const dying = bench.open();
    await bench.end();
    await until('the first sending', () => server.received.length === 1);
    await dying.stop();
    onCrashPoint(null);
    expect(await onlyDelivery(bench.database)).toMatchObject({ state: 'pending', tried: [] });

    const next = bench.open();
    next.start();
    await next.idle();
    expect(server.received).toHaveLength(1);
    await passTo(bench, 30 * SECOND_MS, server);
    const [first, second] = server.received;
    if (!first || !second) throw new Error('expected two requests');
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
    expect(second.body).toBe(first.body);
    expect(await isSignedBy(secret, second)).toBe(true);
    expect(await onlyDelivery(bench.database)).toMatchObject({ state: 'delivered', tried: [{ status: 200 }] });
  });

  it('before it sent anything leaves the event too: it was written with the end of the job', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    await bench.endpoint(server.url);
    await bench.end();
    const next = bench.open();
    next.start();
    await until('the delivery', () => server.received.length === 1);
    await next.idle();
    expect((await onlyDelivery(bench.database)).state).toBe('delivered');
  });

  it('too slowly, so that another took the delivery, changes nothing any more', async () => {
    const bench = await openBench();
    const server = await startRudeServer(hang, broken);
    await bench.endpoint(server.url);
    const slow = bench.open();
    await bench.end();
    await until('the first sending', () => server.received.length === 1);
    const other = bench.open();
    bench.clock.advance(30 * SECOND_MS);
    other.wake();
    await until('the second sending', () => server.received.length === 2);
    await other.idle();
    server.cut();
    await slow.idle();
    expect(await onlyDelivery(bench.database)).toMatchObject({ state: 'pending', tries: 1, tried: [{ status: 500 }] });
  });
});

describe('several processes', () => {
  it('send each event once between them', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    await bench.endpoint(server.url);
    for (let index = 0; index < 5; index += 1) bench.open();
    await Promise.all(Array.from({ length: 40 }, () => bench.end()));
    await until('all of them', () => server.received.length >= 40);
    await bench.idle();
    expect(new Set(server.received.map(({ headers }) => headers['webhook-id'])).size).toBe(40);
    expect(server.received).toHaveLength(40);
  });

  it('find what another one has recorded without being told', async () => {
    const bench = await openBench();
    const server = await startRudeServer(ok);
    await bench.endpoint(server.url);
    const notifier = bench.open();
    notifier.start();
    await notifier.idle();
    await bench.database.write(async (tx) => {
      const job = jobRow(COMPLETED);
      await insertJob(tx, job);
      const stamp = { nowMs: bench.clock.nowMs(), mint: bench.mint };
      await recordEnd(tx, { signals: { slotFreed() {} } }, job, 'video.completed', stamp);
    });
    bench.clock.advance(10 * SECOND_MS);
    await until('the delivery', () => server.received.length === 1);
  });
});

describe('with receivers of which a third fails', () => {
  it('every event arrives, and each request is signed', async () => {
    const bench = await openBench();
    const tries = new Map<string, number>();
    const flaky: Answer = (response, socket, request) => {
      // As if by chance, but so that a third of all tries fails, some events first, some later.
      const id = String(request.headers['webhook-id']);
      const number = (tries.get(id) ?? 0) + 1;
      tries.set(id, number);
      if ((id.charCodeAt(id.length - 1) + number) % 3 !== 0) return void response.writeHead(200).end();
      if (request.body.length % 2 === 0) socket.destroy();
      else response.writeHead(500).end();
    };
    const server = await startRudeServer(flaky);
    const { secret } = await bench.endpoint(server.url);
    bench.open();
    const videos = await Promise.all(Array.from({ length: 60 }, () => bench.end()));
    await until('the first tries', () => server.received.length >= 60);
    for (const waitMs of RETRY_AFTER_MS) await pass(bench, waitMs);
    const states = (await deliveriesIn(bench.database)).map(({ state }) => state);
    expect(new Set(states)).toEqual(new Set(['delivered']));
    expect(new Set(server.received.map(({ body }) => JSON.parse(body).data.id))).toEqual(new Set(videos));
    expect(server.received.length).toBeGreaterThan(60);
    for (const request of server.received) expect(await isSignedBy(secret, request)).toBe(true);
  });
});

describe('the store', () => {
  it('has no secret in clear, in any file', async () => {
    const bench = await openBench();
    const { secret } = await bench.endpoint('https://hooks.example/');
    const callback = `whsec_${randomBytes(32).toString('base64')}`;
    const sealed = bench.sealer.seal(callback);
    await bench.database.write((tx) => replaceCallbackSecret(tx, 'ten_acme', { sealed, oldUntilMs: null }));
    const files = readdirSync(bench.folder).map((name) => readFileSync(join(bench.folder, name)));
    expect(files.some((file) => file.includes('hooks.example'))).toBe(true);
    for (const one of [secret, callback]) {
      const clear = one.slice('whsec_'.length);
      const key = Buffer.from(clear, 'base64');
      expect(files.filter((file) => file.includes(clear) || file.includes(key))).toEqual([]);
    }
  });

  it('forgets deliveries that ended a month ago, and keeps those that are still to be made', async () => {
    const bench = await openBench();
    const [good, bad] = [await startRudeServer(ok), await startRudeServer(broken)];
    await bench.endpoint(good.url);
    await bench.endpoint(bad.url, { eventTypes: '["video.failed"]' });
    const notifier = bench.open();
    notifier.start();
    await bench.end('video.completed');
    await until('the first', () => good.received.length === 1);
    await pass(bench, 29 * DAY_MS);
    await bench.end('video.failed');
    await until('both', () => good.received.length === 2 && bad.received.length === 1);
    await bench.idle();
    expect(await deliveriesIn(bench.database)).toHaveLength(3);
    bench.clock.advance(DAY_MS);
    await until('the old one to be forgotten', async () => {
      bench.clock.advance(HOUR_MS);
      return (await deliveriesIn(bench.database)).length === 2;
    });
    const types = await bench.database.read((tx) => tx.select({ type: webhookEvents.type }).from(webhookEvents));
    expect(types).toEqual([{ type: 'video.failed' }]);
  });
});
