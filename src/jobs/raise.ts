import { type News, raiseAlarm } from '../ledger/alarms.ts';
import type { Tx } from '../store/database.ts';
import type { Deps } from './deps.ts';

/**
 * Raises an alarm in a commit of its own, wakes whoever tells it, and logs it. False when it has been told before, or
 * when `isNews`, asked in the same commit, says that it need not be told. `says` is for the log.
 */
export async function raise(
  deps: Pick<Deps, 'database' | 'clock' | 'mint' | 'log' | 'signals'>,
  news: News,
  says: { readonly detail: string; readonly account?: string },
  isNews: (tx: Tx) => Promise<boolean> = async () => true,
): Promise<boolean> {
  const raised = await deps.database.write(async (tx) => {
    const made = (await isNews(tx)) && (await raiseAlarm(tx, news, { nowMs: deps.clock.nowMs(), mint: deps.mint }));
    if (made) deps.signals.alertRaised?.();
    return made;
  });
  if (raised) deps.log.warn('alarm raised', { kind: news.type, ...says });
  return raised;
}
