import type { Command } from 'commander';
import { readConfig } from '../config.ts';
import { processEnvironment } from '../environment.ts';
import { startGateway } from '../main.ts';

/** `reelay serve`: runs the gateway until it is told to stop. A second signal stops it at once. */
export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('run the gateway (the sandbox when no provider key is set)')
    .action(async () => {
      const config = readConfig(processEnvironment());
      const gateway = await startGateway(config);
      process.stdout.write(`listening on ${gateway.url}\n`);
      if (config.sandbox) {
        process.stderr.write(
          'sandbox: five emulated providers, tenant "sandbox", key sk-reelay-sandbox; nothing costs money\n',
        );
      }
      let stopping = false;
      const stop = (): void => {
        if (stopping) process.exit(1);
        stopping = true;
        gateway.stop().then(
          () => process.exit(0),
          (error) => {
            process.stderr.write(`reelay: could not stop well: ${error}\n`);
            process.exit(1);
          },
        );
      };
      process.on('SIGTERM', stop);
      process.on('SIGINT', stop);
    });
}
