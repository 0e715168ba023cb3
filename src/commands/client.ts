import { request } from 'undici';
import { processEnvironment } from '../environment.ts';

/** A command that failed for a reason the user can mend: one line, and what to do next. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The gateway did not answer, or not now: the same question may be asked again, an order only under the same key. */
export class Unavailable extends Failure {
  /** Whether something may have come to the gateway all the same. */
  readonly reached: boolean;

  constructor(message: string, { reached = true }: { readonly reached?: boolean } = {}) {
    super(message);
    this.reached = reached;
  }
}

/** Nothing was sent: there was no such address, nobody listened there, or it could not show who it is. */
const NEVER_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|UND_ERR_INVALID_ARG)$|CERT|UNABLE_TO/;

const DEFAULT_URL = 'http://127.0.0.1:8787';
const SANDBOX_KEY = 'sk-reelay-sandbox';

export interface GatewayAccess {
  readonly url: string;
  readonly key: string;
}

/** Where the gateway is and what opens it: options first, then REELAY_URL and REELAY_API_KEY, then the sandbox. */
export function tenantAccess(options: { readonly url?: string; readonly key?: string }): GatewayAccess {
  const environment = processEnvironment();
  const url = options.url ?? environment.REELAY_URL ?? DEFAULT_URL;
  const key = options.key ?? environment.REELAY_API_KEY ?? SANDBOX_KEY;
  return { url: rootOf(url), key };
}

/** The same for the admin API, whose key has no default. */
export function adminAccess(options: { readonly url?: string }): GatewayAccess {
  const environment = processEnvironment();
  const key = environment.REELAY_ADMIN_KEY;
  if (!key) {
    throw new Failure('REELAY_ADMIN_KEY is not set. Set it to the admin key that the gateway was started with.', 2);
  }
  return { url: rootOf(options.url ?? environment.REELAY_URL ?? DEFAULT_URL), key };
}

/** Where the gateway is, also from the base URL that an SDK is given, which ends in `/v1`. */
const rootOf = (url: string): string => url.replace(/(\/v1)?\/?$/, '');

/**
 * One JSON exchange with a gateway. Throws a Failure that says what came back and what to do: an Unavailable where that
 * was no answer of the gateway's, or cut short.
 */
export async function call(
  access: GatewayAccess,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>> {
  const answer = await send(access, method, path, body, headers);
  const text = await answer.body.text().catch((error: unknown) => {
    throw new Unavailable(`the answer of ${access.url} was cut short (${reasonOf(error)}).`);
  });
  const parsed = parse(text);
  if (answer.statusCode < 300 && parsed) return parsed;
  const error = parsed?.error as { message?: string } | undefined;
  const said = error?.message ?? `HTTP ${answer.statusCode}`;
  const hint = answer.statusCode === 401 ? ' Check the key (REELAY_API_KEY, REELAY_ADMIN_KEY).' : '';
  throw answer.statusCode >= 500 || answer.statusCode < 300 ? new Unavailable(said) : new Failure(`${said}${hint}`);
}

/** The answer itself, for bodies that are not JSON. */
export async function send(
  access: GatewayAccess,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Awaited<ReturnType<typeof request>>> {
  try {
    return await request(access.url + path, {
      method,
      headers: {
        ...headers,
        authorization: `Bearer ${access.key}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (error) {
    const reason = reasonOf(error);
    if (!NEVER_SENT.test(reason)) throw new Unavailable(`the gateway at ${access.url} did not answer (${reason}).`);
    throw new Unavailable(
      `no gateway answers at ${access.url} (${reason}). Start one with "npm start", or set REELAY_URL.`,
      { reached: false },
    );
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

function parse(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
