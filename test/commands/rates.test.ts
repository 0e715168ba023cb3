/** `reelay rates check`, run as a user runs it: offline, on the shipped cards and on others, against lists of prices. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addRatesCommands } from '../../src/commands/rates.ts';
import { runHere, runReelay } from '../support/command.ts';
import { cardText, ROOT, rate } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const LIST = join(ROOT, 'test/pricing/seed-prices.csv');
const DAY = ['--date', '2026-11-21'];
const check = (...args: string[]) => runHere(addRatesCommands, ['rates', 'check', ...args]);

interface Checked {
  readonly ok: boolean;
  readonly fault?: string;
  readonly prices?: number;
  readonly warnings?: string[];
  readonly cards?: { card: string; state: string; provider: string | null; age_days: number; rates: number }[];
  readonly disagreements?: { id: string; says: string; finds: string | null; how: string; card: { id: string } }[];
}
const json = ({ stdout }: { stdout: string }): Checked => JSON.parse(stdout);

/** A folder of cards of these paths and texts. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** The shipped list with one row changed. */
function listWith(id: string, right: string, wrong: string): string {
  const rows = readFileSync(LIST, 'utf8').split('\n');
  const changed = rows.map((row) => (row.startsWith(`${id},`) ? row.replace(right, wrong) : row));
  if (changed.filter((row, index) => row !== rows[index]).length !== 1) throw new Error(`${id} has no ${right}`);
  const path = join(temporaryFolder(), 'prices.csv');
  writeFileSync(path, changed.join('\n'));
  return path;
}

describe('reelay rates check', () => {
  it('lists the shipped cards with their days, sources and rows, and warns of old ones', async () => {
    const [text, parsed] = await Promise.all([check(...DAY), check(...DAY, '--json')]);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toMatch(/gptimage2\s+│ 2026-04-08 │ in force │ -\s+│ per_second │\s+3 │\s+0 │\s+0 │ 227 d/);
    expect(text.stdout).toContain('note: the source of gptimage2 is 227 days old (2026-04-08): verify the live price');
    expect(text.stdout).toMatch(/\d+ cards with \d+ rows: no faults\n$/);
    const { ok, cards = [], warnings = [] } = json(parsed);
    expect(ok).toBe(true);
    const references = ['evolink-catalog', 'evolink-listed', 'atlas-listed', 'fal-listed', 'piapi-listed', 'gptimage2'];
    references.push('kling-per-second-2026', 'kling-credits-guide', 'portal', 'seedance-listed');
    for (const name of references) {
      expect(cards.find(({ card }) => card === name)).toMatchObject({ state: 'in force', provider: null });
    }
    const stale = cards.filter(({ age_days: age }) => age > 90).map(({ card }) => card);
    const told = warnings.filter((warning) => warning.endsWith('verify the live price'));
    expect(told.map((warning) => warning.split(' ')[3])).toEqual(stale);
    expect(warnings).toContainEqual(
      expect.stringMatching(/^portal quotes nothing until base_usd_per_second, .*filled/),
    );
  });

  it('tells which card of a name is in force, which was replaced and which comes later', async () => {
    const days = ['2026-01-01', '2026-06-01', '2026-12-01'];
    const files = days.map((effective) => [`a/${effective}.yaml`, cardText({ card: 'a', effective })]);
    const cards = folderOf(Object.fromEntries(files));
    const states = json(await check('--cards', cards, '--json', ...DAY)).cards?.map(({ state }) => state);
    expect(states).toEqual(['replaced', 'in force', 'later']);
  });

  it.each([
    ['two rows for one clip', { rates: [rate({ usd_per_second: 1 }), rate({ usd_per_second: 2 })] }, /price the same/],
    ['a price of zero', { rates: [rate({ usd_per_second: 0 })] }, /a\/2026-01-01\.yaml: rates\.0\.usd_per_second: /],
    ['no source', { source: undefined }, /a\/2026-01-01\.yaml: source: /],
  ])('fails on a card with %s, and names file and fault', async (_, change, says) => {
    const text = cardText({ card: 'a', effective: '2026-01-01', ...change });
    const cards = folderOf({ 'a/2026-01-01.yaml': text });
    const { code, stdout, stderr } = await check('--cards', cards);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/^a\/2026-01-01\.yaml: /);
  });

  it('tells the fault to programs as well', async () => {
    const cards = folderOf({ 'a/2026-01-02.yaml': cardText({ card: 'a', effective: '2026-01-01' }) });
    const { code, stdout } = await runReelay(['rates', 'check', '--cards', cards, '--json']);
    expect(code).toBe(1);
    expect(json({ stdout })).toEqual({
      ok: false,
      fault: expect.stringMatching(/2026-01-01, but is named 2026-01-02/),
    });
  });

  it.each([
    ['a folder that there is not', ['--cards', '/nowhere/at/all'], 2, /no folder \/nowhere\/at\/all/],
    ['a folder without cards', ['--cards', `${ROOT}/test/support`], 1, /no cards in .*<effective date>\.yaml/],
    ['a list that there is not', ['--against', '/nowhere.csv'], 2, /\/nowhere\.csv cannot be read \(ENOENT\)/],
    ['a list that is none', ['--against', `${ROOT}/package.json`], 1, /not CSV|no column/],
    ['a day that is none', ['--date', '2026-02-30'], 2, /expected a day such as .*got "2026-02-30"/],
    ['words it does not know', ['--fast'], 2, /unknown option/],
  ])('says what is wrong with %s', async (_, args, code, says) => {
    expect(await check(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) });
  });
});

describe('reelay rates check --against', () => {
  it('confirms all 106 printed prices from the shipped cards', async () => {
    const ran = await runReelay(['rates', 'check', '--against', LIST, ...DAY]);
    expect(ran).toEqual({ code: 0, stdout: '106 prices, all as the cards have them\n', stderr: '' });
  });

  it.each([
    ['the clips are', 'P092', ',100,125', ',101,125'],
    ['the credits are', 'P105', ',11,', ',12,'],
    ['the package is', 'P043', 'package-3', 'package-1'],
  ])('names the row in which %s wrong, and nothing else', async (_, id, right, wrong) => {
    const { code, stdout } = await check('--against', listWith(id, right, wrong), ...DAY, '--json');
    const { ok, disagreements = [] } = json({ stdout });
    expect({ code, ok, ids: disagreements.map((row) => row.id) }).toEqual({ code: 1, ok: false, ids: [id] });
  });

  it('tells what the list says, what the card says, and how it got there', async () => {
    const list = listWith('P009', '0.84', '0.85');
    const { code, stdout, stderr } = await runReelay(['rates', 'check', '--against', list, ...DAY]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'reelay: 1 of 106 prices disagree with the cards\n' });
    const how = /: kling-v3 .*720p silent, 10 s: 6 units x \$0\.14 = \$0\.84\n$/;
    expect(stdout).toMatch(how);
    expect(stdout).toMatch(/^P009: the list says \$0\.85, kling-official \d{4}-\d\d-\d\d says \$0\.84: [^\n]+\n$/);
  });

  it('reads the cards of another folder, and those of another day', async () => {
    const cards = join(temporaryFolder(), 'cards');
    cpSync(join(ROOT, 'rate-cards'), cards, { recursive: true });
    const path = join(cards, 'gptimage2', '2026-04-08.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('usd_per_second: 0.1125', 'usd_per_second: 0.1126'));
    const changed = json(await check('--against', LIST, '--cards', cards, '--json', ...DAY));
    expect(changed.disagreements?.map(({ id }) => id)).toEqual(['P075', 'P076', 'P077', 'P078']);
    const earlier = json(await check('--against', LIST, '--json', '--date', '2026-05-31'));
    const missing = (earlier.disagreements ?? []).filter(({ how }) => how.includes('in force on 2026-05-31'));
    expect(missing.map(({ id }) => id)).toContain('P047');
    expect(missing.map(({ id }) => id)).not.toContain('P001');
  });
});
