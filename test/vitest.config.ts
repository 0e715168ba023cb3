import { configDefaults, defineConfig } from 'vitest/config';

/** Files that start gateways as processes of their own, or wait for clips in real time: they leave the processor idle. */
const WAITING = [
  'test/gateway/*.test.ts',
  'test/commands/{live,plan}.test.ts',
  'test/http/pack-concurrency.test.ts',
  'test/jobs/fair-queue.test.ts',
  'test/ledger/budget-processes.test.ts',
];

/** The seeds, in two halves that begin together. */
const SEEDS = ['test/simulation/{simulation,second-half}.test.ts'];

/**
 * Files that have a worker's memory to themselves: they put other modules in the place of ours, or compute for long, which
 * is slower by half in a process that has run a hundred other files before.
 */
const ALONE = [
  'test/simulation/planted.test.ts',
  'test/traffic/*.test.ts',
  'test/jobs/{every-gap,resend}.test.ts',
  'test/providers/sixth.test.ts',
];

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    // Concurrent tests wait for gateways most of the time, not for the processor.
    maxConcurrency: 20,
    testTimeout: process.env.PROPERTY_RUNS ? 3_600_000 : 30_000,
    hookTimeout: 30_000,
    setupFiles: ['test/support/properties.ts'],
    // Two at once while they compute, on the smallest machine; then one more, because many wait. Within a group projects
    // go by name: those that wait begin, and the short ones fill the gaps.
    projects: [
      { extends: true, test: { name: 'seeds', include: SEEDS, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      { extends: true, test: { name: 'alone', include: ALONE, maxWorkers: 2, sequence: { groupOrder: 1 } } },
      { extends: true, test: { name: 'own-process', include: WAITING, maxWorkers: 3, sequence: { groupOrder: 2 } } },
      {
        extends: true,
        // Loading the gateway costs half a second: once for each worker, not once for each file.
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...SEEDS, ...ALONE, ...WAITING],
          isolate: false,
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
