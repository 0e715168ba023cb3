import type { Deps } from './deps.ts';

/** Work that is done again and again beside the jobs, until it is stopped. One that fails is logged and comes again. */
export class Rounds {
  private readonly deps: Pick<Deps, 'clock' | 'log'>;
  private readonly everyMs: number;
  private readonly work: () => Promise<unknown>;
  private round: Promise<void> | null = null;
  private cancel: () => void = () => {};
  private stopped = false;

  constructor(deps: Pick<Deps, 'clock' | 'log'>, everyMs: number, work: () => Promise<unknown>) {
    this.deps = deps;
    this.everyMs = everyMs;
    this.work = work;
  }

  /** Begins the first round now, and the next one a period after each has ended. Does not wait for it. */
  start(): void {
    if (this.stopped) return;
    this.round = this.work()
      .then(() => {})
      .catch((error) => this.deps.log.error('background work failed', { error }))
      .finally(() => {
        this.round = null;
        if (!this.stopped) this.cancel = this.deps.clock.after(this.everyMs, () => this.start());
      });
  }

  /** Begins no further round and waits for the one under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel();
    await this.round;
  }
}
