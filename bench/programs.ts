/** Programs that a benchmark starts beside itself, each in a process of its own, and ends again. */
import { spawn } from 'node:child_process';

export interface Program {
  /** What it said it listens on. */
  readonly address: string;
  end(): Promise<void>;
}

/** Starts Node in `folder` and resolves when the program has printed `listening on …`; rejects when it ends before. */
export async function start(
  folder: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const child = spawn(process.execPath, [...args], {
    cwd: folder,
    env: { NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const address = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const found = /^listening on (.+)\n/m.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code} before it listened`)));
  });
  return {
    address,
    end: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
