/**
 * The wire is the only room that opens connections. This file decides which foreign addresses may be connected to: on
 * behalf of a tenant or of a provider's answer, public ones only, whatever spelling or redirect leads there.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv6, type Socket } from 'node:net';
import { buildConnector } from 'undici';

/** Why an address is refused, for operators. A tenant is told no more than "not reachable or not allowed". */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/** Networks that an operator opened by REELAY_ALLOW_NETWORKS, and origins of the sandbox's own emulators. */
export interface AddressRules {
  readonly allowedNetworks: BlockList;
  /** Exact origins (`http://127.0.0.1:41234`) that need no further judging. */
  readonly exemptOrigins: ReadonlySet<string>;
}

/** Special-purpose IPv4 ranges (IANA registry, RFC 6890 and its successors). */
const REFUSED_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** Of IPv6 only 2000::/3 is public, without these parts of it. Mapped and NAT64 forms lie outside and are refused. */
const PUBLIC_V6 = ['2000::/3'];
const REFUSED_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const refusedV4 = blockList(REFUSED_V4);
const publicV6 = blockList(PUBLIC_V6);
const refusedV6 = blockList(REFUSED_V6);

/** A list of networks from CIDR texts. Throws a RangeError that names the text that is none. */
export function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', prefix = ''] = cidr.split('/');
    const family = isIP(network);
    const bits = Number(prefix);
    if (family === 0 || !/^\d+$/.test(prefix) || bits > (family === 6 ? 128 : 32)) {
      throw new RangeError(`not a network in CIDR form, such as 10.0.0.0/8: ${JSON.stringify(cidr)}`);
    }
    list.addSubnet(network, bits, family === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

const inside = (list: BlockList, address: string): boolean => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

/** Whether the literal address is a public one. */
export function isPublicAddress(address: string): boolean {
  if (isIPv6(address)) return inside(publicV6, address) && !inside(refusedV6, address);
  return isIP(address) === 4 && !inside(refusedV4, address);
}

const URL_CHARACTERS_MAX = 2_048;
const PORTS = new Set(['', '443']);

/**
 * The address as a URL that may be tried; the connection itself is judged again when it is made. Throws AddressRefused
 * for everything but `https` on port 443, or `http` and other ports where an allowed network may stand behind it.
 */
export function checkUrl(text: string, rules: AddressRules): URL {
  if (text.length > URL_CHARACTERS_MAX) throw new AddressRefused(`longer than ${URL_CHARACTERS_MAX} characters`);
  if (!URL.canParse(text)) throw new AddressRefused('not an absolute URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new AddressRefused(`scheme ${url.protocol}`);
  if (rules.exemptOrigins.has(url.origin)) return url;
  if (url.username !== '' || url.password !== '') throw new AddressRefused('credentials in the address');
  const literal = literalHost(url);
  const allowed = literal !== null && inside(rules.allowedNetworks, literal);
  if (allowed) return url;
  if (literal !== null && !isPublicAddress(literal)) throw new AddressRefused(`address ${literal} is not public`);
  // A name may still lead into an allowed network; the connector finds out.
  const mayBeAllowed = literal === null && !isEmpty(rules.allowedNetworks);
  if (mayBeAllowed) return url;
  if (url.protocol !== 'https:') throw new AddressRefused('not https');
  if (!PORTS.has(url.port)) throw new AddressRefused(`port ${url.port}`);
  return url;
}

const isEmpty = (list: BlockList): boolean => list.rules.length === 0;

/** The host as an IP address; null when it is a name. URL parsing has undone octal, hex and short spellings. */
function literalHost(url: URL): string | null {
  const bare = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  return isIP(bare) ? bare : null;
}

export type Resolve = (host: string) => Promise<string[]>;

const resolveAll: Resolve = async (host) => {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

type Connector = ReturnType<typeof buildConnector>;

/**
 * A connector for undici that judges what it connects to: a literal address directly, a name by all of its addresses,
 * resolved once; then it connects to the address it judged and looks at the other end once more. A `lookup` function
 * alone would not do: it is never called for literal addresses.
 */
export function guardedConnector(
  rules: AddressRules,
  connectTimeoutMs: number,
  resolve: Resolve = resolveAll,
): Connector {
  const connect = buildConnector({ timeout: connectTimeoutMs });
  return (options, callback) => {
    const origin = `${options.protocol}//${options.host ?? options.hostname}`;
    const exempt = rules.exemptOrigins.has(new URL(origin).origin);
    const publicWay = options.protocol === 'https:' && PORTS.has(options.port);
    const mayReach = (address: string): boolean =>
      exempt || inside(rules.allowedNetworks, address) || (publicWay && isPublicAddress(address));

    judge(options.hostname, mayReach, resolve).then(
      (address) => {
        // `servername` keeps the name for TLS; an address there would be refused by the handshake.
        const named = isIP(options.hostname.replace(/^\[|\]$/g, '')) === 0;
        const servername = named ? (options.servername ?? options.hostname) : undefined;
        connect(
          {
            ...options,
            hostname: address,
            ...(servername !== undefined && { servername }),
          },
          (error, socket) => {
            if (error !== null || socket === null) return callback(error ?? new Error('no socket'), null);
            const remote = remoteAddressOf(socket);
            if (remote !== null && mayReach(remote)) return callback(null, socket);
            socket.destroy();
            callback(new AddressRefused(`connected to ${remote}, which is not public`), null);
          },
        );
      },
      (error: Error) => callback(error, null),
    );
  };
}

async function judge(host: string, mayReach: (address: string) => boolean, resolve: Resolve): Promise<string> {
  const bare = host.replace(/^\[|\]$/g, '');
  const addresses = isIP(bare) ? [bare] : await resolve(bare);
  const refused = addresses.find((address) => !mayReach(address));
  if (refused !== undefined) throw new AddressRefused(`${host} leads to ${refused}, which is not public`);
  const [first] = addresses;
  if (first === undefined) throw new AddressRefused(`${host} has no address`);
  return first;
}

/** Where the socket really leads, an IPv4 address in IPv6 clothes undressed. */
function remoteAddressOf(socket: Socket): string | null {
  const remote = socket.remoteAddress;
  if (remote === undefined) return null;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remote);
  return mapped?.[1] ?? remote;
}
