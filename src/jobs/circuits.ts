import { SECOND_MS } from '../ground/time.ts';
import { circuitReason, type Health, healthOf, type Outcome } from '../routing/health.ts';
import { type FreeRead, holdingOf } from '../routing/probe.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { Deps } from './deps.ts';
import { type Facts, lastAnswerOf, nextOverdueAtMs, outcomesOf } from './facts.ts';
import { offerOf } from './lane.ts';

/** How long a circuit stays open the first time, where nothing says otherwise. */
export const CIRCUIT_MS = 30 * SECOND_MS;

interface Place {
  readonly account: string;
  readonly model: string;
}

/** Where the last free read of an account is told. */
interface Reads {
  of(account: string): FreeRead | null;
}

/** How a circuit stands, and what it lets through. */
export interface Standings {
  readonly health: Health;
  /** As `health.circuit`, but open while no job may try it. */
  readonly circuit: Health['circuit'];
  /** Why no job should go there while another candidate is left; null when one may. */
  readonly reason: string | null;
  /** When an open one is tried or looked at again; null when it is not open. */
  readonly untilMs: number | null;
}

/** The circuits of all accounts and models, as the attempts and free reads have it. Keeps nothing that is not in them. */
export class Circuits {
  private readonly deps: Pick<Deps, 'clock' | 'settings'>;
  private readonly facts: Facts;
  private readonly sinceOf: (account: string) => number;
  private readonly outcomes = new Map<
    string,
    { readonly sinceMs: number; readonly untilMs: number; readonly list: readonly Outcome[] }
  >();
  private reads: Reads | null = null;
  private seenMs = 0;

  /** `sinceOf`: from when on what has happened at an account counts. */
  constructor(deps: Pick<Deps, 'clock' | 'settings'>, facts: Facts, sinceOf: (account: string) => number) {
    this.deps = deps;
    this.facts = facts;
    this.sinceOf = sinceOf;
  }

  /** From now on no job tries a half-open circuit before what is read there allows it. */
  consult(reads: Reads): void {
    this.reads = reads;
  }

  /** The facts are those of this time now. */
  renew(seenMs: number): void {
    this.seenMs = seenMs;
    for (const offer of this.facts.changed) this.outcomes.delete(offer);
    this.facts.changed.clear();
  }

  healthOf(place: Place): Health {
    const name = offerOf(place);
    const sinceMs = this.sinceOf(place.account);
    // Not now: whether a submission still has no answer is known of the last time that the rows were read.
    const { seenMs } = this;
    let known = this.outcomes.get(name);
    if (known?.sinceMs !== sinceMs || seenMs >= known.untilMs) {
      const facts = this.facts.of(name);
      const list = outcomesOf(facts, { sinceMs, nowMs: seenMs });
      known = { sinceMs, untilMs: nextOverdueAtMs(facts, seenMs), list };
      this.outcomes.set(name, known);
    }
    return healthOf(known.list, { nowMs: this.deps.clock.nowMs(), openMs: this.openMs, name });
  }

  of(place: Place): Standings {
    const health = this.healthOf(place);
    const holding = this.holding(place, health);
    if (holding) return { health, circuit: 'open', reason: holding.reason, untilMs: holding.untilMs };
    const probed = health.circuit === 'half_open' && this.isProbed(place);
    const reason = circuitReason(health, probed, this.deps.clock.nowMs());
    return { health, circuit: health.circuit, reason, untilMs: health.openUntilMs };
  }

  /** Whether a free read of the account is what keeps jobs from trying one of its circuits. */
  wantsRead({ id: account, provider }: ProviderAccount): boolean {
    const models = new Set(provider.capabilities.map(({ model }) => model));
    const places = [...models].map((model) => ({ account, model }));
    return places.some((place) => this.holding(place, this.healthOf(place))?.wantsRead === true);
  }

  private holding({ account }: Place, health: Health) {
    if (this.reads === null || health.circuit !== 'half_open') return null;
    const signs = { answeredAtMs: lastAnswerOf(this.facts.ofAccount(account)), read: this.reads.of(account) };
    return holdingOf(health, signs, { nowMs: this.deps.clock.nowMs(), openMs: this.openMs });
  }

  private isProbed(place: Place): boolean {
    return this.facts.of(offerOf(place)).some(({ state, endedAtMs }) => state === 'submitting' && endedAtMs === null);
  }

  private get openMs(): number {
    return this.deps.settings.circuitMs ?? CIRCUIT_MS;
  }
}
