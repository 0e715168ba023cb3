import { DAY_MS } from '../ground/time.ts';
import type { FreeRead } from '../routing/probe.ts';
import type { Answer } from '../wire/call.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { Deps } from './deps.ts';
import { lastTaskOf } from './outlook-rows.ts';
import { isBelieved } from './resend.ts';
import { keyReplayOf } from './resend-rows.ts';

/** A task this old is surely still known where it was made. */
const TASK_AGE_MAX_MS = DAY_MS;
/** The last weeks are enough: what is asked is whether there is an answer. */
const BALANCE_SINCE_MS = 30 * DAY_MS;

type ReadDeps = Pick<Deps, 'database' | 'clock' | 'wallMs' | 'wire' | 'accounts' | 'settings' | 'sealer' | 'log'>;

/**
 * Reads that cost nothing at accounts whose circuit may be tried again: of the task that was taken last, for that is asked
 * where clips are ordered; else of the balance. What they came to is kept in memory: a restart reads again.
 */
export class FreeReads {
  private readonly deps: ReadDeps;
  private readonly onGood: () => void;
  private readonly last = new Map<string, FreeRead>();
  private readonly underWay = new Map<string, Promise<void>>();
  private stopped = false;

  /** `onGood` is called when an account has answered well. */
  constructor(deps: ReadDeps, onGood: () => void) {
    this.deps = deps;
    this.onGood = onGood;
  }

  /** The last read of the account; null when there was none. */
  of(account: string): FreeRead | null {
    return this.last.get(account) ?? null;
  }

  /** Begins a read of each account that wants one and has none under way. Does not wait for them. */
  tend(wants: (account: ProviderAccount) => boolean): void {
    for (const account of this.deps.accounts.values()) {
      if (this.stopped || this.underWay.has(account.id) || !wants(account)) continue;
      const reading = this.read(account)
        .catch((error) => this.deps.log.error('an account could not be read', { account: account.id, error }))
        .finally(() => this.underWay.delete(account.id));
      this.underWay.set(account.id, reading);
    }
  }

  /** Begins no more; what is under way is told to nobody. */
  stop(): void {
    this.stopped = true;
  }

  private async read(account: ProviderAccount): Promise<void> {
    const { database, clock, settings } = this.deps;
    const askedAtMs = clock.nowMs();
    const { task, seen } = await database.read(async (tx) => ({
      task: await lastTaskOf(tx, account.id, askedAtMs - TASK_AGE_MAX_MS),
      seen: await keyReplayOf(tx, account.id),
    }));
    const { provider, connection } = account;
    const calls = provider.hooks !== undefined && settings.publicUrl !== null;
    const findable = connection.find !== undefined || calls || isBelieved(this.deps, account, seen);
    const answer = await this.ask(account, task).catch((error): FreeRead['answer'] => {
      // It is we who make nothing of it: taken for silence, it would keep every job away for as long as that lasts.
      this.deps.log.error('what an account answers could not be read', { account: account.id, error });
      return 'none';
    });
    if (this.stopped) return;
    this.deps.log.info('account read before a job tries it', { account: account.id, detail: answer });
    this.note(account.id, { askedAtMs, answer, findable });
    if (answer !== 'silent') this.onGood();
  }

  private note(account: string, read: Omit<FreeRead, 'backAtMs'>): void {
    const before = this.of(account);
    const isBack = before?.answer === 'silent' && read.answer !== 'silent';
    this.last.set(account, { ...read, backAtMs: isBack ? read.askedAtMs : (before?.backAtMs ?? null) });
  }

  private async ask(account: ProviderAccount, task: string | null): Promise<FreeRead['answer']> {
    const ofTask = task === null ? 'none' : await this.askTask(account, task);
    return ofTask === 'none' ? await this.askBalance(account) : ofTask;
  }

  private async askTask({ connection: { poll }, target }: ProviderAccount, task: string): Promise<FreeRead['answer']> {
    const handle = JSON.parse(task);
    const answer = await this.deps.wire.read(target, poll.request(handle, this.deps.wallMs()));
    if (!isAnswered(answer)) return 'silent';
    const outcome = poll.response(answer.response, handle);
    if (outcome.state !== 'failure' || outcome.task === 'ended' || outcome.kind === 'video_missing') return 'good';
    return isBusy(outcome.kind) ? 'silent' : 'none';
  }

  private async askBalance({ connection: { balance }, target }: ProviderAccount): Promise<FreeRead['answer']> {
    if (!balance) return 'none';
    const nowMs = this.deps.wallMs();
    const range = { fromMs: nowMs - BALANCE_SINCE_MS, toMs: nowMs };
    const request = balance.request(range, nowMs);
    const answer = await this.deps.wire.read(target, request);
    // The silence of another host says nothing of the one where clips are ordered, nor does a ledger alone that is down.
    const isElsewhere = request.host !== undefined && request.host !== 'api';
    const silence = isElsewhere || isOwnError(answer) ? 'none' : 'silent';
    if (!isAnswered(answer)) return silence;
    const outcome = balance.response(answer.response, range);
    if (outcome.state === 'balance') return 'good';
    return isBusy(outcome.kind) ? silence : 'none';
  }
}

/** Whether there was an answer that is not the one of an edge whose provider is down. */
const isAnswered = (answer: Answer): answer is Answer & { readonly kind: 'answered' } =>
  answer.kind === 'answered' && answer.response.status < 500;

/** An error that the provider itself wrote, and not an edge in its place. */
const isOwnError = (answer: Answer): boolean => answer.kind === 'answered' && answer.response.body !== null;

/** Nothing can be read now; a key that may not read at all, or a task that is not known any more, says nothing. */
const isBusy = (kind: string): boolean => kind === 'unavailable' || kind === 'rate_limited';
