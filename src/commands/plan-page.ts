import { formatUsd } from '../ground/money.ts';
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
  summaryOf,
} from './plan-words.ts';

/** The plan as one page: a drawn chart and the tables, light and dark, with nothing to load from anywhere. */
export function planAsPage(plan: Plan, day: string): string {
  const { mix } = plan;
  const best = 'reason' in mix ? `No mix: ${mix.reason}` : `Cheapest mix: ${cents(mix.usdPerMonth)} a month`;
  const lines = 'reason' in mix ? [] : [...mixLines(mix, plan.rules.days), ...mixNotes(plan)];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>reelay plan, ${safe(day)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${safe(best)}</h1>
<p>${summaryOf(plan).map(safe).join('<br>')}<br>Prices of ${safe(day)}.</p>
${list(lines)}
<h2>A month, in dollars</h2>
${drawing(barsOf(plan))}
${shopTable(plan)}
${packageTable(plan)}
${breakEvenTable(plan)}
${adviceTable(plan)}
${plan.warnings.length === 0 ? '' : `<h2>To mind</h2>\n${list(plan.warnings)}`}
</main>
</body>
</html>
`;
}

function shopTable({ shops, rules }: Plan): string {
  const head = ['provider', 'a month', 'a clip', ...rules.volumes.map((volume) => `${grouped(volume)} clips`), 'slots'];
  const rows = shops.map(({ shop, usdPerMonth, usdPerClip, usdAtVolumes, reason, carriesPeak }) => {
    const name = shop.id + listPriceNote(shop);
    if (usdPerMonth === null || usdPerClip === null) return [name, { wide: reason ?? '', columns: head.length - 1 }];
    const slots = shop.slots === null ? '-' : `${shop.slots}${carriesPeak === false ? ' too few' : ''}`;
    return [name, cents(usdPerMonth), formatUsd(usdPerClip), ...(usdAtVolumes ?? []).map(cents), slots];
  });
  const note = shops.some(({ shop }) => isPrepaid(shop)) ? `\n<p>${safe(LIST_NOTE)}</p>` : '';
  return `<h2>Paying by the clip</h2>\n${table(head, rows)}${note}`;
}

function packageTable({ packages, rules }: Plan): string {
  if (packages.length === 0) return '';
  const head = ['package', 'packs', 'units needed', 'expire', 'a month', 'wasted', 'going on', 'at once'];
  const rows = packages.map((outlook) => [
    outlook.id,
    grouped(outlook.packs),
    figure(outlook.unitsNeeded),
    figure(outlook.unitsExpiring),
    cents(outlook.usdPerMonth),
    cents(outlook.usdWastedPerMonth),
    cents(outlook.usdPerMonthGoingOn),
    `${outlook.concurrentTasks}${outlook.carriesPeak ? '' : ' too few'}`,
  ]);
  return `<h2>Everything from one kind of pack, for ${grouped(rules.days)} days</h2>
${table(head, rows)}
<p>${safe(PACKAGES_NOTE)}</p>`;
}

function breakEvenTable({ breakEven }: Plan): string {
  const packages = [...new Set(breakEven.map(({ packageId }) => packageId))];
  const shops = [...new Set(breakEven.filter(({ kind }) => kind !== 'unknown').map(({ shop }) => shop))];
  if (shops.length === 0) return '';
  const rows = shops.map((shop) => [
    shop,
    ...packages.map((id) => {
      const found = breakEven.find((each) => each.packageId === id && each.shop === shop);
      return [breakEvenWords(found), breakEvenSeconds(found)].filter(Boolean).join(' / ');
    }),
  ]);
  const reached = breakEven.some((found) => found.kind === 'volume' && found.reached);
  return `<h2>From how many takes a pack costs no more than by the clip</h2>
${table(['against', ...packages], rows)}${reached ? `\n<p>${safe(REACHED_NOTE)}</p>` : ''}`;
}

function adviceTable({ advice }: Plan): string {
  if (advice.length < 2) return '';
  return `<h2>Other ways of working</h2>\n${table(['way', 'a month', 'drafting'], advice.map(adviceRow))}`;
}

type Cell = string | { readonly wide: string; readonly columns: number };

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cell = (value: Cell) =>
    typeof value === 'string'
      ? `<td>${safe(value)}</td>`
      : `<td class="wide" colspan="${value.columns}">${safe(value.wide)}</td>`;
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n');
  const names = head.map((name) => `<th scope="col">${safe(name)}</th>`).join('');
  return `<div class="scroll"><table><thead><tr>${names}</tr></thead>\n<tbody>${body}</tbody></table></div>`;
}

const list = (lines: readonly string[]): string =>
  lines.length === 0 ? '' : `<ul>${lines.map((line) => `<li>${safe(line)}</li>`).join('')}</ul>`;

/** Places in the drawing, in its own units: labels to the left, amounts to the right of the bars. */
const WIDTH = 920;
const LEFT = 190;
const RIGHT = 120;
const STEP = 34;
const THICK = 20;

/** Horizontal bars; of a pack, the part that pays for units nobody uses is hatched. */
function drawing(bars: readonly Bar[]): string {
  const room = WIDTH - LEFT - RIGHT;
  const largest = bars.reduce((most, { usd }) => (usd > most ? usd : most), 1n);
  // Thousandths of the drawing's unit are finer than a screen; money itself is not reckoned here.
  const long = (amount: bigint) => Number((amount * BigInt(room * 1_000)) / largest) / 1_000;
  const drawn = bars.map((bar, index) => {
    const top = index * STEP + 8;
    const middle = top + THICK / 2;
    const used = long(bar.usd - (bar.wasted ?? 0n));
    const whole = long(bar.usd);
    const waste =
      bar.wasted === null || bar.wasted === 0n
        ? ''
        : `<rect class="waste" x="${LEFT + used}" y="${top}" width="${whole - used}" height="${THICK}"/>`;
    return `<g><title>${safe(titleOf(bar))}</title>
<text class="label" x="${LEFT - 12}" y="${middle}">${safe(bar.label)}</text>
<rect class="${bar.kind}" x="${LEFT}" y="${top}" width="${Math.max(used, 1)}" height="${THICK}"/>${waste}
<text class="amount" x="${LEFT + whole + 8}" y="${middle}">${cents(bar.usd)}</text></g>`;
  });
  return `<svg viewBox="0 0 ${WIDTH} ${bars.length * STEP + 12}" role="img" aria-label="Cost a month by way of buying">
<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect class="hatch-ground" width="6" height="6"/><rect class="hatch-line" width="2.5" height="6"/></pattern></defs>
<line class="axis" x1="${LEFT}" y1="0" x2="${LEFT}" y2="${bars.length * STEP + 4}"/>
${drawn.join('\n')}
</svg>
${legend(bars)}`;
}

const KINDS = {
  mix: "the router's mix",
  provider: 'a provider, by the clip',
  reference: 'a reference card',
  package: 'everything from packs',
} as const satisfies Record<Bar['kind'], string>;

/** What the colours that occur mean. */
function legend(bars: readonly Bar[]): string {
  const kinds = (['mix', 'provider', 'reference', 'package'] as const).filter((kind) =>
    bars.some((bar) => bar.kind === kind),
  );
  const wasted = bars.some((bar) => bar.wasted !== null && bar.wasted > 0n);
  const named = [
    ...kinds.map((kind) => [kind, KINDS[kind]]),
    ...(wasted ? [['waste', 'units that expire unused']] : []),
  ];
  const entries = named.map(([kind, name]) => `<span><i class="swatch ${kind}"></i>${safe(name ?? '')}</span>`);
  return `<p class="legend">${entries.join('')}</p>`;
}

function titleOf({ label, usd, wasted }: Bar): string {
  const part = wasted === null || wasted === 0n ? '' : `, of which ${cents(wasted)} for units that expire`;
  return `${label}: ${cents(usd)} a month${part}`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const safe = (text: string): string => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);

const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --ink: #1a1d21; --soft: #5b6470; --rule: #d9dee4;
  --provider: #2f6fb3; --reference: #9aa7b5; --package: #7a5fb0; --mix: #11855a; --waste: #c9b9e6; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --ink: #e8ebee; --soft: #9aa4af; --rule: #343b43;
  --provider: #6aa5e4; --reference: #6b7683; --package: #a78fdb; --mix: #3fbf8b; --waste: #4b4168; } }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 8px; }
h2 { font-size: 17px; margin: 32px 0 8px; }
p { color: var(--soft); margin: 8px 0; }
ul { margin: 8px 0; padding-left: 20px; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 14px; fill: var(--ink); dominant-baseline: central; }
.label { text-anchor: end; }
.amount { font-variant-numeric: tabular-nums; }
.axis { stroke: var(--rule); }
rect.provider { fill: var(--provider); } rect.reference { fill: var(--reference); }
rect.package { fill: var(--package); } rect.mix { fill: var(--mix); } rect.waste { fill: url(#hatch); }
.hatch-ground { fill: var(--waste); } .hatch-line { fill: var(--package); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; }
.legend span { display: flex; align-items: center; gap: 8px; }
.swatch { width: 20px; height: 14px; }
.swatch.provider { background: var(--provider); } .swatch.reference { background: var(--reference); }
.swatch.package { background: var(--package); } .swatch.mix { background: var(--mix); }
.swatch.waste { background: repeating-linear-gradient(45deg, var(--package) 0 2.5px, var(--waste) 2.5px 6px); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
td.wide { text-align: left; color: var(--soft); white-space: normal; }
`;
