import { setImmediate as turn } from 'node:timers/promises';

/** Turns of the event loop without anything under way, before all is believed to wait for the clock alone. */
const TURNS = 3;

/** Knows when nothing moves any more before the virtual clock does: then it may be moved on. */
export class Quiet {
  private busy = 0;
  private stirred = 0;

  /** Counts the work as something that is under way in this instant. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.busy += 1;
    try {
      return await work;
    } finally {
      this.busy -= 1;
      this.stirred += 1;
    }
  }

  /** Resolves once everything that was set off in this instant has come to its end. */
  async reached(): Promise<void> {
    for (let still = 0; still < TURNS; ) {
      const before = this.stirred;
      await turn();
      still = this.busy === 0 && this.stirred === before ? still + 1 : 0;
    }
  }
}
