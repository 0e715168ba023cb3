import { MINUTE_MS, SECOND_MS, toUnixSeconds } from '../ground/time.ts';
import { lastOfSubjects } from '../ledger/alarms.ts';
import { EMPTY_FOR_MS, spellOf } from '../routing/health.ts';
import type { Tx } from '../store/database.ts';
import type { AccountSettingsRow } from '../store/schema.ts';
import type { AlarmRow } from '../store/schema-alarms.ts';
import type { Deps } from './deps.ts';
import { FACTS_AGE_MAX_MS, Facts, nextOverdueAtMs, offerRefusalOf, outcomesOf, shutOf } from './facts.ts';
import { offerOf } from './lane.ts';
import { type AttemptFact, factsSince, settingsOfAccounts } from './outlook-rows.ts';
import { raise } from './raise.ts';

/** How often circuits are looked at: seconds after one has opened its operator knows. */
export const CIRCUITS_EVERY_MS = 5 * SECOND_MS;

const [OPENED, CLOSED] = ['circuit.opened', 'circuit.closed'] as const;
const OPEN_MS = 30 * SECOND_MS;
/**
 * Five large uploads may each take longer than a submission should, and open a circuit until they are taken. An opening that
 * answers may still take back is told of when it has stood this long.
 */
const STANDS_MS = 20 * SECOND_MS;
/** What was committed late, or by another process, is found by reading this far back each time. */
const LOOK_BACK_MS = MINUTE_MS;

export type CircuitDeps = Pick<Deps, 'database' | 'clock' | 'accounts' | 'settings' | 'mint' | 'log' | 'signals'>;

/** Why nothing is sent: its submissions fail, the provider wants money or another key, or does not know the offer. */
type Reason = 'failures' | 'out_of_credit' | 'unauthorized' | 'offer_refused';

/** What can be open. `model` and `upstream` are null where it is the whole account, or the model under any name. */
interface Subject {
  readonly name: string;
  readonly provider: string;
  readonly account: string;
  readonly model: string | null;
  readonly upstream: string | null;
  readonly reason: Reason;
}

interface Trouble {
  readonly openedAtMs: number;
  /** When it may be tried again; null: not by itself. */
  readonly untilMs: number | null;
  readonly failures: number;
}

/**
 * Tells the operator that a circuit has opened, and that it has closed: once per opening, however often its probes fail.
 * What was told last is read from the alarms themselves, so neither a restart nor a second process tells it again.
 * Nothing is told of accounts that a person has isolated or disabled.
 */
export class CircuitWatch {
  private readonly deps: CircuitDeps;
  private readonly facts = new Facts();
  private readonly subjects: readonly Subject[];
  private readAtMs: number | null = null;

  constructor(deps: CircuitDeps) {
    this.deps = deps;
    this.subjects = subjectsOf(deps.accounts);
  }

  /** Looks now. Resolves with how many alarms it has raised. */
  async look(): Promise<number> {
    const { clock, database } = this.deps;
    const nowMs = clock.nowMs();
    const oldestMs = nowMs - FACTS_AGE_MAX_MS;
    const sinceMs = this.readAtMs === null ? oldestMs : this.readAtMs - LOOK_BACK_MS;
    const { facts, settings, last } = await database.read(async (tx) => ({
      facts: await factsSince(tx, { sinceMs, madeSinceMs: oldestMs }),
      settings: await settingsOfAccounts(tx),
      last: await lastOfSubjects(tx, [OPENED, CLOSED]),
    }));
    this.facts.note(facts, nowMs);
    this.readAtMs = nowMs;
    const told = new Map(last.filter(({ type }) => type === OPENED).map((row) => [row.subject, row]));
    const changed = [...this.facts.changed];
    let raised = 0;
    for (const subject of this.subjects) {
      const opened = told.get(subject.name);
      if (!opened && !changed.some((offer) => concerns(offer, subject)) && !this.awaits(subject)) continue;
      if (await this.tell(subject, settings.get(subject.account), opened)) raised += 1;
    }
    // Only now: what could not be told, because the store refused it, is looked at again.
    this.facts.changed.clear();
    return raised;
  }

  /** Whether time alone may open it: a submission has no answer yet. */
  private awaits(subject: Subject): boolean {
    return Number.isFinite(nextOverdueAtMs(this.factsOf(subject), 0));
  }

  private async tell(
    subject: Subject,
    settings: AccountSettingsRow | undefined,
    opened: AlarmRow | undefined,
  ): Promise<boolean> {
    if (settings?.isolated === true || settings?.enabled === false) return false;
    const sinceMs = settings?.healthSinceMs ?? 0;
    const trouble = this.troubleOf(subject, sinceMs);
    if (trouble && !opened) {
      return this.mayPass(subject, trouble, sinceMs) ? false : await this.tellOpened(subject, trouble);
    }
    return !trouble && opened ? await this.tellClosed(subject, opened, sinceMs) : false;
  }

  /** Whether it rests upon submissions that have no answer yet, and has not stood for long. */
  private mayPass(subject: Subject, { openedAtMs }: Trouble, sinceMs: number): boolean {
    const nowMs = this.readAtMs ?? 0;
    if (subject.reason !== 'failures' || nowMs >= openedAtMs + STANDS_MS) return false;
    const settled = this.factsOf(subject).filter(
      ({ state, endedAtMs }) => state !== 'submitting' || endedAtMs !== null,
    );
    return this.spellIn(settled, subject, sinceMs) === null;
  }

  /** The spell that the attempts add up to, going by what they have shown since then; null when there is none. */
  private spellIn(facts: readonly AttemptFact[], subject: Subject, sinceMs: number): Trouble | null {
    const openMs = this.deps.settings.circuitMs ?? OPEN_MS;
    const outcomes = outcomesOf(facts, { sinceMs, nowMs: this.readAtMs ?? 0 });
    return spellOf(outcomes, { openMs, name: placeOf(subject) });
  }

  private async tellOpened(subject: Subject, { openedAtMs, untilMs, failures }: Trouble): Promise<boolean> {
    const until = untilMs === null ? null : toUnixSeconds(untilMs);
    const data = { ...shown(subject), failures, opened_at: toUnixSeconds(openedAtMs), until };
    const news = { type: OPENED, subject: subject.name, mark: String(openedAtMs), data } as const;
    const detail = `${subject.name}: ${failures} failures`;
    return await raise(
      this.deps,
      news,
      { detail, account: subject.account },
      async (tx) => !(await isOpen(tx, subject)),
    );
  }

  private async tellClosed(subject: Subject, opened: AlarmRow, sinceMs: number): Promise<boolean> {
    const openedAtMs = Number(opened.mark);
    const closedBy = this.closedBy(subject, { openedAtMs, sinceMs });
    const data = { ...shown(subject), opened_at: toUnixSeconds(openedAtMs), closed_by: closedBy };
    const news = { type: CLOSED, subject: subject.name, mark: opened.mark, data } as const;
    const detail = `${subject.name}: closed by ${closedBy}`;
    return await raise(this.deps, news, { detail, account: subject.account }, (tx) => isOpen(tx, subject));
  }

  /** What closed it: good answers, an operator who had its failures forgotten, or that the failures are too old to count. */
  private closedBy(
    subject: Subject,
    { openedAtMs, sinceMs }: { readonly openedAtMs: number; readonly sinceMs: number },
  ): 'success' | 'operator' | 'age' {
    if (sinceMs > openedAtMs) return 'operator';
    if (this.factsOf(subject).some(({ acceptedAtMs }) => (acceptedAtMs ?? 0) > openedAtMs)) return 'success';
    // Submissions that had no answer for too long may all have been answered since, if only with a refusal.
    return this.deps.clock.nowMs() - openedAtMs < FACTS_AGE_MAX_MS ? 'success' : 'age';
  }

  private factsOf(subject: Subject): AttemptFact[] {
    return subject.model === null ? this.facts.ofAccount(subject.account) : this.facts.of(placeOf(subject));
  }

  /** What is wrong now, going by what attempts have shown since then; null when nothing is. */
  private troubleOf(subject: Subject, sinceMs: number): Trouble | null {
    const facts = this.factsOf(subject);
    const { reason } = subject;
    switch (reason) {
      case 'failures':
        return this.spellIn(facts, subject, sinceMs);
      case 'offer_refused': {
        const atMs = offerRefusalOf(facts, subject.upstream ?? '', sinceMs);
        return atMs === null ? null : { openedAtMs: atMs, untilMs: null, failures: 1 };
      }
      case 'out_of_credit':
      case 'unauthorized':
        return shutTrouble(facts, reason, sinceMs);
    }
  }
}

/**
 * The refusals since the last acceptance. A restart disproves none of them: unlike the router, which tries a key again
 * that may be another one now, this waits for an acceptance before it says that all is well.
 */
function shutTrouble(facts: readonly AttemptFact[], kind: 'out_of_credit' | 'unauthorized', sinceMs: number) {
  const ofKind = facts.filter(({ failureKind, acceptedAtMs }) => failureKind === kind || acceptedAtMs !== null);
  const shut = shutOf(ofKind, { healthMs: sinceMs, keyMs: sinceMs });
  if (shut === null) return null;
  const acceptedAtMs = Math.max(sinceMs - 1, ...facts.map((fact) => fact.acceptedAtMs ?? 0));
  const refusedAtMs = ofKind
    .filter(({ failureKind, endedAtMs }) => failureKind === kind && (endedAtMs ?? 0) > acceptedAtMs)
    .map(({ endedAtMs }) => endedAtMs ?? 0);
  const untilMs = kind === 'out_of_credit' ? shut.atMs + EMPTY_FOR_MS : null;
  return { openedAtMs: Math.min(shut.atMs, ...refusedAtMs), untilMs, failures: refusedAtMs.length };
}

const isOpen = async (tx: Tx, { name }: Subject): Promise<boolean> =>
  (await lastOfSubjects(tx, [OPENED, CLOSED], name)).some(({ type }) => type === OPENED);

/** Where its attempts are: the offer, or the whole account. */
const placeOf = ({ account, model }: Subject): string => (model === null ? account : offerOf({ account, model }));

const concerns = (offer: string, subject: Subject): boolean =>
  subject.model === null ? offer.startsWith(`${subject.account}/`) : offer === placeOf(subject);

const shown = ({ account, provider, model, reason }: Subject) => ({ account, provider, model, reason });

function subjectsOf(accounts: CircuitDeps['accounts']): Subject[] {
  const subjects = [...accounts.values()].flatMap(({ id: account, provider: { id: provider, capabilities } }) => {
    const whole = { provider, account, model: null, upstream: null };
    const shut = (['out_of_credit', 'unauthorized'] as const).map((reason) => ({
      ...whole,
      reason,
      name: `${account} ${reason}`,
    }));
    const offers = capabilities.flatMap(({ model, upstream }): Subject[] => {
      const offer = { provider, account, model };
      return [
        { ...offer, upstream: null, reason: 'failures', name: `${account}/${model}` },
        { ...offer, upstream, reason: 'offer_refused', name: `${account}/${model} ${upstream} offer_refused` },
      ];
    });
    return [...shut, ...offers];
  });
  return [...new Map(subjects.map((subject) => [subject.name, subject])).values()];
}
