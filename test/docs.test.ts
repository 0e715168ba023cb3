/** What the documents say is what the code does: error codes, states, variables. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PROVIDERS } from '../providers/index.ts';
import { configVariables } from '../src/config.ts';
import { ATTEMPT_TRANSITIONS, JOB_TRANSITIONS } from '../src/jobs/job.ts';
import { soldTable, withGeneratedSections } from '../src/readme.ts';

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
const readme = read('README.md');
const architecture = read('src/ARCHITECTURE.md');

describe('README', () => {
  it('tells errors, failures and what each provider can do as the data has them (npm run docs writes them)', () => {
    expect(withGeneratedSections(readme)).toBe(readme);
  });

  it('has a row for each model and task that is sold, and a column for each provider', () => {
    const rows = soldTable(PROVIDERS);
    const sold = PROVIDERS.flatMap(({ capabilities }) => capabilities.map(({ model, task }) => `${model} ${task}`));
    expect(rows).toHaveLength(2 + new Set(sold).size);
    expect(rows[0]?.split(' | ')).toHaveLength(2 + PROVIDERS.length);
  });

  it('names every variable of the configuration', () => {
    const credentials = PROVIDERS.flatMap(({ settings }) => [
      ...settings.credentialVariables.flat(),
      ...(settings.optionalVariables ?? []),
      ...Object.values(settings.hostVariables ?? {}),
    ]);
    const missing = [...configVariables, ...credentials].filter((name) => !readme.includes(`\`${name}\``));
    expect(missing).toEqual([]);
  });
});

describe('ARCHITECTURE', () => {
  it.each([
    ['jobs', JOB_TRANSITIONS],
    ['attempts', ATTEMPT_TRANSITIONS],
  ])('draws the states of %s as the table has them', (_name, table) => {
    for (const [from, to] of Object.entries(table)) {
      expect(architecture).toContain(to.length === 0 ? `| ${from} | |` : `| ${from} | ${to.join(', ')} |`);
    }
  });
});
