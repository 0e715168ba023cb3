import { configDefaults, defineConfig } from 'vitest/config';

/**
 * Files that have a worker's memory to themselves: they put other modules in the place of ours, or compute for long, which
 * is slower by half in a process that has run a hundred other files before.
 */
const ALONE = [
  'test/simulation/*.test.ts',
  'test/traffic/*.test.ts',
  'test/jobs/{every-gap,resend}.test.ts',
  'test/providers/sixth.test.ts',
];

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    maxWorkers: 2,
    // Concurrent tests wait for gateways most of the time, not for the processor.
    maxConcurrency: 20,
    testTimeout: process.env.PROPERTY_RUNS ? 3_600_000 : 30_000,
    hookTimeout: 30_000,
    setupFiles: ['test/support/properties.ts'],
    projects: [
      {
        extends: true,
        // Loading the gateway costs half a second: once for each worker, not once for each file.
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: ALONE } },
    ],
  },
});
