import { Readable } from 'node:stream';
import type { Delivery } from '../../providers/contract.ts';
import { GatewayError } from '../ground/errors.ts';
import { isId } from '../ground/id.ts';
import { uploadName, videoName } from '../jobs/close.ts';
import { digestOf, secretOf } from '../jobs/hook.ts';
import { attemptOfHook, noteAnnouncedTask } from '../jobs/rows.ts';
import type { AttemptRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { PublishedKeys } from '../wire/published-keys.ts';
import type { App, Ctx, FrontDeps } from './context.ts';
import { DeliveryLog } from './delivery-log.ts';

const BODY_BYTES_MAX = 262_144;
const TOKEN = /^[0-9a-f]{32}$/;

/**
 * What providers call and fetch: announcements of finished tasks, and uploads by signed links. An announcement wakes
 * its job, which then reads the task; nothing that it says is believed.
 */
export function mountProviderRoutes(app: App, deps: FrontDeps): void {
  const { jobs } = deps;
  const keys = new PublishedKeys(
    (target, request) => jobs.wire.read(target, request),
    () => jobs.clock.monotonicMs(),
  );
  const seen = new DeliveryLog(() => jobs.clock.monotonicMs());
  app.post('/hooks/:provider/:token', (c) => receive(deps, keys, seen, c));
  app.get('/uploads/:id', (c) => serveLinked(deps, c, 'upload'));
  app.get('/clips/:id', (c) => serveLinked(deps, c, 'video'));
}

async function receive(deps: FrontDeps, keys: PublishedKeys, seen: DeliveryLog, c: Ctx): Promise<Response> {
  const { jobs } = deps;
  const token = c.req.param('token') ?? '';
  const attempt = TOKEN.test(token) ? await jobs.database.read((tx) => attemptOfHook(tx, digestOf(token))) : null;
  const account = attempt && jobs.accounts.get(attempt.account);
  if (!attempt || !account || attempt.provider !== c.req.param('provider')) throw new GatewayError('not_found');

  const delivery: Delivery = { headers: c.req.header(), rawBody: await readRaw(c) };
  const announcement = await verify(deps, keys, { account, token, delivery });
  if (!announcement) {
    deps.log.warn('hook refused', { provider: attempt.provider, attempt: attempt.id });
    throw new GatewayError('invalid_signature');
  }
  await seen.once(`${attempt.id} ${announcement.deliveryId}`, async () => {
    if (isLookedFor(attempt)) {
      await jobs.database.write((tx) => noteAnnouncedTask(tx, attempt.id, announcement.taskId));
    }
    deps.worker.wake(attempt.jobId);
  });
  return c.json({ received: true });
}

/** Only an attempt whose task nobody knows has a use for the name of one; also after it was given up in doubt. */
const isLookedFor = ({ state, handle }: AttemptRow): boolean =>
  handle === null && (state === 'submitting' || state === 'in_doubt' || state === 'failed');

interface Received {
  readonly account: ProviderAccount;
  readonly token: string;
  readonly delivery: Delivery;
}

async function verify(deps: FrontDeps, keys: PublishedKeys, { account, token, delivery }: Received) {
  const { hooks } = account.provider;
  if (!hooks) return null;
  const nowMs = deps.jobs.wallMs();
  const secrets = hooks.secretVariable === undefined ? [secretOf(deps.jobs, token)] : account.hookSecrets;
  if (!hooks.keys) return hooks.verify(delivery, { nowMs, secrets, keys: [] });
  const known = await keys.of(account.target, hooks.keys);
  const announcement = hooks.verify(delivery, { nowMs, secrets, keys: known });
  if (announcement) return announcement;
  // Keys are rotated: a delivery that does not verify is worth one look at the published ones.
  const fresh = await keys.fresh(account.target, hooks.keys);
  return fresh === known ? null : hooks.verify(delivery, { nowMs, secrets, keys: fresh });
}

async function readRaw(c: Ctx): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of c.env.incoming) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw new GatewayError('request_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Media of a tenant's, to a provider that was given its signed link; to anybody else there is nothing here. */
function serveLinked(deps: FrontDeps, c: Ctx, kind: 'upload' | 'video'): Response {
  const id = c.req.param('id') ?? '';
  const expires = c.req.query('expires') ?? '';
  const signature = c.req.query('signature') ?? '';
  const { sealer, clock, files } = deps.jobs;
  const genuine = isId(id, kind) && sealer.verify('media link', `${id} ${expires}`, signature);
  if (!genuine || Number(expires) <= clock.nowMs()) throw new GatewayError('not_found');
  const name = kind === 'upload' ? uploadName(id) : videoName(id);
  const body = Readable.toWeb(files.read(name)) as ReadableStream;
  return c.body(body, 200, { 'content-type': kind === 'upload' ? 'application/octet-stream' : 'video/mp4' });
}
