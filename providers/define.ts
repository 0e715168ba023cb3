import type {
  Absent,
  Balance,
  Cancelled,
  CancelRequested,
  Exchange,
  Failure,
  Finished,
  Hooks,
  Json,
  Pending,
  Provider,
  ProviderQuote,
  ProviderRequest,
  ProviderResponse,
  Submission,
  Submitted,
  UploadByPut,
  Uploaded,
  UploadFile,
} from './contract.ts';

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
  readonly cancel?: BoundExchange<Json, Cancelled | CancelRequested>;
  readonly upload?: BoundExchange<UploadFile, Uploaded | UploadByPut>;
  readonly quote?: BoundExchange<Submission, ProviderQuote>;
  readonly balance?: BoundExchange<{ readonly fromMs: number; readonly toMs: number }, Balance>;
}

/** A provider without its type parameters: data about it, and `connect`. */
export interface AnyProvider
  extends Pick<
    Provider<never, never>,
    'id' | 'name' | 'settings' | 'capabilities' | 'media' | 'linkLifeMs' | 'keyReplay'
  > {
  readonly hooks?: Hooks<Json>;
  /** Whether files can be given to the provider's own keeping. */
  readonly takesUploads: boolean;
  /** The exchanges for one account. Throws a ZodError when the variables are not this provider's credentials. */
  connect(variables: Readonly<Record<string, string>>): Connection;
}

/** Wraps an adapter so that stored JSON is decoded through its own schemas on every way in. */
export function defineProvider<Credentials, Handle extends Json>(provider: Provider<Credentials, Handle>): AnyProvider {
  const { id, name, settings, capabilities, media, linkLifeMs, submit, find, upload, quote, balance, hooks } = provider;
  const { keyReplay } = provider;
  return {
    id,
    name,
    settings,
    capabilities,
    media,
    linkLifeMs,
    ...(keyReplay && { keyReplay }),
    takesUploads: upload !== undefined,
    ...(hooks && { hooks }),
    connect(variables) {
      const credentials = provider.credentials.parse(variables);
      return {
        submit: bind(submit, credentials),
        poll: bindHandle(provider, provider.poll, credentials),
        ...(find && { find: bind(find, credentials) }),
        ...(provider.cancel && { cancel: bindHandle(provider, provider.cancel, credentials) }),
        ...(upload && { upload: bind(upload, credentials) }),
        ...(quote && { quote: bind(quote, credentials) }),
        ...(balance && { balance: bind(balance, credentials) }),
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

function bindHandle<Credentials, Handle extends Json, Outcome>(
  provider: Provider<Credentials, Handle>,
  exchange: Exchange<Credentials, Handle, Outcome>,
  credentials: Credentials,
): BoundExchange<Json, Outcome> {
  return {
    request: (input, nowMs) => exchange.request(provider.handle.parse(input), { credentials, nowMs }),
    response: (response, input) => exchange.response(response, provider.handle.parse(input)),
  };
}
