/** What Prometheus reads: the figures of the gateway, of its front, and of its process. */
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type Micros, toUsdNumber } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import { type Figures, readFigures } from '../jobs/figures.ts';
import { adminOnly } from './auth.ts';
import type { App, Env, FrontDeps } from './context.ts';

/** From what a cached answer takes to what a slow disk or a large upload takes. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

/** One for the process, however many gateways run in it: event loop, memory, garbage collection, file handles. */
let processRegistry: Registry | null = null;

function registryOfProcess(): Registry {
  if (processRegistry === null) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

/** Counts requests and serves `/metrics`. */
export class Metrics {
  private readonly deps: FrontDeps;
  private readonly registry = new Registry();
  private readonly gauges: (figures: Figures) => void;
  private readonly requests: Histogram<'method' | 'route' | 'status'>;

  constructor(deps: FrontDeps) {
    this.deps = deps;
    this.requests = new Histogram({
      name: 'reelay_http_request_duration_seconds',
      help: 'Time until the head of the answer, by route and status; its count is the number of requests.',
      labelNames: ['method', 'route', 'status'],
      buckets: DURATION_BUCKETS,
      registers: [this.registry],
    });
    this.gauges = gaugesIn(this.registry, deps);
  }

  /** Counts every request under the pattern of its route: an address that is none is one series, not many. */
  counting(): MiddlewareHandler<Env> {
    const { clock } = this.deps.jobs;
    return async (c, next) => {
      const startMs = clock.monotonicMs();
      await next();
      const matched = routePath(c, -1);
      const route = matched === '/*' || matched === '*' ? 'unmatched' : matched;
      const labels = { method: c.req.method, route, status: String(c.res.status) };
      this.requests.observe(labels, (clock.monotonicMs() - startMs) / SECOND_MS);
    };
  }

  /**
   * Puts `/metrics` on the app. It needs the admin key as its Bearer, unless the gateway can be reached from this
   * machine only. Without an admin key it is closed elsewhere.
   */
  mount(app: App): void {
    if (!this.deps.openMetrics) app.use('/metrics', adminOnly(this.deps));
    app.get('/metrics', async (c) => {
      await this.deps.worker.outlook.refresh();
      this.gauges(await this.deps.jobs.database.read(readFigures));
      const all = Registry.merge([this.registry, registryOfProcess()]);
      return c.text(await all.metrics(), 200, { 'content-type': all.contentType });
    });
  }
}

/** The gauges of the gateway; what comes back fills them. What is no more is no series any more. */
function gaugesIn(registry: Registry, deps: FrontDeps): (figures: Figures) => void {
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name: `reelay_${name}`, help, labelNames: [...labelNames], registers });
  const jobs = gauge('jobs', 'Jobs by state.', ['state']);
  const attempts = gauge('attempts', 'Attempts by provider and outcome.', ['provider', 'outcome']);
  const running = gauge('slots_running', 'Tasks that hold a slot, by lane.', ['lane']);
  const believed = gauge('slots_believed', 'Tasks that may run at once, as far as is believed.', ['lane']);
  const money = gauge('money_usd', 'Money by what has become of it.', ['kind']);
  const suspected = gauge('suspected_costs', 'Costs that may have been charged and are not resolved.');
  const doubt = gauge('attempts_in_doubt', 'Attempts whose submission was never answered.');
  const deliveries = gauge('webhook_deliveries_pending', 'Webhook deliveries that are not made yet.');
  const drift = gauge('rate_card_drift_ratio', 'Reported by expected, for each row of a rate card.', DRIFT_LABELS);
  const admission = gauge('admission_open', '1 while new videos are taken, as far as the books go.');
  const raised = new Counter({
    name: 'reelay_alarms_total',
    help: 'Alarms that were raised, besides those of budgets.',
    labelNames: ['type'],
    registers,
  });
  const usd = (kind: string, amount: Micros): void => money.set({ kind }, toUsdNumber(amount));
  return (figures) => {
    for (const each of [jobs, attempts, running, believed, drift, raised]) each.reset();
    for (const { state, count } of figures.jobs) jobs.set({ state }, count);
    for (const { provider, outcome, count } of figures.attempts) attempts.set({ provider, outcome }, count);
    for (const { type, count } of figures.alarms) raised.inc({ type }, count);
    setLanes(deps, figures.lanes, { running, believed });
    usd('held', figures.heldMicros);
    usd('settled', figures.settledMicros);
    usd('cost', figures.costMicros);
    usd('suspected', figures.suspectedMicros);
    suspected.set(figures.suspected);
    doubt.set(figures.inDoubt);
    deliveries.set(figures.deliveriesPending);
    admission.set(deps.books.fault() === null ? 1 : 0);
    for (const { card, effective, rate, state, ratio } of deps.drift.rows()) {
      if (ratio !== null) drift.set({ card, effective, rate, state }, ratio);
    }
  };
}

const DRIFT_LABELS = ['card', 'effective', 'rate', 'state'] as const;

/** The lanes that have run something, and every account that has one lane only. */
function setLanes(
  { jobs, worker }: FrontDeps,
  lanes: ReadonlyMap<string, number>,
  { running, believed }: { readonly running: Gauge<'lane'>; readonly believed: Gauge<'lane'> },
): void {
  const single = [...jobs.accounts.values()].filter(({ provider }) => provider.settings.slotsPer === 'account');
  for (const lane of new Set([...lanes.keys(), ...single.map(({ id }) => id)])) {
    running.set({ lane }, lanes.get(lane) ?? 0);
    const account = jobs.accounts.get(lane.split('/')[0] ?? '');
    if (account) believed.set({ lane }, worker.outlook.slotsOf(account, lane));
  }
}
