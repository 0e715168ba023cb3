/** What the documents say is what the code does: error codes, states, variables. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PROVIDERS } from '../providers/index.ts';
import { configVariables } from '../src/config.ts';
import { ERRORS, VIDEO_FAILURES } from '../src/ground/errors.ts';
import { ATTEMPT_TRANSITIONS, JOB_TRANSITIONS } from '../src/jobs/job.ts';

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
const readme = read('README.md');
const architecture = read('src/ARCHITECTURE.md');

/** The lines between `<!-- name -->` and `<!-- /name -->`. */
function section(name: string): string {
  return new RegExp(`<!-- ${name} -->\n([\\s\\S]*?)\n?<!-- /${name} -->`).exec(readme)?.[1] ?? '';
}

describe('README', () => {
  it('lists every error code with its status and sentence', () => {
    const rows = Object.entries(ERRORS).map(
      ([code, { status, sentence }]) => `| \`${code}\` | ${status} | ${sentence} |`,
    );
    expect(section('errors')).toBe(rows.join('\n'));
  });

  it('lists every reason for which a video fails', () => {
    const rows = Object.entries(VIDEO_FAILURES).map(([code, sentence]) => `| \`${code}\` | ${sentence} |`);
    expect(section('failures')).toBe(rows.join('\n'));
  });

  it('names every variable of the configuration', () => {
    const credentials = PROVIDERS.flatMap((provider) => provider.settings.credentialVariables.flat());
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
