// Makes a checkout ready to run: installs what the lockfile names, compiles what changed. Plain JavaScript, because it
// runs before anything is installed. `npm start`, `npm test` and the `reelay` executable all begin here.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const inRoot = (...parts) => join(root, ...parts);
const changedAtMs = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

/** The latest change among the files below `folder` whose name ends in `.ts`; 0 when there are none. */
function newestSourceMs(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestSourceMs(path));
    else if (entry.name.endsWith('.ts')) newest = Math.max(newest, changedAtMs(path));
  }
  return newest;
}

function run(what, command, args) {
  process.stderr.write(`reelay: ${what}\n`);
  // The children's output goes to stderr: stdout belongs to the command that was asked for.
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (done.status !== 0) {
    process.stderr.write(`reelay: "${command} ${args.join(' ')}" failed, see above\n`);
    process.exit(1);
  }
}

/** Brings node_modules and dist up to date with the checkout; does nothing, in a few milliseconds, when they are. */
export function ready() {
  const installed = changedAtMs(inRoot('node_modules', '.package-lock.json'));
  if (installed < changedAtMs(inRoot('package-lock.json'))) {
    run('installing dependencies (once; compiling the SQLite binding takes about a minute)', 'npm', [
      'ci',
      '--no-audit',
      '--no-fund',
    ]);
  }
  const stamp = inRoot('dist', '.built');
  const sources = Math.max(newestSourceMs(inRoot('src')), newestSourceMs(inRoot('providers')));
  if (changedAtMs(stamp) < Math.max(sources, changedAtMs(inRoot('tsconfig.json')))) {
    const compiler = inRoot('node_modules', 'typescript', 'bin', 'tsc');
    run('compiling', process.execPath, [compiler, '-p', inRoot('tsconfig.json')]);
    writeFileSync(stamp, '');
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) ready();
