import { expect } from 'vitest';
import { simulate } from './run.ts';

/** A long run tells how far it is, and goes on past a broken seed, so that one night shows more than one. */
const SAY_EVERY = 2_500;
const BROKEN_MAX = 20;

/** Runs so many seeds one after another; fails with every fault found and the command that shows it again. */
export async function expectUnbroken(first: number, count: number): Promise<void> {
  const sum = { jobs: 0, tasks: 0, kills: 0, steps: 0 };
  const broken: string[] = [];
  for (let seed = first; seed < first + count && broken.length < BROKEN_MAX; seed += 1) {
    const { faults, jobs, tasks, kills, steps } = await simulate(seed);
    for (const fault of faults) broken.push(`${fault}: SIMULATION_FIRST=${seed} SIMULATION_SEEDS=1 npm run simulate`);
    sum.jobs += jobs;
    sum.tasks += tasks;
    sum.kills += kills;
    sum.steps += steps;
    const done = seed - first + 1;
    if (done % SAY_EVERY === 0) process.stdout.write(`${done} of ${count} seeds, ${broken.length} faults\n`);
  }
  expect(broken).toEqual([]);
  // A simulation in which nothing happens proves nothing.
  if (count >= 100) {
    expect(sum.jobs).toBeGreaterThan(count);
    expect(sum.kills).toBeGreaterThan(count / 4);
  }
  if (count >= SAY_EVERY) process.stdout.write(`${count} seeds: ${JSON.stringify(sum)}\n`);
}
