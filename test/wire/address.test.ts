/** No spelling, name, flip of an answer or redirect leads from a foreign address into a network that is not public. */
import { BlockList, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDiskFiles } from '../../src/store/files.ts';
import {
  AddressRefused,
  type AddressRules,
  blockList,
  checkUrl,
  guardedConnector,
  isPublicAddress,
  type Resolve,
} from '../../src/wire/address.ts';
import { Downloader } from '../../src/wire/download.ts';
import { bytes, json, type RudeServer, redirect, startRudeServer } from '../support/rude-server.ts';
import { temporaryFolder } from '../support/temporary.ts';

const PUBLIC_ONLY: AddressRules = { allowedNetworks: new BlockList(), exemptOrigins: new Set() };
const allowing = (...networks: string[]): AddressRules => ({ ...PUBLIC_ONLY, allowedNetworks: blockList(networks) });
const exempting = (...origins: string[]): AddressRules => ({ ...PUBLIC_ONLY, exemptOrigins: new Set(origins) });

/** A resolver that answers in turn, the last answer for all that follow, and counts how often it was asked. */
function resolver(...turns: readonly string[][]): { readonly resolve: Resolve; readonly asked: string[] } {
  const asked: string[] = [];
  const resolve: Resolve = async (host) => {
    asked.push(host);
    return turns[asked.length - 1] ?? turns.at(-1) ?? [];
  };
  return { resolve, asked };
}

const nobody: Resolve = async (host) => {
  throw new Error(`nobody may ask for ${host}`);
};

/** What the connector makes of an address that nobody has checked before. */
function connectTo(address: string, rules: AddressRules, resolve: Resolve = nobody): Promise<Socket | Error> {
  const { hostname, host, port, protocol } = new URL(address);
  const connect = guardedConnector(rules, 2_000, resolve);
  return new Promise((done) => {
    connect({ hostname, host, port, protocol }, (error, socket) => {
      if (socket) onTestFinished(() => void socket.destroy());
      done(socket ?? error ?? new Error('neither a socket nor an error'));
    });
  });
}

async function download(address: string, rules: AddressRules, resolve: Resolve = nobody): Promise<string> {
  const downloads = new Downloader(rules, resolve);
  onTestFinished(() => downloads.close());
  const part = await (await openDiskFiles(temporaryFolder())).create('videos/video_1');
  return (await downloads.download(address, part, 1_000)).kind;
}

const words = (text: string): string[] => text.trim().split(/\s+/);

/** Hosts that are no public address, however they are written: a kind and its spellings on each line. */
const PRIVATE_HOSTS = `
  loopback       127.0.0.1 127.255.255.254 127.0.0.1. [::1] [0:0:0:0:0:0:0:1]
  short          127.1 127.0.1 127.1. 192.168.1 0
  decimal        2130706433 2852039166 167772161 4294967295
  octal          0177.0.0.1 017700000001 012.0.0.1 0300.0250.1 00000000
  hexadecimal    0x7f000001 0x7f.1 0x7F.0x0.0x0.0x1 0xa9fea9fe 0x0
  mixed          0x7f.0.01 169.254.43518
  percent        %31%32%37.0.0.1 127.0.0.%31
  full-width     １２７.０.０.１ ①②⑦.⓪.⓪.① 127。0。0。1 127．0．0．1
  unspecified    0.0.0.0 0.1.2.3 [::]
  private        10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255
  shared         100.64.0.1 100.127.255.255
  link-local     169.254.169.254 [fe80::1] [febf::1] [fec0::1]
  unique-local   [fc00::1] [fd12:3456:789a::1]
  special        192.0.0.8 192.88.99.1 198.18.0.1 198.19.255.255 [100::1] [5f00::1] [2001::1] [2001:1ff:ffff::1]
  documentation  192.0.2.1 198.51.100.7 203.0.113.9 [2001:db8::1] [3fff::1] [3fff:fff:ffff::1]
  multicast      224.0.0.1 239.255.255.255 [ff02::1]
  reserved       240.0.0.1 255.255.255.255 [1fff:ffff::1] [4000::1]
  mapped         [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:8.8.8.8] [::127.0.0.1] [::ffff:0:127.0.0.1]
  nat64          [64:ff9b::127.0.0.1] [64:ff9b::8.8.8.8] [64:ff9b:1::1]
  6to4           [2002:7f00:1::] [2002:c0a8:1::1]`;

const privateHosts = PRIVATE_HOSTS.trim()
  .split('\n')
  .flatMap((line) => {
    const [kind = '', ...spellings] = words(line);
    return spellings.map((host) => [host, kind] as const);
  });

/** Public ones, among them the neighbours of every refused range. */
const PUBLIC_HOSTS = `
  1.0.0.0 1.1.1.1 8.8.8.8 134744072 0x08080808 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
  128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255
  192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255
  203.0.114.0 223.255.255.255 [2000::1] [2001:200::1] [2001:db7:ffff::1] [2001:db9::1] [2003::1] [2606:4700::1111]
  [2a00:1450:4001::200e] [3ffe:ffff::1] [3fff:1000::1]`;

const listener = (): Promise<RudeServer> => startRudeServer(json({ stolen: true }));

describe('a host that is not public', () => {
  it.each(privateHosts)(
    '%s (%s) is refused when it is written down, and again when it is connected to',
    async (host) => {
      expect(() => checkUrl(`https://${host}/v.mp4`, PUBLIC_ONLY)).toThrow(AddressRefused);
      expect(await connectTo(`https://${host}/v.mp4`, PUBLIC_ONLY)).toBeInstanceOf(AddressRefused);
    },
  );

  it.each(words('127.0.0.1 2130706433 0x7f.1 0.0.0.0 [::ffff:127.0.0.1]'))('listens in vain at %s', async (host) => {
    const server = await listener();
    expect(await connectTo(`https://${host}:${server.port}/`, PUBLIC_ONLY)).toBeInstanceOf(AddressRefused);
    expect(await server.connections()).toBe(0);
  });

  it.each(words('localhost localhost. LOCALHOST 127.0.0.1.nip.example'))('is refused by its name %s', async (host) => {
    const { resolve, asked } = resolver(['127.0.0.1']);
    expect(await connectTo(`https://${host}/`, PUBLIC_ONLY, resolve)).toBeInstanceOf(AddressRefused);
    expect(asked).toEqual([host.toLowerCase()]);
  });

  it.each(['10.0.0.1', '::1', '::ffff:10.0.0.1', 'fe80::1%lo', 'fd00::1', '64:ff9b::a00:1', 'not an address'])(
    'is refused when a resolver answers %s',
    async (address) => {
      const { resolve } = resolver([address]);
      expect(await connectTo('https://cdn.example/', PUBLIC_ONLY, resolve)).toBeInstanceOf(AddressRefused);
    },
  );
});

describe('a public host', () => {
  it.each(words(PUBLIC_HOSTS))('%s may be tried', (host) => {
    const url = checkUrl(`https://${host}/v.mp4?sig=1`, PUBLIC_ONLY);
    expect(url.pathname + url.search).toBe('/v.mp4?sig=1');
    expect(isPublicAddress(url.hostname.replace(/[[\]]/g, ''))).toBe(true);
  });

  it.each(['cdn.example:443', 'CDN.EXAMPLE', 'bücher.example'])('may be tried by its name %s', (host) => {
    expect(checkUrl(`https://${host}/v.mp4`, PUBLIC_ONLY).port).toBe('');
  });

  const refusedForms = `
    http://1.1.1.1/ http://cdn.example/ https://1.1.1.1:8443/ https://cdn.example:80/ ftp://1.1.1.1/ ws://1.1.1.1/
    file:///etc/passwd data:video/mp4;base64,AAAA javascript:1 gopher://1.1.1.1/ blob:https://cdn.example/1
    https://me@1.1.1.1/ https://me:secret@cdn.example/ https://:x@1.1.1.1/ https://cdn.example/${'a'.repeat(2_048)}
    //1.1.1.1/ /v.mp4 cdn.example/v.mp4 https:// https://[::1 https://1.2.3.4.5/ https://%00/`;
  it.each(words(refusedForms))('is refused in the form %s', (address) => {
    expect(() => checkUrl(address, PUBLIC_ONLY)).toThrow(AddressRefused);
  });

  it.each(['http://1.1.1.1/', 'https://1.1.1.1:8443/'])('is not connected to as %s', async (address) => {
    expect(await connectTo(address, PUBLIC_ONLY)).toBeInstanceOf(AddressRefused);
  });
});

describe('a name', () => {
  it.each(['1.1.1.1 127.0.0.1', '127.0.0.1 1.1.1.1', '2606:4700::1111 ::1', ''])(
    'with the addresses "%s" is refused whole',
    async (addresses) => {
      const { resolve } = resolver(addresses.split(' ').filter(Boolean));
      expect(await connectTo('https://cdn.example/', PUBLIC_ONLY, resolve)).toBeInstanceOf(AddressRefused);
      expect(await download('https://cdn.example/', PUBLIC_ONLY, resolve)).toBe('refused');
    },
  );

  it.each(['127.0.0.2', '10.0.0.1', '::1', '1.1.1.1'])(
    'with an allowed address and %s as well connects to neither',
    async (address) => {
      const server = await listener();
      const { resolve } = resolver(['127.0.0.1', address]);
      const rules = allowing('127.0.0.1/32');
      expect(await download(`http://cdn.example:${server.port}/`, rules, resolve)).toBe('refused');
      expect(await server.connections()).toBe(0);
    },
  );

  it('is resolved once for a connection, which goes to the address that was judged', async () => {
    const server = await listener();
    const { resolve, asked } = resolver(['127.0.0.1'], ['0.0.0.0']);
    const end = await connectTo(`http://cdn.example:${server.port}/`, allowing('127.0.0.1/32'), resolve);
    expect(end).toMatchObject({ remoteAddress: '127.0.0.1' });
    expect(asked).toEqual(['cdn.example']);
  });

  it('that flips to another address between two hops is judged again and refused', async () => {
    const server = await startRudeServer(redirect('/again'), json({ stolen: true }));
    // 0.0.0.0 leads to this machine as well, and is not allowed.
    const { resolve, asked } = resolver(['127.0.0.1'], ['0.0.0.0']);
    const address = `http://cdn.example:${server.port}/`;
    expect(await download(address, allowing('127.0.0.1/32'), resolve)).toBe('refused');
    expect(asked).toHaveLength(2);
    expect(await server.connections()).toBe(1);
  });

  it('whose judged address leads elsewhere once connected is not sent a byte', async () => {
    const server = await listener();
    // The system takes 0.0.0.0 for 127.0.0.1, which is not allowed here: only a look at the other end can tell.
    expect(await connectTo(`http://0.0.0.0:${server.port}/`, allowing('0.0.0.0/32'))).toBeInstanceOf(AddressRefused);
    expect(server.received).toEqual([]);
  });
});

describe('an allowed network', () => {
  it('is reached over plain http and any port, by address and by name', async () => {
    const server = await startRudeServer(bytes('clip'));
    const rules = allowing('127.0.0.0/8');
    expect(await download(`${server.url}/v.mp4`, rules)).toBe('downloaded');
    const { resolve } = resolver(['127.0.0.1']);
    expect(await download(`http://nas.example:${server.port}/v.mp4`, rules, resolve)).toBe('downloaded');
  });

  it.each(['10.0.0.1', '1.1.1.1'])('opens no way to a name that leads to %s over plain http', async (address) => {
    const { resolve } = resolver([address]);
    expect(await download('http://nas.example/v.mp4', allowing('127.0.0.0/8'), resolve)).toBe('refused');
  });

  it.each(['http://10.0.0.1/', 'https://[::1]/', 'http://1.1.1.1/', 'http://me@127.0.0.1/', 'ftp://127.0.0.1/'])(
    'leaves %s refused',
    (address) => {
      expect(() => checkUrl(address, allowing('127.0.0.0/8'))).toThrow(AddressRefused);
    },
  );

  it.each(['10.0.0.0', '10.0.0.0/33', '::/129', '10.0.0/8', 'ten/8'])('cannot be written as %j', (cidr) => {
    expect(() => blockList([cidr])).toThrow(`such as 10.0.0.0/8: ${JSON.stringify(cidr)}`);
  });
});

describe('an exempt origin', () => {
  it('is reached as it is, and no other port or scheme of the same host', async () => {
    const server = await startRudeServer(bytes('clip'));
    const other = await listener();
    const rules = exempting(server.url);
    expect(await download(`${server.url}/v.mp4`, rules)).toBe('downloaded');
    expect(await download(`${other.url}/v.mp4`, rules)).toBe('refused');
    expect(await download(server.url.replace('http:', 'https:'), rules)).toBe('refused');
    expect(await other.connections()).toBe(0);
  });

  it.each([
    ...['http://127.0.0.1:PORT/', '//127.1:PORT/', 'http://0.0.0.0:PORT/', 'http://[::ffff:127.0.0.1]:PORT/'],
    ...['https://127.0.0.1:PORT/', 'https://inside.example:PORT/', 'https://inside.example/'],
    ...['file:///etc/passwd', 'http://[broken'],
  ])('cannot redirect to %s', async (location) => {
    const victim = await listener();
    const server = await startRudeServer(redirect(location.replace('PORT', String(victim.port))));
    const { resolve } = resolver(['127.0.0.1']);
    expect(await download(server.url, exempting(server.url), resolve)).toBe('refused');
    expect(server.received).toHaveLength(1);
    expect(await victim.connections()).toBe(0);
  });
});
