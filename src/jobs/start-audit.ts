import { createHash } from 'node:crypto';
import { count, ne } from 'drizzle-orm';
import { audit } from '../ledger/audit.ts';
import { auditOpen } from '../ledger/start-audit.ts';
import { entries, processes } from '../store/schema.ts';
import type { Deps } from './deps.ts';
import { raise } from './raise.ts';

type StartDeps = Pick<Deps, 'database' | 'clock' | 'mint' | 'log' | 'signals' | 'processId'> & {
  /** What the store's own check of its file finds wrong. */
  readonly checkFile: () => Promise<readonly string[]>;
};

const LISTED_MAX = 20;
/** 280,000 entries of 100,000 jobs took 15 s on two busy cores (2026-11-21), in which nothing else is done. */
const ENTRIES_MAX = 20_000;

/**
 * Looks through the books after a stop that was none: a process that ends well takes its row away, so a row that is
 * still there at the next start tells of a kill or of a power cut. While budgets do not agree with their entries nothing
 * is admitted; everything else goes on.
 */
export class StartAudit {
  private readonly deps: StartDeps;
  private shut: readonly string[] = [];

  constructor(deps: StartDeps) {
    this.deps = deps;
  }

  /**
   * Before the first admission, and before other processes are forgotten: audits the open holds and the budgets of
   * today, where the last stop was unclean. Resolves with whether it was.
   */
  async begin(): Promise<boolean> {
    const { database, processId } = this.deps;
    const [left] = await database.read((tx) =>
      tx.select({ count: count() }).from(processes).where(ne(processes.id, processId)),
    );
    if (left === undefined || left.count === 0) return false;
    this.deps.log.warn('the last stop was unclean: open holds and current budgets are audited');
    await this.look();
    return true;
  }

  /** Why nothing is admitted, in words for operators; null while admission is open. */
  fault(): string | null {
    const [first] = this.shut;
    if (first === undefined) return null;
    return `budgets do not agree with the ledger (${this.shut.length}, first: ${first}); GET /admin/v1/audit looks again`;
  }

  /** Looks again while admission is shut, and opens it when the budgets agree. */
  async lookAgain(): Promise<void> {
    if (this.shut.length === 0) return;
    await this.look();
    if (this.shut.length === 0) this.deps.log.info('the budgets agree with the ledger again: admission is open');
  }

  /** What can be done while requests are served: the whole audit, and the store's own check of its file. */
  async behind(): Promise<void> {
    const { checkFile, log } = this.deps;
    const differences = await this.wholeAudit();
    await this.tell('the ledger', differences);
    const broken = await checkFile();
    await this.tell('the store', broken);
    if (differences.length + broken.length === 0) log.info('nothing wrong was found after the unclean stop');
  }

  /** The audit of a long ledger keeps every request waiting for seconds: that is for an operator to begin. */
  private async wholeAudit(): Promise<readonly string[]> {
    const { database, log } = this.deps;
    const [ledger] = await database.read((tx) => tx.select({ count: count() }).from(entries));
    const length = ledger?.count ?? 0;
    if (length <= ENTRIES_MAX) return (await database.snapshot(audit)).differences;
    const detail = `${length} entries, at most ${ENTRIES_MAX} are audited beside requests: GET /admin/v1/audit at a quiet hour`;
    log.warn('the whole ledger is not audited by itself', { count: length, detail });
    return [];
  }

  private async look(): Promise<void> {
    const { clock, database } = this.deps;
    const { holds, budgets } = await database.snapshot((tx) => auditOpen(tx, clock.nowMs()));
    this.shut = budgets;
    await this.tell('open holds and current budgets', [...budgets, ...holds]);
  }

  /** Logs each difference, and raises one alarm for all of them; the same ones are told once. */
  private async tell(subject: string, differences: readonly string[]): Promise<void> {
    if (differences.length === 0) return;
    for (const detail of differences.slice(0, LISTED_MAX)) this.deps.log.error('audit difference', { detail });
    const mark = createHash('sha256').update(differences.join('\n')).digest('hex');
    const data = {
      subject,
      count: differences.length,
      differences: differences.slice(0, LISTED_MAX),
      admission: this.shut.length === 0 ? 'open' : 'shut',
    };
    const detail = `${differences.length} differences in ${subject}`;
    await raise(this.deps, { type: 'audit.difference', subject, mark, data }, { detail });
  }
}
