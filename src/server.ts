/** The listening socket, for as long as the gateway lives: before it is ready, while it serves, and while it stops. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Config } from './config.ts';
import { SECOND_MS, systemClock } from './ground/time.ts';

type Fetch = Parameters<typeof createAdaptorServer>[0]['fetch'];

export interface Front {
  /** Where it listens, `http://127.0.0.1:8787`. */
  readonly url: string;
  /** Serves from now on; requests that came before have waited for it. */
  open(fetch: Fetch): void;
  /** Takes no more connections, lets the answers under way end for a moment, and cuts the rest off. */
  close(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 300_000;
/** Longer than proxies and clients keep an idle connection: whoever closes first resets a request of the other. */
const KEEP_ALIVE_MS = 65_000;
const HEADER_BYTES_MAX = 16_384;
const HEADERS_MAX = 64;
const SOCKETS_MAX = 2_000;
/** A long download is not worth waiting for; the end of a short answer is. */
const CLOSE_WITHIN_MS = SECOND_MS;

/** Takes the port, before anything is done that would have to be undone. Throws when it cannot be had. */
export async function listen({ host, port }: Pick<Config, 'host' | 'port'>): Promise<Front> {
  let open: (fetch: Fetch) => void = () => {};
  const ready = new Promise<Fetch>((resolve) => {
    open = resolve;
  });
  const server = createAdaptorServer({
    fetch: async (request, environment) => (await ready)(request, environment),
    createServer,
    serverOptions: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    },
  }) as Server;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxHeadersCount = HEADERS_MAX;
  server.maxConnections = SOCKETS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  return { url: addressOf(server, host), open, close: () => close(server) };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cutOff = systemClock.after(CLOSE_WITHIN_MS, () => server.closeAllConnections());
  await closed;
  cutOff();
}

function addressOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
