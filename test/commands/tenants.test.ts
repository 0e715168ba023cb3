/** `reelay tenants`: what is shown once is printed when it is made, on a terminal too. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runReelay } from '../support/command.ts';
import { ADMIN_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

async function reelay(...args: string[]): Promise<string> {
  return (await runReelay(args, { REELAY_URL: gateway.url, REELAY_ADMIN_KEY: ADMIN_KEY })).stdout;
}

const SECRET = /whsec_[0-9A-Za-z+/]{43}=/;

it('a tenant comes with the secret of its callbacks, and a new one is printed when it is replaced', async () => {
  const made = await reelay('tenants', 'create', 'Acme', '--id', 'acme');
  const first = SECRET.exec(made)?.[0];
  const second = SECRET.exec(await reelay('tenants', 'webhook-secret', 'acme'))?.[0];
  expect(first).toBeDefined();
  expect(second).toBeDefined();
  expect(second).not.toBe(first);
  const kept = JSON.parse(await reelay('tenants', 'webhook-secret', 'acme', '--now', '--json'));
  expect(kept).toMatchObject({
    id: 'acme',
    webhook_secret: expect.stringMatching(SECRET),
    old_secret_active_until: null,
  });
});
