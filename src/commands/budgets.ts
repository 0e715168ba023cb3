import { type Command, InvalidArgumentError } from 'commander';
import { BUDGET_PERIODS } from '../store/schema-budgets.ts';
import { type Common, capOf, keyPath, type Listed, oneOf, percentOf, tenantPath, withCommon } from './admin-options.ts';
import { adminAccess, call } from './client.ts';
import { dollars, printJson, printLine, printTable } from './print.ts';

const OWNER = 'a tenant id, or a key id (key_…)';
const period = oneOf(BUDGET_PERIODS);
/** Ids of keys are never made by hand, so their form tells them from tenants, which may have any name. */
const KEY_ID = /^key_[0-9A-Za-z]{20,40}$/;

const pathOf = (owner: string, of: string): string =>
  `${KEY_ID.test(owner) ? keyPath(owner) : tenantPath(owner)}/budgets/${of}`;

/** `reelay budgets …`: what tenants and keys may spend. Needs REELAY_ADMIN_KEY. */
export function addBudgetCommands(program: Command): void {
  const budgets = program
    .command('budgets')
    .description('what tenants and keys may spend per day, per month (UTC) and in total (needs REELAY_ADMIN_KEY)');
  withCommon(
    budgets
      .command('set')
      .description('set a cap; what was spent in the running period counts, and no budget means no cap')
      .argument('<owner>', OWNER)
      .argument('<period>', BUDGET_PERIODS.join(', '), period)
      .argument('<usd>', 'the cap in dollars', capOf),
  )
    .option('--alert <percent>', 'tell when so much of the cap is in use, besides when all of it is', percentOf)
    .action(setBudget);
  withCommon(
    budgets
      .command('list')
      .description('what is spent, held and left, of the tenant and of each of its keys')
      .argument('<tenant>', 'tenant id', tenantOnly),
  ).action(listBudgets);
  withCommon(
    budgets
      .command('remove')
      .description('take a cap away, from the next request on')
      .argument('<owner>', OWNER)
      .argument('<period>', BUDGET_PERIODS.join(', '), period),
  ).action(async (owner: string, of: string, options: Common) => {
    const answer = await call(adminAccess(options), 'DELETE', pathOf(owner, of));
    if (options.json) return printJson(answer);
    printLine(`${owner} has no ${of} budget any more`);
  });
}

function tenantOnly(text: string): string {
  if (!KEY_ID.test(text)) return text;
  throw new InvalidArgumentError('Expected a tenant id: its keys are listed with it.');
}

async function setBudget(
  owner: string,
  of: string,
  cap: string,
  options: Common & { readonly alert?: number },
): Promise<void> {
  const body = { cap_usd: cap, ...(options.alert !== undefined && { alert_percent: options.alert }) };
  const budget = await call(adminAccess(options), 'PUT', pathOf(owner, of), body);
  if (options.json) return printJson(budget);
  const { cap_usd: set, spent_usd: spent, held_usd: held, left_usd: left } = budget;
  printLine(
    `${owner}: ${dollars(Number(set))} per ${of}; spent ${dollars(Number(spent))}, held ${dollars(Number(held))}, ` +
      `left ${dollars(Number(left))}`,
  );
  if (Number(spent) + Number(held) > Number(set)) printLine('more is in use than that: nothing new is admitted');
}

async function listBudgets(tenant: string, options: Common): Promise<void> {
  const access = adminAccess(options);
  const { budgets: own } = await call(access, 'GET', tenantPath(tenant));
  const { data: keys } = (await call(access, 'GET', `${tenantPath(tenant)}/keys`)) as unknown as Listed;
  const all = [
    ...owned(tenant, own),
    ...keys.flatMap((key) => owned(String(key.id), key.revoked_at === null ? key.budgets : [])),
  ];
  if (options.json) return printJson(all);
  if (all.length === 0) return printLine(`${tenant} has no budget: reelay budgets set ${tenant} month 250`);
  printTable(
    ['owner', 'period', 'cap', 'spent', 'held', 'left', 'alert %'],
    all.map((budget) => [
      String(budget.owner),
      String(budget.period),
      dollars(Number(budget.cap_usd)),
      dollars(Number(budget.spent_usd)),
      dollars(Number(budget.held_usd)),
      dollars(Number(budget.left_usd)),
      budget.alert_percent === null ? '-' : Number(budget.alert_percent),
    ]),
  );
}

const owned = (owner: string, budgets: unknown): Record<string, unknown>[] =>
  Array.isArray(budgets) ? budgets.map((budget) => ({ owner, ...budget })) : [];
