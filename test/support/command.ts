import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command, CommanderError } from 'commander';
import { vi } from 'vitest';
import { Failure } from '../../src/commands/client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Ran {
  /** 0 done, 1 failed, 2 the words were wrong. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the compiled `reelay` as a user does, in a process of its own and with no environment but `environment`. */
export async function runReelay(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const env = { PATH: process.env.PATH, ...environment };
  const ran = promisify(execFile)(process.execPath, ['dist/src/cli.js', ...args], { cwd: root, env });
  return await ran.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: Ran) => ({ code, stdout, stderr }),
  );
}

/** Runs one command in this process, which takes milliseconds; a process of its own takes half a second. */
export async function runHere(add: (program: Command) => void, args: readonly string[]): Promise<Ran> {
  const program = new Command('reelay').exitOverride().configureOutput({ writeErr: () => {} });
  add(program);
  let stdout = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text;
    return true;
  });
  const codeBefore = process.exitCode;
  try {
    await program.parseAsync([...args], { from: 'user' });
    return { code: Number(process.exitCode ?? 0), stdout, stderr: '' };
  } catch (error) {
    const words = error instanceof CommanderError || (error instanceof Failure && error.exitCode === 2);
    return { code: words ? 2 : 1, stdout, stderr: error instanceof Error ? error.message : String(error) };
  } finally {
    process.exitCode = codeBefore;
    write.mockRestore();
  }
}
