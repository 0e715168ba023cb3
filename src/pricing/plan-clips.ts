/** What a plan is made for: clips by length, resolution and sound, and how many of each a month. */
import { CsvError, parse } from 'csv-parse/sync';
import { z } from 'zod';
import type { Resolution, Task } from '../ground/models.ts';
import {
  allowsSeconds,
  describeSeconds,
  findModel,
  MODELS,
  RESOLUTIONS,
  type SecondsRule,
  TASKS,
  type TaskRule,
} from '../ground/models.ts';

/** Clips of one kind: how many are wanted in a month of 30 days. */
export interface Clips {
  readonly model: string;
  readonly task: Task;
  readonly seconds: number;
  readonly resolution: Resolution;
  /** Models that always make sound have it here too, whatever was asked for. */
  readonly audio: boolean;
  readonly count: number;
}

/** A plan that cannot be made from what was given: where, the value, and the rule it breaks. */
export class PlanInputError extends Error {
  override readonly name = 'PlanInputError';
}

export const CLIPS_MAX = 100_000_000;
const ROWS_MAX = 10_000;

const NEEDED = ['seconds', 'resolution', 'audio', 'count'] as const;
const COLUMNS = [...NEEDED, 'model', 'task'] as const;
type Column = (typeof COLUMNS)[number];

/** The words of one row as they were written, and how to name the place where one stands. */
export interface ClipsText {
  readonly values: Readonly<Record<Column, string>>;
  at(column: Column): string;
}

/**
 * The rows of a CSV text whose first line names its columns: `seconds,resolution,audio,count` and, where they differ
 * from `usual`, `model` and `task`, in any order; like rows are joined. Throws a PlanInputError that names file, line, column, value and rule.
 */
export function readDistribution(
  text: string,
  file: string,
  usual: { readonly model: string; readonly task: string },
): Clips[] {
  const lines = linesOf(text, file);
  const head = lines[0]?.record.map((name) => name.toLowerCase());
  if (!head) throw new PlanInputError(`${file}: is empty; its first line names the columns ${NEEDED.join(',')}`);
  checkHead(head, `${file} line ${lines[0]?.line ?? 1}`);
  const rows = lines.slice(1);
  if (rows.length === 0) throw new PlanInputError(`${file}: has no rows below its column names`);
  if (rows.length > ROWS_MAX) {
    throw new PlanInputError(`${file}: has ${rows.length} rows; a plan takes at most ${ROWS_MAX}: join like rows`);
  }
  const clips = rows.map(({ record, line }) => {
    if (record.length !== head.length) {
      throw new PlanInputError(
        `${file} line ${line}: has ${record.length} values for ${head.length} columns (${head.join(',')})`,
      );
    }
    const written = Object.fromEntries(head.map((name, index) => [name, record[index] ?? '']));
    const wordIn = (column: Column) => written[column] ?? '';
    const values = {
      seconds: wordIn('seconds'),
      resolution: wordIn('resolution'),
      audio: wordIn('audio'),
      count: wordIn('count'),
      model: wordIn('model') || usual.model,
      task: wordIn('task') || usual.task,
    };
    return readClips({ values, at: (column) => `${file} line ${line}, column ${column}` });
  });
  return joinLike(clips, file);
}

/** Rows of one kind as one row, in the order of their first; a plan is reckoned for kinds, not for lines. */
function joinLike(rows: readonly Clips[], file: string): Clips[] {
  const kinds = new Map<string, Clips>();
  for (const row of rows) {
    const kind = [row.model, row.task, row.seconds, row.resolution, row.audio].join(' ');
    kinds.set(kind, { ...row, count: row.count + (kinds.get(kind)?.count ?? 0) });
  }
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  if (total > CLIPS_MAX) throw new PlanInputError(`${file}: ${total} clips a month; a plan takes at most ${CLIPS_MAX}`);
  return [...kinds.values()];
}

const lineSchema = z.array(z.object({ record: z.array(z.string()), info: z.object({ lines: z.number() }) }));

/** The lines of a CSV text with their numbers, empty ones left out. Throws a PlanInputError for what is no CSV. */
export function linesOf(text: string, file: string): { record: string[]; line: number }[] {
  const options = { bom: true, trim: true, skip_empty_lines: true, relax_column_count: true, info: true } as const;
  try {
    return lineSchema.parse(parse(text, options)).map(({ record, info }) => ({ record, line: info.lines }));
  } catch (error) {
    if (error instanceof CsvError) throw new PlanInputError(`${file}: is not CSV: ${error.message}`);
    throw error;
  }
}

function checkHead(head: readonly string[], where: string): void {
  const known: readonly string[] = COLUMNS;
  const strange = head.find((name) => !known.includes(name));
  if (strange !== undefined) {
    throw new PlanInputError(`${where}: no column is called ${show(strange)}; there are ${COLUMNS.join(', ')}`);
  }
  const twice = head.find((name, index) => head.indexOf(name) !== index);
  if (twice !== undefined) throw new PlanInputError(`${where}: column ${twice} stands there twice`);
  const missing = NEEDED.filter((name) => !head.includes(name));
  if (missing.length > 0) {
    throw new PlanInputError(`${where}: column ${missing.join(', ')} is missing, got ${show(head.join(','))}`);
  }
}

/** The clips that the words mean. Throws a PlanInputError that names the place, the value and the rule. */
export function readClips({ values, at }: ClipsText): Clips {
  const refuse = (column: Column, rule: string): PlanInputError =>
    new PlanInputError(`${at(column)}: expected ${rule}, got ${show(values[column])}`);
  const model = findModel(values.model);
  if (!model) throw refuse('model', `one of ${MODELS.map(({ id }) => id).join(', ')}`);
  const task = TASKS.find((name) => name === values.task);
  const rule = task && model.tasks[task];
  if (!task || !rule) throw refuse('task', `a task of ${model.id}: ${Object.keys(model.tasks).join(', ')}`);
  const seconds = wholeNumber(values.seconds);
  if (seconds === null || !makesSeconds(rule, task, seconds)) {
    throw refuse('seconds', `${describeSeconds(secondsRule(rule, task))} whole seconds for ${model.id} ${task}`);
  }
  const resolution = RESOLUTIONS.find((name) => name === values.resolution.toLowerCase());
  if (!resolution || !rule.resolutions.includes(resolution)) {
    throw refuse('resolution', `${rule.resolutions.join(' or ')} for ${model.id} ${task}`);
  }
  const audio = yesOrNo(values.audio);
  if (audio === null) throw refuse('audio', 'yes or no');
  if (audio && model.sound === 'never') throw refuse('audio', `no, because ${model.id} makes no sound`);
  const count = wholeNumber(values.count);
  if (count === null || count < 1 || count > CLIPS_MAX) {
    throw refuse('count', `a whole number of clips a month from 1 to ${CLIPS_MAX}`);
  }
  return { model: model.id, task, seconds, resolution, audio: audio || model.sound === 'always', count };
}

const show = (value: string): string => JSON.stringify(value);

/** A whole number of at most nine digits; null when the text is none. */
export function wholeNumber(text: string): number | null {
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

const YES: readonly string[] = ['yes', 'true', '1', 'on'];
const NO: readonly string[] = ['no', 'false', '0', 'off'];

function yesOrNo(text: string): boolean | null {
  const word = text.toLowerCase();
  return YES.includes(word) ? true : NO.includes(word) ? false : null;
}

/** A planned image-to-video clip has nothing but its first frame, which may allow fewer lengths. */
function secondsRule(rule: TaskRule, task: Task): SecondsRule {
  return (task === 'image_to_video' ? rule.secondsFromFirstFrame : undefined) ?? rule.seconds;
}

/** A clip that follows its source video may be planned in any length that such a video may have. */
function makesSeconds(rule: TaskRule, task: Task, seconds: number): boolean {
  const lengths = secondsRule(rule, task);
  if (lengths.kind === 'follows_video') return seconds >= 1 && seconds <= lengths.max;
  return allowsSeconds(lengths, seconds);
}
