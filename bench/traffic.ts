/**
 * How near the queue comes to a plan that knew everything: `npx tsx bench/traffic.ts [seeds]`.
 *
 * 300 orders of three tenants, one of which floods, go through the real worker, queue and ledger to the five emulators,
 * on a virtual clock; the same trace is planned offline, and a bound is proven that no plan undercuts. Once at the usual
 * value of time and once at twenty times that; with announcements and with polling alone; with generation times that
 * differ by provider only, which is all that the router measures, and by clip.
 */
import { printTable } from '../src/commands/print.ts';
import { type Measured, measure, type Sums } from '../test/traffic/figures.ts';
import type { StageOptions } from '../test/traffic/stage.ts';
import { byClip, byProvider } from '../test/traffic/trace.ts';

const SEEDS = Number(process.argv[2] ?? 1);

const KINDS: readonly (readonly [string, Omit<StageOptions, 'valueOfTime'>])[] = [
  ['times by provider, announced', { generation: byProvider }],
  ['times by provider, polled', { generation: byProvider, hooks: false }],
  ['times by clip, announced', { generation: byClip }],
];

const percent = (part: number, whole: number): string => `${((part / whole - 1) * 100).toFixed(1)} %`;
const words = ({ usd, priceUsd, doneSeconds, slotSeconds }: Sums): string[] => [
  usd.toFixed(2),
  priceUsd.toFixed(2),
  (doneSeconds / 300).toFixed(0),
  (slotSeconds / 300).toFixed(0),
];

function show(kind: string, options: StageOptions, seed: number, measured: Measured): void {
  const { router, offline, bound, medians, idle } = measured;
  const { valueOfTime } = options;
  const waitOnly = ({ priceUsd, slotSeconds }: Sums): number => priceUsd + (slotSeconds * valueOfTime) / 3_600;
  process.stdout.write(`\n$${valueOfTime}/h, ${kind}, seed ${seed}\n`);
  const row = (name: string, of: Sums) => [
    name,
    ...words(of),
    percent(of.usd, bound),
    percent(router.usd, of.usd),
    percent(waitOnly(router), waitOnly(of)),
  ];
  printTable(
    ['', 'sum, $', 'price, $', 'until done, s', 'until slot, s', 'above bound', 'router above', 'until slot only'],
    [row('router', router), row('offline', offline)],
  );
  process.stdout.write(`no plan is below $${bound.toFixed(2)}\n`);
  for (const { tenant, flooded, alone } of medians) {
    process.stdout.write(`${tenant}: median ${flooded.toFixed(1)} s, ${alone.toFixed(1)} s without the flood\n`);
  }
  const longest = Math.max(...idle.map(({ idled, worth }) => idled - worth));
  const wrong = new Set(
    idle.filter(({ waited, worthInTheEnd }) => waited > worthInTheEnd + 5).map(({ jobId }) => jobId),
  );
  process.stdout.write(`idle beyond what the wait is worth: ${longest.toFixed(1)} s at most; `);
  process.stdout.write(`better elsewhere, as it turned out: ${wrong.size} jobs\n`);
}

for (let seed = 1; seed <= SEEDS; seed += 1) {
  for (const [kind, options] of KINDS) {
    for (const valueOfTime of [1.8, 36]) {
      const terms = { ...options, valueOfTime };
      show(kind, terms, seed, await measure(terms, seed));
    }
  }
}
