import type { Command } from 'commander';
import { SECOND_MS, systemClock, utcDay } from '../ground/time.ts';
import { type Common, withCommon } from './admin-options.ts';
import { adminAccess, call } from './client.ts';
import { dollars, printJson, printLine, printTable } from './print.ts';

interface AddOptions extends Common {
  readonly account?: string;
  readonly bought?: string;
  readonly units?: string;
  readonly price?: string;
  readonly expires?: string;
}

interface ShownPack {
  readonly id: string;
  readonly account: string;
  readonly package: string;
  readonly state: string;
  readonly units: number;
  readonly units_drawn: number;
  readonly units_left: number;
  readonly unit_price_usd: number;
  readonly concurrency: number;
  readonly expires_at: number;
  readonly forecast: { readonly units_expiring: number } | null;
  readonly reported: { readonly units_left: number; readonly difference: number } | null;
}

/** `reelay packages …`: prepaid resource packs. Needs REELAY_ADMIN_KEY. */
export function addPackageCommands(program: Command): void {
  const packages = program.command('packages').description('prepaid resource packs (needs REELAY_ADMIN_KEY)');
  withCommon(
    packages
      .command('add')
      .description('register a pack that was bought; its unit price counts from now on')
      .argument('<package>', 'the package of the rate card, such as package-3'),
  )
    .option('--bought <day>', 'when it was bought, such as 2026-11-20 (default: today)')
    .option('--account <account>', 'whose it is (default: the first that sells units)')
    .option('--units <units>', 'its units, where they are not those of the card')
    .option('--price <usd>', 'what it cost, where that is not as the card has it')
    .option('--expires <day>', 'when it lapses, where that is not as the card has it')
    .action(add);
  withCommon(
    packages
      .command('remove')
      .description('take back a registration; its unit price counts no more')
      .argument('<id>', 'package id, as listed'),
  ).action(remove);
  withCommon(packages.command('list').description('what was drawn, what is left, and what will lapse'))
    .option('--refresh', 'ask the provider too what is left')
    .action(list);
}

async function add(sold: string, options: AddOptions): Promise<void> {
  const { account, bought, units, price, expires } = options;
  const added = (await call(adminAccess(options), 'POST', '/admin/v1/packages', {
    package: sold,
    bought_at: bought ?? today(),
    ...(account !== undefined && { account }),
    ...(units !== undefined && { units }),
    ...(price !== undefined && { price_usd: price }),
    ...(expires !== undefined && { expires_at: expires }),
  })) as unknown as ShownPack;
  if (options.json) return printJson(added);
  const unit = dollars(added.unit_price_usd);
  printLine(`package ${added.id}: ${added.units} units at ${unit}, until ${dayOf(added.expires_at)}`);
}

async function remove(id: string, options: Common): Promise<void> {
  const removed = await call(adminAccess(options), 'DELETE', `/admin/v1/packages/${encodeURIComponent(id)}`);
  if (options.json) return printJson(removed);
  printLine(`package ${id} removed`);
}

const today = (): string => utcDay(systemClock.nowMs());

async function list(options: Common & { refresh?: true }): Promise<void> {
  const query = options.refresh ? '?refresh=true' : '';
  const answer = await call(adminAccess(options), 'GET', `/admin/v1/packages${query}`);
  if (options.json) return printJson(answer);
  const { data, uncovered, unregistered = [], unanswered = [] } = answer as unknown as Listed;
  printTable(
    [
      'id',
      'account',
      'package',
      'state',
      'units',
      'drawn',
      'left',
      'will lapse',
      'reported',
      'unit',
      'at once',
      'expires',
    ],
    data.map((pack) => [
      ...[pack.id, pack.account, pack.package, pack.state.replaceAll('_', ' ')],
      ...[pack.units, pack.units_drawn, pack.units_left, pack.forecast?.units_expiring ?? '-'],
      ...[pack.reported ? `${pack.reported.units_left} (${signed(pack.reported.difference)})` : '-'],
      ...[dollars(pack.unit_price_usd), pack.concurrency, dayOf(pack.expires_at)],
    ]),
  );
  for (const { account, units } of uncovered)
    printLine(`note: ${units} units of ${account} were drawn from no pack here`);
  for (const pack of unregistered) printLine(`note: ${pack.account} also has ${pack.name}, which is not registered`);
  for (const account of unanswered) printLine(`note: ${account} did not say what is left`);
}

interface Listed {
  readonly data: readonly ShownPack[];
  readonly uncovered: readonly { readonly account: string; readonly units: number }[];
  readonly unregistered?: readonly { readonly account: string; readonly name: string }[];
  readonly unanswered?: readonly string[];
}

const signed = (difference: number): string => (difference > 0 ? `+${difference}` : String(difference));
const dayOf = (seconds: number): string => utcDay(seconds * SECOND_MS);
