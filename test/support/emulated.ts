/** A gateway process configured as for real providers, whose keys and addresses lead to emulated ones. */
import { spawnGateway } from './process.ts';

export const PROVIDER_IDS = ['kling', 'evolink', 'atlas', 'fal', 'piapi'];

/** Provider keys and addresses that lead to the emulators, as an operator would set them for the real ones. */
function providerEnvironment(urls: Readonly<Record<string, string>>): Record<string, string> {
  return {
    REELAY_ALLOW_NETWORKS: '127.0.0.0/8',
    REELAY_ADMIN_KEY: 'admin-key-for-tests-0123456789',
    KLING_API_KEY: 'test',
    KLING_BASE_URL: urls.kling ?? '',
    EVOLINK_API_KEY: 'test',
    EVOLINK_BASE_URL: urls.evolink ?? '',
    ATLASCLOUD_API_KEY: 'test',
    ATLASCLOUD_BASE_URL: urls.atlas ?? '',
    FAL_KEY: 'test:test',
    FAL_BASE_URL: urls.fal ?? '',
    PIAPI_API_KEY: 'test',
    PIAPI_BASE_URL: urls.piapi ?? '',
  };
}

/** A gateway on the emulators, with a tenant and a key made over the admin API as an operator would. */
export async function gatewayOn(
  urls: Readonly<Record<string, string>>,
  dataDir: string,
  key?: string,
  environment: Record<string, string> = {},
) {
  const gateway = await spawnGateway({ ...providerEnvironment(urls), REELAY_DATA_DIR: dataDir, ...environment });
  const admin = async (path: string, body: unknown): Promise<Record<string, string>> => {
    const headers = { authorization: 'Bearer admin-key-for-tests-0123456789', 'content-type': 'application/json' };
    const answer = await fetch(`${gateway.url}/admin/v1${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    return (await answer.json()) as Record<string, string>;
  };
  let tenantKey = key;
  if (tenantKey === undefined) {
    const tenant = await admin('/tenants', { name: 'Acme' });
    tenantKey = (await admin(`/tenants/${tenant.id}/keys`, {})).key ?? '';
  }
  const headers = { authorization: `Bearer ${tenantKey}` };
  return {
    ...gateway,
    key: tenantKey,
    fetch: (path: string, init: RequestInit = {}) =>
      fetch(gateway.url + path, { ...init, headers: { ...headers, ...init.headers } }),
    async create(provider: string) {
      const answer = await fetch(`${gateway.url}/v1/videos`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 3, provider: { only: [provider] } }),
      });
      return ((await answer.json()) as { id: string }).id;
    },
    async audit() {
      const answer = await fetch(`${gateway.url}/admin/v1/audit`, {
        headers: { authorization: 'Bearer admin-key-for-tests-0123456789' },
      });
      return (await answer.json()) as { ok: boolean; differences: string[] };
    },
    async show(id: string) {
      const answer = await fetch(`${gateway.url}/v1/videos/${id}`, { headers });
      return (await answer.json()) as { status: string; attempts: { status: string; provider: string }[] };
    },
  };
}
