import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../src/ground/time.ts';
import type { Emulator, EmulatorOptions } from '../../src/sandbox/emulator.ts';
import { klingEmulator } from '../../src/sandbox/kling.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';

/** Official Kling's emulator by itself, without a gateway; `stop` takes its tasks along. */
export async function startKlingEmulator(
  seconds: EmulatorOptions['seconds'],
  clock: Clock = systemClock,
): Promise<{ emulator: Emulator; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
  const tasks = new TaskStore(folder);
  const clipsDir = join(import.meta.dirname, '../../src/sandbox/clips');
  const emulator = klingEmulator({ tasks, clock, seconds, clipsDir });
  await emulator.start();
  return {
    emulator,
    async stop() {
      await emulator.stop();
      tasks.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
