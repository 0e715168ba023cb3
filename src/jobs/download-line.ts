/** Downloads at the same time from one host: it serves others too, and our own line is no wider for more. */
const PLACES_PER_HOST = 2;
/** Downloads at the same time in all: what they hold of memory, sockets and disk has a bound. */
const PLACES = 16;

/** What a step sees of the line. */
export interface DownloadPlaces {
  /** Whether the job may download from the host now; if not, it stands in line, and is called when it may. */
  take(jobId: string, host: string): boolean;
}

/**
 * Who may download, and who is next: two at a time of one host, first come, first served, and the hosts in turn, so that a
 * slow one holds up its own clips alone. Memory only. A place is kept until `leave`; a job that is called has it already.
 */
export class DownloadLine implements DownloadPlaces {
  private readonly onCall: (jobId: string) => void;
  /** The host that each job with a place downloads from. */
  private readonly placed = new Map<string, string>();
  /** The hosts in the order of their turns, each with its jobs in the order in which they came. */
  private readonly waiting = new Map<string, Set<string>>();
  private readonly waitsAt = new Map<string, string>();

  /** `onCall` is told each job whose turn has come. */
  constructor(onCall: (jobId: string) => void) {
    this.onCall = onCall;
  }

  take(jobId: string, host: string): boolean {
    if (this.placed.get(jobId) === host) return true;
    if (this.waitsAt.get(jobId) === host) return false;
    // Its video has another address by now.
    this.leave(jobId);
    if (this.hasRoom(host)) {
      this.placed.set(jobId, host);
      return true;
    }
    const line = this.waiting.get(host) ?? new Set();
    this.waiting.set(host, line.add(jobId));
    this.waitsAt.set(jobId, host);
    return false;
  }

  /** The job downloads no more, or does not wait any longer. Its place goes to the next. */
  leave(jobId: string): void {
    this.unline(jobId);
    if (this.placed.delete(jobId)) this.deal();
  }

  /** Whether the job has a place. */
  isPlaced(jobId: string): boolean {
    return this.placed.has(jobId);
  }

  /** The jobs that have a place. */
  get downloading(): Iterable<string> {
    return this.placed.keys();
  }

  private hasRoom(host: string): boolean {
    if (this.placed.size >= PLACES) return false;
    let taken = 0;
    for (const other of this.placed.values()) if (other === host) taken += 1;
    return taken < PLACES_PER_HOST;
  }

  private unline(jobId: string): void {
    const host = this.waitsAt.get(jobId);
    if (host === undefined) return;
    this.waitsAt.delete(jobId);
    const line = this.waiting.get(host);
    line?.delete(jobId);
    if (line?.size === 0) this.waiting.delete(host);
  }

  private deal(): void {
    for (let next = this.next(); next !== null; next = this.next()) {
      const { jobId, host } = next;
      this.unline(jobId);
      // The turn goes on to the next host.
      const line = this.waiting.get(host);
      if (line && this.waiting.delete(host)) this.waiting.set(host, line);
      this.placed.set(jobId, host);
      this.onCall(jobId);
    }
  }

  private next(): { readonly jobId: string; readonly host: string } | null {
    for (const [host, line] of this.waiting) {
      const [jobId] = line;
      if (jobId !== undefined && this.hasRoom(host)) return { jobId, host };
    }
    return null;
  }
}
