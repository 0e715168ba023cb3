import { byAge } from './turns.ts';
import type { LaneOption, Waiter } from './waiter.ts';

/**
 * The jobs that wait, a line for each tenant, oldest first, and what is asked of them at each look and each admission,
 * counted as they come and go: with ten thousand waiting, counting them anew would hold everybody else up.
 */
export class Lines {
  private readonly byJob = new Map<string, Waiter>();
  private readonly byTenant = new Map<string, Waiter[]>();
  /** How many jobs of each tenant wait, by the lane of their first choice. */
  private readonly firsts = new Map<string, Map<string, number>>();
  /** How many jobs could use each offer of a lane, with an option of it. */
  private readonly wanted = new Map<string, { readonly option: LaneOption; waiters: number }>();
  /** Billionths of prepaid units that the first choices of those who wait will draw, by account. */
  private readonly units = new Map<string, bigint>();

  get size(): number {
    return this.byJob.size;
  }

  /** The job, if it waits. */
  get(jobId: string): Waiter | undefined {
    return this.byJob.get(jobId);
  }

  /** Puts the job in its tenant's line, by its age; in place of what was known of it before. */
  enter(waiter: Waiter): void {
    this.exit(waiter.jobId);
    this.byJob.set(waiter.jobId, waiter);
    const line = this.byTenant.get(waiter.tenantId) ?? [];
    this.byTenant.set(waiter.tenantId, line);
    line.splice(placeIn(line, waiter), 0, waiter);
    this.count(waiter, 1);
  }

  /** Takes the job out of its line; does nothing where it does not wait. */
  exit(jobId: string): void {
    const waiter = this.byJob.get(jobId);
    if (!waiter) return;
    this.byJob.delete(jobId);
    const line = this.byTenant.get(waiter.tenantId) ?? [];
    line.splice(placeIn(line, waiter), 1);
    if (line.length === 0) this.byTenant.delete(waiter.tenantId);
    this.count(waiter, -1);
  }

  /** The lines themselves; they change as jobs come and go. */
  ofTenants(): readonly (readonly Waiter[])[] {
    return [...this.byTenant.values()];
  }

  /** One option of each lane that somebody waits for, and of each offer in it. */
  lanes(): LaneOption[] {
    return [...this.wanted.values()].map(({ option }) => option);
  }

  /**
   * How many jobs a new one of this tenant would find before it in the lane: its own, and of each other tenant as many
   * as are served until its turn. A job counts in the lane of its first choice.
   */
  aheadOf(tenantId: string, lane: string): number {
    const tenants = this.firsts.get(lane) ?? new Map<string, number>();
    const own = tenants.get(tenantId) ?? 0;
    let ahead = own;
    for (const [id, count] of tenants) if (id !== tenantId) ahead += Math.min(count, own + 1);
    return ahead;
  }

  /** Jobs that wait for the lane, as the one of their first choice. */
  waitingIn(lane: string): number {
    return [...(this.firsts.get(lane)?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  }

  /** Billionths of prepaid units that the jobs will draw which wait for the account as their first choice. */
  unitsAwaited(account: string): bigint {
    return this.units.get(account) ?? 0n;
  }

  private count({ options, tenantId }: Waiter, change: 1 | -1): void {
    for (const option of options) {
      const offer = `${option.offer} ${option.upstream}`;
      const wanted = this.wanted.get(offer) ?? { option, waiters: 0 };
      wanted.waiters += change;
      if (wanted.waiters > 0) this.wanted.set(offer, wanted);
      else this.wanted.delete(offer);
    }
    const [first] = options;
    if (!first) return;
    const tenants = this.firsts.get(first.lane) ?? new Map<string, number>();
    this.firsts.set(first.lane, tenants);
    const count = (tenants.get(tenantId) ?? 0) + change;
    if (count > 0) tenants.set(tenantId, count);
    else tenants.delete(tenantId);
    this.units.set(first.account, this.unitsAwaited(first.account) + BigInt(change) * first.units);
  }
}

/** Where the job stands in the line, or would: behind all that are older. */
function placeIn(line: readonly Waiter[], waiter: Waiter): number {
  let [from, to] = [0, line.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const other = line[middle];
    if (other && byAge(other, waiter) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
