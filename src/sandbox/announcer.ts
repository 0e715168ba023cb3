import { request } from 'node:http';
import type { Clock } from '../ground/time.ts';
import type { EmulatedTask, TaskStore } from './tasks.ts';

/** Where a task's end is announced, and the secret that was given for it. */
export interface Hook {
  readonly url: string;
  readonly secret: string | null;
}

/** An announcement ready to be sent: the exact bytes and the headers that prove them. */
export interface Letter {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** How a letter leaves. */
export type Send = (url: string, letter: Letter) => void;

/** Signs the announcements of an emulator whose provider has one secret per account (Standard Webhooks' own format). */
export const SANDBOX_HOOK_SECRET = `whsec_${Buffer.from('the secret of the sandbox').toString('base64')}`;

const COPIES_WHEN_DUPLICATED = 3;

/** Sends an announcement when a task has ended; after a restart those that are still owed. */
export class Announcer {
  /** How the provider writes and signs; null for one that announces nothing. */
  write: ((task: EmulatedTask) => Letter) | null = null;
  private readonly tasks: TaskStore;
  private readonly clock: Clock;
  private readonly send: Send;
  private readonly waiting = new Set<() => void>();

  constructor(tasks: TaskStore, clock: Clock, send: Send = sendToLoopback) {
    this.tasks = tasks;
    this.clock = clock;
    this.send = send;
  }

  plan(task: EmulatedTask): void {
    if (task.hookUrl === null || task.announcedAtMs !== null) return;
    const cancel = this.clock.after(task.readyAtMs - this.clock.nowMs(), () => {
      this.waiting.delete(cancel);
      this.announce(task);
    });
    this.waiting.add(cancel);
  }

  stop(): void {
    for (const cancel of this.waiting) cancel();
  }

  private announce(task: EmulatedTask): void {
    if (this.write === null || task.hookUrl === null) return;
    const letter = this.write(task);
    if (task.fault === 'forged_hook') this.send(task.hookUrl, forged(letter));
    const copies = task.fault === 'duplicate_hook' ? COPIES_WHEN_DUPLICATED : 1;
    for (let copy = 0; copy < copies; copy += 1) this.send(task.hookUrl, letter);
    this.tasks.change(task.id, { announcedAtMs: this.clock.nowMs() });
  }
}

/** The same letter with every proof spoiled. */
function forged(letter: Letter): Letter {
  const spoil = (value: string): string => `${value.slice(0, -4)}AAAA`;
  const headers = Object.entries(letter.headers).map(([name, value]) => [
    name,
    /sign|secret/i.test(name) ? spoil(value) : value,
  ]);
  return { body: letter.body, headers: Object.fromEntries(headers) };
}

/** One attempt; a receiver that is away misses it, as the gateway must be able to bear. */
function sendToLoopback(url: string, { body, headers }: Letter): void {
  if (!/^http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(url)) return;
  const delivery = request(
    url,
    { method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
    (answer) => answer.resume(),
  );
  delivery.on('error', () => {});
  delivery.end(body);
}
