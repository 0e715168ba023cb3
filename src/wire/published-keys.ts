import { z } from 'zod';
import type { ProviderRequest } from '../../providers/contract.ts';
import { DAY_MS, MINUTE_MS } from '../ground/time.ts';
import type { Answer, Target } from './call.ts';

const keySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });

interface Remembered {
  readonly keys: readonly JsonWebKey[];
  readonly fetchedAtMs: number;
}

type Read = (target: Target, request: ProviderRequest) => Promise<Answer>;

/**
 * The keys under which providers sign their announcements: fetched when first needed, kept for at most a day, and
 * fetched again when a delivery does not verify, at most once a minute.
 */
export class PublishedKeys {
  private readonly read: Read;
  private readonly monotonicMs: () => number;
  private readonly remembered = new Map<string, Remembered>();

  constructor(read: Read, monotonicMs: () => number) {
    this.read = read;
    this.monotonicMs = monotonicMs;
  }

  /** The keys as remembered; none when they cannot be had, so that nothing verifies. */
  async of(target: Target, place: { readonly host: string; readonly path: string }): Promise<readonly JsonWebKey[]> {
    const known = this.remembered.get(addressOf(target, place));
    if (known && this.monotonicMs() - known.fetchedAtMs < DAY_MS) return known.keys;
    return await this.load(target, place);
  }

  /** Fresh keys, after a delivery did not verify; the remembered ones if they are younger than a minute. */
  async fresh(target: Target, place: { readonly host: string; readonly path: string }): Promise<readonly JsonWebKey[]> {
    const known = this.remembered.get(addressOf(target, place));
    if (known && this.monotonicMs() - known.fetchedAtMs < MINUTE_MS) return known.keys;
    return await this.load(target, place);
  }

  private async load(target: Target, { host, path }: { host: string; path: string }): Promise<readonly JsonWebKey[]> {
    const answer = await this.read(target, { method: 'GET', host, path, headers: {} });
    const parsed = answer.kind === 'answered' ? keySet.safeParse(answer.response.body) : null;
    const keys = parsed?.success ? (parsed.data.keys as JsonWebKey[]) : [];
    this.remembered.set(addressOf(target, { host, path }), { keys, fetchedAtMs: this.monotonicMs() });
    return keys;
  }
}

const addressOf = ({ baseUrls }: Target, { host, path }: { host: string; path: string }): string =>
  `${baseUrls[host]}${path}`;
