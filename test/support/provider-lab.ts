/** One emulated provider behind a gateway of its own: for tests that order its faults and look what it was asked to make. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { PROVIDERS } from '../../providers/index.ts';
import { FAULT_HEADER, type Fault } from '../../src/sandbox/faults.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { endOf, type ShownVideo, startTestGateway, type TestGateway } from './gateway.ts';
import { freePort } from './port.ts';
import { until } from './until.ts';

/** What the emulator keeps of a task; `request` is as its provider's wire has it. */
export interface MadeTask {
  readonly id: string;
  readonly reads: number;
  readonly fault: Fault | null;
  readonly cancelledAtMs: number | null;
  readonly request: unknown;
}

/** Something that a provider sells, and how its tasks are told from others of the same emulator. */
export interface Line {
  readonly provider: string;
  /** The create body besides its prompt. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly owns: (task: MadeTask, prompt: string) => boolean;
}

/** A line whose tasks are known by the prompt in their request, wherever that stands. */
export function lineByPrompt(provider: string, body: Line['body']): Line {
  return {
    provider,
    body: { ...body, provider: { only: [provider] } },
    owns: ({ request }, prompt) => JSON.stringify(request).includes(JSON.stringify(prompt)),
  };
}

/** How a request to the emulator says whose it is, where its provider wants it otherwise. */
const CREDENTIALS: Readonly<Record<string, Record<string, string>>> = {
  fal: { authorization: 'Key sandbox-account' },
  piapi: { 'x-api-key': 'sandbox-account' },
};

export class Bench {
  readonly gateway: TestGateway;
  /** The emulator's address. */
  readonly emulator: string;
  private readonly provider: string;

  private constructor(provider: string, gateway: TestGateway) {
    this.provider = provider;
    this.gateway = gateway;
    const tasks = new TaskStore(join(gateway.dataDir, 'sandbox'));
    this.emulator = `http://127.0.0.1:${tasks.portOf(provider)}`;
    tasks.close();
  }

  /**
   * A gateway whose generations take no time and whose doubts end after a second; to be removed. Slots are more than an
   * account has, because a job without an end keeps its own and would hold up the others.
   */
  static async start(provider: string, environment: Record<string, string> = {}): Promise<Bench> {
    const prefix = PROVIDERS.find(({ id }) => id === provider)?.settings.prefix;
    const quick = { REELAY_SANDBOX_SECONDS: '0.05', REELAY_DOUBT_SECONDS: '1', [`${prefix}_CONCURRENCY`]: '40' };
    const bench = new Bench(provider, await startTestGateway({ ...quick, ...environment }));
    await fetch(`${bench.emulator}/__sandbox/limits`, { method: 'POST', body: JSON.stringify({ slots: 40 }) });
    return bench;
  }

  /** One that the provider can call; its doubts last a minute, so that a call can end them. */
  static async startAnnounced(provider: string, environment: Record<string, string> = {}): Promise<Bench> {
    const port = String(await freePort());
    const called = { PORT: port, REELAY_PUBLIC_URL: `http://127.0.0.1:${port}`, REELAY_DOUBT_SECONDS: '60' };
    return await Bench.start(provider, { ...called, ...environment });
  }

  remove(): Promise<void> {
    return this.gateway.remove();
  }

  /** A JSON document of the emulator's, asked for with the account's credentials. */
  async read<T>(path: string): Promise<T> {
    const headers = CREDENTIALS[this.provider] ?? { authorization: 'Bearer sandbox-account' };
    return (await (await fetch(this.emulator + path, { headers })).json()) as T;
  }

  /** Posts a body to the gateway that makes a video, whose first submission meets the fault. */
  async post(path: string, body: unknown, fault: Fault | null = null): Promise<ShownVideo> {
    const answer = await this.gateway.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(fault && { [FAULT_HEADER]: fault }) },
      body: JSON.stringify(body),
    });
    const video = (await answer.json()) as ShownVideo;
    expect([answer.status, video]).toEqual([200, video]);
    return video;
  }

  /** Orders a clip of the line, whose first submission meets the fault; `more` goes into the body. */
  order(line: Line, fault: Fault | null, prompt: string, more: object = {}): Promise<ShownVideo> {
    return this.post('/v1/videos', { ...line.body, prompt, ...more }, fault);
  }

  async show(id: string): Promise<ShownVideo> {
    return (await (await this.gateway.fetch(`/v1/videos/${id}`)).json()) as ShownVideo;
  }

  end(id: string): Promise<ShownVideo> {
    return endOf(this.gateway, id);
  }

  /** The ends of several clips, waited for one after another: to ask for all at once keeps a gateway from its work. */
  async ends(ids: readonly string[]): Promise<ShownVideo[]> {
    const ends: ShownVideo[] = [];
    for (const id of ids) ends.push(await this.end(id));
    return ends;
  }

  /** The tasks that the provider was made to make with this prompt. */
  async tasksOf(line: Line, prompt: string): Promise<MadeTask[]> {
    return (await this.read<MadeTask[]>('/__sandbox/tasks')).filter((task) => line.owns(task, prompt));
  }

  /** Waits until the first task of the prompt has been read so often. */
  async untilRead(line: Line, prompt: string, times: number): Promise<void> {
    const isRead = async () => ((await this.tasksOf(line, prompt))[0]?.reads ?? 0) >= times;
    await until(`${times} reads of the task "${prompt}"`, isRead);
  }

  /** Lets a clip meet the fault, and the end of it, with the number of tasks that it took. Its prompt names the fault. */
  async meet(line: Line, fault: Fault): Promise<ShownVideo & { readonly tasks: number }> {
    const { id } = await this.order(line, fault, fault);
    const video = await this.end(id);
    return { ...video, tasks: (await this.tasksOf(line, fault)).length };
  }

  /** Where the books disagree, and which requests broke a documented form; empty when all is well. */
  async complaints(): Promise<readonly string[]> {
    const audit = (await (await this.gateway.admin('GET', '/audit')).json()) as { readonly differences: string[] };
    return [...audit.differences, ...(await this.read<string[]>('/__sandbox/violations'))];
  }
}
