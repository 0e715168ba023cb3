import { DAY_MS, SECOND_MS } from '../ground/time.ts';
import { dueNews, recordNews } from '../ledger/alarms.ts';
import { dueAlarms, recordAlarm } from '../ledger/budget-alerts.ts';
import type { Tx } from '../store/database.ts';
import type { Sent } from '../wire/notify.ts';
import type { Deps } from './deps.ts';
import { outcomeOf } from './notify.ts';

/** What another process has left behind is found by looking; one's own alarms are told. */
const LOOK_EVERY_MS = 10 * SECOND_MS;
const AT_ONCE = 20;
/** What was raised earlier than this is no alarm any more: so a new address is not flooded with old ones. */
const NEWS_FOR_MS = 3 * DAY_MS;

/** An alarm that waits, whichever table it lies in. */
interface Waiting {
  readonly id: string;
  readonly body: string;
  readonly tries: number;
  /** Whose budget it is about; absent for what is about the gateway itself. */
  readonly tenantId?: string;
  readonly record: typeof recordAlarm;
}

export interface AlarmsDeps extends Pick<Deps, 'database' | 'clock' | 'log'> {
  readonly sender: { send(body: string): Promise<Sent>; close(): Promise<void> };
}

/**
 * Tells the operator of alerts, at least once each, with the same id and the same bytes at every try. The truth is in
 * the rows: an alarm that could not be delivered is due again later, also after a restart.
 */
export class Alarms {
  private readonly deps: AlarmsDeps;
  private round: Promise<void> | null = null;
  private wokenMeanwhile = false;
  private cancelLook: (() => void) | null = null;
  private stopping = false;

  constructor(deps: AlarmsDeps) {
    this.deps = deps;
  }

  /** There may be something to tell now. May be called inside the transaction that raises it. */
  wake(): void {
    if (this.stopping) return;
    if (this.round !== null) {
      this.wokenMeanwhile = true;
      return;
    }
    this.cancelLook?.();
    this.round = this.tellDue()
      .catch((error) => this.deps.log.error('alarms could not be looked up', { error }))
      .finally(() => {
        this.round = null;
        const again = this.wokenMeanwhile;
        this.wokenMeanwhile = false;
        if (again) this.wake();
        else if (!this.stopping) this.cancelLook = this.deps.clock.after(LOOK_EVERY_MS, () => this.wake());
      });
  }

  /** Begins nothing new and waits for what is under way. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.cancelLook?.();
    await this.round;
    await this.deps.sender.close();
  }

  private async tellDue(): Promise<void> {
    const { clock, database } = this.deps;
    const nowMs = clock.nowMs();
    // A write, so that it comes behind the transaction that has raised what this was woken for.
    const due = await database.write((tx) => allDue(tx, nowMs));
    await Promise.all(due.map((alarm) => this.tell(alarm)));
    if (due.length >= AT_ONCE) this.wokenMeanwhile = true;
  }

  private async tell(alarm: Waiting): Promise<void> {
    const { clock, database, log, sender } = this.deps;
    const sent = await sender.send(alarm.body);
    const status = sent.kind === 'answered' ? sent.status : null;
    const outcome = outcomeOf(status, alarm.tries, clock.nowMs());
    await database.write((tx) => alarm.record(tx, alarm, outcome.state === 'pending' ? outcome.dueAtMs : null));
    const fields = {
      ...(alarm.tenantId !== undefined && { tenant: alarm.tenantId }),
      ...(status !== null && { status }),
      ...(sent.kind === 'unanswered' && { detail: sent.detail }),
    };
    if (outcome.state === 'delivered') log.info('alarm delivered', fields);
    else log.warn(outcome.state === 'failed' ? 'alarm given up' : 'alarm not delivered yet', fields);
  }
}

/** What is due of both kinds, at most so many of each at once. */
async function allDue(tx: Tx, nowMs: number): Promise<Waiting[]> {
  const which = { nowMs, sinceMs: nowMs - NEWS_FOR_MS, limit: AT_ONCE };
  const ofBudgets = await dueAlarms(tx, which);
  const others = await dueNews(tx, which);
  return [
    ...ofBudgets.map((row) => ({ ...row, record: recordAlarm })),
    ...others.map((row) => ({ ...row, record: recordNews })),
  ];
}
