import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { type Common, withCommon } from './admin-options.ts';
import { adminAccess, call, Failure, send } from './client.ts';
import { dollars, printJson, printLine, printTable } from './print.ts';

interface SpendOptions extends Common {
  readonly tenant?: string;
  readonly from?: string;
  readonly to?: string;
  readonly by?: string;
  readonly csv?: true;
}

interface BillOptions extends Common {
  readonly month?: string;
  readonly csv?: true;
  readonly html?: true;
  readonly output?: string;
}

const SPEND_HELP = `
Days are those of admission, in UTC. Groups are day, month, tenant, key, model, provider, task, resolution and
tag:<name>, up to four with commas.

  reelay spend
  reelay spend --from 2026-11-01 --by month,provider
  reelay spend --tenant acme --by tag:team --csv > teams.csv`;

/** `reelay spend`: what was spent, what it cost, and what failures cost. Needs REELAY_ADMIN_KEY. */
export function addSpendCommand(program: Command): void {
  const description = 'what was spent, what it cost, and what failures cost (needs REELAY_ADMIN_KEY)';
  withCommon(program.command('spend').description(description))
    .option('--tenant <id>', 'of one tenant')
    .option('--from <day>', 'the first day (default: the first of this month)')
    .option('--to <day>', 'the last day (default: today)')
    .option('--by <groups>', 'what to group by', 'day')
    .option('--csv', 'print CSV')
    .addHelpText('after', SPEND_HELP)
    .action(spend);
}

async function spend(options: SpendOptions): Promise<void> {
  const { tenant, from, to, by = 'day', csv, json } = options;
  const query = new URLSearchParams({ group_by: by, ...(from && { from }), ...(to && { to }) });
  const base = tenant === undefined ? '/admin/v1' : `/admin/v1/tenants/${encodeURIComponent(tenant)}`;
  const path = `${base}/spend?${query}`;
  if (csv) return await printText(options, `${path}&format=csv`);
  const answer = await call(adminAccess(options), 'GET', path);
  if (json) return printJson(answer);
  const { data, total, group_by: groups } = answer as unknown as SpendAnswer;
  const head = [
    ...groups,
    'videos',
    'done',
    'failed',
    'success',
    'spent',
    'each',
    'cost',
    'margin',
    'failures',
    'in doubt',
  ];
  const rows = data.map((row) => [...groups.map((group) => String(row[group] ?? '-')), ...sumsOf(row)]);
  printTable(head, [...rows, [...groups.map((_, index) => (index === 0 ? 'total' : '')), ...sumsOf(total)]]);
}

type SpendRow = Readonly<Record<string, number | string | null>>;
interface SpendAnswer {
  readonly data: readonly SpendRow[];
  readonly total: SpendRow;
  readonly group_by: readonly string[];
}

function sumsOf(row: SpendRow): (string | number)[] {
  const count = (name: string): number => Number(row[name] ?? 0);
  const usd = (name: string): string => dollars(row[name] == null ? null : Number(row[name]));
  const rate = row.success_rate == null ? '-' : `${(count('success_rate') * 100).toFixed(1)}%`;
  const money = ['spent_usd', 'average_price_usd', 'cost_usd', 'margin_usd', 'failure_cost_usd', 'suspected_cost_usd'];
  return [count('jobs'), count('completed'), count('failed'), rate, ...money.map(usd)];
}

/** `reelay bill`: a tenant's month, as a table, a spreadsheet or a page to print. Needs REELAY_ADMIN_KEY. */
export function addBillCommand(program: Command): void {
  const described = program.command('bill').description("a tenant's bill for a month (needs REELAY_ADMIN_KEY)");
  withCommon(described.argument('<tenant>', 'tenant id'))
    .option('--month <month>', 'such as 2026-11 (default: this month)')
    .option('--csv', 'as CSV')
    .option('--html', 'as a page to print')
    .option('--output <file>', 'write it there instead of printing it; with --csv or --html')
    .action(bill);
}

interface BillAnswer {
  readonly month: string;
  readonly final: boolean;
  readonly lines: readonly Readonly<Record<string, string | number>>[];
  readonly total_usd: number;
}

async function bill(tenant: string, options: BillOptions): Promise<void> {
  const { month, csv, html, output, json } = options;
  if (output !== undefined && !csv && !html) throw new Failure('--output: say --csv or --html as well', 2);
  const query = new URLSearchParams({ format: html ? 'html' : csv ? 'csv' : 'json', ...(month && { month }) });
  const path = `/admin/v1/tenants/${encodeURIComponent(tenant)}/bill?${query}`;
  if (csv || html) return await printText(options, path, output);
  const answer = await call(adminAccess(options), 'GET', path);
  if (json) return printJson(answer);
  const { lines, total_usd: total, final, month: shown } = answer as unknown as BillAnswer;
  const columns = ['model', 'task', 'resolution', 'videos', 'seconds', 'cancelled'];
  printTable(
    [...columns, 'usd'],
    [
      ...lines.map((line) => [...columns.map((column) => line[column] ?? ''), dollars(Number(line.usd))]),
      ['total', ...columns.slice(1).map(() => ''), dollars(total)],
    ],
  );
  if (!final) printLine(`not final: ${shown} is not over, or videos of it are still open`);
}

/** Prints an answer that is no JSON, or writes it to the file. Throws a Failure that says what the gateway refused. */
async function printText(options: Common, path: string, output?: string): Promise<void> {
  const answer = await send(adminAccess(options), 'GET', path);
  if (answer.statusCode !== 200) {
    const said = (await answer.body.text()).slice(0, 10_000);
    throw new Failure(messageOf(said) ?? `HTTP ${answer.statusCode}`);
  }
  if (output === undefined) process.stdout.write(await answer.body.text());
  else {
    await pipeline(Readable.from(answer.body), createWriteStream(output));
    printLine(`written to ${output}`);
  }
}

function messageOf(text: string): string | null {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return null;
  }
}

/** `reelay audit`: recomputes the books; exit code 1 where anything differs. Needs REELAY_ADMIN_KEY. */
export function addAuditCommand(program: Command): void {
  const description = 'recompute all money from the ledger and print what differs (needs REELAY_ADMIN_KEY)';
  withCommon(program.command('audit').description(description)).action(async (options: Common) => {
    const answer = await call(adminAccess(options), 'GET', '/admin/v1/audit');
    const { ok, differences, jobs, entries } = answer as unknown as AuditAnswer;
    if (options.json) printJson(answer);
    else for (const difference of differences) printLine(difference);
    if (!ok) throw new Failure(`${differences.length} differences in ${entries} entries of ${jobs} videos`);
    if (!options.json) printLine(`${entries} entries of ${jobs} videos: no differences`);
  });
}

interface AuditAnswer {
  readonly ok: boolean;
  readonly differences: readonly string[];
  readonly jobs: number;
  readonly entries: number;
}
