import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import type { Log } from '../ground/log.ts';
import type { Secret } from '../ground/secret.ts';
import type { Deps } from '../jobs/deps.ts';
import type { DiskWatch } from '../jobs/disk.ts';
import type { DriftWatch } from '../jobs/drift-watch.ts';
import type { Notifier } from '../jobs/notify.ts';
import type { PackBook } from '../jobs/packages.ts';
import type { StartAudit } from '../jobs/start-audit.ts';
import type { Worker } from '../jobs/worker.ts';
import type { ApiKey } from '../ledger/key.ts';
import type { Tenant } from '../ledger/tenant.ts';
import type { Offer, Seller } from '../pricing/offers.ts';
import type { TenantPolicy } from '../routing/policy.ts';
import type { Conditions } from '../routing/score.ts';
import type { AddressRules } from '../wire/address.ts';
import type { ModelAliases } from './normalise.ts';

/** What the routes work with; made once in `main.ts`. */
export interface FrontDeps {
  readonly jobs: Deps;
  readonly worker: Worker;
  readonly notifier: Pick<Notifier, 'wake' | 'sendSample'>;
  readonly disk: Pick<DiskWatch, 'shortage'>;
  /** Whether the books let more in: after an unclean stop they are looked through first. */
  readonly books: Pick<StartAudit, 'fault' | 'lookAgain'>;
  /** The drift of the rate cards, as it was seen last. */
  readonly drift: Pick<DriftWatch, 'rows'>;
  readonly log: Log;
  readonly sellers: readonly Seller[];
  /** What a unit costs now, where accounts draw on prepaid packs. */
  readonly packs: Pick<PackBook, 'sellers' | 'refresh'>;
  /** The conditions that a new job of the tenant would find; of nobody in particular where none is named. */
  readonly conditionsOf: (offer: Offer, tenantId?: string) => Conditions;
  readonly addressRules: AddressRules;
  readonly aliases: ModelAliases;
  readonly defaultModel: string;
  /** What holds for every tenant whose own policy does not say otherwise. */
  readonly defaultPolicy?: TenantPolicy;
  readonly publicUrl: string | null;
  readonly keyPepper: Secret;
  readonly adminKey: Secret | null;
  /** Only then does the sandbox's well-known key open anything. */
  readonly sandbox: boolean;
  /** `/metrics` asks for no key: only where nobody but this machine can reach it. */
  readonly openMetrics: boolean;
}

/** Who asks, known once the key has been checked. */
export interface Caller {
  readonly tenant: Tenant;
  readonly key: ApiKey;
}

export interface Env {
  readonly Bindings: HttpBindings;
  readonly Variables: { requestId: string; caller: Caller };
}

export type App = Hono<Env>;
export type Ctx = Context<Env>;
