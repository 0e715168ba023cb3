import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Clock } from '../ground/time.ts';
import { Announcer, type Hook, type Send } from './announcer.ts';
import { type ClipOrder, makeClip } from './clip.ts';
import type { EmulatorContext } from './context.ts';
import { type Fault, FaultDesk } from './faults.ts';
import type { EmulatedTask, TaskStore } from './tasks.ts';

export interface EmulatorOptions {
  readonly tasks: TaskStore;
  readonly clock: Clock;
  /** How long a generation takes; of each clip its own where it says so. */
  readonly seconds: number | ((order: ClipOrder) => number);
  readonly clipsDir: string;
  /** The address it believes to have where it is called in this process, and never listens. */
  readonly origin?: string;
  /** How an announcement leaves; by HTTP to loopback when absent. */
  readonly send?: Send;
}

/** Where a task stands at this moment; derived from its times, so that nothing has to run for it. */
export type Phase = 'queued' | 'running' | 'done' | 'failed' | 'rejected' | 'cancelled';

/** The first part of a generation is spent waiting. */
const QUEUED_SHARE = 0.25;
const READ_ERRORS = 3;
const FOREVER_MS = 8_640_000_000_000;

export interface NewTask {
  readonly id: string;
  readonly tag: string | null;
  /** What the limit of running tasks counts by; `all` unless the provider counts finer. */
  readonly lane?: string;
  readonly request: unknown;
  readonly order: ClipOrder;
  readonly fault: Fault | null;
  readonly hook?: Hook | null;
}

/** What the emulated providers share: tasks, clock, files, limits, faults, announcements and their own record. */
export class Emulator {
  readonly id: string;
  readonly app = new Hono<{ Bindings: HttpBindings }>();
  readonly faults = new FaultDesk();
  /** Requests that a real provider would have refused for their form: a fault of ours. */
  readonly violations: string[] = [];
  /** Submissions under a key that was used before: answered with the first task, or bought once more. */
  readonly repeats = { replayed: 0, boughtTwice: 0 };
  /** Tasks that may run at once, per lane; how the limit is met is each provider's own. */
  slots: number;
  private readonly options: EmulatorOptions;
  private readonly announcer: Announcer;
  private readonly most = new Map<string, number>();
  private server: Server | null = null;
  private origin: string;

  constructor(id: string, slots: number, options: EmulatorOptions) {
    this.id = id;
    this.slots = slots;
    this.options = options;
    this.origin = options.origin ?? '';
    this.announcer = new Announcer(options.tasks, options.clock, options.send);
    this.app.get('/files/:name', (c) => this.file(c));
    this.app.get('/__sandbox/tasks', (c) => c.json(options.tasks.list(id)));
    this.app.get('/__sandbox/violations', (c) => c.json(this.violations));
    this.app.get('/__sandbox/stats', (c) => c.json(this.stats()));
    this.app.post('/__sandbox/faults', async (c) => c.json(this.faults.order(await c.req.json())));
    this.app.post('/__sandbox/limits', async (c) => {
      this.slots = limits.parse(await c.req.json()).slots;
      return c.json(this.stats());
    });
  }

  get url(): string {
    return this.origin;
  }

  nowMs(): number {
    return this.options.clock.nowMs();
  }

  /** How this provider writes and signs an announcement. */
  announceBy(write: Announcer['write']): void {
    this.announcer.write = write;
  }

  /** Tasks of the lane that are not finished now. */
  running(lane = 'all'): number {
    return this.options.tasks.unfinished(this.id, lane, this.nowMs()).length;
  }

  /** Stores a new task. From here on it exists, whatever becomes of the answer. */
  create(fields: NewTask): EmulatedTask {
    const { hook = null, lane = 'all', ...given } = fields;
    const createdAtMs = this.nowMs();
    const before = this.options.tasks.unfinished(this.id, lane, createdAtMs);
    this.most.set(lane, Math.max(this.most.get(lane) ?? 0, before.length + 1));
    const startsAtMs = before.length < this.slots ? createdAtMs : (before.at(-this.slots) ?? createdAtMs);
    const task: EmulatedTask = {
      ...given,
      lane,
      emulator: this.id,
      createdAtMs,
      startsAtMs,
      readyAtMs: given.fault === 'stuck' ? FOREVER_MS : startsAtMs + this.generationMs(given.order),
      cancelledAtMs: null,
      reads: 0,
      hookUrl: hook?.url ?? null,
      hookSecret: hook?.secret ?? null,
      announcedAtMs: null,
    };
    this.options.tasks.add(task);
    this.announcer.plan(task);
    return task;
  }

  find(id: string): EmulatedTask | null {
    return this.options.tasks.find(this.id, id);
  }

  /** All tasks, oldest first. */
  list(): EmulatedTask[] {
    return this.options.tasks.list(this.id);
  }

  findByTag(tag: string): EmulatedTask | null {
    return this.options.tasks.findByTag(this.id, tag);
  }

  /** A task as one read of it finds it: gone when it has vanished; `error` while its first reads fail. */
  readTask(id: string): { task: EmulatedTask | null; error: boolean } {
    const task = this.find(id);
    if (!task) return { task: null, error: false };
    this.options.tasks.change(task.id, { reads: task.reads + 1 });
    if (task.fault === 'vanished') return { task: null, error: false };
    return { task, error: task.fault === 'read_errors' && task.reads < READ_ERRORS };
  }

  cancel(task: EmulatedTask): void {
    this.options.tasks.change(task.id, { cancelledAtMs: this.nowMs() });
  }

  phaseOf(task: EmulatedTask): Phase {
    if (task.cancelledAtMs !== null) return 'cancelled';
    const nowMs = this.nowMs();
    if (nowMs < task.startsAtMs + this.generationMs(task.order) * QUEUED_SHARE) return 'queued';
    if (nowMs < task.readyAtMs) return 'running';
    return task.fault === 'fail' ? 'failed' : task.fault === 'content' ? 'rejected' : 'done';
  }

  /** Percent of the generation that is over. */
  progressOf(task: EmulatedTask): number {
    const share = (this.nowMs() - task.startsAtMs) / Math.max(1, task.readyAtMs - task.startsAtMs);
    return Math.max(0, Math.min(100, Math.floor(share * 100)));
  }

  /** Where the video lies; null for a task that names none. */
  fileUrl(task: EmulatedTask): string | null {
    if (task.fault === 'no_url') return null;
    const generation = task.fault === 'expired_link' && task.reads > 1 ? '?fresh=1' : '';
    return `${this.origin}/files/${task.id}.mp4${generation}`;
  }

  /** What the task used of the provider's own unit, given what the price list says. */
  usageOf(task: EmulatedTask, listed: number): number {
    return task.fault === 'overpriced' ? listed * 1.5 : listed;
  }

  /** The body as the schema reads it; a violation is put on record and comes back as a fault. */
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
    for (const task of this.options.tasks.list(this.id)) this.announcer.plan(task);
  }

  async stop(): Promise<void> {
    this.announcer.stop();
    const server = this.server;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  private generationMs(order: ClipOrder): number {
    const { seconds } = this.options;
    return (typeof seconds === 'number' ? seconds : seconds(order)) * 1_000;
  }

  private stats(): Record<string, unknown> {
    const lanes = Object.fromEntries([...this.most].map(([lane, most]) => [lane, { now: this.running(lane), most }]));
    return { tasks: this.options.tasks.count(this.id), slots: this.slots, lanes, repeats: this.repeats };
  }

  private async listen(port: number): Promise<void> {
    const server = createAdaptorServer({ fetch: this.app.fetch, createServer }) as Server;
    // A pooled connection that is closed while a request is on its way would look like a fault that nobody ordered.
    server.keepAliveTimeout = 120_000;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve());
    });
    this.server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  private async file(c: EmulatorContext): Promise<Response> {
    const task = this.find((c.req.param('name') ?? '').replace(/\.mp4$/, ''));
    if (!task || this.phaseOf(task) !== 'done' || task.fault === 'dead_link') return c.text('not found', 404);
    if (task.fault === 'expired_link' && c.req.query('fresh') === undefined) return c.text('expired', 403);
    if (task.fault === 'wrong_file') return c.html('<html><body>not a video</body></html>');
    const order = { ...task.order };
    if (task.fault === 'short_clip') order.seconds /= 2;
    if (task.fault === 'silent_clip') order.audio = false;
    const clip = await makeClip(order, this.options.clipsDir);
    const sent = task.fault === 'truncated_file' ? clip.subarray(0, Math.floor(clip.length / 2)) : clip;
    return c.body(new Uint8Array(sent), 200, { 'content-type': 'video/mp4', 'content-length': String(sent.length) });
  }
}

const limits = z.strictObject({ slots: z.number().int().positive() });
