import type { Command } from 'commander';
import { adminAccess, call } from './client.ts';
import { printJson, printLine, printTable } from './print.ts';

interface Common {
  readonly url?: string;
  readonly json?: true;
}

const withCommon = (command: Command): Command =>
  command
    .option('--url <url>', 'the gateway (default: REELAY_URL, then http://127.0.0.1:8787)')
    .option('--json', 'print the answer as JSON');

interface Listed {
  readonly data: readonly Record<string, unknown>[];
}

/** `reelay tenants …`: who pays. Needs REELAY_ADMIN_KEY. */
export function addTenantCommands(program: Command): void {
  const tenants = program.command('tenants').description('who pays (needs REELAY_ADMIN_KEY)');
  withCommon(tenants.command('create').description('create a tenant').argument('<name>', 'its name'))
    .option('--id <id>', 'an id of your own')
    .option('--markup <percent>', 'what is added to cost')
    .action(async (name: string, options: Common & { id?: string; markup?: string }) => {
      const tenant = await call(adminAccess(options), 'POST', '/admin/v1/tenants', {
        name,
        ...(options.id !== undefined && { id: options.id }),
        ...(options.markup !== undefined && { markup_percent: options.markup }),
      });
      if (options.json) return printJson(tenant);
      printLine(`tenant ${tenant.id} (${tenant.name})`);
      printLine(`next: reelay keys create ${tenant.id}`);
    });
  withCommon(tenants.command('list').description('list tenants')).action(async (options: Common) => {
    const { data } = (await call(adminAccess(options), 'GET', '/admin/v1/tenants')) as unknown as Listed;
    if (options.json) return printJson(data);
    printTable(
      ['id', 'name', 'markup %'],
      data.map(({ id, name, markup_percent }) => [String(id), String(name), Number(markup_percent)]),
    );
  });
}

/** `reelay keys …`: who may ask. Needs REELAY_ADMIN_KEY. */
export function addKeyCommands(program: Command): void {
  const keys = program.command('keys').description('who may ask (needs REELAY_ADMIN_KEY)');
  withCommon(
    keys.command('create').description('create an API key; it is shown once').argument('<tenant>', 'tenant id'),
  )
    .option('--name <name>', 'to tell it from others')
    .action(async (tenant: string, options: Common & { name?: string }) => {
      const path = `/admin/v1/tenants/${encodeURIComponent(tenant)}/keys`;
      const key = await call(
        adminAccess(options),
        'POST',
        path,
        options.name === undefined ? {} : { name: options.name },
      );
      if (options.json) return printJson(key);
      printLine(`${key.key}`);
      printLine(`key ${key.id}: keep it now, it is not shown again`);
    });
  withCommon(keys.command('list').description("list a tenant's keys").argument('<tenant>', 'tenant id')).action(
    async (tenant: string, options: Common) => {
      const path = `/admin/v1/tenants/${encodeURIComponent(tenant)}/keys`;
      const { data } = (await call(adminAccess(options), 'GET', path)) as unknown as Listed;
      if (options.json) return printJson(data);
      const state = (key: Record<string, unknown>): string => (key.revoked_at === null ? 'in use' : 'revoked');
      printTable(
        ['id', 'name', 'key', 'state'],
        data.map((key) => [String(key.id), String(key.name), `${key.prefix}…${key.last_four}`, state(key)]),
      );
    },
  );
  withCommon(keys.command('revoke').description('revoke a key at once').argument('<id>', 'key id')).action(
    async (id: string, options: Common) => {
      const answer = await call(adminAccess(options), 'DELETE', `/admin/v1/keys/${encodeURIComponent(id)}`);
      if (options.json) return printJson(answer);
      printLine(`key ${id} is revoked`);
    },
  );
}
