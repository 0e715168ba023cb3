/** The house keeps its own style: imports run one way, files stay readable, and some words belong to one room. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Floors from the ground up; a file imports its own floor and those below. */
const FLOORS = [
  'src/ground',
  'src/pricing',
  'providers',
  'src/routing',
  'src/store',
  'src/ledger',
  'src/wire',
  'src/jobs',
  'src/http',
  'src',
];
/** The sandbox stands beside the house: it knows the ground, the providers' names, and its own configuration. */
const SANDBOX_MAY = [
  'src/sandbox',
  'src/ground',
  'providers',
  'src/config.ts',
  'src/account-config.ts',
  'src/environment.ts',
];

const LINES_MAX = 300;

/** Words that belong to one place. */
const KEPT: readonly (readonly [word: RegExp, places: readonly string[]])[] = [
  [/\bDate\.now\(/, ['src/ground/time.ts']],
  [/\bMath\.random\(/, []],
  [/\bprocess\.env\b/, ['src/environment.ts']],
  [/(?<![.\w])fetch\(/, []],
  [/from 'undici'/, ['src/wire', 'src/commands/client.ts']],
  [/\bsetTimeout\(/, ['src/ground/time.ts']],
  [/sql\.raw/, []],
  [/@ts-(ignore|expect-error|nocheck)/, []],
];

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

const files = [...filesBelow('src'), ...filesBelow('providers')].map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}));

const floorOf = (path: string): number => FLOORS.findIndex((floor) => path.startsWith(`${floor}/`));

function importsOf({ path, text }: { path: string; text: string }): string[] {
  const found = [...text.matchAll(/from '(\.{1,2}\/[^']+)'|import\('(\.{1,2}\/[^']+)'\)/g)];
  return found.map(([, a, b]) => relative(root, join(root, path, '..', a ?? b ?? '')));
}

describe('the house', () => {
  it('imports run down, never up', () => {
    const upward = files
      .filter(({ path }) => !path.startsWith('src/sandbox/'))
      .flatMap((file) =>
        importsOf(file)
          .filter((target) => floorOf(target) > floorOf(file.path))
          .map((target) => `${file.path} -> ${target}`),
      );
    expect(upward).toEqual([]);
  });

  it('the sandbox knows nothing of the gateway', () => {
    const strangers = files
      .filter(({ path }) => path.startsWith('src/sandbox/'))
      .flatMap((file) =>
        importsOf(file)
          .filter((target) => !SANDBOX_MAY.some((place) => target === place || target.startsWith(`${place}/`)))
          .map((target) => `${file.path} -> ${target}`),
      );
    expect(strangers).toEqual([]);
  });

  it('a file is read at one sitting', () => {
    const long = files
      .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });

  it.each(KEPT)('%s stays in its room', (word, places) => {
    const strays = files.filter(({ path, text }) => word.test(text) && !places.some((place) => path.startsWith(place)));
    expect(strays.map(({ path }) => path)).toEqual([]);
  });
});
