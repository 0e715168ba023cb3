import { crashPoint } from '../ground/crash.ts';
import { GatewayError } from '../ground/errors.ts';
import { formatUsd, ZERO_MICROS } from '../ground/money.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import { placeHold } from '../ledger/account.ts';
import { BudgetFull } from '../ledger/budget.ts';
import { type BudgetAlert, isNewsAtRefusal, raiseAtRefusal } from '../ledger/budget-alerts.ts';
import type { ApiKey } from '../ledger/key.ts';
import type { Tenant } from '../ledger/tenant.ts';
import { writeDecision } from '../routing/decision.ts';
import type { Route } from '../routing/route.ts';
import type { JobRow } from '../store/schema.ts';
import { stampOf } from './close.ts';
import type { Deps } from './deps.ts';
import { logAlerts, recordAlerts } from './events.ts';
import type { Presentation } from './presentation.ts';
import { findRepeat, type Repeat } from './repeat.ts';
import { insertJob } from './rows.ts';

const QUEUE_TIMEOUT_MS = 30 * MINUTE_MS;
const WHOLE_LIFE_MS = 6 * HOUR_MS;

export interface Admission {
  readonly videoId: string;
  readonly tenant: Tenant;
  readonly key: ApiKey;
  readonly request: VideoRequest;
  readonly presentation: Presentation;
  readonly route: Route;
  readonly repeat: Repeat;
}

/** The job, as stored: made now, or found because the request had been sent before. */
export interface Admitted {
  readonly job: JobRow;
  readonly repeated: boolean;
}

/**
 * Accepts a video: job and hold in one commit, or neither. Resolves once both are on disk, with the row as stored.
 * A request that was sent before makes nothing: its job comes back. Throws a GatewayError when the route is empty or the
 * idempotency key is another request's, and BudgetFull when a cap leaves no room; a refusal stores nothing and holds
 * nothing, so that the same key may succeed once there is room.
 */
export async function admit(deps: Deps, admission: Admission): Promise<Admitted> {
  assertServable(admission.route);
  const stamp = stampOf(deps);
  const row = newJob(deps, admission, stamp.nowMs);
  const accounts = admission.route.route.map((candidate) => candidate.account).join(', ');
  const { repeat } = admission;
  const mayRepeat = repeat.idempotencyKey !== null || repeat.retryCount > 0;
  let alerts: readonly BudgetAlert[] = [];
  const admitted = deps.database.write(async (tx) => {
    // Asked again inside: its twin may have been admitted since it was asked first.
    const earlier = mayRepeat ? await findRepeat(tx, row.keyId, repeat, stamp.nowMs) : null;
    if (earlier) return { job: earlier, repeated: true };
    await insertJob(tx, row);
    alerts = await placeHold(tx, row, `dearest of ${accounts}`, stamp);
    await recordAlerts(tx, deps, alerts, stamp);
    return { job: row, repeated: false };
  });
  try {
    const { job, repeated } = await admitted;
    crashPoint('admit.committed');
    logAlerts(deps, alerts);
    return { job, repeated };
  } catch (error) {
    if (error instanceof BudgetFull) await tellOfRefusal(deps, error);
    throw error;
  }
}

/** A clip that a cap has turned away leaves nothing behind but, once, the alert that the cap is reached. */
async function tellOfRefusal(deps: Deps, { state, priceMicros }: BudgetFull): Promise<void> {
  try {
    if (!(await deps.database.read((tx) => isNewsAtRefusal(tx, state, priceMicros)))) return;
    const stamp = stampOf(deps);
    const alerts = await deps.database.write(async (tx) => {
      const raised = await raiseAtRefusal(tx, state, stamp);
      await recordAlerts(tx, deps, raised, stamp);
      return raised;
    });
    logAlerts(deps, alerts);
  } catch (error) {
    // The caller hears of the cap all the same, and the next refusal tells of it.
    deps.log.error('budget alert not raised', { tenant: state.budget.tenantId, error });
  }
}

/** Throws the error that says why the route is empty; does nothing when it is not. */
export function assertServable(route: Route): void {
  if (route.route.length > 0) return;
  const cheapest = route.cheapestOverMaxPrice;
  if (cheapest !== null) {
    throw new GatewayError('max_price_exceeded', {
      message: `No available provider is within max_price. The cheapest possible price is ${formatUsd(cheapest)}.`,
      param: 'provider.max_price',
    });
  }
  const reasons = route.candidates.map(({ account, model, excluded }) => `${account} (${model}): ${excluded}`);
  throw new GatewayError('no_provider_available', {
    message: `No provider can make this clip. ${reasons.join('; ')}.`,
  });
}

function newJob(deps: Deps, admission: Admission, nowMs: number): JobRow {
  const { videoId, tenant, key, request, presentation, route, repeat } = admission;
  const queueSeconds = tenant.policy.queue_timeout_seconds;
  const queueTimeoutMs = queueSeconds === undefined ? QUEUE_TIMEOUT_MS : queueSeconds * SECOND_MS;
  return {
    id: videoId,
    tenantId: tenant.id,
    keyId: key.id,
    state: 'queued',
    model: request.model,
    task: request.task,
    resolution: request.resolution,
    seconds: request.seconds,
    audio: request.audio,
    request: JSON.stringify(request),
    presentation: JSON.stringify(presentation),
    decision: writeDecision(route, { markup: tenant.markupPercent, warnings: presentation.warnings }),
    holdMicros: route.holdMicros,
    settledMicros: ZERO_MICROS,
    provider: null,
    attempts: 0,
    errorCode: null,
    errorMessage: null,
    leaseOwner: deps.processId,
    leaseToken: 1,
    dueAtMs: nowMs,
    createdAtMs: nowMs,
    startedAtMs: null,
    endedAtMs: null,
    queueUntilMs: nowMs + queueTimeoutMs,
    deadlineAtMs: nowMs + WHOLE_LIFE_MS,
    cancelRequestedAtMs: null,
    saveTries: 0,
    fileBytes: null,
    fileDigest: null,
    fileType: null,
    fileWidth: null,
    fileHeight: null,
    fileDurationMs: null,
    expiresAtMs: null,
    deletedAtMs: null,
    ...repeat,
    fileRemovedAtMs: null,
  };
}
