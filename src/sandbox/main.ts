/**
 * The emulated providers by themselves, in a process of their own: for trying a gateway against them that is configured
 * as it would be for the real ones. Prints one line: `listening on {"kling": "http://127.0.0.1:…", …}`.
 */
import { mkdirSync } from 'node:fs';
import { readConfig } from '../config.ts';
import { processEnvironment } from '../environment.ts';
import { startSandbox } from './sandbox.ts';

const config = readConfig({ ...processEnvironment(), REELAY_SANDBOX: '1' });
mkdirSync(config.dataDir, { recursive: true });
const sandbox = await startSandbox(config);
const urls = Object.fromEntries(sandbox.emulators.map((emulator) => [emulator.id, emulator.url]));
process.stdout.write(`listening on ${JSON.stringify(urls)}\n`);
process.on('SIGTERM', () => {
  sandbox.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
