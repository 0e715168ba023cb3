import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import type { z } from 'zod';
import type { Clock } from '../ground/time.ts';
import { type ClipOrder, makeClip } from './clip.ts';
import type { EmulatorContext } from './context.ts';
import { type Fault, FaultDesk } from './faults.ts';
import type { EmulatedTask, TaskStore } from './tasks.ts';

export interface EmulatorOptions {
  readonly tasks: TaskStore;
  readonly clock: Clock;
  /** How long a generation takes. */
  readonly seconds: number;
  readonly clipsDir: string;
}

/** Where a task stands at this moment; derived from its times, so that nothing has to run for it. */
export type Phase = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

/** The first part of a generation is spent waiting. */
const QUEUED_SHARE = 0.25;

/** What the emulated providers share: their tasks, their clock, their files, their faults and their own record. */
export class Emulator {
  readonly id: string;
  readonly app = new Hono<{ Bindings: HttpBindings }>();
  readonly faults: FaultDesk;
  /** Requests that a real provider would have refused for their form: a fault of ours. */
  readonly violations: string[] = [];
  private readonly options: EmulatorOptions;
  private server: Server | null = null;
  private origin = '';

  constructor(id: string, options: EmulatorOptions) {
    this.id = id;
    this.options = options;
    this.faults = new FaultDesk();
    this.app.get('/files/:name', (c) => this.file(c));
    this.app.get('/__sandbox/tasks', (c) => c.json(this.options.tasks.list(this.id)));
    this.app.get('/__sandbox/violations', (c) => c.json(this.violations));
    this.app.post('/__sandbox/faults', async (c) => c.json(this.faults.order(await c.req.json())));
  }

  get url(): string {
    return this.origin;
  }

  nowMs(): number {
    return this.options.clock.nowMs();
  }

  /** Stores a new task. From here on it exists, whatever becomes of the answer. */
  create(fields: {
    readonly id: string;
    readonly tag: string | null;
    readonly request: unknown;
    readonly order: ClipOrder;
    readonly fault: Fault | null;
  }): EmulatedTask {
    const createdAtMs = this.nowMs();
    const readyAtMs = createdAtMs + this.options.seconds * 1_000;
    const task: EmulatedTask = { ...fields, emulator: this.id, createdAtMs, readyAtMs, cancelledAtMs: null };
    this.options.tasks.add(task);
    return task;
  }

  find(id: string): EmulatedTask | null {
    return this.options.tasks.find(this.id, id);
  }

  findByTag(tag: string): EmulatedTask | null {
    return this.options.tasks.findByTag(this.id, tag);
  }

  cancel(task: EmulatedTask): void {
    this.options.tasks.cancel(task.id, this.nowMs());
  }

  phaseOf(task: EmulatedTask): Phase {
    if (task.cancelledAtMs !== null) return 'cancelled';
    const nowMs = this.nowMs();
    if (nowMs < task.createdAtMs + (task.readyAtMs - task.createdAtMs) * QUEUED_SHARE) return 'queued';
    if (nowMs < task.readyAtMs) return 'running';
    return task.fault === 'fail' ? 'failed' : 'done';
  }

  /** Percent of the generation that is over. */
  progressOf(task: EmulatedTask): number {
    const share = (this.nowMs() - task.createdAtMs) / Math.max(1, task.readyAtMs - task.createdAtMs);
    return Math.max(0, Math.min(100, Math.floor(share * 100)));
  }

  fileUrl(task: EmulatedTask): string {
    return `${this.origin}/files/${task.id}.mp4`;
  }

  /** The body as the schema reads it; a violation is put on record and comes back as null. */
  check<T>(
    schema: z.ZodType<T>,
    body: unknown,
  ): { readonly value: T } | { readonly fault: string; readonly field: string } {
    const parsed = schema.safeParse(body);
    if (parsed.success) return { value: parsed.data };
    const [issue] = parsed.error.issues;
    const field = issue?.path.map(String).join('.') ?? '';
    const fault = `${field || 'body'}: ${issue?.message}`;
    this.violations.push(`${fault} in ${JSON.stringify(body)?.slice(0, 400)}`);
    return { fault, field };
  }

  async start(): Promise<void> {
    const wanted = this.options.tasks.portOf(this.id);
    try {
      await this.listen(wanted);
    } catch {
      // Somebody else has that port now: addresses given out before are dead, as they may be at a real provider.
      await this.listen(0);
    }
    this.options.tasks.rememberPort(this.id, Number(new URL(this.origin).port));
  }

  async stop(): Promise<void> {
    const server = this.server;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  private async listen(port: number): Promise<void> {
    const server = createAdaptorServer({ fetch: this.app.fetch, createServer }) as Server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve());
    });
    this.server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  private async file(c: EmulatorContext): Promise<Response> {
    const task = this.find((c.req.param('name') ?? '').replace(/\.mp4$/, ''));
    if (!task || this.phaseOf(task) !== 'done') return c.text('not found', 404);
    const clip = await makeClip(task.order, this.options.clipsDir);
    return c.body(new Uint8Array(clip), 200, { 'content-type': 'video/mp4', 'content-length': String(clip.length) });
  }
}
