import { createHash } from 'node:crypto';
import { Agent, type Dispatcher } from 'undici';
import { MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import type { PartFile } from '../store/files.ts';
import { AddressRefused, type AddressRules, checkUrl, guardedConnector, type Resolve } from './address.ts';

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;
const FIRST_BYTE_TIMEOUT_MS = 15 * SECOND_MS;
const SILENCE_TIMEOUT_MS = 30 * SECOND_MS;
const DOWNLOAD_TIMEOUT_MS = 15 * MINUTE_MS;
const PUT_TIMEOUT_MS = 2 * MINUTE_MS;
const REDIRECTS_MAX = 5;
const HEADER_BYTES_MAX = 16_384;

/** The bytes arrived, all of them as far as the sender said. */
export interface Downloaded {
  readonly kind: 'downloaded';
  readonly bytes: number;
  /** SHA-256, hex. */
  readonly digest: string;
}

/**
 * `gone`: the address is dead (403, 404, 410), a fresh one may live. `broken`: cut short, too long, stalled; the same
 * address may do better. `refused`: an address we do not connect to.
 */
export interface NotDownloaded {
  readonly kind: 'gone' | 'broken' | 'refused';
  readonly detail: string;
}

/** Fetches assets from addresses that nobody vouches for. */
export class Downloader {
  private readonly rules: AddressRules;
  private readonly agent: Agent;

  constructor(rules: AddressRules, resolve?: Resolve) {
    this.rules = rules;
    this.agent = new Agent({
      connect: guardedConnector(rules, CONNECT_TIMEOUT_MS, resolve),
      headersTimeout: FIRST_BYTE_TIMEOUT_MS,
      bodyTimeout: SILENCE_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      // No connection outlives its exchange: a kept one would be judged for one address and used for another.
      pipelining: 0,
      keepAliveTimeout: 1,
    });
  }

  /** Streams the asset into `part`, at most `bytesMax`. Never throws for what the other end does. */
  async download(address: string, part: PartFile, bytesMax: number): Promise<Downloaded | NotDownloaded> {
    try {
      const signal = AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS);
      const answer = await this.follow(address, signal);
      return await receive(answer, part, bytesMax);
    } catch (error) {
      const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      return { kind: error instanceof AddressRefused ? 'refused' : 'broken', detail };
    }
  }

  /** Sends bytes to an address that a provider named for them; what went wrong in words, null when nothing did. */
  async put(address: string, bytes: Buffer, contentType: string): Promise<string | null> {
    try {
      const url = checkUrl(address, this.rules);
      const answer = await this.agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'PUT',
        headers: { 'user-agent': 'reelay/0.1', 'content-type': contentType },
        body: bytes,
        signal: AbortSignal.timeout(PUT_TIMEOUT_MS),
      });
      await answer.body.dump();
      return answer.statusCode < 300 ? null : `PUT answered HTTP ${answer.statusCode}`;
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  /** Redirects are followed by hand, each judged from the start, with no header carried over. */
  private async follow(address: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    let url = checkUrl(address, this.rules);
    for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
      const answer = await this.agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: { 'user-agent': 'reelay/0.1', accept: '*/*' },
        signal,
      });
      const location = answer.headers.location;
      if (answer.statusCode < 300 || answer.statusCode >= 400 || typeof location !== 'string') return answer;
      await answer.body.dump();
      if (!URL.canParse(location, url.href)) throw new AddressRefused('a redirect to no address');
      url = checkUrl(new URL(location, url).href, this.rules);
    }
    throw new AddressRefused(`more than ${REDIRECTS_MAX} redirects`);
  }
}

async function receive(
  answer: Dispatcher.ResponseData,
  part: PartFile,
  bytesMax: number,
): Promise<Downloaded | NotDownloaded> {
  const { statusCode, headers, body } = answer;
  if (statusCode !== 200) {
    await body.dump();
    const gone = statusCode === 403 || statusCode === 404 || statusCode === 410;
    return { kind: gone ? 'gone' : 'broken', detail: `HTTP ${statusCode}` };
  }
  const announced = headers['content-length'] === undefined ? null : Number(headers['content-length']);
  if (announced !== null && announced > bytesMax) {
    body.destroy();
    return {
      kind: 'broken',
      detail: `${announced} bytes announced, at most ${bytesMax} are taken`,
    };
  }
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      body.destroy();
      return { kind: 'broken', detail: `more than ${bytesMax} bytes` };
    }
    hash.update(chunk);
    await part.write(chunk);
  }
  if (announced !== null && bytes !== announced) {
    return {
      kind: 'broken',
      detail: `${bytes} bytes of ${announced} announced`,
    };
  }
  return { kind: 'downloaded', bytes, digest: hash.digest('hex') };
}
