import { Hono } from 'hono';
import { GatewayError } from '../ground/errors.ts';
import { StoreUnavailable } from '../store/database.ts';
import { jobListRoutes } from './admin-jobs.ts';
import { keyAdminRoutes } from './admin-keys.ts';
import { operationAdminRoutes } from './admin-operations.ts';
import { replayAdminRoutes } from './admin-replay.ts';
import { tenantAdminRoutes } from './admin-tenants.ts';
import { Authenticator, adminOnly } from './auth.ts';
import { billRoutes } from './bill.ts';
import { budgetAdminRoutes, budgetRoutes } from './budgets.ts';
import type { App, Ctx, Env, FrontDeps } from './context.ts';
import { mountProviderRoutes } from './hooks.ts';
import { keyReplayAdminRoutes } from './key-replays.ts';
import { Metrics } from './metrics.ts';
import { modelRoutes } from './models.ts';
import { openApiDocument } from './openapi.ts';
import { packageAdminRoutes } from './packages.ts';
import { providerAdminRoutes } from './providers.ts';
import { rateLimited } from './rate-limit.ts';
import { mount, type Route } from './route-table.ts';
import { spendAdminRoutes, usageRoutes } from './spend.ts';
import { videoRoutes } from './videos.ts';
import { webhookRoutes } from './webhook-endpoints.ts';

/**
 * The whole front: tenant routes under `/v1` and `/`, the admin API in a sub-app whose first middleware checks its key,
 * and the envelope around every error, whatever path it came from.
 */
export function createApp(deps: FrontDeps): App {
  const app = new Hono<Env>();
  const callers = new Authenticator(deps);
  const metrics = new Metrics(deps);
  app.use(metrics.counting());
  app.use(async (c, next) => {
    const requestId = deps.jobs.mint('req');
    c.set('requestId', requestId);
    // Before the handler: a header set after it makes hono copy the whole response, at 30 % of throughput.
    c.header('x-request-id', requestId);
    c.header('x-content-type-options', 'nosniff');
    c.header('cache-control', 'no-store');
    // Whoever asks next asks the next one.
    if (deps.worker.stopping) c.header('connection', 'close');
    await next();
  });
  app.onError((error, c) => answerError(deps, error, c));
  app.notFound((c) => {
    throw new GatewayError('not_found', {
      message: `There is nothing at ${c.req.method} ${c.req.path.slice(0, 200)}.`,
    });
  });

  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => readiness(deps, c));
  metrics.mount(app);

  const tenantRoutes = tenantRouteTable(deps);
  const admin = adminRouteTable(deps, callers);
  const document = openApiDocument([
    { base: '/v1', routes: tenantRoutes },
    ...(deps.adminKey === null ? [] : [{ base: '/admin/v1', routes: admin }]),
  ]);
  app.get('/openapi.json', (c) => c.json(document));
  mountProviderRoutes(app, deps);

  if (deps.adminKey !== null) {
    const adminApp = new Hono<Env>();
    adminApp.use(adminOnly(deps));
    mount(adminApp, '', admin);
    app.route('/admin/v1', adminApp);
  }
  const limited = rateLimited(deps);
  for (const base of ['/v1', '']) {
    for (const path of new Set(tenantRoutes.map((route) => route.path.split('/')[1]))) {
      // hono matches `/videos` by `/videos/*` too: once is enough, and twice would digest the key and count double.
      app.use(`${base}/${path}/*`, callers.middleware(), limited);
    }
    mount(app, base, tenantRoutes);
  }
  return app;
}

/** Every route that a tenant's key opens, under `/v1` and `/`; the isolation test walks it. */
export function tenantRouteTable(deps: FrontDeps): Route[] {
  return [
    ...videoRoutes(deps),
    ...modelRoutes(deps),
    ...webhookRoutes(deps),
    ...budgetRoutes(deps),
    ...usageRoutes(deps),
  ];
}

/** Every route under `/admin/v1`. */
export function adminRouteTable(deps: FrontDeps, callers: Authenticator): Route[] {
  return [
    ...tenantAdminRoutes(deps, callers),
    ...keyAdminRoutes(deps, callers),
    ...budgetAdminRoutes(deps),
    ...spendAdminRoutes(deps),
    ...billRoutes(deps),
    ...packageAdminRoutes(deps),
    ...providerAdminRoutes(deps),
    ...keyReplayAdminRoutes(deps),
    ...jobListRoutes(deps),
    ...operationAdminRoutes(deps),
    ...replayAdminRoutes(deps),
  ];
}

async function readiness({ jobs, worker, disk, books }: FrontDeps, c: Ctx): Promise<Response> {
  if (worker.stopping) return c.json({ status: 'the gateway is being stopped' }, 503);
  // Whose budget it is stands in the log, not here: anybody may ask.
  const shut = books.fault() === null ? null : 'budgets do not agree with the ledger';
  const fault = jobs.database.isWritable() ? (shut ?? (await disk.shortage())) : 'the store takes no writes';
  return c.json({ status: fault ?? 'ok' }, fault === null ? 200 : 503);
}

/** Every error leaves here, in the envelope; what is our own fault is logged with its stack and shown without. */
function answerError(deps: FrontDeps, thrown: unknown, c: Ctx): Response {
  const error = asGatewayError(thrown);
  const request = c.get('requestId');
  if (error.status >= 500) deps.log.error('request failed', { request, method: c.req.method, error: thrown });
  else if (error.internal !== undefined) deps.log.info('request refused', { request, detail: error.internal });
  for (const [name, value] of Object.entries(error.headers)) c.header(name, value);
  return c.json(error.toEnvelope(), error.status);
}

function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (thrown instanceof StoreUnavailable) return new GatewayError('unavailable', { headers: { 'retry-after': '1' } });
  return new GatewayError('server_error');
}
