import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readConfig } from '../config.ts';
import { systemClock, utcDay } from '../ground/time.ts';
import { loadRateCards, type RateCards } from '../pricing/cards.ts';
import { comparePriceList, type Disagreement, PriceListError, readPriceList } from '../pricing/price-list.ts';
import { RateCardError } from '../pricing/rate-card.ts';
import { type CardSummary, surveyCards } from '../pricing/survey.ts';
import { Failure } from './client.ts';
import { printJson, printLine, printTable } from './print.ts';

interface Options {
  readonly against?: string;
  readonly cards?: string;
  readonly date?: string;
  readonly json?: true;
}

const CHECK_HELP = `
Without --against: loads every card, refuses one that could misprice a clip, and lists the cards with their sources.

With --against: a CSV with a head. Columns card, model, task, seconds and usd or credits; where they matter resolution,
audio and voice_control (yes, no), input, orientation, plan (the resource package), count (clips), date (of the card),
id. Other columns are let be. Each price that the cards do not confirm to the micro-dollar is printed, with the way the
card got to its own.

Exit code: 0 all well, 1 a card is faulty or a price disagrees, 2 the command was wrong.

  reelay rates check
  reelay rates check --against test/pricing/seed-prices.csv
  reelay rates check --cards ./my-rate-cards --against quotes.csv --json`;

/** `reelay rates check`: the rate cards, checked, and held against a list of prices. Needs no gateway. */
export function addRatesCommands(program: Command): void {
  const rates = program.command('rates').description('the dated rate cards');
  rates
    .command('check')
    .description('check the rate cards, or hold them against a list of prices; works offline')
    .option('--against <file>', 'a CSV of prices: print each that the cards do not confirm')
    .option('--cards <folder>', 'the folder of cards (default: those of this installation)')
    .option('--date <day>', 'the day whose cards are in force, such as 2026-11-20 (default: today)')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', CHECK_HELP)
    .action(check);
}

function check(options: Options): void {
  const day = dayOf(options.date);
  try {
    const cards = cardsOf(options.cards);
    if (options.against === undefined) showSurvey(surveyCards(cards, day, Date.parse(day)), options);
    else compareWith(options.against, cards, day, options);
  } catch (error) {
    if (!options.json || !(error instanceof RateCardError || error instanceof PriceListError)) throw told(error);
    printJson({ ok: false, fault: error.message });
    process.exitCode = 1;
  }
}

const told = (error: unknown): unknown => (error instanceof PriceListError ? new Failure(error.message) : error);

/** The day asked for, or today. Throws a Failure when it is no day. */
export function dayOf(date: string | undefined): string {
  if (date === undefined) return utcDay(systemClock.nowMs());
  const atMs = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(date) : Number.NaN;
  // A 31st of February would be taken for a day of March.
  if (!Number.isNaN(atMs) && utcDay(atMs) === date) return date;
  throw new Failure(`--date: expected a day such as 2026-11-20, got ${JSON.stringify(date)}`, 2);
}

/** The cards of the folder, or of this installation. Throws a Failure when there is no such folder. */
export function cardsOf(folder: string | undefined): RateCards {
  // The cards lie with the program, wherever the environment puts the data.
  const path = folder === undefined ? readConfig({}).rateCardsDir : resolve(folder);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new Failure(`--cards: there is no folder ${path}`, 2);
  const cards = loadRateCards(path);
  if (cards.all.length > 0) return cards;
  throw new Failure(`--cards: there are no cards in ${path}; they lie in <card>/<effective date>.yaml`);
}

function showSurvey(summaries: readonly CardSummary[], { json }: Options): void {
  const warnings = summaries.flatMap((summary) => summary.warnings);
  if (json) {
    printJson({ ok: true, cards: summaries.map(inJson), warnings });
    return;
  }
  printTable(
    ['card', 'effective', 'state', 'routes', 'kind', 'rows', 'kept', 'packs', 'age', 'source'],
    summaries.map((summary) => [
      summary.card,
      summary.effective,
      summary.state,
      summary.provider ?? '-',
      summary.kind,
      summary.rates,
      summary.references,
      summary.packages,
      `${summary.ageDays} d`,
      shortened(summary.source.document),
    ]),
  );
  for (const warning of warnings) printLine(`note: ${warning}`);
  const rows = summaries.reduce((sum, { rates }) => sum + rates, 0);
  printLine(`${summaries.length} cards with ${rows} rows: no faults`);
}

const SOURCE_CHARACTERS = 60;

const shortened = (text: string): string =>
  text.length <= SOURCE_CHARACTERS ? text : `${text.slice(0, SOURCE_CHARACTERS - 1)}…`;

const inJson = ({ ageDays, ...summary }: CardSummary): object => ({ ...summary, age_days: ageDays });

function compareWith(file: string, cards: RateCards, day: string, { json }: Options): void {
  const list = readPriceList(readText(file));
  const disagreements = comparePriceList(list, cards, day);
  const ok = disagreements.length === 0;
  if (json) printJson({ ok, prices: list.length, disagreements });
  else {
    for (const disagreement of disagreements) printLine(describe(disagreement));
    if (ok) printLine(`${list.length} prices, all as the cards have them`);
  }
  if (!ok) throw new Failure(`${disagreements.length} of ${list.length} prices disagree with the cards`);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new Failure(`--against: ${file} cannot be read (${reason})`, 2);
  }
}

/** `P009: the list says $0.85, kling-official 2026-09-20 says $0.84: kling-v3 …: 6 units x $0.14 = $0.84`. */
function describe({ id, says, finds, how, card }: Disagreement): string {
  const named = card === null ? 'no card' : `${card.id} ${card.effective}`;
  return `${id}: the list says ${says}, ${named} says ${finds ?? 'nothing'}: ${how}`;
}
