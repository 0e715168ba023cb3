import { createHash } from 'node:crypto';
import { videoName } from '../jobs/close.ts';
import type { Deps } from '../jobs/deps.ts';
import { raise } from '../jobs/raise.ts';
import { loadJob } from '../jobs/rows.ts';
import type { JobRow } from '../store/schema.ts';

/** Verdicts that are remembered; the oldest go first, and are found again by reading the file again. */
const REMEMBERED_MAX = 10_000;
const MISSING = 'missing';

type SavedJob = Pick<JobRow, 'id' | 'tenantId' | 'fileBytes' | 'fileDigest'>;

interface Verdict {
  /** The file as it was judged: by length and time of change, or that it was not there. */
  readonly mark: string;
  readonly fault: Promise<string | null>;
}

/**
 * Holds saved videos against what was written down of them when they were saved. Each is read whole once for every change
 * of its file, as a stream; in between a look at its length and its time of change is enough.
 */
export class SavedFiles {
  private readonly deps: Deps;
  private readonly verdicts = new Map<string, Verdict>();

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** What is wrong with the saved file of the job, for operators, who are told once; null when it is as it was saved. */
  async faultOf(job: SavedJob): Promise<string | null> {
    const found = await this.deps.files.look(videoName(job.id));
    const mark = found === null ? MISSING : `${found.bytes} bytes, changed at ${found.changedAtMs}`;
    const known = this.verdicts.get(job.id);
    if (known?.mark === mark) return await known.fault;
    const fault = this.judge(job, found?.bytes ?? null, mark);
    this.remember(job.id, { mark, fault });
    // A disk that could not be read just now is asked again by the next request.
    fault.catch(() => this.verdicts.delete(job.id));
    return await fault;
  }

  private remember(id: string, verdict: Verdict): void {
    this.verdicts.delete(id);
    this.verdicts.set(id, verdict);
    const [oldest] = this.verdicts.keys();
    if (this.verdicts.size > REMEMBERED_MAX && oldest !== undefined) this.verdicts.delete(oldest);
  }

  private async judge(job: SavedJob, bytes: number | null, mark: string): Promise<string | null> {
    const fault = await this.compare(job, bytes);
    if (fault !== null && (await this.isKept(job.id))) await this.tell(job, fault, mark);
    return fault;
  }

  /** Whether the file is to be there: a video that was deleted, or has expired, in this very moment has none. */
  private async isKept(id: string): Promise<boolean> {
    const { database, clock } = this.deps;
    const job = await database.read((tx) => loadJob(tx, id));
    return job !== null && job.deletedAtMs === null && (job.expiresAtMs ?? Number.POSITIVE_INFINITY) > clock.nowMs();
  }

  private async compare({ id, fileBytes, fileDigest }: SavedJob, bytes: number | null): Promise<string | null> {
    if (bytes === null) return 'the saved file is missing';
    if (bytes !== fileBytes) return `the saved file has ${bytes} bytes, ${fileBytes} were saved`;
    const hash = createHash('sha256');
    for await (const chunk of this.deps.files.read(videoName(id))) hash.update(chunk);
    const digest = hash.digest('hex');
    return digest === fileDigest ? null : `the saved file has the SHA-256 ${digest}, ${fileDigest} was saved`;
  }

  private async tell({ id, tenantId }: SavedJob, fault: string, mark: string): Promise<void> {
    this.deps.log.error('saved video damaged', { video: id, tenant: tenantId, detail: fault });
    const data = { video: id, tenant: tenantId, fault };
    const news = { type: 'video.damaged', subject: id, mark, data } as const;
    await raise(this.deps, news, { detail: `${id}: ${fault}` }).catch((error) =>
      this.deps.log.error('alarm not written', { video: id, error }),
    );
  }
}
