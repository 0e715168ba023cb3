/** The command line: `reelay <command>`. Exit codes: 0 done, 1 failed, 2 the words were wrong. */
import { Command, CommanderError } from 'commander';
import { Failure } from './commands/client.ts';
import { addCommands } from './commands/index.ts';
import { ConfigError } from './config-error.ts';
import { RateCardError } from './pricing/rate-card.ts';
import { StoreUnavailable } from './store/database.ts';

const program = new Command('reelay')
  .description(
    'A gateway for video generation: one endpoint, five providers, every dollar held before and settled after.',
  )
  .version('0.1.0')
  .exitOverride()
  .showHelpAfterError('(add --help for the words this command takes)');

// `reelay spend | head -1`: whoever reads has enough, which is no failure.
process.stdout.on('error', (error) => {
  if ('code' in error && error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await addCommands(program, process.argv[2]);
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const expected = [ConfigError, Failure, RateCardError, StoreUnavailable].some((kind) => error instanceof kind);
    process.stderr.write(`reelay: ${expected && error instanceof Error ? error.message : describe(error)}\n`);
    process.exitCode = error instanceof Failure ? error.exitCode : 1;
  }
}

/** One line for what the system refuses, with the variable to change; a trace for what is our own fault. */
function describe(error: unknown): string {
  if (error instanceof Error && 'syscall' in error) {
    const variable = error.syscall === 'listen' ? 'HOST or PORT' : 'REELAY_DATA_DIR';
    return `${error.message}. Set ${variable} otherwise, or make room for it there.`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
