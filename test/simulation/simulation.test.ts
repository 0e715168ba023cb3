/**
 * The promise that nothing is bought twice, lost, leaked or overrun, on seeded chance: real worker, ledger and SQLite, on
 * a virtual clock and providers that lose answers, fail, vanish and lie, while processes are killed and frozen.
 *
 * What a seed draws changes with the driver: a seed that breaks something becomes a story of its own in test/jobs.
 *
 * `npm run simulate` runs as many seeds as SIMULATION_SEEDS says, from SIMULATION_FIRST on.
 */
import { describe, expect, it } from 'vitest';
import { simulate } from './run.ts';

const SEEDS = Number(process.env.SIMULATION_SEEDS ?? 2_000);
const FIRST = Number(process.env.SIMULATION_FIRST ?? 1);
/** A long run tells how far it is, and goes on past a broken seed, so that one night shows more than one. */
const SAY_EVERY = 2_500;
const BROKEN_MAX = 20;

describe('the simulation', () => {
  it('a seed does the same every time', async () => {
    expect(await simulate(7)).toEqual(await simulate(7));
  });

  it(`${SEEDS} seeds from ${FIRST} on break nothing`, { timeout: 24 * 3_600_000 }, async () => {
    const sum = { jobs: 0, tasks: 0, kills: 0, steps: 0 };
    const broken: string[] = [];
    for (let seed = FIRST; seed < FIRST + SEEDS && broken.length < BROKEN_MAX; seed += 1) {
      const { faults, jobs, tasks, kills, steps } = await simulate(seed);
      for (const fault of faults) broken.push(`${fault}: SIMULATION_FIRST=${seed} SIMULATION_SEEDS=1 npm run simulate`);
      sum.jobs += jobs;
      sum.tasks += tasks;
      sum.kills += kills;
      sum.steps += steps;
      const done = seed - FIRST + 1;
      if (done % SAY_EVERY === 0) process.stdout.write(`${done} of ${SEEDS} seeds, ${broken.length} faults\n`);
    }
    expect(broken).toEqual([]);
    // A simulation in which nothing happens proves nothing.
    if (SEEDS >= 100) {
      expect(sum.jobs).toBeGreaterThan(SEEDS);
      expect(sum.kills).toBeGreaterThan(SEEDS / 4);
    }
    if (SEEDS !== 2_000) process.stdout.write(`${SEEDS} seeds: ${JSON.stringify(sum)}\n`);
  });
});
