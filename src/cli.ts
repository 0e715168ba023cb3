/** The command line: `reelay <command>`. Exit codes: 0 done, 1 failed, 2 the words were wrong. */
import { Command, CommanderError } from 'commander';
import { addTenantCommands } from './commands/admin.ts';
import { addBudgetCommands } from './commands/budgets.ts';
import { Failure } from './commands/client.ts';
import { addCreateCommand } from './commands/create.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addLiveCommand } from './commands/live.ts';
import { addPackageCommands } from './commands/packages.ts';
import { addPlanCommand } from './commands/plan.ts';
import { addQuoteCommand } from './commands/quote.ts';
import { addRatesCommands } from './commands/rates.ts';
import { addReplayCommand } from './commands/replay.ts';
import { addServeCommand } from './commands/serve.ts';
import { addAuditCommand, addBillCommand, addSpendCommand } from './commands/spend.ts';
import { ConfigError } from './config.ts';
import { RateCardError } from './pricing/rate-card.ts';
import { StoreUnavailable } from './store/database.ts';

const program = new Command('reelay')
  .description(
    'A gateway for video generation: one endpoint, five providers, every dollar held before and settled after.',
  )
  .version('0.1.0')
  .exitOverride()
  .showHelpAfterError('(add --help for the words this command takes)');

addServeCommand(program);
addCreateCommand(program);
addQuoteCommand(program);
addPlanCommand(program);
addLiveCommand(program);
addRatesCommands(program);
addTenantCommands(program);
addKeyCommands(program);
addBudgetCommands(program);
addPackageCommands(program);
addSpendCommand(program);
addBillCommand(program);
addReplayCommand(program);
addAuditCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const expected = [ConfigError, Failure, RateCardError, StoreUnavailable].some((kind) => error instanceof kind);
    process.stderr.write(`reelay: ${expected && error instanceof Error ? error.message : describe(error)}\n`);
    process.exitCode = error instanceof Failure ? error.exitCode : 1;
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
