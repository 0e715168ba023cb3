/** The paid probe, run as a user runs it, against emulated providers: what it buys, what it refuses, what it writes. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Connection } from '../../providers/define.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { readConfig } from '../../src/config.ts';
import { present } from '../../src/ground/assert.ts';
import type { Fault } from '../../src/sandbox/faults.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { connectionOf } from '../providers/recorded.ts';
import { temporaryFolder } from '../support/temporary.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const KEY = 'not-a-real-credential-0123456789';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function live(urls: Readonly<Record<string, string>>, args: readonly string[]): Promise<Ran> {
  const accounts = PROVIDERS.flatMap(({ id, settings }) => [
    ...(settings.credentialVariables[0] ?? []).map((name) => [name, KEY]),
    [`${settings.prefix}_BASE_URL`, urls[id] ?? ''],
    // The emulator stands for every host of its provider, each under the host's own path.
    ...Object.entries(settings.hostVariables ?? {}).map(([host, variable]) => [
      variable,
      `${urls[id]}${new URL(settings.hosts[host] ?? '').pathname.replace(/\/$/, '')}`,
    ]),
  ]);
  const env = {
    PATH: process.env.PATH,
    REELAY_ALLOW_NETWORKS: '127.0.0.0/8',
    REELAY_POLL_MS: '50',
    ...Object.fromEntries(accounts),
  };
  const ran = promisify(execFile)(process.execPath, ['dist/src/cli.js', 'live', ...args], { cwd: root, env });
  return await ran.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

/** The emulated providers, in this process; stopped when the test has finished. */
async function startProviders() {
  const config = { REELAY_SANDBOX: '1', REELAY_DATA_DIR: temporaryFolder(), REELAY_SANDBOX_SECONDS: '0.1' };
  const { emulators, stop } = await startSandbox(readConfig(config));
  onTestFinished(stop);
  const emulator = (id: string) =>
    present(
      emulators.find((one) => one.id === id),
      id,
    );
  return {
    urls: Object.fromEntries(emulators.map(({ id, url }) => [id, url])),
    tasks: (id: string) => emulator(id).list(),
    orderFault: (id: string, fault: Fault) => emulator(id).faults.order({ fault }),
  };
}

describe('reelay live', () => {
  it.each(PROVIDERS.map(({ id }) => id))(
    'buys one clip from %s, saves it, and records answers that our adapter reads alike',
    async (id) => {
      const { urls, tasks } = await startProviders();
      const folder = temporaryFolder();
      const args = [id, '--yes', '--seconds', '5', '--limit', '1', '--record', join(folder, 'fixtures'), '-o', folder];
      const ran = await live(urls, [...args, '--json']);
      expect([ran.code, ran.stderr]).toEqual([0, expect.any(String)]);
      const report = JSON.parse(ran.stdout) as { file: string; facts: { durationMs: number } };
      expect(existsSync(join(root, report.file)) || existsSync(report.file)).toBe(true);
      expect(report.facts.durationMs).toBe(5_000);
      expect(tasks(id)).toHaveLength(1);

      const files = readdirSync(join(folder, 'fixtures'));
      expect(files.map((file) => file.replace(/live-\d{4}-\d\d-\d\d-/, ''))).toEqual(
        expect.arrayContaining(['poll-finished.json', 'submit-submitted.json']),
      );
      for (const file of files) {
        const text = readFileSync(join(folder, 'fixtures', file), 'utf8');
        expect(text).not.toContain(KEY);
        const { exchange, input, response, outcome } = JSON.parse(text);
        const read = connectionOf(id)[exchange as keyof Connection] as { response(a: unknown, b: unknown): object };
        expect(read.response({ body: null, ...response }, input)).toMatchObject(outcome);
      }
    },
    20_000,
  );

  it('buys nothing over its limit, without a yes, or with words it does not know', async () => {
    const { urls, tasks } = await startProviders();
    const folder = temporaryFolder();
    const [over, unasked, strange] = await Promise.all([
      live(urls, ['fal', '--yes', '--seconds', '5', '--limit', '0.10', '--record', folder, '-o', folder]),
      live(urls, ['fal', '--seconds', '5', '--record', folder, '-o', folder]),
      live(urls, ['fal', '--yes', '--seconds', '2', '--record', folder, '-o', folder]),
    ]);
    expect(over).toMatchObject({ code: 1, stderr: expect.stringMatching(/asks \$0\.\d+, over the limit of \$0\.10;/) });
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') });
    expect(strange).toMatchObject({ code: 2, stderr: expect.stringContaining('kling-v3 text_to_video takes 3 to 15') });
    expect(tasks('fal')).toEqual([]);
  }, 20_000);

  it('finds a task again whose answer was lost, and sends nothing twice', async () => {
    const { urls, tasks, orderFault } = await startProviders();
    orderFault('kling', 'lost_answer');
    const folder = temporaryFolder();
    const ran = await live(urls, ['kling', '--yes', '--seconds', '5', '--record', folder, '-o', folder]);
    expect([ran.code, ran.stdout]).toEqual([0, expect.stringContaining('saved ')]);
    expect(tasks('kling')).toHaveLength(1);
  }, 20_000);

  it('says what is known about the money when the task fails', async () => {
    const { urls, orderFault } = await startProviders();
    orderFault('atlas', 'fail');
    const folder = temporaryFolder();
    const ran = await live(urls, ['atlas', '--yes', '--seconds', '5', '--record', folder, '-o', folder]);
    expect(ran).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the task failed \(generation_failed.*charged: /),
    });
  }, 20_000);
});
