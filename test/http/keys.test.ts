/** What a key may ask for, until when, and how often: confined at its making, enforced at every request. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { durationText, RateLimits } from '../../src/http/rate-limit.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '600', REELAY_POLL_MS: '60000' });
});
afterAll(() => gateway.remove());

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly message: string;
  readonly route: readonly string[];
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly warnings: readonly string[];
  readonly headers: Headers;
}

interface Made {
  readonly error?: { readonly code: string; readonly message: string };
  readonly route?: {
    readonly route: readonly string[];
    readonly candidates: readonly { readonly provider: string; readonly reason: string | null }[];
  };
  readonly warnings?: readonly string[];
}

let tenants = 0;
async function newTenant(change: object = {}): Promise<string> {
  tenants += 1;
  const answer = await gateway.admin('POST', '/tenants', { id: `acme-${tenants}`, name: 'Acme', ...change });
  return ((await answer.json()) as { id: string }).id;
}

async function newKey(tenant: string, change: object = {}): Promise<{ id: string; key: string }> {
  const answer = await gateway.admin('POST', `/tenants/${tenant}/keys`, change);
  const made = (await answer.json()) as { id: string; key: string };
  if (answer.status !== 200) throw new Error(JSON.stringify(made));
  return made;
}

async function create(key: string, body: object = {}): Promise<Answer> {
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    key,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 5, ...body }),
  });
  const { error, route, warnings = [] } = (await answer.json()) as Made;
  return {
    status: answer.status,
    code: error?.code,
    message: error?.message ?? '',
    route: route?.route ?? [],
    reasons: Object.fromEntries(route?.candidates.map(({ provider, reason }) => [provider, reason]) ?? []),
    warnings,
    headers: answer.headers,
  };
}

describe('a key for some models', () => {
  it('asks for those by any of their names, and for nothing else', async () => {
    const { key } = await newKey(await newTenant(), { models: ['sora-2', 'kling-v2-6'] });
    expect((await create(key)).status).toBe(200);
    expect((await create(key, { model: 'sora-2-pro' })).status).toBe(200);
    const refused = await create(key, { model: 'kling-o3' });
    expect(refused).toMatchObject({ status: 403, code: 'permission_denied' });
    expect(refused.message).toContain('may not ask for kling-o3. It may ask for: kling-v3, kling-v2-6.');
  });

  it('passes over other models that it may not ask for, and says so', async () => {
    const { key } = await newKey(await newTenant(), { models: ['kling-v3'] });
    const made = await create(key, { models: ['kling-v3-turbo'] });
    expect(made.status).toBe(200);
    expect(made.warnings.join()).toContain('kling-v3-turbo is passed over: this key may not ask');
  });

  it('asks for none that its tenant’s policy leaves out', async () => {
    const tenant = await newTenant({ policy: { models: ['kling-v2-6'] } });
    const { key } = await newKey(tenant, { models: ['kling-v3', 'kling-v2-6'] });
    expect(await create(key)).toMatchObject({ status: 403, code: 'permission_denied' });
    expect((await create(key, { model: 'kling-v2-6' })).status).toBe(200);
  });
});

describe('a key for some providers', () => {
  it('is served by those, and the route says why by no other one', async () => {
    const { key } = await newKey(await newTenant(), { providers: ['fal', 'atlas'] });
    const made = await create(key, { provider: { max_premium: 10 } });
    expect([...made.route].sort()).toEqual(['atlas', 'fal']);
    expect(made.reasons).toMatchObject({
      kling: 'not allowed for this API key',
      piapi: 'not allowed for this API key',
    });
  });

  it('and a tenant’s policy: the stricter one wins, whichever that is', async () => {
    const tenant = await newTenant({ policy: { only: ['fal', 'kling'] } });
    const { key } = await newKey(tenant, { providers: ['fal', 'atlas'] });
    const made = await create(key, { provider: { max_premium: 10 } });
    expect(made.route).toEqual(['fal']);
    expect(made.reasons.atlas).toBe("not allowed by the tenant's policy");
    expect(made.reasons.kling).toBe('not allowed for this API key');
  });

  it('whose tenant’s policy would leave out nobody, because there is nobody of that name, is a mistake', async () => {
    for (const list of ['only', 'ignore']) {
      const body = { id: 'slip', name: 'Slip', policy: { [list]: ['kling', 'atlascloud'] } };
      const answer = await gateway.admin('POST', '/tenants', body);
      const { error } = (await answer.json()) as { error: { param: string; message: string } };
      expect([answer.status, error.param]).toEqual([400, `policy.${list}.1`]);
      expect(error.message).toMatch(/there is no such provider; there are kling, evolink, atlas, fal, piapi/);
    }
    expect((await gateway.admin('GET', '/tenants/slip')).status).toBe(404);
  });

  it('that asks for another one hears that it may not', async () => {
    const { key } = await newKey(await newTenant(), { providers: ['fal'] });
    const refused = await create(key, { provider: { only: ['kling'] } });
    expect(refused).toMatchObject({ status: 403, code: 'permission_denied' });
    expect(refused.message).toContain('it is made for fal');
  });
});

describe('a key', () => {
  it('that is revoked works no more from the next request on; what it has ordered goes on', async () => {
    const tenant = await newTenant();
    const [one, other] = [await newKey(tenant), await newKey(tenant)];
    expect((await create(one.key)).status).toBe(200);
    expect((await gateway.admin('DELETE', `/keys/${one.id}`)).status).toBe(200);
    expect(await create(one.key)).toMatchObject({ status: 401, code: 'invalid_api_key' });
    const listed = await gateway.fetch('/v1/videos', { key: other.key });
    expect(((await listed.json()) as { data: { status: string }[] }).data[0]?.status).not.toBe('failed');
  });

  it('works until it expires and not a moment longer', async () => {
    const expires = Math.floor(Date.now() / 1_000) + 2;
    const { key } = await newKey(await newTenant(), { expires_at: expires });
    expect((await gateway.fetch('/v1/models', { key })).status).toBe(200);
    const refused = await until('its end', async () => {
      const answer = await gateway.fetch('/v1/models', { key });
      return answer.status === 401 ? Date.now() : null;
    });
    expect(refused).toBeGreaterThanOrEqual(expires * 1_000 - 50);
  });

  it.each([
    [{ expires_at: 1_600_000_000 }, 'expires_at', 'an instant to come, got 2020-09-13T12:26:40.000Z'],
    [{ models: ['sora-9'] }, 'model', "The model 'sora-9' does not exist"],
    [{ models: [] }, 'models', 'at least one model'],
    [{ providers: ['runway'] }, 'providers.0', 'expected providers among kling, evolink, atlas, fal, piapi'],
    [{ providers: [] }, 'providers', 'at least one provider'],
    [{ rate_per_minute: 0 }, 'rate_per_minute', 'at least 1'],
  ])('cannot be made with %j', async (change, param, says) => {
    const answer = await gateway.admin('POST', `/tenants/${await newTenant()}/keys`, change);
    const { error } = (await answer.json()) as { error: { param: string; message: string } };
    expect([answer.status, error.param]).toEqual([400, param]);
    expect(error.message).toContain(says);
  });
});

describe('a rate limit', () => {
  const look = (key: string, path = '/v1/models') => gateway.fetch(path, { key });
  const standing = ({ headers }: Pick<Response, 'headers'>) =>
    ['limit', 'remaining', 'reset'].map((what) => headers.get(`x-ratelimit-${what}-requests`));

  it('lets through what it says in any minute, tells how it stands, and then when to come again', async () => {
    const { key } = await newKey(await newTenant({ rate_per_minute: 3 }));
    const answers = [await look(key), await look(key), await look(key)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers.map((answer) => standing(answer).slice(0, 2))).toEqual(['2', '1', '0'].map((left) => ['3', left]));
    expect(standing(answers[0] as Response)[2]).toBe('1m0s');
    const refused = await create(key);
    expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    expect(standing(refused).slice(0, 2)).toEqual(['3', '0']);
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(50);
    expect(wait).toBeLessThanOrEqual(60);
  });

  it('of a key holds beside its tenant’s; the tighter one is told', async () => {
    const tenant = await newTenant({ rate_per_minute: 5 });
    const [tight, free] = [await newKey(tenant, { rate_per_minute: 2 }), await newKey(tenant)];
    expect(standing(await look(tight.key)).slice(0, 2)).toEqual(['2', '1']);
    await look(tight.key);
    expect((await look(tight.key)).status).toBe(429);
    const others = [await look(free.key), await look(free.key), await look(free.key), await look(free.key)];
    expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  });

  it('is no hindrance to following a video that was accepted', async () => {
    const { key } = await newKey(await newTenant({ rate_per_minute: 1 }));
    const made = (await (
      await gateway.fetch('/videos', {
        method: 'POST',
        key,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 5 }),
      })
    ).json()) as { id: string };
    for (const path of [`/v1/videos/${made.id}`, `/videos/${made.id}/route`]) {
      const answer = await look(key, path);
      expect([answer.status, standing(answer)[1]]).toEqual([200, '0']);
    }
    expect((await look(key, '/v1/videos')).status).toBe(429);
  });

  it('that is lifted is gone at once, with its headers', async () => {
    const tenant = await newTenant({ rate_per_minute: 1 });
    const { key } = await newKey(tenant);
    await look(key);
    expect((await look(key)).status).toBe(429);
    await gateway.admin('PATCH', `/tenants/${tenant}`, { rate_per_minute: null });
    const answer = await look(key);
    expect([answer.status, ...standing(answer)]).toEqual([200, null, null, null]);
  });

  it('is exact over a window that slides: never more than the limit in any sixty seconds', () => {
    const limits = new RateLimits();
    const LIMIT = 7;
    const passed: number[] = [];
    for (let nowMs = 0; nowMs < 600_000; nowMs += 1_300) {
      const { waitMs, remaining } = limits.look('a', LIMIT, nowMs);
      expect(waitMs > 0).toBe(remaining === 0);
      const inWindow = passed.filter((atMs) => atMs > nowMs - 60_000).length;
      expect(remaining).toBe(LIMIT - inWindow);
      if (waitMs > 0) {
        expect(nowMs + waitMs).toBe((passed.at(-LIMIT) ?? 0) + 60_000);
        continue;
      }
      limits.count('a', nowMs);
      passed.push(nowMs);
    }
    expect(passed.length).toBeGreaterThan(60);
  });

  it.each([
    [0, '0ms'],
    [12, '12ms'],
    [999.2, '1s'],
    [59_001, '1m0s'],
    [360_000, '6m0s'],
    [3_661_000, '1h1m1s'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
