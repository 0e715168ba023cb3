import { DAY_MS } from '../ground/time.ts';

/** More are not remembered: a repeat of a forgotten one costs a look at its job. */
const DELIVERIES_MAX = 100_000;

/**
 * Deliveries of the last day: a repeated one is thanked for, and does nothing. Known is only what was done: one that met
 * a fault comes again as new.
 */
export class DeliveryLog {
  private readonly atMs = new Map<string, number>();
  private readonly underWay = new Map<string, Promise<void>>();
  private readonly nowMs: () => number;

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  /** Does the work of a delivery unless it was done; two of them at once share it, and its fault. */
  async once(id: string, work: () => Promise<void>): Promise<void> {
    const known = this.atMs.get(id);
    if (known !== undefined && this.nowMs() - known < DAY_MS) return;
    const doing = this.underWay.get(id) ?? work().finally(() => this.underWay.delete(id));
    this.underWay.set(id, doing);
    await doing;
    if (this.atMs.size >= DELIVERIES_MAX) this.atMs.clear();
    this.atMs.set(id, this.nowMs());
  }
}
