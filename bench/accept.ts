/**
 * How many creates a second a gateway takes, and how many quotes: `npx tsx bench/accept.ts [seconds] [slots] [checkout]`.
 *
 * A whole gateway, in a process of its own, with a key, a budget and a live dispatcher; the five emulated providers in
 * another one. 64 connections ask one after the other, for `seconds` a round. In turn with it the same requests go to
 * servers that do next to nothing (`ceiling.ts`), so the ratios tell how near to the machine's own limit it comes.
 * `slots` is how many tasks each provider takes at once: its own number when absent, so that nearly all jobs wait; or
 * thousands, so that they are submitted at once. `checkout` is a folder with another version, to compare with.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { median, medianRatio, print } from './measure.ts';
import { type Program, start } from './programs.ts';

const SECONDS = Number(process.argv[2] ?? 3);
const SLOTS = Number(process.argv[3] ?? 0);
const OTHER = process.argv[4];
const ROUNDS = 5;
/** Until the compiler has seen everything often enough; what is measured then is forgotten. */
const WARM_ROUNDS = 3;
const CONNECTIONS = 64;
const ADMIN_KEY = 'admin-key-of-the-benchmark';

const here = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'reelay-bench-'));
const running: Program[] = [];

async function begin(checkout: string, args: readonly string[], environment = {}): Promise<string> {
  const program = await start(checkout, args, environment);
  running.push(program);
  return program.address;
}

/** The variables of a gateway whose providers are the emulated ones. */
async function providers(): Promise<Record<string, string>> {
  const dataDir = join(folder, 'providers');
  const slots = (variable: string) => (SLOTS > 0 ? { [`${variable}_CONCURRENCY`]: String(SLOTS) } : {});
  const names = { kling: 'KLING', evolink: 'EVOLINK', atlas: 'ATLASCLOUD', fal: 'FAL', piapi: 'PIAPI' };
  const limits = Object.assign({}, ...Object.values(names).map(slots));
  const address = await begin(here, ['dist/src/sandbox/main.js'], { REELAY_DATA_DIR: dataDir, ...limits });
  const urls: Readonly<Record<string, string>> = JSON.parse(address);
  const variables: Record<string, string> = { FAL_KEY: 'key-of-nobody', ...limits };
  for (const [id, name] of Object.entries(names)) {
    if (id !== 'fal') variables[`${name}_API_KEY`] = 'key-of-nobody';
    variables[`${name}_BASE_URL`] = urls[id] ?? '';
  }
  return variables;
}

interface Target {
  readonly name: string;
  readonly pool: Pool;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Answers a second, and milliseconds that half and nearly all of them took at most; a figure a round. */
  readonly rates: number[];
  readonly p50s: number[];
  readonly p99s: number[];
  /** Microseconds of processor time of the server for each answer; a figure a round. */
  readonly costs: number[];
  /** Seconds of processor time that the server has used. */
  readonly cpuSeconds: () => Promise<number>;
}

function target(name: string, address: string, path: string, key = ''): Target {
  const pool = new Pool(address, { connections: CONNECTIONS });
  const headers = { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) };
  const cpuSeconds = async (): Promise<number> => {
    const answer = await pool.request({ method: 'GET', path: '/metrics' });
    const text = await answer.body.text();
    return Number(/^process_cpu_seconds_total ([\d.]+)/m.exec(text)?.[1]);
  };
  return { name, pool, path, headers, cpuSeconds, rates: [], p50s: [], p99s: [], costs: [] };
}

/** A gateway of that checkout, with a tenant whose key has a budget over it. The key comes back too. */
async function gateway(checkout: string, name: string, variables: Readonly<Record<string, string>>) {
  const dataDir = join(folder, name);
  mkdirSync(dataDir);
  const address = await begin(checkout, ['src/reelay.mjs', 'serve'], {
    ...variables,
    ...{ PORT: '0', REELAY_DATA_DIR: dataDir, REELAY_ADMIN_KEY: ADMIN_KEY, REELAY_LOG_LEVEL: 'info' },
    ...{ REELAY_ALLOW_NETWORKS: '127.0.0.0/8' },
  });
  const pool = new Pool(address);
  const ask = async (method: 'POST' | 'PUT', path: string, body: object): Promise<{ key?: string }> => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' };
    const answer = await pool.request({ method, path: `/admin/v1${path}`, headers, body: JSON.stringify(body) });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path} answered ${answer.statusCode}: ${text}`);
    return JSON.parse(text);
  };
  await ask('POST', '/tenants', { id: 'bench', name: 'bench', policy: { max_premium: 10 } });
  const { key = '' } = await ask('POST', '/tenants/bench/keys', {});
  await ask('PUT', '/tenants/bench/budgets/day', { cap_usd: 1_000_000_000 });
  await pool.close();
  return { address, key };
}

let asked = 0;

function nextBody(): string {
  asked += 1;
  const prompt = `a red kite over dunes in the evening, number ${asked}, `.padEnd(250, 'with the sea behind it, ');
  return JSON.stringify({ model: 'kling-v3', prompt, seconds: '5', size: '1280x720', metadata: { order: 'bench' } });
}

/** Each connection asks again when it is answered, until the time is over. */
async function load({ name, pool, path, headers, cpuSeconds, rates, p50s, p99s, costs }: Target): Promise<void> {
  const tookMs: number[] = [];
  const usedBefore = await cpuSeconds();
  const startMs = performance.now();
  const endMs = startMs + SECONDS * 1_000;
  const ask = async (): Promise<void> => {
    for (let sentMs = performance.now(); sentMs < endMs; sentMs = performance.now()) {
      const answer = await pool.request({ method: 'POST', path, headers, body: nextBody() });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(`${name} answered ${answer.statusCode}: ${text.slice(0, 300)}`);
      tookMs.push(performance.now() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, ask));
  costs.push((((await cpuSeconds()) - usedBefore) * 1_000_000) / tookMs.length);
  tookMs.sort((a, b) => a - b);
  rates.push(tookMs.length / SECONDS);
  p50s.push(tookMs[Math.floor(tookMs.length * 0.5)] ?? Number.NaN);
  p99s.push(tookMs[Math.floor(tookMs.length * 0.99)] ?? Number.NaN);
}

function forget({ rates, p50s, p99s, costs }: Target): void {
  for (const list of [rates, p50s, p99s, costs]) list.length = 0;
}

function report(targets: readonly Target[]): void {
  const [group, echo, tx] = targets;
  if (!group || !echo || !tx) throw new Error('there is nothing to compare with');
  const head = ['a second', 'of group', 'of echo', 'of tx', 'p50 ms', 'p99 ms', 'CPU us', 'of group'];
  print(`${''.padEnd(22)}${head.map((text) => text.padStart(10)).join('')}`);
  for (const { name, rates, p50s, p99s, costs } of targets) {
    const ratios = [group, echo, tx].map((other) => medianRatio(rates, other.rates).toFixed(3));
    const cells = [median(rates).toFixed(0), ...ratios, median(p50s).toFixed(1), median(p99s).toFixed(1)];
    cells.push(median(costs).toFixed(0), medianRatio(costs, group.costs).toFixed(1));
    print(`${name.padEnd(22)}${cells.map((text) => text.padStart(10)).join('')}`);
  }
}

try {
  const variables = await providers();
  const ceiling = await begin(here, ['--import', 'tsx', 'bench/ceiling.ts', folder]);
  const own = await gateway(here, 'here', variables);
  const other = OTHER === undefined ? null : await gateway(OTHER, 'other', variables);
  const targets = [
    ...['group', 'echo', 'tx'].map((name) => target(name, ceiling, `/${name}`)),
    // Quotes before creates: what was created is dispatched behind the measurements that follow.
    target('quote', own.address, '/v1/videos/quote', own.key),
    ...(other ? [target('quote, other', other.address, '/v1/videos/quote', other.key)] : []),
    target('create', own.address, '/v1/videos', own.key),
    ...(other ? [target('create, other', other.address, '/v1/videos', other.key)] : []),
  ];
  for (let round = 0; round < WARM_ROUNDS; round += 1) for (const each of targets) await load(each);
  for (const each of targets) forget(each);
  for (let round = 0; round < ROUNDS; round += 1) for (const each of targets) await load(each);
  const slots = SLOTS > 0 ? `${SLOTS} slots at each provider` : 'the slots that providers give';
  print(`${ROUNDS} rounds of ${SECONDS} s, ${CONNECTIONS} connections, ${slots}, node ${process.version}`);
  report(targets);
  await Promise.all(targets.map(({ pool }) => pool.close()));
} finally {
  for (const program of running.toReversed()) await program.end();
  rmSync(folder, { recursive: true, force: true });
}
