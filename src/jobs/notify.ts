import { present } from '../ground/assert.ts';
import { crashPoint } from '../ground/crash.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import { callbackSecrets, type StoredSecrets, secretsInForce } from '../ledger/webhook-secret.ts';
import type { WebhookEndpointRow } from '../store/schema-webhooks.ts';
import type { Notice, Sent } from '../wire/notify.ts';
import {
  type Claimed,
  claimDue,
  disableEndpoint,
  forgetOld,
  loadSending,
  nextDueAtMs,
  type Outcome,
  recordTry,
  type Sending,
} from './delivery-rows.ts';
import type { Deps } from './deps.ts';

/** How long after each failed try the next one is: those of Standard Webhooks. After the last, it has failed. */
export const RETRY_AFTER_MS: readonly number[] = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];

/** Longer than a try can take: a delivery that was claimed this long ago has lost its sender. */
const CLAIM_MS = 30 * SECOND_MS;
const AT_ONCE = 64;
/** One tenant's slow receivers keep nobody else's events waiting. */
const AT_ONCE_PER_TENANT = 8;
/** What another process has left behind is found by looking; one's own events are told. */
const LOOK_EVERY_MS = 10 * SECOND_MS;
const FORGET_EVERY_MS = HOUR_MS;
const FORGET_AFTER_MS = 30 * DAY_MS;
const FORGET_BATCH = 500;
/** "Gone": the receiver wants nothing more, ever (Standard Webhooks). */
const GONE = 410;

export interface NotifierDeps extends Pick<Deps, 'database' | 'clock' | 'wallMs' | 'log' | 'sealer'> {
  readonly sender: { send(address: string, notice: Notice): Promise<Sent> };
}

/** What an answer means for a delivery that has failed `tries` times before; null where nothing was answered. */
export function outcomeOf(status: number | null, tries: number, nowMs: number): Outcome {
  if (status !== null && status >= 200 && status < 300) return { state: 'delivered' };
  const againInMs = status === GONE ? undefined : RETRY_AFTER_MS[tries];
  return againInMs === undefined ? { state: 'failed' } : { state: 'pending', dueAtMs: nowMs + againInMs };
}

const secretsOf = (endpoint: WebhookEndpointRow): StoredSecrets => ({
  sealed: endpoint.secretSealed,
  oldSealed: endpoint.oldSecretSealed,
  oldUntilMs: endpoint.oldSecretUntilMs,
});

/**
 * Delivers events to tenants, at least once each: the same id and the same bytes at every try, signed anew. The truth
 * is in the rows; a process that dies over a delivery leaves it to the next.
 */
export class Notifier {
  private readonly deps: NotifierDeps;
  private readonly sending = new Map<string, Promise<void>>();
  private readonly sendingOf = new Map<string, number>();
  private pumping: Promise<void> | null = null;
  private wokenMeanwhile = false;
  private cancelLook: (() => void) | null = null;
  private cancelForget: (() => void) | null = null;
  private stopping = false;

  constructor(deps: NotifierDeps) {
    this.deps = deps;
  }

  /** Takes up what is due, and goes on with whatever falls due. */
  start(): void {
    this.wake();
    this.forgetLater();
  }

  /** There may be something to send now. May be called inside the transaction that records it. */
  wake(): void {
    if (this.stopping) return;
    if (this.pumping !== null) {
      this.wokenMeanwhile = true;
      return;
    }
    this.pumping = this.pump().finally(() => {
      this.pumping = null;
      if (!this.wokenMeanwhile) return;
      this.wokenMeanwhile = false;
      this.wake();
    });
  }

  /** Sends a sample to the endpoint, once, and says what came back; nothing of it is stored. */
  async sendSample(endpoint: WebhookEndpointRow, sample: Pick<Notice, 'id' | 'body'>): Promise<Sent> {
    return await this.post(endpoint.url, sample, this.opened(secretsOf(endpoint)));
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.pumping !== null || this.sending.size > 0) await Promise.all([this.pumping, ...this.sending.values()]);
  }

  /** Begins nothing new and waits for the tries under way: 15 s at most. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.cancelLook?.();
    this.cancelForget?.();
    await this.idle();
  }

  private async pump(): Promise<void> {
    let nextAtMs: number | null = null;
    try {
      const nowMs = this.deps.clock.nowMs();
      for (const claimed of await this.claim(nowMs)) this.begin(claimed);
      nextAtMs = await this.deps.database.read((tx) => nextDueAtMs(tx, nowMs));
    } catch (error) {
      this.deps.log.error('webhooks could not be looked up', { error });
    }
    this.look(nextAtMs);
  }

  private async claim(nowMs: number): Promise<Claimed[]> {
    const limit = AT_ONCE - this.sending.size;
    if (limit <= 0) return [];
    const untilMs = nowMs + CLAIM_MS;
    const { sendingOf, sending: underWay } = this;
    const claim = { nowMs, untilMs, limit, perTenant: AT_ONCE_PER_TENANT, sendingOf, underWay };
    return await this.deps.database.write((tx) => claimDue(tx, claim));
  }

  private begin(claimed: Claimed): void {
    const { tenantId } = claimed;
    this.sendingOf.set(tenantId, (this.sendingOf.get(tenantId) ?? 0) + 1);
    const done = this.deliver(claimed)
      .catch((error) => this.deps.log.error('webhook step failed', { tenant: tenantId, error }))
      .finally(() => {
        this.sending.delete(claimed.id);
        const left = (this.sendingOf.get(tenantId) ?? 1) - 1;
        if (left === 0) this.sendingOf.delete(tenantId);
        else this.sendingOf.set(tenantId, left);
        this.wake();
      });
    this.sending.set(claimed.id, done);
  }

  /** Looks again when the next delivery falls due, and now and then in any case. */
  private look(nextAtMs: number | null): void {
    this.cancelLook?.();
    if (this.stopping) return;
    const { clock } = this.deps;
    const inMs = nextAtMs === null ? LOOK_EVERY_MS : Math.min(LOOK_EVERY_MS, Math.max(0, nextAtMs - clock.nowMs()));
    this.cancelLook = clock.after(inMs, () => this.wake());
  }

  private async deliver(claimed: Claimed): Promise<void> {
    const sending = await this.deps.database.read((tx) => loadSending(tx, claimed));
    if (!sending) return;
    const sent = await this.send(sending);
    crashPoint('webhook.sent');
    await this.record(sending, sent);
  }

  private async send({ delivery, event, endpoint }: Sending): Promise<Sent> {
    const stored = endpoint
      ? secretsOf(endpoint)
      : await this.deps.database.read((tx) => callbackSecrets(tx, delivery.tenantId));
    const address = endpoint ? endpoint.url : present(delivery.callbackUrl, 'the address of a callback');
    return await this.post(address, event, this.opened(stored));
  }

  private async post(
    address: string,
    { id, body }: Pick<Notice, 'id' | 'body'>,
    secrets: readonly string[],
  ): Promise<Sent> {
    if (secrets.length === 0) return { kind: 'unanswered', detail: 'no secret can be opened: is it another key?' };
    return await this.deps.sender.send(address, { id, body, secrets, atMs: this.deps.wallMs() });
  }

  private opened(stored: StoredSecrets): string[] {
    const { clock, sealer } = this.deps;
    const opened = secretsInForce(stored, clock.nowMs()).map((sealed) => sealer.open(sealed));
    return opened.filter((secret) => secret !== null);
  }

  private async record({ delivery, event, endpoint }: Sending, sent: Sent): Promise<void> {
    const { database, clock, log } = this.deps;
    const nowMs = clock.nowMs();
    const status = sent.kind === 'answered' ? sent.status : null;
    const outcome = outcomeOf(status, delivery.tries, nowMs);
    const recorded = await database.write(async (tx) => {
      const ours = await recordTry(tx, delivery, { atMs: nowMs, status }, outcome);
      if (ours && endpoint && status === GONE) await disableEndpoint(tx, endpoint.id, nowMs);
      return ours;
    });
    if (!recorded) return;
    const fields = {
      tenant: delivery.tenantId,
      kind: event.type,
      ...(event.jobId !== null && { video: event.jobId }),
      ...(status !== null && { status }),
      ...(sent.kind === 'unanswered' && { detail: sent.detail }),
    };
    if (outcome.state === 'delivered') log.info('webhook delivered', fields);
    else if (outcome.state === 'failed') log.warn('webhook given up', fields);
    else log.info('webhook not delivered yet', fields);
  }

  private forgetLater(): void {
    this.cancelForget = this.deps.clock.after(FORGET_EVERY_MS, () => {
      this.forget()
        .catch((error) => this.deps.log.error('old webhooks could not be forgotten', { error }))
        .finally(() => {
          if (!this.stopping) this.forgetLater();
        });
    });
  }

  private async forget(): Promise<void> {
    const beforeMs = this.deps.clock.nowMs() - FORGET_AFTER_MS;
    for (;;) {
      const count = await this.deps.database.write((tx) => forgetOld(tx, beforeMs, FORGET_BATCH));
      if (count < FORGET_BATCH) return;
    }
  }
}
