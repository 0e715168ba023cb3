/** What the benchmarks share: a yardstick that every machine has, and medians of time and memory against it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const HEAP_BATCH = 50;
const HEAP_ROUNDS = 21;

/** A JSON document of exactly 1 KiB: objects of a few fields, then filled with text. */
export function kibibyte(): string {
  const items: object[] = [];
  const written = (filling: string): string => JSON.stringify({ items, filling });
  while (written('').length < 900) items.push({ id: items.length, name: 'kling-v3', usd: 0.42, sound: true });
  return written('x'.repeat(1_024 - written('').length));
}

/** The middle value, the upper one of two; NaN for none. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The median of `values[i] / others[i]`: figures of one round belong together, whatever else the machine does. */
export function medianRatio(values: readonly number[], others: readonly number[]): number {
  return median(values.map((value, round) => value / (others[round] ?? Number.NaN)));
}

/** Microseconds that one call takes, over `times` calls. */
export function microsecondsEach(work: () => void, times: number): number {
  const startMs = performance.now();
  for (let count = 0; count < times; count += 1) work();
  return ((performance.now() - startMs) * 1_000) / times;
}

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes of heap that one call leaves behind before anything is collected. */
export function bytesEach(work: () => void): number {
  const rounds = Array.from({ length: HEAP_ROUNDS }, () => {
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let count = 0; count < HEAP_BATCH; count += 1) work();
    return (process.memoryUsage().heapUsed - before) / HEAP_BATCH;
  });
  return median(rounds);
}

/** Writes one line of a report. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
