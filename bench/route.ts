/**
 * What a decision costs, and what a long queue costs those who wait in it: `npx tsx bench/route.ts [decisions] [waiting]`.
 *
 * A request that three models will do for is decided over five providers; the time and the memory are told beside
 * parsing a JSON document of 1 KiB, in the same run and in turn with it. Then a slot is dealt out with 100 jobs waiting
 * and with 10,000, in two stores of the same shape, in turn: with every slot taken, and with slots that stand idle because
 * nobody takes them. Machines differ; the ratios hardly do. Medians count.
 */
import { HOUR_MS } from '../src/ground/time.ts';
import { bytesEach, kibibyte, median, medianRatio, microsecondsEach, print } from './measure.ts';
import { decideOn, type House, openWaiting, sellers, type Waiting } from './waiting.ts';

const DECISIONS = Number(process.argv[2] ?? 20_000);
const MANY = Number(process.argv[3] ?? 10_000);
const FEW = 100;
const ROUNDS = 21;
const MODELS = ['kling-v3', 'kling-o3', 'kling-v2-6'];

/** Kept, so that no work can be optimised away. */
let kept: unknown;

function benchDecision(): void {
  const document = kibibyte();
  const works = {
    parse: () => {
      kept = JSON.parse(document);
    },
    decide: () => {
      kept = decideOn(MODELS, { max_premium: 10 });
    },
  };
  const times: Record<keyof typeof works, number[]> = { parse: [], decide: [] };
  for (const work of Object.values(works)) microsecondsEach(work, DECISIONS / 10);
  for (let round = 0; round < ROUNDS; round += 1) {
    times.parse.push(microsecondsEach(works.parse, Math.ceil(DECISIONS / ROUNDS)));
    times.decide.push(microsecondsEach(works.decide, Math.ceil(DECISIONS / ROUNDS)));
  }
  const bytes = { parse: bytesEach(works.parse), decide: bytesEach(works.decide) };
  const { candidates } = decideOn(MODELS, { max_premium: 10 });
  print(
    `${DECISIONS} decisions over ${sellers.length} providers and ${MODELS.length} models, node ${process.version}: ` +
      `${candidates.filter(({ offer }) => offer !== null).length} offers priced and scored`,
  );
  const line = (name: keyof typeof works): string =>
    `${median(times[name]).toFixed(2)} us (x${medianRatio(times[name], times.parse).toFixed(1)})`.padStart(22) +
    `${Math.round(bytes[name])} bytes (x${(bytes[name] / bytes.parse).toFixed(1)})`.padStart(24);
  print(`${'JSON.parse of 1 KiB'.padEnd(44)}${line('parse')}`);
  print(`${'one decision'.padEnd(44)}${line('decide')}`);
}

/** Milliseconds of one measurement in a store. */
type Measurement = (waiting: Waiting) => Promise<number>;

async function millisecondsOf(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  kept = await work();
  return performance.now() - startMs;
}

const lookAtFull: Measurement = async ({ queue, newcomer }) => {
  const tookMs = await millisecondsOf(() => queue.ask(newcomer));
  queue.leave(newcomer.jobId);
  return tookMs;
};

/** A slot of the lane is free: from the look to the grant. Then it is taken again and the job waits in its old place. */
const deal =
  (laneAt: (waiting: Waiting) => string | undefined): Measurement =>
  async (waiting) => {
    const { queue, granted, setTaken, waiters, newcomer } = waiting;
    const lane = laneAt(waiting) ?? '';
    setTaken(lane, false);
    granted.length = 0;
    const tookMs = await millisecondsOf(() => queue.ask(newcomer));
    queue.leave(newcomer.jobId);
    setTaken(lane, true);
    const [first] = granted;
    const back = waiters.find(({ jobId }) => jobId === first);
    if (granted.length !== 1 || !back) throw new Error(`a slot of ${lane} went to ${granted.length} jobs: ${granted}`);
    queue.settle(back.jobId, true);
    await queue.ask(back);
    return tookMs;
  };

const lastPlace: Measurement = async ({ queue, waiters }) =>
  await millisecondsOf(() => queue.placeOf(waiters.at(-1)?.jobId ?? ''));

const newPlaces: Measurement = async (waiting) => {
  waiting.pass(HOUR_MS);
  return await lastPlace(waiting);
};

/** A slot was dealt out meanwhile: the places are those of before as long as reckoning them has cost something. */
const placeAfterLook: Measurement = async (waiting) => {
  await lookAtFull(waiting);
  return await lastPlace(waiting);
};

const admission: Measurement = async ({ queue, newcomer, lanes }) => {
  const work = (): void => {
    for (const { lane, account } of lanes) kept = [queue.aheadOf(newcomer.tenantId, lane), queue.unitsAwaited(account)];
  };
  return microsecondsEach(work, 100) / 1_000;
};

type Measurements = readonly (readonly [name: string, measure: Measurement])[];

const MEASUREMENTS: Measurements = [
  ['a look when every slot is taken', lookAtFull],
  ['a slot of the cheapest freed, until the grant', deal(({ lanes }) => lanes[0]?.lane)],
  ['a slot of the dearest freed, until the grant', deal(({ lanes }) => lanes.at(-1)?.lane)],
  ['the places of all, reckoned anew', newPlaces],
  ['the place of one, after another look', placeAfterLook],
  ['who is ahead, and units awaited, at admission', admission],
];

/** Slots stand free that nobody takes, so nothing says at once that there is nothing to deal out. */
const IDLE: readonly (readonly [house: House, measurements: Measurements])[] = [
  [
    { idle: 'cheapest', unwell: true },
    [
      ['a look when the circuit of the cheapest is open', lookAtFull],
      ['then a slot of the next freed, until the grant', deal(({ lanes }) => lanes[1]?.lane)],
    ],
  ],
  [
    { idle: 'dearest', byPrice: true },
    [
      ['a look by price when the dearest is idle', lookAtFull],
      ['then a slot of the cheapest freed', deal(({ lanes }) => lanes[0]?.lane)],
    ],
  ],
];

async function benchQueue(measurements: Measurements, house: House = {}): Promise<void> {
  const stores = [await openWaiting(FEW, house), await openWaiting(MANY, house)] as const;
  try {
    for (const [name, measure] of measurements) {
      const [few, many]: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round += 1) {
        few.push(await measure(stores[0]));
        many.push(await measure(stores[1]));
      }
      const figures = `${median(few).toFixed(3).padStart(10)} ${median(many).toFixed(3).padStart(10)}`;
      print(`${name.padEnd(48)}${figures}   x${medianRatio(many, few).toFixed(2)}`);
    }
  } finally {
    for (const store of stores) await store.close();
  }
}

benchDecision();
print(`\na slot dealt out while ${FEW} and while ${MANY} jobs of 20 tenants wait, in milliseconds`);
await benchQueue(MEASUREMENTS);
for (const [house, measurements] of IDLE) await benchQueue(measurements, house);
if (kept === undefined) throw new Error('nothing was measured');
