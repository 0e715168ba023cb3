import { ZERO_MICROS } from '../ground/money.ts';
import { DAY_MS, SECOND_MS } from '../ground/time.ts';
import { believedSlots } from '../routing/capacity.ts';
import { TRIED } from '../routing/fair.ts';
import { type CircuitState, type Health, type Standing, shutReason } from '../routing/health.ts';
import { type Conditions, UNMEASURED_SECONDS } from '../routing/score.ts';
import type { InFlight } from '../routing/waiter.ts';
import type { AccountSettingsRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { Circuits } from './circuits.ts';
import type { Deps } from './deps.ts';
import { type Durations, measuredDurations } from './durations.ts';
import { FACTS_AGE_MAX_MS, Facts, mayRepeat, offerRefusalOf, refusalsOf, shutOf } from './facts.ts';
import { laneOf, offerOf } from './lane.ts';
import {
  factsSince,
  offersThatMade,
  settingsOfAccounts,
  type TenantInFlight,
  tenantsInFlight,
} from './outlook-rows.ts';
import { runningByLane } from './rows.ts';

/** What one sells: a model at an account, under the provider's own name. */
export interface OfferName {
  readonly account: string;
  readonly model: string;
  readonly upstream: string;
}

/** Rows of one moment may be committed a little out of order: what is this recent is read twice. */
const OVERLAP_MS = 250;
const JUDGED_FOR_MS = SECOND_MS;
const DURATIONS_AGAIN_MS = 10 * SECOND_MS;
const DURATIONS_AGE_MS = 14 * DAY_MS;
/** What was lost to the overlap, or written by another process, is found by a longer look back. */
const LOOK_BACK_EVERY_MS = 10 * SECOND_MS;
const LOOK_BACK_MS = 60 * SECOND_MS;

const LET_BE = { enabled: true, isolated: false, concurrency: null, healthSinceMs: 0 } as const;

/** How an account's model stands, for operators. */
export interface Outlooks {
  readonly circuit: CircuitState;
  readonly health: Health;
  readonly reason: string | null;
  /** When an open one is tried or looked at again; null when it is not open. */
  readonly untilMs: number | null;
}

/** What bears on an account from the packages it draws on. Units are counted in billionths. */
export interface PackOutlook {
  /** How many tasks its packages let run at once; null where it has none. */
  concurrencyOf(account: string): number | null;
  /** Units that would lapse unused and that a clip can draw which begins now and takes so long. */
  lapsingOf(account: string, takeMs: number): bigint;
  /** So many of those are being drawn. */
  took(account: string, units: bigint): void;
}

const NO_PACKS: PackOutlook = { concurrencyOf: () => null, lapsingOf: () => 0n, took: () => {} };

type OutlookDeps = Pick<Deps, 'database' | 'clock' | 'accounts' | 'settings'>;

/**
 * What is known about every account at this moment: slots, running tasks, health, durations. Everything is read from
 * rows and kept only to be asked often; `refresh` reads what has changed.
 */
export class Outlook {
  private readonly deps: OutlookDeps;
  private readonly facts = new Facts();
  private readonly circuits: Circuits;
  /** What was made of it, for a moment: it is asked for every candidate of every waiting job. */
  private readonly judged = new Map<
    string,
    { readonly atMs: number; readonly lane: string; readonly conditions: Conditions }
  >();
  private readonly durations = new Map<string, Durations | null>();
  /** Told by whoever keeps the packages; nobody has any until then. */
  private packs: PackOutlook = NO_PACKS;
  private lanes = new Map<string, number>();
  private running = new Map<string, TenantInFlight>();
  private tenantLimits = new Map<string, number>();
  private settings = new Map<string, AccountSettingsRow>();
  private readonly startedAtMs: number;
  private seenMs: number | null = null;
  private lookedBackAtMs = 0;
  private measuredAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: OutlookDeps) {
    this.deps = deps;
    this.circuits = new Circuits(deps, this.facts, (account) => this.settingsOf(account).healthSinceMs);
    this.startedAtMs = deps.clock.nowMs();
  }

  /** From now on what the packages of an account allow, and what of them would lapse, counts. */
  drawOn(packs: PackOutlook): void {
    this.packs = packs;
  }

  /** Reads what has changed since it was read last; everything that still counts, the first time. */
  async refresh(): Promise<void> {
    const { database, clock } = this.deps;
    const nowMs = clock.nowMs();
    const lookBack = this.seenMs === null || nowMs >= this.lookedBackAtMs + LOOK_BACK_EVERY_MS;
    const oldestMs = nowMs - FACTS_AGE_MAX_MS;
    const sinceMs = this.seenMs === null ? oldestMs : this.seenMs - (lookBack ? LOOK_BACK_MS : OVERLAP_MS);
    const [lanes, tenants, settings, facts] = await database.read(
      async (tx) =>
        [
          await runningByLane(tx),
          await tenantsInFlight(tx),
          await settingsOfAccounts(tx),
          await factsSince(tx, { sinceMs, madeSinceMs: oldestMs }),
        ] as const,
    );
    this.lanes = lanes;
    this.running = tenants.running;
    this.tenantLimits = tenants.limits;
    this.settings = settings;
    this.facts.note(facts, nowMs);
    this.circuits.renew(nowMs);
    this.judged.clear();
    this.seenMs = nowMs;
    if (lookBack) this.lookedBackAtMs = nowMs;
    // The first clip of an offer is worth reading at once: until then it is believed to take minutes.
    if (facts.some((fact) => fact.state === 'succeeded' && !this.durations.has(nameOf(fact)))) {
      this.measuredAtMs = Number.NEGATIVE_INFINITY;
    }
    await this.measure(nowMs);
  }

  /** Reads how long generations take, now and then: it changes slowly. */
  private async measure(nowMs: number): Promise<void> {
    const againAtMs = this.measuredAtMs + DURATIONS_AGAIN_MS;
    if (nowMs < againAtMs) return;
    this.measuredAtMs = nowMs;
    const measured = await this.deps.database.read(async (tx) => {
      const offers = await offersThatMade(tx, nowMs - DURATIONS_AGE_MS);
      const found: [string, Durations | null][] = [];
      for (const offer of offers) found.push([nameOf(offer), await measuredDurations(tx, offer, nowMs)]);
      return found;
    });
    for (const [name, durations] of measured) this.durations.set(name, durations);
  }

  /** The conditions of an offer, without the queue before it. Unknown accounts are idle. */
  conditionsOf(offer: OfferName): Conditions {
    const nowMs = this.deps.clock.nowMs();
    const name = nameOf(offer);
    const known = this.judged.get(name);
    const fresh = known && nowMs - known.atMs < JUDGED_FOR_MS;
    const judged = fresh ? known : { atMs: nowMs, ...this.judge(offer, nowMs) };
    if (!fresh) this.judged.set(name, judged);
    const takeMs = (judged.conditions.generationSeconds ?? UNMEASURED_SECONDS) * SECOND_MS;
    const lapsing = this.packs.lapsingOf(offer.account, takeMs);
    return { ...judged.conditions, running: this.lanes.get(judged.lane) ?? 0, lapsing };
  }

  private judge(offer: OfferName, nowMs: number): { lane: string; conditions: Conditions } {
    const account = this.deps.accounts.get(offer.account);
    const lane = account ? laneOf(account, offer.model) : offer.account;
    const { health, reason } = this.circuits.of(offer);
    const standing = this.standingOf(offer);
    const shut = shutReason(standing, nowMs);
    const trial = shut === null && standing.shut !== null;
    const conditions = {
      slots: account ? this.slotsOf(account, lane) : 1,
      running: 0,
      queuedAhead: 0,
      generationSeconds: this.generationSeconds(offer),
      successRate: health.successRate,
      recentFailures: health.recentFailures,
      blocked: trial && this.isAsked(offer.account) ? TRIED : shut,
      unhealthy: reason,
      probe: health.circuit === 'half_open',
      trial,
    };
    return { lane, conditions };
  }

  private isAsked(account: string): boolean {
    return this.facts.ofAccount(account).some(({ state, endedAtMs }) => state === 'submitting' && endedAtMs === null);
  }

  /** The tasks that may run at once in a lane: what an operator or the configuration says, less what was refused. */
  slotsOf(account: ProviderAccount, lane: string): number {
    return believedSlots(this.slotsGiven(account), this.refusals(account, lane), this.deps.clock.nowMs());
  }

  /**
   * The tasks that may run at once before anything was refused: what an operator says in place of what is configured,
   * and never more than the packs that are open allow, because that limit is the provider's.
   */
  slotsGiven(account: ProviderAccount): number {
    const wanted = this.settings.get(account.id)?.concurrency ?? account.slots;
    return Math.min(wanted, this.packs.concurrencyOf(account.id) ?? wanted);
  }

  private refusals(account: ProviderAccount, lane: string): number[] {
    const since = this.settingsOf(account.id).healthSinceMs;
    return refusalsOf(this.facts.ofAccount(account.id), lane).filter((atMs) => atMs >= since);
  }

  runningIn(lane: string): number {
    return this.lanes.get(lane) ?? 0;
  }

  /** A slot of the lane was taken just now; counted until the rows are read again. */
  took(lane: string): void {
    this.lanes.set(lane, (this.lanes.get(lane) ?? 0) + 1);
  }

  /** Units of the account that would have lapsed are being drawn just now; counted until its packages are read again. */
  tookLapsing(account: string, units: bigint): void {
    if (units > 0n) this.packs.took(account, units);
  }

  inFlightOf(tenantId: string): InFlight {
    const running = this.running.get(tenantId);
    return { ...NOTHING, ...running, tasksMax: this.tenantLimits.get(tenantId) ?? null };
  }

  /** Whether a submission to the account may be repeated now: repeats are a small part of what it is asked. */
  mayRepeat(account: string): boolean {
    return mayRepeat(this.facts.ofAccount(account), this.deps.clock.nowMs());
  }

  healthOf(offer: Pick<OfferName, 'account' | 'model'>): Health {
    return this.circuits.healthOf(offer);
  }

  /** From now on no job tries a half-open circuit before what is read there allows it. */
  consult(reads: Parameters<Circuits['consult']>[0]): void {
    this.circuits.consult(reads);
  }

  /** Whether a free read of the account is what keeps jobs from trying one of its circuits. */
  wantsRead(account: ProviderAccount): boolean {
    const { enabled, isolated } = this.settingsOf(account.id);
    return enabled && !isolated && this.circuits.wantsRead(account);
  }

  /** The circuit with everything that bears on it: also a person's word, an empty balance, a refused key. */
  outlookOf(offer: OfferName): Outlooks {
    const nowMs = this.deps.clock.nowMs();
    const { health, circuit: own, reason, untilMs } = this.circuits.of(offer);
    const standing = this.standingOf(offer);
    const shut = shutReason(standing, nowMs);
    const byHand = standing.isolated || !standing.enabled || standing.offerRefusedAtMs !== null;
    const circuit = byHand ? 'isolated' : shut === null ? own : 'open';
    return { circuit, health, reason: shut ?? reason, untilMs };
  }

  settingsOf(account: string): Pick<AccountSettingsRow, 'enabled' | 'isolated' | 'concurrency' | 'healthSinceMs'> {
    return this.settings.get(account) ?? LET_BE;
  }

  durationsOf(offer: OfferName): Durations | null {
    return this.durations.get(nameOf(offer)) ?? null;
  }

  private generationSeconds(offer: OfferName): number | null {
    const durations = this.durationsOf(offer);
    return durations === null ? null : durations.p50Ms / SECOND_MS;
  }

  private standingOf({ account, model, upstream }: OfferName): Standing {
    const { enabled, isolated, healthSinceMs } = this.settingsOf(account);
    const since = { healthMs: healthSinceMs, keyMs: Math.max(healthSinceMs, this.startedAtMs) };
    const ofOffer = this.facts.of(offerOf({ account, model }));
    return {
      enabled,
      isolated,
      shut: shutOf(this.facts.ofAccount(account), since),
      // A restart may bring another table of what is sold: so the word of the one before is not taken.
      offerRefusedAtMs: offerRefusalOf(ofOffer, upstream, since.keyMs),
    };
  }
}

const nameOf = ({ account, model, upstream }: OfferName): string => `${account} ${model} ${upstream}`;
const NOTHING = { tasks: 0, micros: ZERO_MICROS };
