import type { Takes } from '../../src/pricing/capability.ts';

/** So many images and elements together, as one row for each way to divide them. */
export function together(max: number, takes: Takes, elementsMax = max): Takes[] {
  const splits = Array.from({ length: Math.min(max, elementsMax) + 1 }, (_, elements) => elements);
  return splits.map((elements) => ({ ...takes, elements, references: max - elements }));
}
