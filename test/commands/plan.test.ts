/**
 * `reelay plan` as a user runs it, offline, on the cards that are shipped: the documents' figures in what it prints, in
 * its JSON and on its page; and, for words it cannot use, exit code 2 with the place, the value and the rule.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addPlanCommand } from '../../src/commands/plan.ts';
import { chromiumPath, openChromium } from '../support/chromium.ts';
import { type Ran, runHere } from '../support/command.ts';
import { cardText, ROOT, rate } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const DAY = ['--date', '2026-11-21'];

/** Runs the command; in this process, unless it gets an input. */
async function reelay(args: readonly string[], input?: string): Promise<Ran> {
  return input === undefined ? await runHere(addPlanCommand, ['plan', ...args]) : await reelayAlone(args, input);
}

/** Runs the compiled command with nothing in its environment but where programs are. */
function reelayAlone(args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH };
    const command = ['dist/src/cli.js', 'plan', ...args];
    const child = execFile(process.execPath, command, { cwd: ROOT, env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}

// biome-ignore lint/suspicious/noExplicitAny: the JSON is read as a foreign program would read it
async function planned(args: readonly string[], input?: string): Promise<any> {
  const { code, stdout, stderr } = await reelay([...args, ...DAY, '--json'], input);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

function csv(text: string): string {
  const file = join(temporaryFolder(), 'clips.csv');
  writeFileSync(file, text);
  return file;
}

interface BreakEven {
  readonly package: string;
  readonly against: string;
  readonly clips: number | 'never' | null;
  readonly seconds: number | 'never' | null;
}

const LONG_LOUD = ['--seconds', '10', '--resolution', '1080p', '--audio', '--all-cards'];

describe('reelay plan', () => {
  it('prints the costs of 100, 500 and 1,000 clips at 1080p with audio as the documents do', async () => {
    const [v3, o3] = await Promise.all([
      reelayAlone(['--clips', '1000', ...LONG_LOUD, ...DAY]),
      reelayAlone(['--clips', '1000', ...LONG_LOUD, '--model', 'kling-o3', ...DAY]),
    ]);
    expect([v3.code, v3.stderr, o3.code, o3.stderr]).toEqual([0, '', 0, '']);
    expect(v3.stdout).toMatch(/kling-per-second-2026 .*\$150\.00 .*\$750\.00 .*\$1,500\.00/);
    expect(o3.stdout).toMatch(/kling-per-second-2026 .*\$125\.00 .*\$625\.00 .*\$1,250\.00/);
  });

  it('tells from which volume packs pay against the listed rates, and where never', async () => {
    const args = ['--clips', '1000', '--task', 'image_to_video', '--all-cards'];
    const found: BreakEven[] = (await planned(args)).break_even;
    const of = (id: string, against: string) => found.find((each) => each.package === id && each.against === against);
    expect(of('trial-s', 'atlas-listed')).toMatchObject({ clips: 28, packs: 1, reached: true });
    expect(of('package-1', 'piapi-listed')).toMatchObject({ clips: 1_400, seconds: 7_000, packs: 1, reached: false });
    for (const id of ['package-1', 'package-2', 'package-3', 'package-4']) {
      expect(of(id, 'atlas-listed')).toMatchObject({ clips: 'never', reason: expect.any(String) });
    }
    const { stdout } = await reelay([...args, ...DAY]);
    expect(stdout).toMatch(/atlas-listed +│ 28 \* +│ 277 \* +│ never +│ never +│ never +│ never/);
    expect(stdout).toMatch(/piapi-listed +│ 20 \* +│ 196 \* +│ 1,400 /);
    expect(stdout).toMatch(/│ 7,000 s/);
  });

  it('reckons rerolls, packs, waste, concurrency and storage together', async () => {
    const rules = ['--success', '0.7', '--peak-share', '0.25', '--generation-seconds', '180'];
    const plan = await planned(['--clips', '700', '--storage-usd-per-gb', '0.02', ...rules]);
    expect(plan).toMatchObject({ clips_per_month: 700, takes_per_clip: 1.428571, takes_per_month: 1_000, days: 30 });
    const packages: { id: string }[] = plan.packages;
    expect(packages.map(({ id }) => id)).toEqual([
      'trial-s',
      'trial-l',
      'package-1',
      'package-2',
      'package-3',
      'package-4',
    ]);
    expect(packages[2]).toMatchObject({
      packs: 1,
      units_needed: 3_000,
      units_bought: 5_000,
      units_expiring: 2_000,
      usd_per_month: 700,
      usd_wasted_per_month: 280,
      usd_per_month_going_on: 420,
      concurrent_tasks: 20,
      carries_peak: true,
    });
    // 1,000 takes a month, a quarter of a day's in one hour, 180 s each: 0.42 at once.
    expect(plan.concurrency).toMatchObject({ needed: 1, peak: 0.416667 });
    // 5,000 s at 5 Mbit/s.
    expect(plan.storage).toEqual({ gigabytes_per_month: 3.125, usd_per_month: 0.0625 });
    expect(plan.warnings[0]).toBe('trial-s: a pack of 100 units cannot carry more than 5 at once, nor past 30 days');
    const shares: { count: number }[] = plan.mix.shares;
    expect(shares.reduce((sum, { count }) => sum + count, 0)).toBeCloseTo(1_000, 3);
    const sold = (plan.providers as { usd_per_month: number | null }[]).flatMap((each) => each.usd_per_month ?? []);
    expect(plan.mix.usd_per_month).toBeLessThanOrEqual(Math.min(...sold));
  });

  it('reads a distribution from a file or from its input, and drafts as it is told', async () => {
    const text =
      'seconds,resolution,audio,count,model,task\n5,720p,no,300,,\n10,1080p,yes,100,kling-v3,image_to_video\n';
    const drafts = ['--takes-at', '720p', '--audio-later', '--success', '0.5'];
    const fromFile = await planned([csv(text), ...drafts]);
    expect(fromFile).toEqual(await planned(['-', ...drafts], text));
    expect(fromFile.takes).toMatchObject([
      { stage: 'take', resolution: '720p', count: 600 },
      { stage: 'draft', resolution: '720p', audio: false, count: 200, task: 'image_to_video' },
      { stage: 'production', resolution: '1080p', audio: true, count: 100 },
    ]);
    const advice: { id: string; chosen: boolean }[] = fromFile.advice;
    expect(advice.filter(({ chosen }) => chosen)).toMatchObject([{ id: 'drafts_720p_audio_later' }]);
  });

  it('draws a chart that fits 80 columns, longest where it costs most', async () => {
    const { stdout } = await reelay(['--clips', '1000', '--all-cards', ...DAY]);
    const bars = stdout.split('\n').filter((line) => /[█▏▎▍▌▋▊▉]/.test(line));
    expect(bars.length).toBeGreaterThan(8);
    expect(Math.max(...bars.map((line) => [...line].length))).toBeLessThanOrEqual(80);
    const length = (name: string) =>
      [...(bars.find((line) => line.startsWith(name)) ?? '')].filter((c) => c === '█').length;
    expect(length('kling package-4')).toBeGreaterThan(length('kling package-1'));
    expect(length('kling package-1')).toBeGreaterThan(length('atlas '));
    expect(stdout).not.toContain('\u001b[');
  });

  it('writes a page that loads nothing and shows every bar', async () => {
    const file = join(temporaryFolder(), 'plan.html');
    const { code, stdout } = await reelay(['--clips', '1000', '--html', file, '--all-cards', ...DAY]);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`wrote ${file}`)]);
    const page = readFileSync(file, 'utf8');
    expect(page).toMatch(
      /<svg [\s\S]*<rect class="mix"[\s\S]*<rect class="package"[\s\S]*<rect class="waste"[\s\S]*<\/svg>/,
    );
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page).not.toMatch(/https?:|src=|href=|<script|@import|url\((?!#)/);
  });

  it.skipIf(chromiumPath === null)('draws the bars within the page, in light and in dark', async () => {
    const file = join(temporaryFolder(), 'plan.html');
    await reelay(['--clips', '1000', '--html', file, '--all-cards', ...DAY]);
    const browser = await openChromium();
    try {
      const page = await browser.newPage({ viewport: { width: 900, height: 800 } });
      const asked: string[] = [];
      page.on('request', (request) => asked.push(request.url()));
      const grounds: string[] = [];
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.goto(`file://${file}`);
        grounds.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
        const box = await page.locator('svg').boundingBox();
        const marks = await page.locator('svg rect.provider, svg text').all();
        for (const mark of marks) {
          const drawn = await mark.boundingBox();
          expect((drawn?.x ?? -1) >= (box?.x ?? 0)).toBe(true);
          expect((drawn?.x ?? 0) + (drawn?.width ?? 0)).toBeLessThanOrEqual((box?.x ?? 0) + (box?.width ?? 0) + 1);
        }
        expect(marks.length).toBeGreaterThan(20);
      }
      expect(new Set(grounds).size).toBe(2);
      expect(new Set(asked)).toEqual(new Set([`file://${file}`]));
    } finally {
      await browser.close();
    }
  });

  it('reckons with the cards of another folder, and with those of another day', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'test-card'));
    const own = cardText({ provider: 'atlas', rates: [rate({ usd_per_second: 0.02 })] });
    writeFileSync(join(folder, 'test-card', '2026-11-01.yaml'), own);
    const plan = await planned(['--clips', '100', '--cards', folder]);
    expect(plan.providers).toMatchObject([{ id: 'atlas', usd_per_month: 10, card: { id: 'test-card' } }]);
    expect(plan.mix).toMatchObject({ package: null, usd_per_month: 10 });
    const early = await reelay(['--clips', '100', '--cards', folder, '--date', '2026-10-31']);
    expect(early).toMatchObject({ code: 2, stderr: expect.stringMatching(/no rate card is in force on 2026-10-31/) });
  });

  it.each([
    [[], /say what to plan for: --clips 1000, or a CSV/],
    [['--clips', 'many'], /--clips: expected a whole number of clips a month from 1 to 100000000, got "many"/],
    [['--clips', '5', '--seconds', '2'], /--seconds: expected 3 to 15 whole seconds for kling-v3 .* got "2"/],
    [['--clips', '5', '--resolution', '8k'], /--resolution: expected 720p or 1080p or 4k .* got "8k"/],
    [['--clips', '5', '--model', 'sora-9'], /--model: expected one of kling-v4.* got "sora-9"/],
    [['--clips', '5', '--success', '0'], /--success: expected a share above 0 and at most 1.* got "0"/],
    [['--clips', '5', '--success', '70%'], /--success: .* got "70%"/],
    [['--clips', '5', '--days', '0'], /--days: expected a whole number from 1 to 3650, got "0"/],
    [['--clips', '5', '--peak-share', '0.01'], /--peak-share: expected at least 1\/24 .* got "0\.01"/],
    [['--clips', '5', '--takes-at', '480p'], /--takes-at: expected 720p, 1080p, 4k, got "480p"/],
    [['--clips', '5', '--storage-usd-per-gb', '-1'], /--storage-usd-per-gb: .* got "-1"/],
    [['--clips', '5', '--volumes', '100,few'], /--volumes: .* got "few"/],
    [['--clips', '5', '--date', '2026-02-30'], /--date: expected a day such as 2026-11-21, got "2026-02-30"/],
    [['--clips', '5', '--cards', '/nowhere'], /--cards: expected a folder .* got "\/nowhere" \(ENOENT\)/],
    [['/nowhere.csv'], /cannot read \/nowhere\.csv \(ENOENT\)/],
    [['-', '--clips', '5'], /--clips and a CSV say the same thing twice/],
    [['--clips'], /argument missing/],
  ])('refuses %j with exit code 2', async (args, says) => {
    const ran = await reelay(args);
    expect([ran.code, ran.stdout]).toEqual([2, '']);
    expect(ran.stderr).toMatch(says);
  });

  it('refuses an empty input with exit code 2', async () => {
    expect(await reelay(['-'], '')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^reelay: stdin: is empty/),
    });
  });

  it('names line, column, value and rule of a distribution that it cannot use', async () => {
    const ran = await reelayAlone([csv('seconds,resolution,audio,count\n5,720p,no,10\n5,720p,perhaps,10\n'), ...DAY]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toBe('reelay: clips.csv line 3, column audio: expected yes or no, got "perhaps"\n');
  });

  it('says why a page cannot be written', async () => {
    const ran = await reelay(['--clips', '5', '--html', '/nowhere/plan.html', ...DAY]);
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringMatching(/--html: cannot write .* \(ENOENT\)/) });
  });
});
