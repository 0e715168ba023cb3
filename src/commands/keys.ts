import type { Command } from 'commander';
import {
  budgetsShown,
  type Common,
  instantOf,
  keyPath,
  type Limit,
  type Listed,
  limitOf,
  namesOf,
  namesShown,
  tenantPath,
  wholeOrNone,
  withCommon,
} from './admin-options.ts';
import { adminAccess, call } from './client.ts';
import { printJson, printLine, printTable } from './print.ts';

interface CreateOptions extends Common {
  readonly name?: string;
  readonly expires?: number;
  readonly models?: readonly string[];
  readonly providers?: readonly string[];
  readonly ratePerMinute?: Limit;
}

/** `reelay keys …`: who may ask. Needs REELAY_ADMIN_KEY. */
export function addKeyCommands(program: Command): void {
  const keys = program.command('keys').description('who may ask (needs REELAY_ADMIN_KEY)');
  withCommon(
    keys.command('create').description('create an API key; it is shown once').argument('<tenant>', 'tenant id'),
  )
    .option('--name <name>', 'to tell it from others')
    .option('--expires <when>', 'when it stops working: 30d, 12h, 2026-12-31 (UTC)', instantOf)
    .option('--models <names>', 'the models that may be asked for with it, with commas between', namesOf)
    .option('--providers <names>', 'the providers that may serve it, with commas between', namesOf)
    .option('--rate-per-minute <n>', 'requests in a minute', wholeOrNone)
    .action(createKey);
  withCommon(
    keys.command('list').description("list a tenant's keys, with their budgets").argument('<tenant>', 'tenant id'),
  ).action(listKeys);
  withCommon(
    keys.command('revoke').description('revoke a key at once; what it has ordered goes on').argument('<id>', 'key id'),
  ).action(async (id: string, options: Common) => {
    const answer = await call(adminAccess(options), 'DELETE', keyPath(id));
    if (options.json) return printJson(answer);
    printLine(`key ${id} is revoked`);
  });
}

async function createKey(tenant: string, options: CreateOptions): Promise<void> {
  const { name, expires, models, providers, ratePerMinute } = options;
  const key = await call(adminAccess(options), 'POST', `${tenantPath(tenant)}/keys`, {
    ...(name !== undefined && { name }),
    ...(expires !== undefined && { expires_at: expires }),
    ...(models && { models }),
    ...(providers && { providers }),
    ...(ratePerMinute !== undefined && { rate_per_minute: limitOf(ratePerMinute) }),
  });
  if (options.json) return printJson(key);
  printLine(`${key.key}`);
  printLine(`key ${key.id}: keep it now, it is not shown again`);
}

async function listKeys(tenant: string, options: Common): Promise<void> {
  const { data } = (await call(adminAccess(options), 'GET', `${tenantPath(tenant)}/keys`)) as unknown as Listed;
  if (options.json) return printJson(data);
  printTable(
    ['id', 'name', 'key', 'state', 'models', 'providers', 'per minute', 'budgets'],
    data.map((key) => [
      String(key.id),
      String(key.name),
      `${key.prefix}…${key.last_four}`,
      stateOf(key),
      namesShown(key.models),
      namesShown(key.providers),
      key.rate_per_minute === null ? '-' : Number(key.rate_per_minute),
      budgetsShown(key.budgets),
    ]),
  );
}

function stateOf({ revoked_at: revoked, expires_at: expires }: Record<string, unknown>): string {
  if (revoked !== null) return 'revoked';
  if (expires === null) return 'in use';
  const shown = new Date(Number(expires) * 1_000).toISOString().slice(0, 16).replace('T', ' ');
  return `until ${shown} UTC`;
}
