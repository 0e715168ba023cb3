/** One trace, run by the gateway and planned by somebody who knew it all: what both come to, in dollars and seconds. */
import { SECOND_MS } from '../../src/ground/time.ts';
import { readDecision, routeOf } from '../../src/routing/decision.ts';
import { lowerBound } from './bound.ts';
import { type IdleTerms, idleWhileWaiting } from './idle.ts';
import { type Plan, type Problem, planOffline } from './offline.ts';
import { type Ran, Stage, type StageOptions } from './stage.ts';
import {
  byProvider,
  type Clip,
  FLOOD,
  LIMITS,
  makeTrace,
  PROVIDER_IDS,
  type ProviderId,
  SMALL_TENANTS,
} from './trace.ts';

/** What a set of clips came to. Dollars, seconds: figures to compare, not money. */
export interface Sums {
  /** Prices, and the time from the order to the clip at its value. */
  readonly usd: number;
  readonly priceUsd: number;
  /** From the order to its clip, and to its slot; all clips added up. */
  readonly doneSeconds: number;
  readonly slotSeconds: number;
}

const providerOf = (account: string): ProviderId =>
  PROVIDER_IDS.find((id) => account.endsWith(id)) ?? PROVIDER_IDS[0] ?? 'kling';

/** What the gateway's run came to. */
export function sumsOf(all: readonly Ran[], valueOfTime: number): Sums {
  const priceUsd = sum(all.map(({ job }) => Number(job.settledMicros) / 1_000_000));
  const doneSeconds = sum(all.map(({ job }) => secondsBetween(job.createdAtMs, job.endedAtMs)));
  const slotSeconds = sum(
    all.map(({ job, attempts }) => secondsBetween(job.createdAtMs, attempts.at(-1)?.createdAtMs)),
  );
  return { usd: priceUsd + doneSeconds * perSecond(valueOfTime), priceUsd, doneSeconds, slotSeconds };
}

/** The same trace as a problem for a planner: the prices of its own decisions, and the times of the emulators. */
export function problemOf(all: readonly Ran[], beganAtMs: number, options: StageOptions): Problem {
  const generation = options.generation ?? byProvider;
  const jobs = all.map(({ job }) => {
    const route = routeOf(readDecision(job.decision));
    const choices = PROVIDER_IDS.map((id) => {
      const candidate = route.find(({ provider }) => provider === id);
      const usd = candidate?.price ? Number(candidate.price) / 1_000_000 : Number.POSITIVE_INFINITY;
      return { usd, seconds: generation(id, clipOf(job)) };
    });
    return { arrival: (job.createdAtMs - beganAtMs) / SECOND_MS, choices };
  });
  return { jobs, slots: PROVIDER_IDS.map((id) => LIMITS[id]), valueOfTime: perSecond(options.valueOfTime) };
}

/** What a plan comes to. */
export function sumsOfPlan({ jobs }: Problem, { usd, placed }: Plan): Sums {
  const arrivalOf = (job: number): number => jobs[job]?.arrival ?? 0;
  return {
    usd,
    priceUsd: sum(placed.map(({ job, provider }) => jobs[job]?.choices[provider]?.usd ?? 0)),
    doneSeconds: sum(placed.map(({ job, end }) => end - arrivalOf(job))),
    slotSeconds: sum(placed.map(({ job, start }) => start - arrivalOf(job))),
  };
}

export interface Measured {
  readonly ran: readonly Ran[];
  readonly router: Sums;
  readonly offline: Sums;
  /** Dollars that no plan can undercut. */
  readonly bound: number;
  readonly mostAtOnce: Readonly<Record<string, number>>;
  readonly faults: readonly unknown[];
  /** Median seconds from order to clip of each small tenant: in the flood, and had it never come. */
  readonly medians: readonly { readonly tenant: string; readonly flooded: number; readonly alone: number }[];
  readonly idle: ReturnType<typeof idleWhileWaiting>;
}

/** Runs the trace of that seed with the flood and without it, and plans it. Every stage is closed again. */
export async function measure(options: StageOptions, seed = 1): Promise<Measured> {
  const trace = makeTrace(seed);
  const alone = await onStage(options, (stage) => stage.run(trace.filter(({ tenant }) => tenant !== FLOOD)));
  return await onStage(options, async (stage) => {
    const ran = await stage.run(trace);
    const problem = problemOf(ran, stage.beganAtMs, options);
    const plan = planOffline(problem, [1]);
    const horizon = Math.max(...plan.placed.map(({ end }) => end));
    return {
      ran,
      router: sumsOf(ran, options.valueOfTime),
      offline: sumsOfPlan(problem, plan),
      bound: lowerBound(problem, plan.usd, horizon * 1.2),
      mostAtOnce: await stage.emulated.mostAtOnce(),
      faults: [...stage.emulated.violations, ...stage.complaints],
      medians: SMALL_TENANTS.map((tenant) => ({
        tenant,
        flooded: medianOf(ran, tenant),
        alone: medianOf(alone, tenant),
      })),
      idle: idleWhileWaiting(ran, idleTermsOf(options)),
    };
  });
}

async function onStage<T>(options: StageOptions, work: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = await Stage.open(options);
  try {
    return await work(stage);
  } finally {
    await stage.close();
  }
}

/** What the checker of idle providers goes by. */
export const idleTermsOf = ({ valueOfTime, generation = byProvider }: StageOptions): IdleTerms => ({
  slotsOf: (account) => LIMITS[providerOf(account)],
  secondsAt: ({ job }, account) => generation(providerOf(account), clipOf(job)),
  valueOfTime: perSecond(valueOfTime),
});

const clipOf = ({ seconds, resolution, audio }: Ran['job']): Clip => ({
  seconds: seconds ?? 0,
  resolution: resolution === '1080p' ? '1080p' : '720p',
  audio,
});

const perSecond = (perHour: number): number => perHour / 3_600;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const secondsBetween = (fromMs: number, toMs: number | null | undefined): number =>
  ((toMs ?? Number.POSITIVE_INFINITY) - fromMs) / SECOND_MS;

function medianOf(all: readonly Ran[], tenant: string): number {
  const own = all.filter(({ job }) => job.tenantId === tenant);
  const seconds = own.map(({ job }) => secondsBetween(job.createdAtMs, job.endedAtMs)).sort((a, b) => a - b);
  return seconds[Math.floor(seconds.length / 2)] ?? Number.NaN;
}
