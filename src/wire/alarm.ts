import { Client } from 'undici';
import { SECOND_MS } from '../ground/time.ts';
import type { Sent } from './notify.ts';

const TIMEOUT_MS = 15 * SECOND_MS;
const HEADER_BYTES_MAX = 16_384;

/**
 * Posts alarms to the operator's own address, which may be private: it comes from the configuration, never from a
 * tenant. No redirects; one connection each, and what is answered besides the status is not read.
 */
export class AlarmSender {
  private readonly address: URL;
  private readonly open = new Set<Client>();

  constructor(address: string) {
    this.address = new URL(address);
  }

  /** Posts the alarm and waits for a status, 15 s at most. Never throws for what the other end does. */
  async send(body: string): Promise<Sent> {
    const { origin, pathname, search, username, password } = this.address;
    const client = new Client(origin, {
      connect: { timeout: TIMEOUT_MS },
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    });
    this.open.add(client);
    const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
    try {
      const answer = await client.request({
        method: 'POST',
        path: pathname + search,
        headers: {
          'user-agent': 'reelay/0.1',
          'content-type': 'application/json',
          ...(username !== '' && { authorization: `Basic ${login}` }),
        },
        body,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      answer.body.on('error', () => {});
      return { kind: 'answered', status: answer.statusCode };
    } catch (error) {
      return { kind: 'unanswered', detail: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
    } finally {
      this.open.delete(client);
      client.destroy().catch(() => {});
    }
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await Promise.all([...this.open].map((client) => client.destroy()));
  }
}
