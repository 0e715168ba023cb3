import type { Command } from 'commander';
import { type Common, type Limit, type Listed, limitOf, tenantPath, wholeOrNone, withCommon } from './admin-options.ts';
import { adminAccess, call, Failure } from './client.ts';
import { printJson, printLine, printTable } from './print.ts';

/** `reelay tenants …`: who pays. Needs REELAY_ADMIN_KEY. */
export function addTenantCommands(program: Command): void {
  const tenants = program.command('tenants').description('who pays (needs REELAY_ADMIN_KEY)');
  withCommon(tenants.command('create').description('create a tenant').argument('<name>', 'its name'))
    .option('--id <id>', 'an id of your own')
    .option('--markup <percent>', 'what is added to cost')
    .option('--concurrency <n>', 'videos being made at once; more wait in the queue', wholeOrNone)
    .option('--rate-per-minute <n>', 'requests in a minute', wholeOrNone)
    .action(createTenant);
  withCommon(tenants.command('update').description('change a tenant').argument('<tenant>', 'tenant id'))
    .option('--name <name>', 'another name')
    .option('--markup <percent>', 'what is added to cost')
    .option('--concurrency <n>', 'videos being made at once; none: as many as there are slots', wholeOrNone)
    .option('--rate-per-minute <n>', 'requests in a minute; none: no limit', wholeOrNone)
    .action(updateTenant);
  withCommon(tenants.command('list').description('list tenants')).action(listTenants);
  withCommon(
    tenants
      .command('webhook-secret')
      .description('replace the secret that signs calls to callback_url; it is shown once')
      .argument('<tenant>', 'tenant id'),
  )
    .option('--now', 'the old secret stops signing at once, not after 24 hours')
    .action(async (tenant: string, options: Common & { now?: true }) => {
      const path = `/admin/v1/tenants/${encodeURIComponent(tenant)}/webhook_secret`;
      const body = { keep_old_secret_active_for_24_hours: options.now !== true };
      const answer = await call(adminAccess(options), 'POST', path, body);
      if (options.json) return printJson(answer);
      printLine(`${answer.webhook_secret}`);
      printLine('keep it now, it is not shown again');
    });
}

interface Changes extends Common {
  readonly name?: string;
  readonly markup?: string;
  readonly concurrency?: Limit;
  readonly ratePerMinute?: Limit;
}

const changesOf = ({ name, markup, concurrency, ratePerMinute }: Changes): Record<string, unknown> => ({
  ...(name !== undefined && { name }),
  ...(markup !== undefined && { markup_percent: markup }),
  ...(concurrency !== undefined && { concurrency: limitOf(concurrency) }),
  ...(ratePerMinute !== undefined && { rate_per_minute: limitOf(ratePerMinute) }),
});

async function createTenant(name: string, options: Changes & { readonly id?: string }): Promise<void> {
  const body = { ...(options.id !== undefined && { id: options.id }), ...changesOf({ ...options, name }) };
  const tenant = await call(adminAccess(options), 'POST', '/admin/v1/tenants', body);
  if (options.json) return printJson(tenant);
  printLine(`tenant ${tenant.id} (${tenant.name})`);
  printLine(`webhook secret ${tenant.webhook_secret}: signs calls to callback_url; it is not shown again`);
  printLine(`next: reelay keys create ${tenant.id}, and reelay budgets set ${tenant.id} month <usd>`);
}

async function updateTenant(id: string, options: Changes): Promise<void> {
  const changes = changesOf(options);
  if (Object.keys(changes).length === 0) {
    throw new Failure('nothing to change: add --name, --markup, --concurrency or --rate-per-minute', 2);
  }
  const tenant = await call(adminAccess(options), 'PATCH', tenantPath(id), changes);
  if (options.json) return printJson(tenant);
  printLine(`tenant ${tenant.id} is changed`);
}

async function listTenants(options: Common): Promise<void> {
  const { data } = (await call(adminAccess(options), 'GET', '/admin/v1/tenants')) as unknown as Listed;
  if (options.json) return printJson(data);
  const limit = (value: unknown): string | number => (value === null ? '-' : Number(value));
  printTable(
    ['id', 'name', 'markup %', 'at once', 'per minute'],
    data.map((tenant) => [
      String(tenant.id),
      String(tenant.name),
      Number(tenant.markup_percent),
      limit(tenant.concurrency),
      limit(tenant.rate_per_minute),
    ]),
  );
}
