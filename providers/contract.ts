/**
 * The adapter contract: pure functions around one exchange, values in and values out.
 *
 * An adapter cannot reach money, database, clock or network, so it cannot retry behind our back and buy twice, and
 * recorded JSON tests all of it. The wire performs what it describes; `routing/failure.ts` judges what it classifies.
 */
import type { z } from 'zod';
import type { VideoRequest } from '../src/ground/video-request.ts';
import type { Capability } from '../src/pricing/capability.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
export type Headers = Readonly<Record<string, string>>;

/** An exchange before it happens. `path` is joined to the configured base URL of `host`; adapters never name a host. */
export interface ProviderRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Which of the account's configured base URLs; `api` when absent. */
  readonly host?: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body?: Json;
}

/** What came back. `body` is parsed JSON, or null when the bytes were not JSON. Header names are in lower case. */
export interface ProviderResponse {
  /** The origin that was asked, so that an adapter can check addresses against it. */
  readonly origin: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** What went wrong, as `routing/failure.ts` judges it. */
export type FailureKind =
  /** The tenant's input cannot be made, here or elsewhere. */
  | 'invalid_request'
  /** This provider will not take what our data says it sells: an unknown model, a field it refuses, a plan. */
  | 'offer_refused'
  | 'content_rejected'
  | 'unauthorized'
  | 'out_of_credit'
  | 'rate_limited'
  /** Too many running tasks on this account; nothing was created. */
  | 'concurrency_limited'
  | 'unavailable'
  | 'generation_failed'
  | 'task_not_found'
  /** The task says it has finished, and names no video. */
  | 'video_missing'
  /** An answer of no shape or word that we know. */
  | 'protocol_error';

/** Exact decimal in the provider's own unit; pricing turns it into money. */
export interface ReportedUsage {
  readonly quantity: string;
  readonly unit: string;
}

export interface Failure {
  readonly state: 'failure';
  readonly kind: FailureKind;
  /** The provider's own words: for operators, never for tenants. */
  readonly detail: string;
  readonly retryAfterMs?: number;
  readonly usage?: ReportedUsage;
  /**
   * What this says about the task. `ended`: the task was made and has failed for good; without it, a failed read is
   * only a failed read. `none` and `maybe` are for submissions: whether the provider may hold a task in spite of this
   * answer; absent, the HTTP status decides (`jobs/verdict.ts`), so an adapter says it only where its provider
   * documents an exception.
   */
  readonly task?: 'none' | 'maybe' | 'ended';
  /** Whether the provider charges for the task that ended so; absent, the rate card's `failed` decides. */
  readonly charged?: 'no' | 'yes' | 'unknown';
}

export interface Submitted<Handle> {
  readonly state: 'submitted';
  readonly taskId: string;
  /** What is stored to find the task again. */
  readonly handle: Handle;
}

/** `nextPollMs: 0` asks for the next exchange at once: a second call is a second stage of the handle. */
export interface Pending<Handle> {
  readonly state: 'pending';
  readonly handle: Handle;
  readonly nextPollMs?: number;
  readonly progressPercent?: number;
  /** `queued`: accepted, but the provider has not begun. */
  readonly phase: 'queued' | 'running';
}

export interface Finished {
  readonly state: 'finished';
  /** A foreign address; `wire/download.ts` distrusts it. */
  readonly videoUrl: string;
  readonly usage?: ReportedUsage;
}

/** Read back by a tag of ours: nothing there, as far as the provider can tell. */
export interface Absent {
  readonly state: 'absent';
}

/** The images and videos of a request as this provider's wire takes them: an address, base64, or a data URL. */
export interface SubmissionMedia {
  readonly firstFrame?: string;
  readonly lastFrame?: string;
  readonly references: readonly string[];
  readonly video?: string;
}

/** Everything an adapter needs to write one submission. */
export interface Submission {
  readonly attemptId: string;
  readonly request: VideoRequest;
  readonly media: SubmissionMedia;
  /** The capability's own name for what is ordered. */
  readonly upstream: string;
  /** Where the provider may announce the end; unguessable, one per attempt. */
  readonly webhookUrl?: string;
  /** Echoed by providers that prove a delivery with it; one per attempt. */
  readonly webhookSecret?: string;
}

/** Two pure functions around one exchange. */
export interface Exchange<Credentials, Input, Outcome> {
  request(input: Input, context: { readonly credentials: Credentials; readonly nowMs: number }): ProviderRequest;
  response(response: ProviderResponse, input: Input): Outcome | Failure;
}

/** How a provider takes images of ours: bytes inside the request, or an address it fetches. */
export interface MediaRules {
  /** How uploaded bytes can be written into the request itself; absent when the wire takes addresses only. */
  readonly inlineImage?: 'base64' | 'data_url';
  readonly inlineBytesMax?: number;
}

/** The environment variables of a provider: `<prefix>_BASE_URL`, `<prefix>_CONCURRENCY`, and its credentials. */
export interface ProviderSettings {
  readonly prefix: string;
  /** The public addresses by host name; `api` is where `<prefix>_BASE_URL` points elsewhere. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Tasks at once that an account may run when nothing else is configured. */
  readonly slotsDefault: number;
  /** What that number counts: all tasks of the account, or those of one model. */
  readonly slotsPer: 'account' | 'model';
  /** Variables of which one complete set configures the account; the names of the set become its credentials. */
  readonly credentialVariables: readonly (readonly string[])[];
}

export interface Provider<Credentials, Handle extends Json> {
  readonly id: string;
  readonly name: string;
  readonly settings: ProviderSettings;
  /** Reads the configured variables (by their names) into credentials. */
  readonly credentials: z.ZodType<Credentials>;
  /** Stored as JSON, read back through this schema. */
  readonly handle: z.ZodType<Handle>;
  readonly capabilities: readonly Capability[];
  readonly media: MediaRules;
  /** How long a finished video stays downloadable. */
  readonly linkLifeMs: number;
  readonly submit: Exchange<Credentials, Submission, Submitted<Handle>>;
  readonly poll: Exchange<Credentials, Handle, Pending<Handle> | Finished>;
  /** Looks for the task of an attempt whose answer was lost; only where the provider keeps our tag. */
  readonly find?: Exchange<Credentials, Submission, Submitted<Handle> | Absent>;
}

/** An exchange with its credentials filled in and its input read from storage. */
export interface BoundExchange<Input, Outcome> {
  request(input: Input, nowMs: number): ProviderRequest;
  response(response: ProviderResponse, input: Input): Outcome | Failure;
}

/** A provider as the rest of the gateway sees it: handles are JSON, credentials are out of sight. */
export interface Connection {
  readonly submit: BoundExchange<Submission, Submitted<Json>>;
  readonly poll: BoundExchange<Json, Pending<Json> | Finished>;
  readonly find?: BoundExchange<Submission, Submitted<Json> | Absent>;
}

/** A provider without its type parameters: data about it, and `connect`. */
export interface AnyProvider
  extends Pick<Provider<never, never>, 'id' | 'name' | 'settings' | 'capabilities' | 'media' | 'linkLifeMs'> {
  /** The exchanges for one account. Throws a ZodError when the variables are not this provider's credentials. */
  connect(variables: Readonly<Record<string, string>>): Connection;
}

/** Wraps an adapter so that stored JSON is decoded through its own schemas on every way in. */
export function defineProvider<Credentials, Handle extends Json>(provider: Provider<Credentials, Handle>): AnyProvider {
  const { id, name, settings, capabilities, media, linkLifeMs, submit, poll, find } = provider;
  return {
    id,
    name,
    settings,
    capabilities,
    media,
    linkLifeMs,
    connect(variables) {
      const credentials = provider.credentials.parse(variables);
      return {
        submit: bind(submit, credentials),
        poll: {
          request: (input, nowMs) => poll.request(provider.handle.parse(input), { credentials, nowMs }),
          response: (response, input) => poll.response(response, provider.handle.parse(input)),
        },
        ...(find && { find: bind(find, credentials) }),
      };
    },
  };
}

function bind<Credentials, Input, Outcome>(
  exchange: Exchange<Credentials, Input, Outcome>,
  credentials: Credentials,
): BoundExchange<Input, Outcome> {
  return {
    request: (input, nowMs) => exchange.request(input, { credentials, nowMs }),
    response: (response, input) => exchange.response(response, input),
  };
}
