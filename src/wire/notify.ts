import { createHmac } from 'node:crypto';
import { Client } from 'undici';
import { assert } from '../ground/assert.ts';
import { SECOND_MS } from '../ground/time.ts';
import { AddressRefused, type AddressRules, checkUrl, guardedConnector, type Resolve } from './address.ts';

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;
/** From the look-up of the name to the end of the answer. */
export const SEND_TIMEOUT_MS = 15 * SECOND_MS;
const HEADER_BYTES_MAX = 16_384;
/** The status is what counts; a receiver may say a little more before the connection is closed on it. */
const ANSWER_BYTES_MAX = 4_096;
/** More than can arrive between two looks, so that undici never pauses: see the note on its pausing in download.ts. */
const BODY_BUFFER_BYTES = 1_048_576;

/** One sending of an event, signed. */
export interface Notice {
  /** The same at each sending of one event, so that a receiver knows a repeat. */
  readonly id: string;
  readonly body: string;
  /** Wall clock of this sending. Receivers refuse what is more than five minutes off. */
  readonly atMs: number;
  /** The secrets that sign, `whsec_…`: two while one is being replaced. At least one. */
  readonly secrets: readonly string[];
}

/** `answered` with any status, redirects too, or not at all; `detail` is for operators, never for the tenant. */
export type Sent =
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'unanswered'; readonly detail: string };

/**
 * The headers of a sending by Standard Webhooks (github.com/standard-webhooks/standard-webhooks, read 2026-11-20): seconds,
 * and one `v1` signature over `id.timestamp.body` for each secret. Six lines of our own instead of a package.
 */
export function signedHeaders({ id, body, atMs, secrets }: Notice): Record<string, string> {
  assert(secrets.length > 0, 'an event to be signed by at least one secret');
  const timestamp = String(Math.floor(atMs / SECOND_MS));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

/** The sandbox's own emulators are open to downloads; nobody's events go there. */
const strict = (rules: AddressRules): AddressRules => ({ ...rules, exemptOrigins: new Set() });

/** Holds that events may be sent to the address, as far as it can be judged unresolved. Throws AddressRefused. */
export function checkReceiver(address: string, rules: AddressRules): void {
  if (!/^[\x21-\u{10ffff}]+$/u.test(address)) throw new AddressRefused('white space in the address');
  checkUrl(address, strict(rules));
}

/** Sends events to addresses that tenants named. One connection per sending, judged for it alone; no redirects. */
export class NoticeSender {
  private readonly rules: AddressRules;
  private readonly resolve: Resolve | undefined;
  private readonly timeoutMs: number;
  private readonly open = new Set<Client>();

  constructor(rules: AddressRules, options: { readonly resolve?: Resolve; readonly timeoutMs?: number } = {}) {
    this.rules = strict(rules);
    this.resolve = options.resolve;
    this.timeoutMs = options.timeoutMs ?? SEND_TIMEOUT_MS;
  }

  /** Posts the event and waits for a status, 15 s at most. Never throws for what the other end does. */
  async send(address: string, notice: Notice): Promise<Sent> {
    try {
      return { kind: 'answered', status: await this.post(checkUrl(address, this.rules), notice) };
    } catch (error) {
      return { kind: 'unanswered', detail: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
    }
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await Promise.all([...this.open].map((client) => client.destroy()));
  }

  private async post(url: URL, notice: Notice): Promise<number> {
    const client = new Client(url.origin, {
      connect: guardedConnector(this.rules, CONNECT_TIMEOUT_MS, this.resolve),
      headersTimeout: this.timeoutMs,
      bodyTimeout: this.timeoutMs,
      maxHeaderSize: HEADER_BYTES_MAX,
      pipelining: 0,
    });
    this.open.add(client);
    try {
      const answer = await client.request({
        method: 'POST',
        path: url.pathname + url.search,
        headers: {
          'user-agent': 'reelay/0.1',
          'content-type': 'application/json',
          accept: '*/*',
          ...signedHeaders(notice),
        },
        body: Buffer.from(notice.body, 'utf8'),
        signal: AbortSignal.timeout(this.timeoutMs),
        highWaterMark: BODY_BUFFER_BYTES,
      });
      answer.body.on('error', () => {});
      await readSome(answer.body);
      return answer.statusCode;
    } finally {
      this.open.delete(client);
      client.destroy().catch(() => {});
    }
  }
}

/** Reads a few KB, so that a receiver that answers in words need not see its connection cut. What they are is no matter. */
async function readSome(body: AsyncIterable<Buffer>): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) return;
    }
  } catch {
    // Cut or stalled after its status: the status stands.
  }
}
