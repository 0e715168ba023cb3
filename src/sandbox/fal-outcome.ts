/** How a request in fal's queue has ended: its result, or the error that stands in place of one (docs.fal.ai, errors). */
import type { Emulator } from './emulator.ts';
import type { EmulatedTask } from './tasks.ts';

/** What is kept of a submission. */
export interface Submitted {
  readonly endpoint: string;
  readonly input: unknown;
  /** What the runner will find wrong with it. */
  readonly invalid?: { readonly message: string; readonly field: string };
}

export const submittedOf = (task: EmulatedTask): Submitted => task.request as Submitted;

export interface FalOutcome {
  readonly status: 200 | 422 | 499 | 500;
  readonly body: Record<string, unknown>;
  /** The type of the error; absent when there is none. */
  readonly type?: string;
  /** What the status tells of it. A field that the runner refused shows in the result alone. */
  readonly error?: { readonly error: string; readonly error_type: string };
}

/** The outcome of a task that is over. */
export function outcomeOf(emulator: Emulator, task: EmulatedTask): FalOutcome {
  const { invalid } = submittedOf(task);
  const phase = emulator.phaseOf(task);
  if (phase === 'cancelled') {
    const detail = 'Request was cancelled by the client';
    const type = 'client_cancelled';
    return { status: 499, type, body: { detail, error_type: type }, error: { error: detail, error_type: type } };
  }
  if (invalid) {
    const loc = ['body', ...invalid.field.split('.').filter(Boolean)];
    const type = 'value_error';
    return { status: 422, type, body: { detail: [{ loc, msg: invalid.message, type, input: null }] } };
  }
  if (phase === 'rejected') {
    const msg = 'The content could not be processed because it was flagged by a content checker.';
    return { status: 422, ...modelError('content_policy_violation', msg, ['body', 'prompt']) };
  }
  if (phase === 'failed') {
    return { status: 500, ...modelError('downstream_service_error', 'Downstream service error', ['body']) };
  }
  const video = { url: emulator.fileUrl(task), content_type: 'video/mp4', file_name: 'output.mp4' };
  return { status: 200, body: { video } };
}

function modelError(type: string, msg: string, loc: readonly string[]): Pick<FalOutcome, 'type' | 'body' | 'error'> {
  const url = `https://docs.fal.ai/errors/#${type}`;
  return { type, body: { detail: [{ loc, msg, type, url }] }, error: { error: msg, error_type: type } };
}

/** Seconds, the billing unit of every Kling endpoint. */
export const billableUnits = (emulator: Emulator, task: EmulatedTask): number =>
  emulator.usageOf(task, task.order.seconds);
