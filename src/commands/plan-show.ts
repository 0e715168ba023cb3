import { formatUsd, micros } from '../ground/money.ts';
import type { Plan } from '../pricing/plan.ts';
import { isPrepaid } from '../pricing/plan-shops.ts';
import {
  adviceRow,
  type Bar,
  barsOf,
  breakEvenSeconds,
  breakEvenWords,
  cents,
  figure,
  grouped,
  LIST_NOTE,
  listPriceNote,
  mixLines,
  mixNotes,
  PACKAGES_NOTE,
  REACHED_NOTE,
  reasonOf,
  summaryOf,
} from './plan-words.ts';
import { printLine, printTable } from './print.ts';

/** Writes the plan for people: what is planned, what it costs where, the mix, the chart, and what to mind. */
export function showPlan(plan: Plan, day: string): void {
  for (const line of summaryOf(plan)) printLine(line);
  showShops(plan, day);
  showPackages(plan);
  showMix(plan);
  showBreakEven(plan);
  showAdvice(plan);
  printLine('\nA month, in dollars');
  for (const line of chart(barsOf(plan))) printLine(line);
  for (const warning of plan.warnings) printLine(`note: ${warning}`);
}

function showShops({ shops, rules }: Plan, day: string): void {
  printLine(`\nAt the prices of ${day}`);
  const volumes = rules.volumes.map((volume) => `${grouped(volume)} clips`);
  printTable(
    ['provider', 'a month', 'a clip', ...volumes],
    shops
      .filter(({ usdPerMonth }) => usdPerMonth !== null)
      .map(({ shop, usdPerMonth, usdPerClip, usdAtVolumes }) => [
        shop.id + listPriceNote(shop),
        usdPerMonth === null ? '-' : cents(usdPerMonth),
        usdPerClip === null ? '-' : formatUsd(usdPerClip),
        ...(usdAtVolumes ?? []).map(cents),
      ]),
  );
  if (shops.some(({ shop }) => isPrepaid(shop))) printLine(LIST_NOTE);
  for (const cost of shops) if (cost.reason !== null) printLine(reasonOf(cost));
}

function showPackages({ packages, rules }: Plan): void {
  if (packages.length === 0) return;
  printLine(`\nEverything from one kind of pack, for ${grouped(rules.days)} days`);
  printTable(
    ['package', 'packs', 'needed', 'expire', 'a month', 'going on', 'at once'],
    packages.map((outlook) => [
      outlook.id,
      grouped(outlook.packs),
      figure(outlook.unitsNeeded),
      figure(outlook.unitsExpiring),
      cents(outlook.usdPerMonth),
      cents(outlook.usdPerMonthGoingOn),
      `${outlook.concurrentTasks}${outlook.carriesPeak ? '' : ' too few'}`,
    ]),
  );
  printLine(`In units. ${PACKAGES_NOTE}`);
}

function showMix(plan: Plan): void {
  const { mix, rules } = plan;
  if ('reason' in mix) {
    printLine(`\nNo mix: ${mix.reason}`);
    return;
  }
  printLine(`\nThe cheapest mix: ${cents(mix.usdPerMonth)} a month`);
  for (const line of mixLines(mix, rules.days)) printLine(`  ${line}`);
  for (const line of mixNotes(plan)) printLine(line);
}

function showBreakEven({ breakEven }: Plan): void {
  const packages = [...new Set(breakEven.map(({ packageId }) => packageId))];
  const shops = [...new Set(breakEven.filter(({ kind }) => kind !== 'unknown').map(({ shop }) => shop))];
  if (shops.length === 0) return;
  printLine('\nFrom how many takes, and seconds of video, a pack costs no more than by the clip');
  const cells = (shop: string) =>
    packages.map((id) => {
      const found = breakEven.find((each) => each.packageId === id && each.shop === shop);
      return [breakEvenWords(found), breakEvenSeconds(found)].filter(Boolean).join('\n');
    });
  printTable(
    ['against', ...packages],
    shops.map((shop) => [shop, ...cells(shop)]),
  );
  if (breakEven.some((found) => found.kind === 'volume' && found.reached)) printLine(REACHED_NOTE);
}

function showAdvice({ advice }: Plan): void {
  if (advice.length < 2) return;
  printLine('\nOther ways of working, each at its cheapest mix');
  printTable(['way', 'a month', ''], advice.map(adviceRow));
}

/** Widths that fit 80 columns: the label, the amount and two spaces leave the bar what remains. */
const COLUMNS = 80;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** One line for each bar, no wider than 80 columns: the label, a bar to an eighth of a block, the amount. */
export function chart(bars: readonly Bar[]): string[] {
  const label = Math.max(0, ...bars.map((bar) => bar.label.length));
  const amount = Math.max(0, ...bars.map((bar) => cents(bar.usd).length));
  const room = Math.max(8, COLUMNS - label - amount - 2);
  const largest = bars.reduce((most, { usd }) => (usd > most ? usd : most), micros(1n));
  return bars.map((bar) => {
    const eighths = Number((bar.usd * BigInt(room * 8)) / largest);
    const drawn = '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
    return `${bar.label.padEnd(label)} ${drawn.padEnd(room)} ${cents(bar.usd).padStart(amount)}`;
  });
}
