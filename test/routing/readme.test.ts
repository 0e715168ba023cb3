/** The page of the routing rule tells the truth: its tables are read, and reckoned again by the router itself. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatUsd, micros, toUsdNumber, usd } from '../../src/ground/money.ts';
import type { Offer } from '../../src/pricing/offers.ts';
import { withMarkup } from '../../src/pricing/quote.ts';
import { combinePolicy, NO_ROUTING, type TenantPolicy } from '../../src/routing/policy.ts';
import { decide, type Route } from '../../src/routing/route.ts';
import { type Conditions, idleConditions } from '../../src/routing/score.ts';
import { offer, ROOT } from '../support/rows.ts';

const page = readFileSync(`${ROOT}/src/routing/README.md`, 'utf8');

/** The rows of the table whose head begins with these names, each by its column. */
function table(...head: string[]): Record<string, string>[] {
  const lines = page.split('\n');
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const start = lines.findIndex((line) => line.startsWith(`| ${head.join(' | ')} |`));
  if (start === -1) throw new Error(`the page has no table of ${head.join(', ')}`);
  const names = cells(lines[start] ?? '');
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) => Object.fromEntries(cells(line).map((cell, i) => [names[i], cell])));
}

const known = table('provider', 'cost', 'failed takes');
const of = (row: Record<string, string> | undefined, column: string): string => row?.[column] ?? '';
const rowOf = (provider: string) => known.find((row) => row.provider === provider);
const [, markup = ''] = /with (\d+) % markup/.exec(page) ?? [];
const [, premium = ''] = /markup, `max_premium` ([\d.]+)/.exec(page) ?? [];
const [, worth = ''] = /value of time of \$([\d.]+) an hour/.exec(page) ?? [];
const [, queue = ''] = /and ([\d,]+) s to wait/.exec(page) ?? [];

function offerOf(row: Record<string, string>): Offer {
  const cost = usd(of(row, 'cost').slice(1));
  const made = offer(of(row, 'provider'), toUsdNumber(withMarkup(cost, markup)), { cost: toUsdNumber(cost) });
  const failed = (['free', 'charged', 'unknown'] as const).find((word) => word === row['failed takes']);
  if (!failed) throw new Error(`failed takes are free, charged or unknown, not ${row['failed takes']}`);
  return { ...made, quote: { ...made.quote, failed } };
}

function conditionsOf({ provider }: Offer): Conditions {
  const number = (column: string) => Number(of(rowOf(provider), column));
  if (!rowOf(provider)) return idleConditions(1);
  return {
    ...idleConditions(number('slots')),
    running: number('running'),
    queuedAhead: number('queued'),
    generationSeconds: number('take, s'),
    successRate: number('success'),
  };
}

function routed(policy: TenantPolicy, ...others: Offer[]): Route {
  const usual = { max_premium: Number(premium), value_of_time_usd_per_hour: Number(worth) };
  const waits = { queue_timeout_seconds: Number(queue.replace(',', '')) };
  const combined = combinePolicy({ ...usual, ...waits, ...policy }, NO_ROUTING, null);
  return decide({ offers: [...known.map(offerOf), ...others], policy: combined, conditionsOf });
}

/** `sort price, fallback cheaper` as a policy. */
function wishOf(words: string): TenantPolicy {
  const fields = words.split(', ').map((wish) => wish.split(' '));
  return Object.fromEntries(fields.map(([name, value]) => [name, name === 'max_premium' ? Number(value) : value]));
}

describe('the page of the routing rule', () => {
  it('says under which terms the decision is made', () => {
    expect([markup, premium, worth, queue]).toEqual(['20', '0.25', '1.80', '1,800']);
    expect(known.map(({ provider }) => provider)).toEqual(['kling', 'evolink', 'atlas', 'fal', 'piapi']);
  });

  it('reckons each score as the router does', () => {
    const { candidates, route } = routed({});
    const reckoned = candidates.map(({ provider, offer: made, score }) => {
      const place = route.findIndex((candidate) => candidate.provider === provider);
      return {
        provider,
        price: made && formatUsd(made.quote.priceMicros),
        'slot, s': String(score?.slotSeconds),
        failures: score && formatUsd(score.failuresMicros),
        wait: score && formatUsd(score.waitMicros),
        score: score && formatUsd(score.totalMicros),
        place: place === -1 ? '-' : String(place + 1),
      };
    });
    expect(table('provider', 'price', 'slot, s')).toEqual(reckoned);
  });

  it('names the ceiling, the hold and the reason in its words', () => {
    const { candidates, holdMicros } = routed({});
    const reason = candidates.find(({ provider }) => provider === 'piapi')?.excluded;
    const text = page.replaceAll('\n', ' ');
    expect(text).toContain(`PiAPI is out: ${reason}.`);
    expect(text).toContain(`Held is ${formatUsd(holdMicros)}.`);
    const [kling, atlas] = ['kling', 'atlas'].map(
      (name) => candidates.find(({ provider }) => provider === name)?.score,
    );
    const cents = (more: bigint | undefined, less: bigint | undefined) =>
      Number(((more ?? 0n) - (less ?? 0n)) / 1_000n) / 10;
    expect(text).toContain(
      `Kling comes first although it costs ${cents(kling?.costMicros, atlas?.costMicros)} cents more`,
    );
    expect(text).toContain(`queue are worth ${cents(atlas?.waitMicros, kling?.waitMicros)} cents`);
    expect(text).toContain(
      `${atlas?.expectedSeconds.toFixed(3)} s are worth ${formatUsd(micros(atlas?.waitMicros ?? 0n))}`,
    );
    expect(text).toContain('$0.426 x 1.25 = $0.5325');
    // To the micro-dollar: what costs that much is in, what costs more is out.
    const at = (dollars: number) =>
      routed({}, offer('edge', dollars)).route.some(({ provider }) => provider === 'edge');
    expect([at(0.5325), at(0.532501)]).toEqual([true, false]);
  });

  it.each(table('wish', 'route', 'held'))('under $wish the route is $route', ({ wish = '', route = '', held }) => {
    const decided = routed(wishOf(wish));
    expect(decided.route.map(({ provider }) => provider).join(', ')).toBe(route);
    expect(formatUsd(decided.holdMicros)).toBe(held);
  });
});
