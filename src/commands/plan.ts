import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { PROVIDERS } from '../../providers/index.ts';
import { readConfig } from '../config.ts';
import { RESOLUTIONS } from '../ground/models.ts';
import { compareRatio, type Ratio, ratio } from '../ground/money.ts';
import { systemClock, utcDay } from '../ground/time.ts';
import { loadRateCards, type RateCards } from '../pricing/cards.ts';
import { makePlan, type PlanRules } from '../pricing/plan.ts';
import { type Clips, PlanInputError, readClips, readDistribution, wholeNumber } from '../pricing/plan-clips.ts';
import { EVEN_SHARE } from '../pricing/plan-load.ts';
import type { Shop } from '../pricing/plan-shops.ts';
import { Failure } from './client.ts';
import { planAsJson } from './plan-json.ts';
import { planAsPage } from './plan-page.ts';
import { showPlan } from './plan-show.ts';
import { printJson, printLine } from './print.ts';

interface Options {
  readonly clips?: string;
  readonly seconds?: string;
  readonly resolution?: string;
  readonly audio?: true;
  readonly model: string;
  readonly task: string;
  readonly success: string;
  readonly days: string;
  readonly takesAt?: string;
  readonly audioLater?: true;
  readonly storageUsdPerGb?: string;
  readonly generationSeconds: string;
  readonly peakShare?: string;
  readonly trialPacks: string;
  readonly volumes: string;
  readonly cards?: string;
  readonly allCards?: true;
  readonly date?: string;
  readonly json?: true;
  readonly html?: string;
}

const DAYS_MAX = 3_650;
const DAY_SECONDS = 86_400;

/** `reelay plan`: what a month of clips costs everywhere, from packs, and mixed; offline, on the rate cards. */
export function addPlanCommand(program: Command): void {
  program
    .command('plan')
    .description('reckon what a month of clips costs at each provider, from each Kling package, and mixed; offline')
    .argument('[csv]', 'clips a month as CSV: seconds,resolution,audio,count and optionally model,task ("-": stdin)')
    .option('--clips <n>', 'how many clips a month (30 days), instead of a CSV')
    .option('--seconds <n>', 'their length (default: 5)')
    .option('--resolution <r>', '720p, 1080p or 4k (default: 720p)')
    .option('--audio', 'with sound')
    .option('--model <model>', 'model, where the CSV names none', 'kling-v3')
    .option('--task <task>', 'task, where the CSV names none', 'text_to_video')
    .option('--success <share>', 'share of first takes that can be used; 0.7 means about 1.43 takes a clip', '1')
    .option('--takes-at <r>', 'draft in this resolution until a take is right, then make it once as ordered')
    .option('--audio-later', 'draft without sound; it is made with the chosen take')
    .option('--days <n>', 'how long production goes on; units left at its end expire unused', '30')
    .option('--generation-seconds <n>', 'how long a take occupies a slot', '120')
    .option('--peak-share <share>', "share of a day's takes that its busiest hour brings (default: even, 1/24)")
    .option('--storage-usd-per-gb <usd>', 'what a gigabyte kept for a month costs; adds a line for storage')
    .option('--trial-packs <n>', 'how many packs of a trial the mix may buy', '1')
    .option('--volumes <list>', 'numbers of clips for the costs at scale', '100,500,1000')
    .option('--cards <folder>', 'read rate cards from there (default: those that reelay ships)')
    .option('--all-cards', 'compare with the reference cards too; the mix never buys from them')
    .option('--date <day>', 'at the prices in force on that day, such as 2026-11-21 (default: today)')
    .option('--json', 'print the plan as JSON')
    .option('--html <file>', 'write the plan as a page with a chart, too')
    .action((csv: string | undefined, options: Options) => run(csv, options));
}

function run(csv: string | undefined, options: Options): void {
  const nowMs = options.date === undefined ? systemClock.nowMs() : dayOf(options.date);
  const day = utcDay(nowMs);
  const plan = wrongWordsFail(() => {
    const rules = rulesOf(options);
    return makePlan(clipsOf(csv, options), shopsOf(cardsIn(options), day, options), rules, nowMs);
  });
  if (options.html !== undefined) writePage(options.html, planAsPage(plan, day));
  if (options.json) printJson(planAsJson(plan, day));
  else {
    showPlan(plan, day);
    if (options.html !== undefined) printLine(`\nwrote ${options.html}`);
  }
}

function wrongWordsFail<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PlanInputError) throw new Failure(error.message, 2);
    throw error;
  }
}

function clipsOf(csv: string | undefined, options: Options): Clips[] {
  const { clips, seconds, resolution, audio, model, task } = options;
  if (csv !== undefined) {
    const given = Object.entries({ clips, seconds, resolution, audio }).find(([, value]) => value !== undefined);
    if (given) throw new Failure(`--${given[0]} and a CSV say the same thing twice: leave one of them out`, 2);
    return readDistribution(readInput(csv), csv === '-' ? 'stdin' : basename(csv), { model, task });
  }
  if (clips === undefined) {
    throw new Failure('say what to plan for: --clips 1000, or a CSV with columns seconds,resolution,audio,count', 2);
  }
  const values = {
    model,
    task,
    seconds: seconds ?? '5',
    resolution: resolution ?? '720p',
    audio: audio ? 'yes' : 'no',
    count: clips,
  };
  return [readClips({ values, at: (column) => (column === 'count' ? '--clips' : `--${column}`) })];
}

function readInput(csv: string): string {
  try {
    return readFileSync(csv === '-' ? 0 : csv, 'utf8');
  } catch (error) {
    throw new Failure(`cannot read ${csv} (${codeOf(error)}): give the path of a CSV file, or - for stdin`, 2);
  }
}

function cardsIn({ cards }: Options): RateCards {
  const folder = cards ?? readConfig({}).rateCardsDir;
  try {
    return loadRateCards(folder);
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    throw new Failure(`--cards: expected a folder of <card>/<date>.yaml, got ${JSON.stringify(folder)} (${code})`, 2);
  }
}

/** The providers with a card in force, in their order; then, when asked for, the reference cards by name. */
function shopsOf(cards: RateCards, day: string, { allCards }: Options): Shop[] {
  const providers = PROVIDERS.flatMap(({ id, capabilities, settings }): Shop[] => {
    const card = cards.ofProvider(id, day);
    return card ? [{ id, card, capabilities, slots: settings.slotsDefault }] : [];
  });
  const names = [...new Set(cards.all.filter(({ provider }) => provider === undefined).map(({ card }) => card))];
  const references = names.flatMap((id): Shop[] => {
    const card = cards.inForce(id, day);
    return card ? [{ id, card, capabilities: null, slots: null }] : [];
  });
  const shops = allCards ? [...providers, ...references] : providers;
  if (shops.length > 0) return shops;
  throw new Failure(`no rate card is in force on ${day}: choose a later --date, other --cards, or add --all-cards`, 2);
}

function rulesOf(options: Options): PlanRules {
  const { takesAt, storageUsdPerGb, peakShare } = options;
  const resolution = RESOLUTIONS.find((name) => name === takesAt?.toLowerCase());
  if (takesAt !== undefined && !resolution) throw wrong('--takes-at', RESOLUTIONS.join(', '), takesAt);
  const share = peakShare === undefined ? EVEN_SHARE : shareOf('--peak-share', peakShare);
  if (compareRatio(share, EVEN_SHARE) < 0) {
    throw wrong('--peak-share', 'at least 1/24 (0.0417), because no busiest hour brings less', peakShare ?? '');
  }
  return {
    success: shareOf('--success', options.success),
    takesAt: resolution ?? null,
    audioLater: options.audioLater === true,
    days: whole('--days', options.days, DAYS_MAX),
    generationSeconds: whole('--generation-seconds', options.generationSeconds, DAY_SECONDS),
    peakShare: share,
    trialPacksMax: whole('--trial-packs', options.trialPacks, 1_000, 0),
    storageUsdPerGb: storageUsdPerGb === undefined ? null : decimal('--storage-usd-per-gb', storageUsdPerGb),
    volumes: options.volumes.split(',').map((volume) => whole('--volumes', volume.trim(), 100_000_000)),
  };
}

function shareOf(name: string, text: string): Ratio {
  const share = decimalOf(text);
  if (share && share.n > 0n && compareRatio(share, ratio(1)) <= 0) return share;
  throw wrong(name, 'a share above 0 and at most 1, such as 0.7', text);
}

function decimal(name: string, text: string): Ratio {
  const value = decimalOf(text);
  if (value && value.n >= 0n) return value;
  throw wrong(name, 'a decimal number of at least 0, such as 0.023', text);
}

function decimalOf(text: string): Ratio | null {
  try {
    return ratio(text);
  } catch {
    return null;
  }
}

function whole(name: string, text: string, max: number, min = 1): number {
  const value = wholeNumber(text);
  if (value !== null && value >= min && value <= max) return value;
  throw wrong(name, `a whole number from ${min} to ${max}`, text);
}

function dayOf(text: string): number {
  const atMs = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs) || utcDay(atMs) !== text) throw wrong('--date', 'a day such as 2026-11-21', text);
  return atMs;
}

function writePage(file: string, page: string): void {
  try {
    writeFileSync(file, page);
  } catch (error) {
    throw new Failure(
      `--html: cannot write ${file} (${codeOf(error)}): choose a folder that exists and can be written`,
    );
  }
}

const wrong = (name: string, rule: string, value: string): Failure =>
  new Failure(`${name}: expected ${rule}, got ${JSON.stringify(value)}`, 2);

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
