/**
 * A tenant learns nothing of another's: every route that a tenant's key opens is walked with ids of somebody else and with
 * ids of nobody, and answers both with the same words. The list comes from the router's own table, so a new route
 * fails here until it says what it does with an id that is not the caller's.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminRouteTable, tenantRouteTable } from '../../src/http/app.ts';
import { Authenticator } from '../../src/http/auth.ts';
import type { FrontDeps } from '../../src/http/context.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';

/** How a route could name what is not the caller's. */
type Names =
  /** In its path: 404, as for an id of nobody. */
  | { readonly kind: 'path'; readonly body?: object }
  /** In a field of its body, or in its query. */
  | { readonly kind: 'body'; readonly field: string; readonly body: object }
  | { readonly kind: 'query'; readonly name: string }
  /** Its answer is a list or a sum of the caller's own. */
  | { readonly kind: 'own' }
  /** It takes no id and tells nothing of anybody. */
  | { readonly kind: 'nothing' };

const PATH: Names = { kind: 'path' };
const OWN: Names = { kind: 'own' };
const NOTHING: Names = { kind: 'nothing' };
const prompt = { prompt: 'a red kite over dunes' };

const MATRIX: Readonly<Record<string, readonly Names[]>> = {
  'post /videos': [NOTHING],
  'get /videos': [OWN, { kind: 'query', name: 'after' }],
  'post /videos/quote': [NOTHING],
  'post /videos/edits': [{ kind: 'body', field: 'video', body: prompt }],
  'post /videos/extensions': [{ kind: 'body', field: 'video', body: { ...prompt, seconds: 5 } }],
  'post /videos/characters': [NOTHING],
  'get /videos/{video_id}': [PATH],
  'delete /videos/{video_id}': [PATH],
  'get /videos/{video_id}/content': [PATH],
  'post /videos/{video_id}/cancel': [PATH],
  'get /videos/{video_id}/route': [PATH],
  'post /videos/{video_id}/remix': [{ kind: 'path', body: prompt }],
  'get /models': [NOTHING],
  'get /models/{model}': [NOTHING],
  'get /webhook_event_types': [NOTHING],
  'post /webhook_endpoints': [NOTHING],
  'get /webhook_endpoints': [OWN, { kind: 'query', name: 'after' }],
  'get /webhook_endpoints/{webhook_endpoint_id}': [PATH],
  'post /webhook_endpoints/{webhook_endpoint_id}': [{ kind: 'path', body: { name: 'mine now' } }],
  'delete /webhook_endpoints/{webhook_endpoint_id}': [PATH],
  'post /webhook_endpoints/{webhook_endpoint_id}/rotate_secret': [PATH],
  'post /webhook_endpoints/{webhook_endpoint_id}/test': [{ kind: 'path', body: { event_type: 'video.completed' } }],
  'get /webhook_endpoints/{webhook_endpoint_id}/deliveries': [PATH],
  'post /webhook_endpoints/{webhook_endpoint_id}/deliveries/{delivery_id}/resend': [PATH],
  'get /budgets': [OWN],
  'get /usage': [OWN],
};

/** The tables only close over what they work with: for their list it is not asked. */
const nobody = {} as FrontDeps;
const nameOf = ({ method, path }: { method: string; path: string }): string => `${method} ${path}`;
const routes = tenantRouteTable(nobody).map(nameOf);
const adminRoutes = adminRouteTable(nobody, new Authenticator(nobody)).map(nameOf);

let gateway: TestGateway;
/** The keys of two tenants, and what belongs to the second. */
let mine: string;
const theirs: Record<string, string> = {};

const UNKNOWN: Readonly<Record<string, string>> = {
  video_id: `video_${'0'.repeat(34)}`,
  webhook_endpoint_id: `whe_${'0'.repeat(34)}`,
  delivery_id: `whd_${'0'.repeat(34)}`,
};

beforeAll(async () => {
  gateway = await startTestGateway();
  const keyOf = async (id: string): Promise<string> => {
    await gateway.admin('POST', '/tenants', { id, name: id });
    return ((await (await gateway.admin('POST', `/tenants/${id}/keys`, {})).json()) as { key: string }).key;
  };
  mine = await keyOf('aaa');
  const key = await keyOf('bbb');
  const ofTheirs = { ...gateway, fetch: (path: string, init = {}) => gateway.fetch(path, { ...init, key }) };
  const json = { 'content-type': 'application/json' };
  const endpoint = { name: 'theirs', url: 'https://receiver.example/hook', event_types: ['video.completed'] };
  const made = await ofTheirs.fetch('/v1/webhook_endpoints', {
    method: 'POST',
    headers: json,
    body: JSON.stringify(endpoint),
  });
  theirs.webhook_endpoint_id = ((await made.json()) as { id: string }).id;
  const { id } = await createVideo(ofTheirs, { model: 'kling-v3', seconds: 5, metadata: { team: 'theirs' } });
  await endOf(ofTheirs, id);
  theirs.video_id = id;
  const path = `/v1/webhook_endpoints/${theirs.webhook_endpoint_id}/deliveries`;
  const { data } = (await (await ofTheirs.fetch(path)).json()) as { data: { id: string }[] };
  theirs.delivery_id = data[0]?.id ?? '';
  for (const one of Object.values(theirs)) expect(one).toMatch(/^(video|whe|whd)_\w{30,}$/);
}, 30_000);
afterAll(() => gateway.remove());

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Record<string, string>;
}

/** What the caller gets, without what differs from one answer to the next: its own request id, the time, and the id asked for. */
async function ask(name: string, ids: Readonly<Record<string, string>>, names: Names, base = '/v1'): Promise<Answer> {
  const [method = '', path = ''] = name.split(' ');
  const filled = path.replace(/\{(\w+)\}/g, (_, parameter) => ids[parameter] ?? 'kling-v3');
  const query = names.kind === 'query' ? `?${names.name}=${idFor(path, ids)}` : '';
  const body = names.kind === 'body' ? { ...names.body, [names.field]: { id: ids.video_id } } : bodyOf(names);
  const answer = await gateway.fetch(base + filled + query, {
    method: method.toUpperCase(),
    key: mine,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const { 'x-request-id': _, date: __, ...headers } = Object.fromEntries(answer.headers);
  let text = await answer.text();
  for (const id of Object.values(ids)) text = text.replaceAll(id, '<id>');
  return { status: answer.status, body: text, headers: { ...headers, 'content-length': '' } };
}

const idFor = (path: string, ids: Readonly<Record<string, string>>): string =>
  (path.startsWith('/webhook') ? ids.webhook_endpoint_id : ids.video_id) ?? '';
const bodyOf = (names: Names): object | undefined => (names.kind === 'path' ? names.body : undefined);

describe('the matrix', () => {
  it('names every route of the router, and no other', () => {
    expect(Object.keys(MATRIX).sort()).toEqual([...routes].sort());
  });

  it('says of every route with an id in its path that it is looked at', () => {
    const unlooked = routes.filter(
      (name) => name.includes('_id}') && MATRIX[name]?.every(({ kind }) => kind !== 'path'),
    );
    expect(unlooked).toEqual([]);
  });
});

describe.each(['/v1', ''])('under "%s"', (base) => {
  const cells = Object.entries(MATRIX).flatMap(([name, all]) => all.map((names) => [name, names.kind, names] as const));

  it.each(cells.filter(([, kind]) => kind === 'path'))(
    '%s answers 404 for what is not the caller’s (%s)',
    async (name, _, names) => {
      const [foreign, unknown] = [await ask(name, theirs, names, base), await ask(name, UNKNOWN, names, base)];
      expect(foreign.status).toBe(404);
      expect(foreign).toEqual(unknown);
    },
  );

  it.each(cells.filter(([, kind]) => kind === 'body' || kind === 'query'))(
    '%s takes a foreign id for one of nobody (%s)',
    async (name, _, names) => {
      const [foreign, unknown] = [await ask(name, theirs, names, base), await ask(name, UNKNOWN, names, base)];
      expect([400, 404]).toContain(foreign.status);
      expect(foreign).toEqual(unknown);
    },
  );

  it.each(cells.filter(([, kind]) => kind === 'own'))(
    '%s tells of the caller’s own alone (%s)',
    async (name, _, names) => {
      const { status, body } = await ask(name, {}, names, base);
      expect(status).toBe(200);
      for (const id of [...Object.values(theirs), 'bbb']) expect(body).not.toContain(id);
      const { data } = JSON.parse(body) as { data: object[] };
      expect(data).toEqual([]);
    },
  );
});

describe('what the others have', () => {
  it('is still there, untouched, after all of it', async () => {
    const job = (await (await gateway.admin('GET', `/jobs/${theirs.video_id}`)).json()) as { state: string };
    expect(job.state).toBe('completed');
  });
});

describe('the admin API', () => {
  it.each(adminRoutes)('%s is closed to tenants', async (name) => {
    const answer = await ask(name, { id: 'bbb', period: 'day' }, NOTHING, '/admin/v1');
    expect(answer.status).toBe(401);
    expect(answer.body).not.toContain('bbb');
  });
});

describe('what providers call', () => {
  it.each(['/uploads/', '/clips/'])('%s shows nothing without its signature', async (path) => {
    for (const id of [theirs.video_id, UNKNOWN.video_id]) {
      const answer = await gateway.fetch(`${path}${id}?expires=9999999999999&signature=x`, { key: mine });
      expect(answer.status).toBe(404);
    }
  });
});
