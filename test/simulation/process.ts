import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { ProviderRequest } from '../../providers/contract.ts';
import { createMint } from '../../src/ground/id.ts';
import type { Log } from '../../src/ground/log.ts';
import { Secret } from '../../src/ground/secret.ts';
import { type Clock, slewed } from '../../src/ground/time.ts';
import type { Deps, Downloads, JobSettings, Wire } from '../../src/jobs/deps.ts';
import type { VideoFacts } from '../../src/jobs/inspect.ts';
import { loadAttempts, loadJob } from '../../src/jobs/rows.ts';
import { Worker } from '../../src/jobs/worker.ts';
import { type Database, StoreUnavailable, type Tx } from '../../src/store/database.ts';
import type { Files, PartFile } from '../../src/store/files.ts';
import { Sealer } from '../../src/store/seal.ts';
import type { Answer } from '../../src/wire/call.ts';
import type { ProviderAccount } from '../../src/wire/provider-account.ts';
import type { Chance } from './chance.ts';
import { SIMULATED, SIMULATED_CARDS, TRAITS } from './providers.ts';
import type { VirtualClock } from './virtual-clock.ts';
import type { Weather, World } from './world.ts';

const silent: Log = { info: () => {}, warn: () => {}, error: () => {}, flush: () => {} };

export interface Surroundings {
  readonly clock: VirtualClock;
  readonly world: World;
  readonly chance: Chance;
  readonly weather: Weather;
  readonly database: Database;
  readonly folder: string;
  readonly settings: JobSettings;
  /** While true, every write of the store is refused. */
  readonly storeDown: () => boolean;
  /** Called at each thing that may have changed something, so that the driver knows when all is quiet. */
  readonly stir: () => void;
  /** Called when the store has refused a write. */
  readonly refused: () => void;
  /** Called before and after each call of a seam: every gap between a commit and a call is one of them. */
  readonly cross?: (process: SimulatedProcess) => void;
}

/**
 * A gateway process as the simulation sees it: the real worker and ledger, on seams that a kill cuts and a freeze holds
 * up. What a dead process was waiting for never comes; what a frozen one was waiting for comes when it thaws.
 */
export class SimulatedProcess {
  readonly deps: Deps;
  readonly worker: Worker;
  private died: number | null = null;
  private froze: number | null = null;
  private thaw: (() => void) | null = null;
  private frozen: Promise<void> | null = null;
  private readonly around: Surroundings;

  constructor(number: number, around: Surroundings) {
    this.around = around;
    const { chance, settings } = around;
    const clock = this.clock();
    const mint = createMint(clock, chance);
    const ready: { worker?: Worker } = {};
    this.deps = {
      database: this.database(),
      files: this.files(),
      wire: this.wire(),
      downloads: this.downloads(),
      inspect: (path) => this.through(Promise.resolve(inspect(path))),
      clock,
      wallMs: () => around.clock.nowMs(),
      random: chance,
      mint,
      log: silent,
      sealer: new Sealer(new Secret('the simulation keeps no secrets'), chance),
      cards: SIMULATED_CARDS,
      accounts: new Map(SIMULATED.map((provider) => [provider.id, accountOf(provider)])),
      settings,
      signals: { slotFreed: () => ready.worker?.slotFreed() },
      processId: `process_${number}`,
    };
    this.worker = new Worker(this.deps);
    ready.worker = this.worker;
  }

  get isRunning(): boolean {
    return !this.isDead && this.frozen === null;
  }

  /** From here on nothing that this process does or waits for has any effect. */
  kill(): void {
    this.died ??= this.around.clock.monotonicMs();
  }

  /** Stops the process in the middle of whatever it does; the world goes on. */
  freeze(): void {
    this.froze = this.around.clock.monotonicMs();
    this.frozen ??= new Promise((resolve) => {
      this.thaw = resolve;
    });
  }

  unfreeze(): void {
    this.frozen = null;
    this.thaw?.();
  }

  /** The value, unless the process has died meanwhile; later, if it is frozen. */
  private async through<T>(value: Promise<T>): Promise<T> {
    this.around.stir();
    this.around.cross?.(this);
    const settled = await value.then(
      (given) => ({ given }),
      (error: unknown) => ({ error }),
    );
    if (this.frozen !== null) await this.frozen;
    if (this.isDead) return await new Promise<never>(() => {});
    this.around.cross?.(this);
    if (this.frozen !== null) await this.frozen;
    if (this.isDead) return await new Promise<never>(() => {});
    this.around.stir();
    if ('error' in settled) throw settled.error;
    return settled.given;
  }

  private clock(): Clock {
    const { clock } = this.around;
    return slewed({
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, action) =>
        clock.after(delayMs, () => {
          if (this.isDead) return;
          if (this.frozen !== null) void this.frozen.then(() => !this.isDead && action());
          else action();
          this.around.stir();
        }),
    });
  }

  private database(): Database {
    const { database, storeDown, refused } = this.around;
    const told = (error: unknown): never => {
      if (error instanceof StoreUnavailable) refused();
      throw error;
    };
    return {
      write: <T>(work: (tx: Tx) => Promise<T>) =>
        this.through<T>(
          storeDown() || this.isDead
            ? Promise.reject(new StoreUnavailable('the disk is full'))
            : database
                .write<T>(async (tx) => {
                  if (this.isDead) throw new StoreUnavailable('the process is dead');
                  return await work(tx);
                })
                .catch(told),
        ),
      read: (work) => this.through(database.read(work)),
      snapshot: (work) => database.snapshot(work),
      isWritable: () => !storeDown(),
      close: async () => {},
    };
  }

  private wire(): Wire {
    const { world } = this.around;
    const providerOf = (target: { baseUrls: Readonly<Record<string, string>> }): string =>
      new URL(target.baseUrls.api ?? '').hostname.split('.')[0] ?? '';
    return {
      read: (target, request) => this.through(world.read(providerOf(target), request)),
      upload: (target, request) => this.through(world.read(providerOf(target), request)),
      // A dead process sends nothing more; a frozen one sends when it thaws, if it may then.
      submit: async (target, request, maySend) => {
        const may = () => this.isRunning && maySend() && this.noteLeft(request);
        const answer = await this.through(world.submit(providerOf(target), request, may));
        void this.noteTold(providerOf(target), request, answer);
        return answer;
      },
    };
  }

  /** Bytes leave now: others may judge the attempt from the last instant on that its row names. */
  private noteLeft({ body }: ProviderRequest): true {
    const { world, database } = this.around;
    const { tag, prompt } = body as { tag: string; prompt: string };
    const nowMs = this.deps.clock.nowMs();
    void database
      .read((tx) => loadAttempts(tx, prompt))
      .then((rows) => {
        const row = rows.find(({ id }) => id === tag);
        if (!row) world.broken.push(`${tag} left before its row was committed`);
        else if (nowMs > row.sendByMs)
          world.broken.push(`${tag} left ${nowMs - row.sendByMs} ms later than its row allows`);
      });
    return true;
  }

  /** The answer is in the hands of a process that runs: from here on its task must not be lost. */
  private async noteTold(provider: string, { body }: ProviderRequest, answer: Answer): Promise<void> {
    const { world, clock, database, storeDown } = this.around;
    const id = answer.kind === 'answered' ? (answer.response.body as { task?: string } | null)?.task : undefined;
    const task = world.tasks.find((one) => one.provider === provider && one.id === id);
    if (!task) return;
    if ((body as { tag: string }).tag !== task.tag) task.contested = true;
    const told = { process: this, atMs: clock.monotonicMs(), storeDown: storeDown() };
    const job = await database.read((tx) => loadJob(tx, task.videoId));
    const held = job?.leaseOwner === this.deps.processId;
    task.told.push({ ...told, held, leaseToken: job?.leaseToken ?? 0 });
  }

  private downloads(): Downloads {
    const { world, clock } = this.around;
    return {
      download: (address, part) =>
        this.through(
          (async () => {
            await clock.wait(world.fetchingMs());
            const task = world.videoOf(address);
            if (!task) return { kind: 'gone' as const, detail: 'HTTP 404' };
            const fault = world.spoil();
            if (fault === 'html' || fault === 'short') {
              task.fetches.bad += 1;
              return await writeClip(part, fault === 'html' ? 0 : 1, task.id);
            }
            if (fault !== null) return { kind: fault, detail: fault };
            return await writeClip(part, task.seconds, task.id);
          })(),
        ),
      put: async () => null,
    };
  }

  private files(): Files {
    const place = (name: string): string => join(this.around.folder, name);
    return {
      create: async (name) => {
        mkdirSync(dirname(place(name)), { recursive: true });
        return partFile(place(name), this);
      },
      read: () => Readable.from([]),
      look: async () => null,
      remove: async (name) => rmSync(place(name), { force: true }),
      list: async (below) => {
        if (!existsSync(place(below))) return [];
        return readdirSync(place(below)).map((name) => `${below}/${name}`);
      },
      space: async () => ({ freeBytes: 1e12, totalBytes: 1e12 }),
    };
  }

  /** Whether effects of this process still happen. */
  get isDead(): boolean {
    return this.died !== null;
  }

  /** When it died, by the monotonic clock; null while it lives. */
  get diedAtMs(): number | null {
    return this.died;
  }

  /** When it was frozen last. */
  get frozenAtMs(): number | null {
    return this.froze;
  }
}

function accountOf(provider: (typeof SIMULATED)[number]): ProviderAccount {
  return {
    id: provider.id,
    provider,
    connection: provider.connect({}),
    target: { baseUrls: provider.settings.hosts, secrets: [] },
    credentials: [],
    hookSecrets: [],
    slots: TRAITS.find(({ id }) => id === provider.id)?.slots ?? 1,
  };
}

/** What was written, by path: a stand-in for the bytes, which no invariant looks at. */
const written = new Map<string, string>();

let parts = 0;

function partFile(path: string, process: SimulatedProcess): PartFile {
  parts += 1;
  const part = `${path}.${parts}.part`;
  written.set(part, '');
  const handle = openSync(part, 'w');
  let open = true;
  return {
    path: part,
    async write(chunk) {
      if (process.isDead) return;
      writeSync(handle, chunk);
      written.set(part, (written.get(part) ?? '') + Buffer.from(chunk).toString('utf8'));
    },
    async finish() {
      if (process.isDead || !open) return;
      fsyncSync(handle);
      closeSync(handle);
      open = false;
      renameSync(part, path);
    },
    async discard() {
      if (process.isDead || !open) return;
      closeSync(handle);
      open = false;
      rmSync(part, { force: true });
    },
  };
}

async function writeClip(part: PartFile, seconds: number, taskId: string) {
  const bytes = Buffer.from(`${seconds} ${taskId}`);
  await part.write(bytes);
  return { kind: 'downloaded' as const, bytes: bytes.length, digest: digestOf(bytes) };
}

/** SHA-256, hex. */
export const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The header of a stand-in: its first word is its length. */
function inspect(path: string): VideoFacts | null {
  const seconds = Number.parseInt(written.get(path) ?? '', 10);
  if (!(seconds > 0)) return null;
  return { contentType: 'video/mp4', durationMs: seconds * 1_000, width: 1_280, height: 720, hasAudio: false };
}
