import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    maxWorkers: 2,
    // Concurrent tests wait for gateways most of the time, not for the processor.
    maxConcurrency: 20,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
