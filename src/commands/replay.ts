import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { FALLBACKS, SORTS, type TenantPolicy, tenantPolicySchema } from '../routing/policy.ts';
import { type Common, namesOf, oneOf, withCommon } from './admin-options.ts';
import { adminAccess, call, Failure } from './client.ts';
import { dollars, printJson, printLine, printTable } from './print.ts';
import { cardsOf } from './rates.ts';
import { type ReplayAsked, replayOffline, type ShownReplay } from './replay-offline.ts';

interface Options extends Common {
  readonly from?: string;
  readonly to?: string;
  readonly tenant?: string;
  readonly fallback?: string;
  readonly maxPremium?: number;
  readonly only?: string[];
  readonly ignore?: string[];
  readonly sort?: string;
  readonly valueOfTime?: number;
  readonly package?: string;
  readonly limit?: Readonly<Record<string, number>>;
  readonly cardsDate?: string;
  readonly seed?: number;
  readonly csv?: string;
  readonly markup?: string;
  readonly cards?: string;
}

const REPLAY_HELP = `
What happened stands beside what would have, had the rule been another. Each request is decided again at its own instant
by the router of the gateway, waits for slots in virtual time, and ends as it was seen to end there, or else by the
success rate and the lengths of takes that were measured. An option takes the place of what tenants and requests said;
what is not given stays as it was.

With --csv nothing is asked of a gateway: all five providers with their usual slots, at the cards of this installation.
Its first line names the columns at,model,seconds,resolution and, where they matter, task,audio,tenant and what became
of it: provider,price_usd,cost_usd,wait_seconds,done_seconds,failed. Without those the rules as they are stand beside.
Prices are the providers' own and --markup on top. What failed with moderation_blocked or invalid_input fails everywhere.

  reelay replay --from 2026-10-01 --to 2026-10-31 --fallback cheaper
  reelay replay --tenant acme --package package-3 --limit kling=20
  reelay replay --csv october.csv --only kling,atlas --max-premium 1 --json`;

/** `reelay replay`: past traffic under another policy, card, package or limit. Needs REELAY_ADMIN_KEY, or a CSV. */
export function addReplayCommand(program: Command): void {
  const description = 'past traffic under another policy, card, package or limit (needs REELAY_ADMIN_KEY, or --csv)';
  withCommon(program.command('replay').description(description))
    .option(
      '--from <day>',
      'the first day, or an instant (default: 30 days before the last; of a CSV its first row)',
      at,
    )
    .option('--to <day>', 'the last day, or an instant (default: now; of a CSV its last row)', at)
    .option('--tenant <id>', 'of one tenant')
    .option('--fallback <direction>', FALLBACKS.join(', '), oneOf(FALLBACKS))
    .option('--max-premium <share>', '0.25: at most 25 % dearer than the cheapest possible', numberTo(100))
    .option('--only <providers>', 'names with commas between them', namesOf)
    .option('--ignore <providers>', 'names with commas between them', namesOf)
    .option('--sort <by>', SORTS.join(', '), oneOf(SORTS))
    .option('--value-of-time <usd>', 'dollars per hour of waiting', numberTo(10_000))
    .option('--package <package>', 'draw units from this resource package, such as package-3')
    .option('--limit <account=slots>', 'tasks at once; may be given several times', addLimit)
    .option('--cards-date <day>', 'price everything by the cards of this day (default: each by its own)', dayWord)
    .option('--seed <n>', 'of the chance of what was never seen (default: 1)', seedOf)
    .option('--csv <file>', 'replay this traffic offline ("-": stdin)')
    .option('--markup <percent>', 'what --csv adds to cost for the tenant (default: 0)', percentWord)
    .option('--cards <folder>', 'the folder of cards that --csv reads')
    .addHelpText('after', REPLAY_HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const asked = askedOf(options);
  const shown = options.csv === undefined ? await overApi(options, asked) : offline(options, options.csv, asked);
  if (options.json) printJson(shown);
  else show(shown);
}

function askedOf(options: Options): ReplayAsked {
  const { from, to, tenant, valueOfTime, package: tried, cardsDate, seed, limit = {} } = options;
  return {
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(tenant !== undefined && { tenant }),
    policy: policyOf(options),
    ...(cardsDate !== undefined && { cards_date: cardsDate }),
    ...(tried !== undefined && { package: tried }),
    limits: limit,
    ...(valueOfTime !== undefined && { value_of_time: valueOfTime }),
    ...(seed !== undefined && { seed }),
  };
}

const policyOf = ({ fallback, maxPremium, only, ignore, sort }: Options): TenantPolicy =>
  tenantPolicySchema.parse({ fallback, max_premium: maxPremium, only, ignore, sort });

async function overApi(options: Options, asked: ReplayAsked): Promise<ShownReplay> {
  if (options.cards !== undefined) throw new Failure('--cards is read with --csv, and no gateway', 2);
  if (options.markup !== undefined)
    throw new Failure('--markup goes with --csv: tenants of a gateway have their own', 2);
  return (await call(adminAccess(options), 'POST', '/admin/v1/replay', asked)) as unknown as ShownReplay;
}

function offline({ cards, markup }: Options, csv: string, asked: ReplayAsked): ShownReplay {
  const file = csv === '-' ? 'stdin' : basename(csv);
  return replayOffline({ text: readInput(csv), file }, cardsOf(cards), {
    ...asked,
    ...(markup !== undefined && { markup }),
  });
}

function readInput(csv: string): string {
  try {
    return readFileSync(csv === '-' ? 0 : csv, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new Failure(`cannot read ${csv} (${code}): give the path of a CSV file, or - for stdin`, 2);
  }
}

function show(shown: ShownReplay): void {
  const { happened, unchanged, replayed, difference, jobs, notes } = shown;
  const base = happened ?? unchanged ?? replayed;
  const head = happened ? 'happened' : 'as it is';
  const count = (name: 'completed' | 'failed' | 'attempts' | 'failovers') => [
    base[name],
    replayed[name],
    signed(difference[name]),
  ];
  const usd = (name: 'price_usd' | 'cost_usd' | 'margin_usd' | 'failure_cost_usd' | 'suspected_cost_usd') => [
    dollars(base[name]),
    dollars(replayed[name]),
    signedDollars(difference[name]),
  ];
  const seconds = (name: 'wait_seconds' | 'done_seconds', rank: 'p50' | 'p95') =>
    [base, replayed].map((side) => duration(side[name]?.[rank])).concat(signed(difference[name]?.[rank] ?? 0));
  const units = (name: 'drawn' | 'expired' | 'left') => [base, replayed].map((side) => side.units?.[name] ?? '-');
  printLine(`${jobs} videos`);
  printTable(
    ['', head, 'replayed', 'difference'],
    [
      ['tenant price', ...usd('price_usd')],
      ['provider cost', ...usd('cost_usd')],
      ['margin', ...usd('margin_usd')],
      ['  failed attempts', ...usd('failure_cost_usd')],
      ['  in doubt', ...usd('suspected_cost_usd')],
      ['delivered', ...count('completed')],
      ['not delivered', ...count('failed')],
      ['attempts', ...count('attempts')],
      ['failovers', ...count('failovers')],
      ['wait, median, s', ...seconds('wait_seconds', 'p50')],
      ['wait, 95 %, s', ...seconds('wait_seconds', 'p95')],
      ['until done, median, s', ...seconds('done_seconds', 'p50')],
      ['until done, 95 %, s', ...seconds('done_seconds', 'p95')],
      ...Object.entries(difference.clips).map(([name, by]) => [
        `by ${name}`,
        clips(base, name),
        clips(replayed, name),
        signed(by),
      ]),
      ...(base.units || replayed.units
        ? [
            ['units drawn', ...units('drawn'), signed(difference.units_drawn)],
            ['units expired', ...units('expired'), signed(difference.units_expired)],
            ['units left', ...units('left'), ''],
          ]
        : []),
    ],
  );
  for (const [code, times] of Object.entries(replayed.failures))
    printLine(`not delivered in the replay: ${times} ${code}`);
  for (const note of notes) printLine(`note: ${note}`);
}

const clips = ({ providers }: ShownReplay['replayed'], name: string): number =>
  providers.find(({ provider }) => provider === name)?.clips ?? 0;

const signed = (by: number): string => (by > 0 ? `+${by}` : String(by));
const signedDollars = (by: number): string => (by < 0 ? `-${dollars(-by)}` : by > 0 ? `+${dollars(by)}` : dollars(by));
const duration = (seconds: number | undefined): string | number => seconds ?? '-';

function dayWord(text: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError('Expected a day such as 2026-11-20.');
}

function at(text: string): string {
  if (/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError('Expected a day such as 2026-11-20, or an instant such as 2026-11-20T18:00:00Z.');
}

function numberTo(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,6}(\.\d{1,6})?$/.test(text) && value <= max) return value;
    throw new InvalidArgumentError(`Expected a number from 0 to ${max}.`);
  };
}

function percentWord(text: string): string {
  if (/^\d{1,4}(\.\d{1,4})?$/.test(text)) return text;
  throw new InvalidArgumentError('Expected a percentage such as 12.5.');
}

function seedOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number of at most nine digits.');
}

function addLimit(text: string, earlier: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [, account = '', slots = ''] = /^([\w.-]+)=(\d{1,5})$/.exec(text) ?? [];
  const value = Number(slots);
  if (account !== '' && value >= 1 && value <= 10_000) return { ...earlier, [account]: value };
  throw new InvalidArgumentError('Expected an account and its tasks at once, such as kling=20.');
}
