/**
 * `reelay live` makes one real, paid clip at one provider and writes down what the provider really answered. This file
 * is the writing down: answers in the form that the conformance suite reads, without anything that must stay secret.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json, ProviderResponse } from '../../providers/contract.ts';

/** An answer as it goes into a fixture. */
export interface RecordedAnswer {
  readonly exchange: string;
  readonly about: string;
  readonly source: string;
  readonly input: Json;
  readonly response: {
    /** The origin that was asked: adapters hold addresses against it. */
    readonly origin: string;
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: unknown;
    readonly text?: string;
  };
  readonly outcome: Readonly<Record<string, unknown>>;
}

/** Headers that adapters read or that explain an answer; all others stay out of fixtures. */
const HEADERS_KEPT =
  /^(content-type|retry-after|idempotency-replayed|x-fal-(request-id|billable-units)|x-ratelimit-.*)$/;
/** Fields that may name a person, an account or a secret, or repeat what was asked for. */
const FIELDS_EMPTIED = /secret|token|password|authorization|api_?key|e?mail|user_?(id|name)|account|owner|prompt/i;
const REMOVED = 'removed';

/** The answer without credentials, signatures of links, names of accounts and prompts. Pure. */
export function withoutSecrets(response: ProviderResponse, secrets: readonly string[]): RecordedAnswer['response'] {
  const kept = Object.entries(response.headers).filter(([name]) => HEADERS_KEPT.test(name));
  return {
    origin: response.origin,
    status: response.status,
    headers: Object.fromEntries(kept.map(([name, value]) => [name, cleanText(value, secrets)])),
    ...(response.body !== null && { body: clean(response.body, secrets) }),
    ...(response.text !== undefined && { text: cleanText(response.text, secrets) }),
  };
}

function clean(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return cleanText(value, secrets);
  if (Array.isArray(value)) return value.map((item) => clean(item, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      typeof inner === 'string' && FIELDS_EMPTIED.test(name) ? REMOVED : clean(inner, secrets),
    ]),
  );
}

/** Without credentials, and links without their query: it holds their signature. */
function cleanText(text: string, secrets: readonly string[]): string {
  const bare = secrets.filter(Boolean).reduce((rest, secret) => rest.replaceAll(secret, REMOVED), text);
  return bare.replace(/(https?:\/\/[^\s"'?]+)\?[^\s"']*/g, '$1');
}

/** Keeps one answer of each kind, the first seen, and writes each to its own file. */
export class Recorder {
  readonly files: string[] = [];
  private readonly folder: string;
  private readonly day: string;
  private readonly seen = new Set<string>();

  constructor(folder: string, day: string) {
    this.folder = folder;
    this.day = day;
  }

  /** Writes the answer unless one of its kind is there already. `kind` becomes part of the file's name. */
  write(kind: string, answer: Omit<RecordedAnswer, 'source' | 'about'> & { readonly about: string }): void {
    if (this.seen.has(kind)) return;
    this.seen.add(kind);
    mkdirSync(this.folder, { recursive: true });
    const file = join(this.folder, `live-${this.day}-${kind}.json`);
    const { exchange, about, ...rest } = answer;
    const recorded: RecordedAnswer = { exchange, about, source: `recorded by reelay live, ${this.day}`, ...rest };
    writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`);
    this.files.push(file);
  }
}
