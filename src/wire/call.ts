import { isUtf8 } from 'node:buffer';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { buildConnector, Client, type Dispatcher, Pool } from 'undici';
import type { ProviderRequest, ProviderResponse } from '../../providers/contract.ts';
import { present } from '../ground/assert.ts';
import { jsonDepth } from '../ground/json.ts';
import { SECOND_MS } from '../ground/time.ts';

/** Where an account's exchanges go: configured base URLs by host name, and the secrets that no message may repeat. */
export interface Target {
  readonly baseUrls: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

/** What became of an exchange. Only `never_sent` proves that the provider knows nothing of it. */
export type Answer =
  | { readonly kind: 'answered'; readonly response: ProviderResponse }
  | { readonly kind: 'never_sent'; readonly detail: string }
  | { readonly kind: 'unanswered'; readonly detail: string };

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;
const SUBMIT_HEADERS_TIMEOUT_MS = 30 * SECOND_MS;
const SUBMIT_TIMEOUT_MS = 60 * SECOND_MS;
const READ_TIMEOUT_MS = 15 * SECOND_MS;
const UPLOAD_TIMEOUT_MS = 120 * SECOND_MS;
const ANSWER_BYTES_MAX = 1_048_576;
const HEADER_BYTES_MAX = 16_384;
const POOL_CONNECTIONS = 64;
/** What is kept of an answer that is not JSON. */
const PAGE_BYTES = 500;

/** Sends exchanges to configured providers. No retry, no redirect, no deduplication: those would buy twice. */
export class ProviderWire {
  private readonly pools = new Map<string, Pool>();

  /** A read: a poll, a look-up, a balance. Uses a pooled connection. */
  async read(target: Target, request: ProviderRequest): Promise<Answer> {
    return await this.pooled(target, request, READ_TIMEOUT_MS);
  }

  /** An upload of media: costs nothing, and may take longer than a read. */
  async upload(target: Target, request: ProviderRequest): Promise<Answer> {
    return await this.pooled(target, request, UPLOAD_TIMEOUT_MS);
  }

  private async pooled(target: Target, request: ProviderRequest, timeoutMs: number): Promise<Answer> {
    const url = urlOf(target, request);
    const pool = this.poolFor(url.origin);
    try {
      const response = await exchange(pool, url, request, target, timeoutMs);
      return { kind: 'answered', response };
    } catch (error) {
      return { kind: 'unanswered', detail: messageOf(error, target) };
    }
  }

  /**
   * A submission, on a connection of its own: on a pooled one that the peer has just closed, a harmless reset would
   * look like doubt. `maySend` is asked once the connection stands, right before the first byte; a `no` proves that
   * nothing was sent.
   */
  async submit(target: Target, request: ProviderRequest, maySend: () => boolean): Promise<Answer> {
    const url = urlOf(target, request);
    let mayHaveBeenSent = false;
    const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS });
    const client = new Client(url.origin, {
      pipelining: 1,
      headersTimeout: SUBMIT_HEADERS_TIMEOUT_MS,
      bodyTimeout: SUBMIT_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      connect: (options, callback) =>
        connect(options, (error, socket) => {
          if (error !== null || socket === null) return callback(error ?? new Error('no socket'), null);
          if (!maySend()) {
            socket.destroy();
            return callback(new Error('the time to send this attempt had passed'), null);
          }
          mayHaveBeenSent = true;
          callback(null, socket);
        }),
    });
    try {
      const response = await exchange(client, url, request, target, SUBMIT_TIMEOUT_MS);
      return { kind: 'answered', response };
    } catch (error) {
      return { kind: mayHaveBeenSent ? 'unanswered' : 'never_sent', detail: messageOf(error, target) };
    } finally {
      // Not awaited: the answer is read, and a peer that is slow to close is not worth waiting for.
      client.destroy().catch(() => {});
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
  }

  private poolFor(origin: string): Pool {
    let pool = this.pools.get(origin);
    if (!pool) {
      pool = new Pool(origin, {
        connections: POOL_CONNECTIONS,
        connect: { timeout: CONNECT_TIMEOUT_MS },
        headersTimeout: UPLOAD_TIMEOUT_MS,
        bodyTimeout: READ_TIMEOUT_MS,
        maxHeaderSize: HEADER_BYTES_MAX,
      });
      this.pools.set(origin, pool);
    }
    return pool;
  }
}

/** The configured base joined with the adapter's path: an adapter can name a path, never a host. */
function urlOf(target: Target, request: ProviderRequest): URL {
  const host = request.host ?? 'api';
  const url = new URL(present(target.baseUrls[host], `a base URL for "${host}"`));
  const [path = '', query] = split(request.path);
  // Set part by part, never parsed as one text: `//elsewhere/x` would be read as another host, and get our key.
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  url.search = query;
  return url;
}

function split(path: string): [path: string, query: string] {
  const at = path.indexOf('?');
  return at === -1 ? [path, ''] : [path.slice(0, at), path.slice(at)];
}

async function exchange(
  dispatcher: Dispatcher,
  url: URL,
  request: ProviderRequest,
  target: Target,
  timeoutMs: number,
): Promise<ProviderResponse> {
  const hasBody = request.body !== undefined;
  const answer = await dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: request.method,
    headers: {
      'user-agent': 'reelay/0.1',
      accept: 'application/json',
      ...(hasBody && { 'content-type': 'application/json' }),
      ...request.headers,
    },
    body: hasBody ? JSON.stringify(request.body) : null,
    signal: AbortSignal.timeout(timeoutMs),
    // Never full, so that undici never pauses: see the note on its pausing in download.ts.
    highWaterMark: 2 * ANSWER_BYTES_MAX,
  });
  answer.body.on('error', () => {});
  const headers = plainHeaders(answer.headers, target);
  const bytes = decode(await readAll(answer.body), headers['content-encoding']);
  const body = parseJson(bytes, target);
  const page = body === null ? { text: masked(bytes.toString('utf8', 0, PAGE_BYTES), target) } : {};
  return { origin: url.origin, status: answer.statusCode, headers, body, ...page };
}

async function readAll(body: Dispatcher.ResponseData['body']): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) {
      body.destroy();
      throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** Undoes at most one content coding, within the same limit: no answer of ours needs two. */
function decode(bytes: Buffer, coding: string | undefined): Buffer {
  const limit = { maxOutputLength: ANSWER_BYTES_MAX };
  switch (coding?.trim().toLowerCase() ?? '') {
    case '':
    case 'identity':
      return bytes;
    case 'gzip':
      return gunzipSync(bytes, limit);
    case 'deflate':
      return inflateSync(bytes, limit);
    case 'br':
      return brotliDecompressSync(bytes, limit);
    default:
      throw new Error(`the answer has a content coding that was not asked for: ${coding}`);
  }
}

function plainHeaders(headers: Dispatcher.ResponseData['headers'], target: Target): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) plain[name.toLowerCase()] = masked(first, target);
  }
  return plain;
}

const LEVELS_MAX = 64;

/**
 * The body as JSON, with our own secrets masked wherever a provider echoes them, however they were spelled; null when it
 * is not JSON, or nested as no answer of a provider is.
 */
function parseJson(bytes: Buffer, target: Target): unknown {
  if (bytes.length === 0 || !isUtf8(bytes)) return null;
  const text = bytes.toString('utf8');
  if (jsonDepth(text) > LEVELS_MAX) return null;
  try {
    return JSON.parse(text, (_key, value) => (typeof value === 'string' ? masked(value, target) : value));
  } catch {
    return null;
  }
}

function messageOf(error: unknown, target: Target): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return masked(text, target);
}

function masked(text: string, { secrets }: Target): string {
  return secrets.reduce((cleaned, secret) => (secret === '' ? cleaned : cleaned.replaceAll(secret, '***')), text);
}
