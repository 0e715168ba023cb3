/** Traffic from a CSV: what was asked for and when and, where the columns are there, what became of it. */
import type { FailureKind } from '../../providers/contract.ts';
import type { Task } from '../ground/models.ts';
import { findModel } from '../ground/models.ts';
import { type Micros, usd, ZERO_MICROS } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import type { Media, VideoRequest } from '../ground/video-request.ts';
import { linesOf, PlanInputError, readClips } from '../pricing/plan-clips.ts';
import { NO_ROUTING } from './policy.ts';
import { refusalOf, type SeenAttempt } from './replay-chance.ts';
import { NOTHING_YET, type Outcome } from './replay-tally.ts';
import type { PastRequest } from './replay-terms.ts';

const NEEDED = ['at', 'model', 'seconds', 'resolution'] as const;
const OUTCOME = ['provider', 'price_usd', 'cost_usd', 'wait_seconds', 'done_seconds', 'failed'] as const;
const COLUMNS = [...NEEDED, 'task', 'audio', 'tenant', ...OUTCOME] as const;
type Column = (typeof COLUMNS)[number];

const ROWS_MAX = 100_000;

/** Requests by line and, where the text says so, what became of each. */
export interface Traffic {
  readonly requests: readonly PastRequest[];
  /** Null where no column tells of it. */
  readonly outcomes: readonly Outcome[] | null;
  /** Rows that their tenants had cancelled: they are not replayed. */
  readonly cancelled: readonly PastRequest[];
}

interface Row {
  /** File and line. */
  readonly where: string;
  readonly line: number;
  readonly has: (column: Column) => boolean;
  readonly of: (column: Column) => string;
  readonly refuse: (column: Column, rule: string) => PlanInputError;
}

/**
 * The rows of a CSV whose first line names its columns: `at,model,seconds,resolution` and, where they matter, `task`,
 * `audio`, `tenant` and what became of it: `provider,price_usd,cost_usd,wait_seconds,done_seconds,failed`. Throws a
 * PlanInputError that names file, line, column, value and rule.
 */
export function readTraffic(text: string, file: string): Traffic {
  const [head, ...lines] = linesOf(text, file);
  const names = head?.record.map((name) => name.toLowerCase()) ?? [];
  checkHead(names, `${file} line ${head?.line ?? 1}`);
  if (lines.length === 0) throw new PlanInputError(`${file}: has no rows below its column names`);
  if (lines.length > ROWS_MAX) {
    throw new PlanInputError(`${file}: has ${lines.length} rows; a replay takes at most ${ROWS_MAX}: cut the file`);
  }
  const all = lines.map(({ record, line }) => rowOf(names, record, `${file} line ${line}`, line));
  const isCancelled = (row: Row): boolean => row.of('failed') === 'cancelled';
  const rows = all.filter((row) => !isCancelled(row));
  const told = OUTCOME.some((column) => names.includes(column));
  return {
    requests: rows.map(toRequest),
    outcomes: told ? rows.map(toOutcome) : null,
    cancelled: all.filter(isCancelled).map(toRequest),
  };
}

function checkHead(names: readonly string[], where: string): void {
  const known: readonly string[] = COLUMNS;
  const strange = names.find((name, index) => !known.includes(name) || names.indexOf(name) !== index);
  if (strange !== undefined) {
    const wrong = known.includes(strange) ? 'stands there twice' : `is none; there are ${COLUMNS.join(', ')}`;
    throw new PlanInputError(`${where}: column ${JSON.stringify(strange)} ${wrong}`);
  }
  const missing = NEEDED.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new PlanInputError(`${where}: column ${missing.join(', ')} is missing`);
}

function rowOf(names: readonly string[], record: readonly string[], where: string, line: number): Row {
  if (record.length !== names.length) {
    throw new PlanInputError(`${where}: has ${record.length} values for ${names.length} columns (${names.join(',')})`);
  }
  const of = (column: Column): string => record[names.indexOf(column)] ?? '';
  const refuse = (column: Column, rule: string): PlanInputError =>
    new PlanInputError(`${where}, column ${column}: expected ${rule}, got ${JSON.stringify(of(column))}`);
  return { where, line, has: (column) => of(column) !== '', of, refuse };
}

function toRequest(row: Row): PastRequest {
  const clip = readClips({
    values: {
      model: row.of('model'),
      task: row.of('task') || 'text_to_video',
      seconds: row.of('seconds'),
      resolution: row.of('resolution'),
      audio: row.of('audio') || 'no',
      count: '1',
    },
    at: (column) => `${row.where}, column ${column}`,
  });
  const { model, task, seconds, resolution, audio } = clip;
  const follows = findModel(model)?.tasks[task]?.seconds.kind === 'follows_video';
  const request: VideoRequest = {
    ...{ model, task, prompt: 'a clip', seconds: follows ? null : seconds, resolution, audio },
    ...{ references: [], elements: [], voices: [], watermark: false },
    aspectRatio: task === 'text_to_video' ? '16:9' : null,
    ...mediaFor(task),
  };
  return {
    id: `line ${row.line}`,
    atMs: instantOf(row),
    tenant: row.of('tenant') || 'csv',
    requests: [request],
    routing: NO_ROUTING,
    keyProviders: null,
    lengthMs: follows ? seconds * SECOND_MS : null,
    seen: seenIn(row, model),
    refused: refusalOf(row.of('failed')),
  };
}

/** Ends to which no take has come: they are for the slots and the offers of the replay to decide. */
const WITHOUT_TAKE: ReadonlySet<string> = new Set(['queue_timeout', 'no_provider_available', 'max_price_exceeded']);

/**
 * The attempt that the row tells of, if it names its provider and how long it took. A take fails as its code says: what
 * was refused for its own sake stays refused, what stayed in doubt ends its request, and anything else may go on.
 */
function seenIn(row: Row, model: string): SeenAttempt[] {
  const code = row.has('failed') ? row.of('failed') : null;
  if (!row.has('provider') || !row.has('done_seconds') || WITHOUT_TAKE.has(code ?? '')) return [];
  const seconds = Math.max(0, secondsOf(row, 'done_seconds') - secondsOf(row, 'wait_seconds')) / SECOND_MS;
  const kind = code === null ? null : kindOf(code);
  const charged = dollarsOf(row, 'cost_usd') > 0n ? 'charged' : 'free';
  return [{ account: row.of('provider'), model, kind, seconds, charged }];
}

const kindOf = (code: string): FailureKind =>
  refusalOf(code) ?? (code === 'provider_outcome_unknown' ? 'protocol_error' : 'generation_failed');

/** An image at an address: no provider is asked, so nobody looks there. */
const SOME_MEDIA: Media = { kind: 'url', url: 'https://media.invalid/' };

/** The least that each task needs. */
function mediaFor(task: Task): Partial<VideoRequest> {
  switch (task) {
    case 'text_to_video':
    case 'extension':
      return {};
    case 'image_to_video':
      return { firstFrame: SOME_MEDIA };
    case 'reference_to_video':
      return { references: [SOME_MEDIA, SOME_MEDIA] };
    case 'video_edit':
      return { video: { media: SOME_MEDIA, use: 'edit' } };
    case 'motion_control':
      return { firstFrame: SOME_MEDIA, video: { media: SOME_MEDIA, use: 'motion' }, characterOrientation: 'video' };
  }
}

/** Unix seconds, a day, or an ISO instant with its zone. */
function instantOf(row: Row): number {
  const text = row.of('at');
  if (/^\d{9,10}$/.test(text)) return Number(text) * SECOND_MS;
  const isIso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const atMs = isIso ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return atMs;
  throw row.refuse('at', 'an instant such as 2026-11-20T18:00:00Z, or Unix seconds');
}

/** What is not told counts as nothing: no wait, no money. */
function toOutcome(row: Row): Outcome {
  const code = row.has('failed') ? row.of('failed') : null;
  const provider = row.has('provider') ? row.of('provider') : null;
  const costMicros = dollarsOf(row, 'cost_usd');
  const waitMs = secondsOf(row, 'wait_seconds');
  return {
    ...NOTHING_YET,
    code,
    provider: code === null ? provider : null,
    priceMicros: dollarsOf(row, 'price_usd'),
    costMicros,
    failureMicros: code === null ? ZERO_MICROS : costMicros,
    waitMs,
    doneMs: Math.max(waitMs, secondsOf(row, 'done_seconds')),
    attempts: provider === null ? 0 : 1,
    failedAt: code === null || provider === null ? [] : [provider],
  };
}

function dollarsOf(row: Row, column: 'price_usd' | 'cost_usd'): Micros {
  if (!row.has(column)) return ZERO_MICROS;
  try {
    const amount = usd(row.of(column));
    if (amount >= 0n) return amount;
  } catch {
    // Told below.
  }
  throw row.refuse(column, 'dollars of at least 0 with at most six decimals');
}

function secondsOf(row: Row, column: 'wait_seconds' | 'done_seconds'): number {
  const text = row.of(column) || '0';
  if (/^\d{1,7}(\.\d{1,3})?$/.test(text)) return Math.round(Number(text) * SECOND_MS);
  throw row.refuse(column, 'seconds of at least 0 with at most three decimals');
}
