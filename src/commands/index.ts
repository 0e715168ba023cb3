import type { Command } from 'commander';

/** Adds one command to the program. */
type AddCommand = (program: Command) => void;

/**
 * Every command by its word, in the order of the help, each with the module that has it. A module is loaded when its
 * word is asked for: one that talks to a gateway starts in half the time of the gateway itself.
 */
export const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ['serve', async () => (await import('./serve.ts')).addServeCommand],
  ['create', async () => (await import('./create.ts')).addCreateCommand],
  ['quote', async () => (await import('./quote.ts')).addQuoteCommand],
  ['plan', async () => (await import('./plan.ts')).addPlanCommand],
  ['live', async () => (await import('./live.ts')).addLiveCommand],
  ['rates', async () => (await import('./rates.ts')).addRatesCommands],
  ['tenants', async () => (await import('./admin.ts')).addTenantCommands],
  ['keys', async () => (await import('./keys.ts')).addKeyCommands],
  ['budgets', async () => (await import('./budgets.ts')).addBudgetCommands],
  ['packages', async () => (await import('./packages.ts')).addPackageCommands],
  ['spend', async () => (await import('./spend.ts')).addSpendCommand],
  ['bill', async () => (await import('./spend.ts')).addBillCommand],
  ['replay', async () => (await import('./replay.ts')).addReplayCommand],
  ['audit', async () => (await import('./spend.ts')).addAuditCommand],
]);

/** Adds the command that `word` names; all of them where it names none, so that the help can show them. */
export async function addCommands(program: Command, word: string | undefined): Promise<void> {
  const asked = COMMANDS.get(word ?? '');
  for (const load of asked ? [asked] : COMMANDS.values()) (await load())(program);
}
