/** The five emulators on a virtual clock, called in this process; and the wire and the downloads that lead to them. */
import { connectAccount } from '../../src/accounts.ts';
import { present } from '../../src/ground/assert.ts';
import { SECOND_MS } from '../../src/ground/time.ts';
import type { Downloads, Wire } from '../../src/jobs/deps.ts';
import { digestOf } from '../../src/jobs/hook.ts';
import type { VideoFacts } from '../../src/jobs/inspect.ts';
import type { Send } from '../../src/sandbox/announcer.ts';
import { atlasEmulator } from '../../src/sandbox/atlas.ts';
import type { ClipOrder } from '../../src/sandbox/clip.ts';
import type { Emulator, EmulatorOptions } from '../../src/sandbox/emulator.ts';
import { evolinkEmulator } from '../../src/sandbox/evolink.ts';
import { falEmulator } from '../../src/sandbox/fal.ts';
import { klingEmulator } from '../../src/sandbox/kling.ts';
import { piapiEmulator } from '../../src/sandbox/piapi.ts';
import { accountOf } from '../../src/sandbox/sandbox.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import type { Answer, Target } from '../../src/wire/call.ts';
import type { ProviderAccount } from '../../src/wire/provider-account.ts';
import type { VirtualClock } from '../simulation/virtual-clock.ts';
import type { Quiet } from './quiet.ts';
import { type Generation, LIMITS, PROVIDER_IDS, type ProviderId } from './trace.ts';

const MAKERS: Readonly<Record<ProviderId, (options: EmulatorOptions) => Emulator>> = {
  kling: klingEmulator,
  evolink: evolinkEmulator,
  atlas: atlasEmulator,
  fal: falEmulator,
  piapi: piapiEmulator,
};

/** What the wire to a provider takes: a request and its answer, and a clip of some megabytes. */
const EXCHANGE_MS = 200;
const DOWNLOAD_MS = SECOND_MS;

const originOf = (id: ProviderId): string => `https://${id}.emulated.example`;

interface EmulatedOptions {
  readonly clock: VirtualClock;
  readonly quiet: Quiet;
  /** Carries their announcements. */
  readonly send: Send;
  readonly generation: Generation;
}

/** Emulators that are asked, and never listen. */
export class Emulated {
  readonly accounts: ReadonlyMap<string, ProviderAccount>;
  private readonly clock: VirtualClock;
  private readonly quiet: Quiet;
  private readonly tasks: TaskStore;
  private readonly emulators: ReadonlyMap<string, Emulator>;

  constructor(folder: string, { clock, quiet, send, generation }: EmulatedOptions) {
    this.clock = clock;
    this.quiet = quiet;
    this.tasks = new TaskStore(folder);
    const made = PROVIDER_IDS.map((id) => {
      const seconds = (order: ClipOrder): number => generation(id, order);
      const emulator = MAKERS[id]({ tasks: this.tasks, clock, seconds, clipsDir: '', origin: originOf(id), send });
      emulator.slots = LIMITS[id];
      return [id, emulator] as const;
    });
    this.emulators = new Map(made.map(([id, emulator]) => [originOf(id), emulator]));
    const accounts = made.map(([, emulator]) => connectAccount(accountOf(emulator, { sandboxSlots: LIMITS })));
    this.accounts = new Map(accounts.map((account) => [account.id, account]));
  }

  close(): void {
    this.tasks.close();
  }

  /** The most tasks that each emulator ever had unfinished at once, by its own count. */
  async mostAtOnce(): Promise<Record<string, number>> {
    const counted = [...this.emulators.values()].map(async ({ id, app }) => {
      const { lanes }: Stats = await (await app.request('/__sandbox/stats')).json();
      return [id, Math.max(0, ...Object.values(lanes).map(({ most }) => most))] as const;
    });
    return Object.fromEntries(await Promise.all(counted));
  }

  /** What the emulators had to say against the form of requests; empty when all were as documented. */
  get violations(): string[] {
    return [...this.emulators.values()].flatMap(({ violations }) => violations);
  }

  /** The wire: nothing is lost on it, and it takes its time. */
  wire(): Wire {
    const ask: Wire['read'] = async (target, request) => {
      await this.clock.wait(EXCHANGE_MS / 2);
      const answer = await this.quiet.during(this.call(target, request));
      await this.clock.wait(EXCHANGE_MS / 2);
      return answer;
    };
    return { read: ask, upload: ask, submit: ask };
  }

  private async call(target: Target, request: Parameters<Wire['read']>[1]): Promise<Answer> {
    const base = new URL(present(target.baseUrls[request.host ?? 'api'], 'the base of a host that is asked'));
    const { app } = present(this.emulators.get(base.origin), `an emulator at ${base.origin}`);
    const path = base.pathname.replace(/\/$/, '') + request.path;
    const sent = request.body === undefined ? {} : { body: JSON.stringify(request.body) };
    const headers = { 'user-agent': 'reelay/0.1', 'content-type': 'application/json', ...request.headers };
    const answer = await app.request(base.origin + path, { method: request.method, headers, ...sent });
    const body: unknown = await answer.json().catch(() => null);
    const told = Object.fromEntries(answer.headers);
    return { kind: 'answered', response: { origin: base.origin, status: answer.status, headers: told, body } };
  }

  /** Downloads of what the emulators have made: in the place of the bytes of a clip comes its description. */
  downloads(): Downloads {
    return {
      download: async (address, part) => {
        await this.clock.wait(DOWNLOAD_MS);
        const { origin, pathname } = new URL(address);
        const emulator = this.emulators.get(origin);
        const task = emulator?.find(pathname.replace(/^\/files\/|\.mp4$/g, ''));
        if (!emulator || !task || emulator.phaseOf(task) !== 'done') return { kind: 'gone', detail: 'HTTP 404' };
        const bytes = Buffer.from(JSON.stringify(factsOf(task.order)));
        await part.write(bytes);
        return { kind: 'downloaded', bytes: bytes.length, digest: digestOf(bytes.toString('utf8')) };
      },
      put: async () => 'nothing is uploaded here',
    };
  }
}

interface Stats {
  readonly lanes: Readonly<Record<string, { readonly most: number }>>;
}

const SIZES = { '720p': [1_280, 720], '1080p': [1_920, 1_080], '4k': [3_840, 2_160] } as const;

function factsOf({ resolution, seconds, audio }: ClipOrder): VideoFacts {
  const [width, height] = SIZES[resolution];
  return { contentType: 'video/mp4', durationMs: seconds * SECOND_MS, width, height, hasAudio: audio };
}
