/** The words and figures of a plan for people, shared by the terminal and the page. */
import { ceilToWhole, type Micros, type Ratio, ratio, times, toDisplayNumber } from '../ground/money.ts';
import type { Plan } from '../pricing/plan.ts';
import type { Advice } from '../pricing/plan-advice.ts';
import type { ShopCost } from '../pricing/plan-costs.ts';
import type { Mix } from '../pricing/plan-mix.ts';
import type { BreakEven } from '../pricing/plan-packages.ts';
import { describeTakes, isPrepaid, type Shop } from '../pricing/plan-shops.ts';

const CENT = 10_000n;

/** `$1,234.57`: whole cents, rounded up, for people; programs get the micro-dollars. */
export function cents(amount: Micros): string {
  const whole = (amount + CENT - 1n) / CENT;
  return `$${grouped(whole / 100n)}.${String(whole % 100n).padStart(2, '0')}`;
}

/** `12,345`, and fractions to two decimals. */
export function grouped(value: number | bigint): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 2 });
}

/** A figure to two decimals; what is smaller than that is said to be, rather than shown as nothing. */
export function figure(value: Ratio): string {
  return value.n > 0n && value.n * 100n < value.d ? 'under 0.01' : grouped(toDisplayNumber(value));
}
const percent = (value: Ratio): string => `${figure(times(value, ratio(100)))} %`;

/** What is planned, in two or three sentences. */
export function summaryOf(plan: Plan): string[] {
  const { rules, load, storage } = plan;
  const drafted = plan.takes.some(({ stage }) => stage === 'draft');
  const how = drafted ? 'drafts and production together' : `at ${percent(rules.success)} first-take success`;
  const even = rules.peakShare.d === 24n * rules.peakShare.n;
  const peak = even ? 'takes spread evenly' : `${percent(rules.peakShare)} of a day's takes in its busiest hour`;
  return [
    `${grouped(plan.clipsPerMonth)} clips a month for ${grouped(rules.days)} days: ${figure(plan.takesPerClip)} takes a clip (${how}),`,
    `${grouped(ceilToWhole(plan.takesPerMonth))} takes and ${grouped(ceilToWhole(plan.secondsPerMonth))} s of video a month`,
    `at once: ${grouped(load.needed)} needed (${figure(load.average)} on average; ${rules.generationSeconds} s a take, ${peak})`,
    ...(storage
      ? [`storage: ${figure(storage.gigabytes)} GB a month, ${cents(storage.usd)} for each month they are kept`]
      : []),
  ];
}

/** Who makes what in the mix, one line for each kind of take and shop. */
export function mixLines(mix: Mix, days: number): string[] {
  const packs = mix.packageId === null ? [] : [`buys ${grouped(mix.packs)} x ${mix.packageId}${lost(mix)}`];
  const shares = mix.shares.map(({ takes, shop, count, usd }) => {
    const from = usd === null ? `${shop}, from ${mix.packageId}` : shop;
    const stage = takes.stage === 'take' ? '' : ` (${takes.stage})`;
    return `${figure(count)} x ${describeTakes(takes)}${stage}: ${from}`;
  });
  const over = days === 30 ? [] : [`${cents(mix.usd)} over ${grouped(days)} days`];
  return [...packs, ...shares, ...over];
}

const lost = ({ unitsExpiring }: Mix): string =>
  unitsExpiring.n === 0n ? '' : `, of which ${figure(unitsExpiring)} units would expire`;

/** `28 clips`, `never`, or `-` where there is nothing to compare. */
export function breakEvenWords(found: BreakEven | undefined): string {
  if (!found || found.kind === 'unknown') return '-';
  if (found.kind === 'never') return 'never';
  const packs = found.packs === 1 ? '' : ` (${found.packs} packs)`;
  return `${grouped(found.clips)}${packs}${found.reached ? ' *' : ''}`;
}

export const REACHED_NOTE = '* this plan makes that many while one pack is valid';

/** Its length in seconds, where there is one. */
export function breakEvenSeconds(found: BreakEven | undefined): string {
  return found?.kind === 'volume' ? `${grouped(found.seconds)} s` : '';
}

const WAYS = {
  as_ordered: 'every take as ordered',
  drafts_720p: 'drafts at 720p, then one take as ordered',
  audio_later: 'silent drafts, then one take with sound',
  drafts_720p_audio_later: 'silent drafts at 720p, then one take as ordered',
  dubbed: 'all takes silent, dubbed elsewhere',
} as const satisfies Record<Advice['id'], string>;

/** A way of working as a row: what, what it costs, and when drafting pays. */
export function adviceRow({ id, usdPerMonth, chosen, paysBelowSuccess }: Advice): [string, string, string] {
  const pays =
    paysBelowSuccess === null
      ? ''
      : paysBelowSuccess.n === 0n
        ? 'never pays'
        : `pays below ${percent(paysBelowSuccess)} success`;
  return [`${WAYS[id]}${chosen ? ' (this plan)' : ''}`, usdPerMonth === null ? '-' : cents(usdPerMonth), pays];
}

/** A bar of a chart: what it costs a month, and how much of that pays for units nobody uses. */
export interface Bar {
  readonly label: string;
  readonly kind: 'mix' | 'provider' | 'reference' | 'package';
  readonly usd: Micros;
  readonly wasted: Micros | null;
}

/** Everything that has a price, the mix first, then the cheapest. */
export function barsOf(plan: Plan): Bar[] {
  const mix: Bar[] =
    'reason' in plan.mix ? [] : [{ label: 'cheapest mix', kind: 'mix', usd: plan.mix.usdPerMonth, wasted: null }];
  const shops = plan.shops.flatMap(({ shop, usdPerMonth }): Bar[] => {
    if (usdPerMonth === null || shop.card.packages.length > 0) return [];
    return [{ label: shop.id, kind: shop.capabilities ? 'provider' : 'reference', usd: usdPerMonth, wasted: null }];
  });
  const packages = plan.packages.map((outlook): Bar => {
    const label = `${outlook.shop} ${outlook.id}`;
    return { label, kind: 'package', usd: outlook.usdPerMonth, wasted: outlook.usdWastedPerMonth };
  });
  return [...mix, ...[...shops, ...packages].sort((a, b) => (a.usd < b.usd ? -1 : a.usd > b.usd ? 1 : 0))];
}

/** Marks a shop whose row shows a list price that nobody pays without a pack. */
export const listPriceNote = (shop: Shop): string => (isPrepaid(shop) ? ' (list)' : '');

export const LIST_NOTE = '(list): units at the price of package-1, as if none expired; packs must be bought first.';
export const PACKAGES_NOTE = '"a month" pays for what expires; "going on" is a month where production never stops.';

/** Why a shop has no figures, naming it once. */
export const reasonOf = ({ shop, reason }: ShopCost): string =>
  reason?.startsWith(`${shop.id} `) ? reason : `${shop.id}: ${reason}`;

/** Why packs that look cheaper are not in the mix: it buys no more trial packs than it may. */
export function mixNotes({ mix, packages, rules }: Plan): string[] {
  if ('reason' in mix) return [];
  const cheaper = packages.filter(({ usd, packs }) => usd < mix.usd && packs > rules.trialPacksMax);
  if (cheaper.length === 0) return [];
  const limit = `no more than ${rules.trialPacksMax} of a trial`;
  return [
    `It buys packs of one kind, and ${limit} (--trial-packs); more of ${cheaper.map(({ id }) => id).join(' or ')} would cost less.`,
  ];
}
