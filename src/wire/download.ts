import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import { MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import type { PartFile } from '../store/files.ts';
import { AddressRefused, type AddressRules, checkUrl, guardedConnector, type Resolve } from './address.ts';

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;
const FIRST_BYTE_TIMEOUT_MS = 15 * SECOND_MS;
const SILENCE_TIMEOUT_MS = 30 * SECOND_MS;
const DOWNLOAD_TIMEOUT_MS = 15 * MINUTE_MS;
const PUT_TIMEOUT_MS = 2 * MINUTE_MS;
const REDIRECTS_MAX = 5;
/** What a host says while it is busy, and not of the address. */
const PASSING = new Set([408, 425, 429]);
const HEADER_BYTES_MAX = 16_384;
/** Larger than anything that can arrive between two looks at it, so that undici never pauses; see `Gate`. */
const BODY_BUFFER_BYTES = 64 * 1_048_576;

/** The bytes arrived, all of them as far as the sender said. */
export interface Downloaded {
  readonly kind: 'downloaded';
  readonly bytes: number;
  /** SHA-256, hex. */
  readonly digest: string;
}

/**
 * `gone`: the address is dead (403, 404, 410, or another fault of the request), a fresh one may live. `broken`: not
 * reached, not answered, stalled; the same address may do better. `cut`: it ended before all had come that was announced.
 * `too_large`: more than is taken. `refused`: an address we do not connect to. `not_stored`: our own disk would not take it.
 */
export interface NotDownloaded {
  readonly kind: 'gone' | 'broken' | 'cut' | 'too_large' | 'refused' | 'not_stored';
  readonly detail: string;
}

/** What says that the other end hung up in the middle of a body. */
const HUNG_UP = new Set(['UND_ERR_SOCKET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'ECONNRESET']);

/** Our own store failed: nothing is to be held against the sender. */
class NotStored extends Error {
  override readonly name = 'NotStored';
}

/** Fetches assets from addresses that nobody vouches for. One connection per exchange, judged for it alone. */
export class Downloader {
  private readonly rules: AddressRules;
  private readonly resolve: Resolve | undefined;
  private readonly open = new Set<Client>();

  constructor(rules: AddressRules, resolve?: Resolve) {
    this.rules = rules;
    this.resolve = resolve;
  }

  /**
   * Streams the asset into `part`, at most `bytesMax`. Never throws for what the other end does. Is `broken` at once when
   * `stops` is aborted.
   */
  async download(
    address: string,
    part: PartFile,
    bytesMax: number,
    stops?: AbortSignal,
  ): Promise<Downloaded | NotDownloaded> {
    const ends = new AbortController();
    const stop = (): void => ends.abort(new Error(stops?.aborted ? 'stopped' : 'took too long'));
    const late = AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS);
    late.addEventListener('abort', stop);
    // One listener for each download under way: not a leak.
    if (stops) setMaxListeners(0, stops);
    stops?.addEventListener('abort', stop);
    const { signal } = ends;
    if (stops?.aborted) stop();
    try {
      let url = checkUrl(address, this.rules);
      for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
        const from = url;
        const outcome = await this.exchange<URL | Downloaded | NotDownloaded>(
          from,
          { method: 'GET', signal },
          async (answer, gate) => redirectOf(answer, from) ?? (await receive(answer, gate, part, bytesMax)),
        );
        if (!(outcome instanceof URL)) return outcome;
        url = checkUrl(outcome.href, this.rules);
      }
      return { kind: 'refused', detail: `more than ${REDIRECTS_MAX} redirects` };
    } catch (error) {
      const kind = error instanceof AddressRefused ? 'refused' : error instanceof NotStored ? 'not_stored' : 'broken';
      return { kind, detail: messageOf(error) };
    } finally {
      late.removeEventListener('abort', stop);
      stops?.removeEventListener('abort', stop);
    }
  }

  /** Sends bytes to an address that a provider named for them; what went wrong in words, null when nothing did. */
  async put(address: string, bytes: Buffer, contentType: string): Promise<string | null> {
    try {
      const url = checkUrl(address, this.rules);
      const signal = AbortSignal.timeout(PUT_TIMEOUT_MS);
      const headers = { 'content-type': contentType };
      return await this.exchange(url, { method: 'PUT', signal, body: bytes, headers }, async (answer) => {
        await answer.body.dump();
        return answer.statusCode < 300 ? null : `PUT answered HTTP ${answer.statusCode}`;
      });
    } catch (error) {
      return messageOf(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.open].map((client) => client.destroy()));
  }

  private async exchange<T>(
    url: URL,
    request: Pick<Dispatcher.RequestOptions, 'method' | 'signal' | 'body' | 'headers'>,
    use: (answer: Dispatcher.ResponseData, gate: Gate) => Promise<T>,
  ): Promise<T> {
    const gate = new Gate();
    const connect = guardedConnector(this.rules, CONNECT_TIMEOUT_MS, this.resolve);
    const client = new Client(url.origin, {
      connect: (options, callback) =>
        connect(options, (...outcome) => {
          if (outcome[1]) gate.hang(outcome[1]);
          callback(...outcome);
        }),
      headersTimeout: FIRST_BYTE_TIMEOUT_MS,
      bodyTimeout: SILENCE_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      pipelining: 0,
    });
    this.open.add(client);
    try {
      const answer = await client.request({
        ...request,
        path: url.pathname + url.search,
        headers: { 'user-agent': 'reelay/0.1', accept: '*/*', ...request.headers },
        highWaterMark: BODY_BUFFER_BYTES,
      });
      // A body that is given up before its end may still report that end.
      answer.body.on('error', () => {});
      return await use(answer, gate);
    } finally {
      this.open.delete(client);
      client.destroy().catch(() => {});
    }
  }
}

/**
 * Holds a connection back while the disk is busy. It stands in front of the socket, not inside undici: a paused parser
 * of undici 7 whose peer hangs up ends the whole process (github.com/nodejs/undici/issues/5360, mended in version 8,
 * which wants a newer Node).
 */
class Gate {
  private socket: Socket | null = null;
  private isOpen = true;

  hang(socket: Socket): void {
    this.socket = socket;
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => (this.isOpen ? read(size) : null);
  }

  /** Lets nothing through while `work` lasts. */
  async during(work: Promise<void>): Promise<void> {
    this.isOpen = false;
    try {
      await work;
    } finally {
      this.isOpen = true;
      this.socket?.emit('readable');
    }
  }
}

/** Where the answer leads on; null when it does not. Judged from the start by the caller; no header is carried over. */
function redirectOf(answer: Dispatcher.ResponseData, from: URL): URL | null {
  const { location } = answer.headers;
  if (answer.statusCode < 300 || answer.statusCode >= 400 || typeof location !== 'string') return null;
  answer.body.destroy();
  if (!URL.canParse(location, from.href)) throw new AddressRefused('a redirect to no address');
  return new URL(location, from);
}

async function receive(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  gate: Gate,
  part: PartFile,
  bytesMax: number,
): Promise<Downloaded | NotDownloaded> {
  if (statusCode !== 200) {
    body.destroy();
    const isGone = statusCode >= 400 && statusCode < 500 && !PASSING.has(statusCode);
    return { kind: isGone ? 'gone' : 'broken', detail: `HTTP ${statusCode}` };
  }
  const announced = headers['content-length'] === undefined ? null : Number(headers['content-length']);
  if (announced !== null && announced > bytesMax) {
    body.destroy();
    return { kind: 'too_large', detail: `${announced} bytes announced, at most ${bytesMax} are taken` };
  }
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > bytesMax) return { kind: 'too_large', detail: `more than ${bytesMax} bytes` };
      hash.update(chunk);
      await gate.during(store(part, chunk));
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && HUNG_UP.has(String(error.code)))) throw error;
    return { kind: 'cut', detail: `after ${bytes} bytes: ${messageOf(error)}` };
  }
  if (announced !== null && bytes !== announced) {
    return { kind: 'cut', detail: `${bytes} bytes of ${announced} announced` };
  }
  return { kind: 'downloaded', bytes, digest: hash.digest('hex') };
}

async function store(part: PartFile, chunk: Buffer): Promise<void> {
  try {
    await part.write(chunk);
  } catch (error) {
    throw new NotStored(messageOf(error));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
