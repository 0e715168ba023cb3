import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 20;

/**
 * Looks again and again until `look` gives a value; fails when it takes too long, saying what was waited for and, as
 * `seen` tells it, how things stand then.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  withinMs = 20_000,
  seen: () => string = () => '',
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`waited ${withinMs} ms in vain for ${what} ${seen()}`);
    await sleep(LOOK_EVERY_MS);
  }
}
