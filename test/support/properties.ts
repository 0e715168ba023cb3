/**
 * How the properties are searched. In `npm test` from the same seed every time, so that a commit passes or fails once and
 * for all; far and wide by a command: `PROPERTY_RUNS=20000 PROPERTY_SEED=$RANDOM npm run properties`.
 */
import fc from 'fast-check';

const { PROPERTY_RUNS, PROPERTY_SEED } = process.env;

fc.configureGlobal({
  seed: Number(PROPERTY_SEED ?? 1),
  numRuns: Number(PROPERTY_RUNS ?? 300),
  // A long search is what is asked for; nothing may cut it short without saying so.
  ...(PROPERTY_RUNS === undefined ? {} : { markInterruptAsFailure: true }),
});
