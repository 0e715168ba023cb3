import type { AnyProvider } from '../providers/define.ts';
import type { Secret } from './ground/secret.ts';

/** A provider account as configured; `main.ts` connects it. */
export interface AccountConfig {
  readonly id: string;
  readonly provider: AnyProvider;
  /** The credential variables that were set, by name. */
  readonly variables: Readonly<Record<string, Secret>>;
  readonly baseUrls: Readonly<Record<string, string>>;
  readonly slots: number;
  readonly packageId?: string;
}
