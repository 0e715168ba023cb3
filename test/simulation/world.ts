import { createHash } from 'node:crypto';
import type { ProviderRequest } from '../../providers/contract.ts';
import { SECOND_MS } from '../../src/ground/time.ts';
import type { Answer } from '../../src/wire/call.ts';
import type { Chance } from './chance.ts';
import type { Told } from './lost.ts';
import { LINK_LIFE_MS, TRAITS, type Traits } from './providers.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What really is at a provider: the truth about buying twice and about the bill. */
export interface WorldTask {
  readonly id: string;
  readonly provider: string;
  readonly tag: string;
  readonly videoId: string;
  readonly seconds: number;
  readonly hook: string | null;
  readonly readyAtMs: number;
  readonly end: 'made' | 'failed' | 'refused' | 'never';
  /** The task is there, but reads know nothing of it. */
  readonly vanished: boolean;
  readonly missingUrl: boolean;
  stopped: boolean;
  charged: boolean;
  /** The answers that named it, as they reached processes. */
  readonly told: Told[];
  /** An answer has named it to somebody whose task it is not. */
  contested: boolean;
  /** Its provider called while it was looked for, and the call was accepted. */
  announced: boolean;
  /** How fetching its file went: what came whole and was not as ordered, and when it was tried first and last. */
  readonly fetches: { bad: number; firstAtMs: number | null; lastAtMs: number };
}

/** How rough the weather of a seed is: how often each thing goes wrong. */
export interface Weather {
  readonly refuse: number;
  readonly cutBefore: number;
  readonly cutAfter: number;
  readonly hang: number;
  readonly html: number;
  readonly busy: number;
  readonly readFault: number;
  readonly taskFails: number;
  readonly taskStrange: number;
  readonly taskStuck: number;
  readonly badFile: number;
}

export type BadFile = 'gone' | 'broken' | 'not_stored' | 'html' | 'short';

const READ_TIMEOUT_MS = 15 * SECOND_MS;
const SUBMIT_TIMEOUT_MS = 60 * SECOND_MS;

/** The emulated providers and the wires to them. Everything takes time, and everything may be lost on the way. */
export class World {
  readonly tasks: WorldTask[] = [];
  readonly broken: string[] = [];
  /** The bodies that left for a provider under each tag, in order, whatever became of them. */
  readonly sent = new Map<string, string[]>();
  private readonly clock: VirtualClock;
  private readonly chance: Chance;
  private readonly weather: Weather;
  /** Called when a task has ended and its provider tells so. */
  onCall: (hook: string, taskId: string) => void = () => {};

  constructor(clock: VirtualClock, chance: Chance, weather: Weather) {
    this.clock = clock;
    this.chance = chance;
    this.weather = weather;
  }

  async submit(provider: string, request: ProviderRequest, maySend: () => boolean): Promise<Answer> {
    const { chance, weather } = this;
    await this.clock.wait(chance.between(5, 500));
    if (chance.happens(weather.refuse)) return { kind: 'never_sent', detail: 'connection refused' };
    if (!maySend()) return { kind: 'never_sent', detail: 'too late to send' };
    this.noteSent(provider, request);
    if (chance.happens(weather.cutBefore)) return { kind: 'unanswered', detail: 'cut before anything was made' };
    const answer = this.make(provider, request);
    await this.clock.wait(chance.between(5, 2_000));
    if (chance.happens(weather.cutAfter)) return { kind: 'unanswered', detail: 'cut after the task was made' };
    if (chance.happens(weather.hang)) {
      await this.clock.wait(SUBMIT_TIMEOUT_MS);
      return { kind: 'unanswered', detail: 'no answer' };
    }
    if (chance.happens(weather.html)) return answered(502, null);
    return answer;
  }

  async read(provider: string, request: ProviderRequest): Promise<Answer> {
    const { chance, weather } = this;
    await this.clock.wait(chance.between(5, 400));
    if (chance.happens(weather.readFault)) return await this.readFault();
    const [, kind = '', id = ''] = request.path.split('/');
    if (kind === 'tags') {
      const found = this.tasks.find((task) => task.provider === provider && task.tag === id);
      return answered(200, found ? { task: found.id } : {});
    }
    const task = this.tasks.find((one) => one.provider === provider && one.id === id);
    if (!task || task.vanished) return answered(404, { error: 'gone' });
    return request.method === 'DELETE' ? this.stop(task) : answered(200, this.tell(task));
  }

  /** The video behind an address of ours; null for one that is dead. */
  videoOf(address: string): WorldTask | null {
    const task = this.tasks.find(({ id }) => address === `https://files.example/${id}.mp4`);
    if (!task) return null;
    task.fetches.firstAtMs ??= this.clock.monotonicMs();
    task.fetches.lastAtMs = this.clock.monotonicMs();
    return this.clock.monotonicMs() <= task.readyAtMs + LINK_LIFE_MS ? task : null;
  }

  /** How long a file that is being fetched takes to come, in milliseconds. */
  fetchingMs(): number {
    return this.chance.between(50, 3_000);
  }

  /** What is wrong with the file that is being fetched; null when nothing is. */
  spoil(): BadFile | null {
    if (!this.chance.happens(this.weather.badFile)) return null;
    return this.chance.pick(['gone', 'broken', 'not_stored', 'html', 'short'] as const);
  }

  hasEnded(task: WorldTask): boolean {
    return task.stopped || (task.end !== 'never' && this.clock.monotonicMs() >= task.readyAtMs);
  }

  /** Whether reads of the task tell how it is, and where its file lies. */
  tells({ vanished, missingUrl }: WorldTask): boolean {
    return !vanished && !missingUrl;
  }

  private async readFault(): Promise<Answer> {
    const kind = this.chance.pick(['lost', 'slow', 'html', 'strange', 'slower'] as const);
    switch (kind) {
      case 'lost':
        return { kind: 'unanswered', detail: 'reset' };
      case 'slow':
        await this.clock.wait(READ_TIMEOUT_MS);
        return { kind: 'unanswered', detail: 'no answer' };
      case 'html':
        return answered(503, null);
      case 'strange':
        return answered(200, { state: 'pondering' });
      case 'slower':
        return answered(429, { error: 'slower' });
    }
  }

  private make(provider: string, request: ProviderRequest): Answer {
    const { chance, weather } = this;
    const traits = TRAITS.find(({ id }) => id === provider) as Traits;
    const { tag, seconds, prompt, hook } = request.body as {
      tag: string;
      seconds: number;
      prompt: string;
      hook: string | null;
    };
    const known = this.tasks.find((task) => task.provider === provider && task.tag === tag);
    if (known && traits.tags) return answered(400, { error: 'known' });
    if (known && traits.replays) return answered(200, { task: known.id });
    const running = this.tasks.filter((task) => task.provider === provider && !this.hasEnded(task));
    if (running.length >= traits.slots || chance.happens(weather.busy)) return answered(429, { error: 'busy' });
    this.assertBoughtOnce(prompt, tag);
    const id = createHash('sha256').update(`${provider} ${this.tasks.length}`).digest('hex').slice(0, 16);
    const end = this.endOf();
    const task: WorldTask = {
      id,
      provider,
      tag,
      videoId: prompt,
      seconds,
      hook,
      readyAtMs: this.clock.monotonicMs() + chance.between(10, 90) * SECOND_MS,
      end,
      vanished: chance.happens(weather.taskStrange / 2),
      missingUrl: chance.happens(weather.taskStrange / 2),
      stopped: false,
      charged: end === 'made' || (end === 'failed' && this.chargesFailure(traits)),
      told: [],
      contested: false,
      announced: false,
      fetches: { bad: 0, firstAtMs: null, lastAtMs: 0 },
    };
    this.tasks.push(task);
    if (traits.calls && hook !== null && end !== 'never') {
      this.clock.after(task.readyAtMs - this.clock.monotonicMs() + 1_000, () => this.onCall(hook, id));
    }
    return answered(200, { task: id });
  }

  /** Where a repeated tag is replayed it may come once more, with the same body to the byte; never a third time. */
  private noteSent(provider: string, { body }: ProviderRequest): void {
    const { tag } = body as { tag: string };
    const bodies = [...(this.sent.get(tag) ?? []), JSON.stringify(body)];
    this.sent.set(tag, bodies);
    if (!TRAITS.some(({ id, replays }) => id === provider && replays)) return;
    if (bodies.length > 2) this.broken.push(`${tag} was sent ${bodies.length} times`);
    if (new Set(bodies).size > 1) this.broken.push(`${tag} was sent again with another body`);
  }

  private endOf(): WorldTask['end'] {
    const { chance, weather } = this;
    if (chance.happens(weather.taskFails)) return chance.happens(0.2) ? 'refused' : 'failed';
    return chance.happens(weather.taskStuck) ? 'never' : 'made';
  }

  private chargesFailure({ failedTask }: Traits): boolean {
    return failedTask === 'charged' || (failedTask === 'unknown' && this.chance.happens(0.5));
  }

  /** A second task for a video is bought only when all earlier ones have ended without one. */
  private assertBoughtOnce(videoId: string, tag: string): void {
    for (const earlier of this.tasks.filter((task) => task.videoId === videoId)) {
      if (earlier.tag === tag) this.broken.push(`two tasks of one attempt ${tag}`);
      if (!this.hasEnded(earlier)) this.broken.push(`a second task for ${videoId} while ${earlier.id} runs`);
      else if (earlier.end === 'made' && !earlier.stopped && !earlier.missingUrl) {
        this.broken.push(`a second task for ${videoId} although ${earlier.id} made its clip`);
      }
    }
  }

  private stop(task: WorldTask): Answer {
    if (this.hasEnded(task)) return answered(400, { error: 'wrong' });
    task.stopped = true;
    task.charged = false;
    return answered(200, { stopped: true });
  }

  private tell(task: WorldTask): object {
    if (task.stopped) return { state: 'refused' };
    if (!this.hasEnded(task)) return { state: 'making' };
    if (task.end !== 'made') return { state: task.end };
    return { state: 'made', url: task.missingUrl ? null : `https://files.example/${task.id}.mp4` };
  }
}

function answered(status: number, body: unknown): Answer {
  return { kind: 'answered', response: { origin: 'https://provider.example', status, headers: {}, body } };
}
