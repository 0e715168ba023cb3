/** A server on loopback that answers as a test says: well, late, half, too much, or not at all. It counts what it got. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';

/** One request, as it arrived. */
export interface Received {
  readonly method: string;
  /** Path and query, as written on the request line. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The other end's port: the same for two requests means the same connection. */
  readonly fromPort: number | undefined;
}

/** How a request is answered: by HTTP, or by bytes straight onto the socket. */
export type Answer = (response: ServerResponse, socket: Socket, request: Received) => void;

export interface RudeServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** Every whole request, in order. */
  readonly received: readonly Received[];
  /** Every connection that was ever accepted. */
  readonly sockets: readonly Socket[];
  /** How many connections others have made so far, counted behind one of its own: accepting is first come, first served. */
  connections(): Promise<number>;
  /** Cuts every connection. */
  cut(): void;
}

/** Starts a server that answers its requests in turn, the last answer for all that follow; gone with the test. */
export async function startRudeServer(...answers: readonly Answer[]): Promise<RudeServer> {
  const received: Received[] = [];
  const sockets: Socket[] = [];
  const own = new Set<number>();
  const server = createServer(async (request, response) => {
    const whole = await receive(request);
    const answer = answers[received.length] ?? answers.at(-1) ?? hang;
    received.push(whole);
    answer(response, request.socket, whole);
  });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    received,
    sockets,
    async connections() {
      const fence = connect(port, '127.0.0.1');
      await once(fence, 'connect');
      const { localPort } = fence;
      if (localPort !== undefined) own.add(localPort);
      while (!sockets.some(({ remotePort }) => remotePort === localPort)) await once(server, 'connection');
      fence.destroy();
      return sockets.length - own.size;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function receive(request: IncomingMessage): Promise<Received> {
  const fromPort = request.socket.remotePort;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { method = '', url: path = '', headers } = request;
  return { method, path, headers, body: Buffer.concat(chunks).toString(), fromPort };
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

type Fields = Readonly<Record<string, string | readonly string[]>>;

/** A polite answer of these bytes. */
export const bytes =
  (body: Uint8Array | string, { status = 200, headers = {} }: { status?: number; headers?: Fields } = {}): Answer =>
  (response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.setHeader('content-length', Buffer.byteLength(body));
    response.writeHead(status).end(body);
  };

export const json = (body: unknown, status = 200, headers: Fields = {}): Answer =>
  bytes(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });

export const page = (status: number): Answer =>
  bytes('<!doctype html><title>Bad gateway</title>', { status, headers: { 'content-type': 'text/html' } });

export const redirect = (location: string, status = 302, headers: Fields = {}): Answer =>
  bytes('', { status, headers: { location, ...headers } });

/** Says nothing, until the test cuts it. */
export const hang: Answer = () => {};

export const cutBeforeAnswer: Answer = (_, socket) => socket.destroy();

/** Ends the connection with a reset instead of a goodbye. */
export const reset: Answer = (_, socket) => socket.resetAndDestroy();

/** Exactly these bytes instead of HTTP, then the end of the connection. */
export const raw =
  (text: string): Answer =>
  (_, socket) => {
    socket.end(text);
  };

export const cutAfterHeaders: Answer = raw(
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n',
);

/** Announces another length than it sends. */
export const wrongLength = (announced: number, body: string): Answer =>
  raw(`HTTP/1.1 200 OK\r\ncontent-length: ${announced}\r\n\r\n${body}`);

/** A body in chunks that stops before its end. */
export const cutChunks: Answer = raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n');

/** The whole body, a byte at a time. */
export const slowly =
  (body: string): Answer =>
  async (response) => {
    for (const byte of Buffer.from(body)) await new Promise((resolve) => response.write(Buffer.of(byte), resolve));
    response.end();
  };

/** More and more, without a length, until the other side has had enough. */
export const endless: Answer = (response) => {
  const chunk = Buffer.alloc(65_536, ' ');
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
};

const CODERS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };

export const coded = (coding: keyof typeof CODERS, body: Uint8Array | string): Answer =>
  bytes(CODERS[coding](body), { headers: { 'content-encoding': coding } });

/** Small on the wire, 64 MiB when unpacked. */
export const bomb = (coding: keyof typeof CODERS): Answer => coded(coding, Buffer.alloc(64 * 1_048_576, ' '));

/** Packed twice, and says so. */
export const codedTwice = (body: string): Answer =>
  bytes(gzipSync(gzipSync(body)), { headers: { 'content-encoding': 'gzip, gzip' } });
