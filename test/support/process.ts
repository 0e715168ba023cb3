import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { SANDBOX_KEY, type ShownVideo } from './gateway.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface GatewayProcess {
  readonly child: ChildProcess;
  readonly url: string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  create(body: Record<string, unknown>): Promise<ShownVideo>;
  /** Kills without warning, and waits until the process is gone. */
  kill(signal?: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
  /** What it wrote to standard error so far. */
  readonly errors: () => string;
}

const inherited = { PATH: process.env.PATH, HOME: process.env.HOME };

/** Starts the compiled program as users do, in a process of its own, and resolves when it listens. */
export async function spawnGateway(environment: Record<string, string>): Promise<GatewayProcess> {
  const { child, url, errors } = await spawnProgram(['dist/src/cli.js', 'serve'], {
    PORT: '0',
    REELAY_SANDBOX_SECONDS: '1',
    REELAY_POLL_MS: '100',
    REELAY_LOG_LEVEL: 'warn',
    ...environment,
  });
  const request = (path: string, init: RequestInit = {}) =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${SANDBOX_KEY}`, ...init.headers } });
  return {
    child,
    url,
    fetch: request,
    async create(body) {
      const answer = await request('/v1/videos', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: 'a red kite', ...body }),
      });
      if (answer.status !== 200) throw new Error(`create answered ${answer.status}: ${await answer.text()}`);
      return (await answer.json()) as ShownVideo;
    },
    kill: (signal = 'SIGKILL') => end(child, signal),
    errors,
  };
}

/** Starts the five emulated providers in a process of their own, so that a gateway can be killed without them. */
export async function spawnSandbox(environment: Record<string, string>): Promise<{
  readonly urls: Readonly<Record<string, string>>;
  /** The tasks that one of them was asked to make. */
  tasks(
    id: string,
  ): Promise<{ id: string; tag: string | null; request: Record<string, unknown>; fault: string | null }[]>;
  orderFault(id: string, fault: string, times?: number): Promise<void>;
}> {
  const { url } = await spawnProgram(['dist/src/sandbox/main.js'], environment);
  const urls: Record<string, string> = JSON.parse(url);
  return {
    urls,
    tasks: async (id) => (await (await fetch(`${urls[id]}/__sandbox/tasks`)).json()) as never,
    async orderFault(id, fault, times = 1) {
      await fetch(`${urls[id]}/__sandbox/faults`, { method: 'POST', body: JSON.stringify({ fault, times }) });
    },
  };
}

async function spawnProgram(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<{ child: ChildProcess; url: string; errors: () => string }> {
  const child = spawn(process.execPath, [...args], {
    cwd: root,
    env: { ...inherited, ...environment } as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  onTestFinished(async () => {
    await end(child, 'SIGKILL');
  });
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      const line = /^listening on (.+)\n/m.exec(text)?.[1];
      if (line !== undefined) resolve(line);
    });
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}: ${errors}`)));
  });
  return { child, url, errors: () => errors };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const gone = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  child.kill(signal);
  return await gone;
}
