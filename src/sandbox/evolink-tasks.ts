/** A task of EvoLink's as its reads, lists and announcements show it (docs.evolink.ai, task detail, 2026). */
import type { Emulator, Phase } from './emulator.ts';
import { creditsFor } from './evolink-models.ts';
import type { CreateRequest } from './evolink-requests.ts';
import type { EmulatedTask } from './tasks.ts';

export const STATUS = {
  queued: 'pending',
  running: 'processing',
  done: 'completed',
  failed: 'failed',
  rejected: 'failed',
  cancelled: 'cancelled',
} as const satisfies Record<Phase, string>;

const ERRORS: Partial<Readonly<Record<Phase, { code: string; message: string; type: string }>>> = {
  failed: { code: 'generation_failed_no_content', message: 'No content was generated.', type: 'task_error' },
  rejected: { code: 'content_policy_violation', message: 'Content policy violation.', type: 'task_error' },
};

export const modelOf = (task: EmulatedTask): CreateRequest['model'] => (task.request as CreateRequest).model;

/** What the price rules ask for the task, and what this one used. */
function creditsOf(emulator: Emulator, task: EmulatedTask): { listed: number; used: number } {
  const { resolution: quality, seconds } = task.order;
  const sounding = (task.request as { sound?: string }).sound === 'on';
  const listed = creditsFor(modelOf(task), { quality, sounding, seconds });
  return { listed, used: Math.round(emulator.usageOf(task, listed) * 10_000) / 10_000 };
}

/** The credits that are gone: reserved while the task runs, charged when it is done, given back when it has failed. */
export function creditsTaken(emulator: Emulator, task: EmulatedTask): number {
  const { listed, used } = creditsOf(emulator, task);
  const phase = emulator.phaseOf(task);
  return phase === 'done' ? used : phase === 'queued' || phase === 'running' ? listed : 0;
}

function billingOf(phase: Phase, { listed, used }: { listed: number; used: number }): Record<string, unknown> {
  const scope = { refund_scope: 'account_balance', reserved_credits: listed };
  switch (phase) {
    case 'queued':
    case 'running':
      return { ...scope, charge_status: 'reserved', refund_status: 'not_required' };
    case 'done':
      return { ...scope, charge_status: 'charged', refund_status: 'not_required', charged_credits: used };
    case 'failed':
    case 'rejected':
    case 'cancelled':
      return { ...scope, charge_status: 'released', refund_status: 'completed', refunded_credits: listed };
  }
}

/** The whole task. */
export function showTask(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const phase = emulator.phaseOf(task);
  const credits = creditsOf(emulator, task);
  const ended = phase !== 'queued' && phase !== 'running';
  return {
    created: Math.floor(task.createdAtMs / 1_000),
    id: task.id,
    model: modelOf(task),
    object: 'video.generation.task',
    progress: phase === 'failed' || phase === 'rejected' ? 0 : emulator.progressOf(task),
    status: task.fault === 'unknown_status' ? 'hibernating' : STATUS[phase],
    type: 'video',
    task_info: { can_cancel: !ended, estimated_time: 300, video_duration: task.order.seconds },
    ...(phase === 'done' && resultOf(emulator, task)),
    ...(ERRORS[phase] && { error: ERRORS[phase] }),
    usage: ended
      ? { billing_rule: 'per_second', credits_used: phase === 'done' ? credits.used : 0, user_group: 'default' }
      : { billing_rule: 'per_second', credits_reserved: credits.listed, user_group: 'default' },
    billing: billingOf(phase, credits),
  };
}

/** An element is no video: it comes as an id. */
function resultOf(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  if (modelOf(task) === 'kling-custom-element') return { results: [], result_data: { element_id: task.id.slice(-8) } };
  const address = emulator.fileUrl(task);
  return { results: address === null ? [] : [address] };
}

/** A line of the account's list: no links, no prompt. */
export function showLine(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const phase = emulator.phaseOf(task);
  return {
    id: task.id,
    status: STATUS[phase],
    model: modelOf(task),
    type: 'video',
    progress: emulator.progressOf(task),
    created_at: Math.floor(task.createdAtMs / 1_000),
    credits_used: phase === 'done' ? creditsOf(emulator, task).used : 0,
    has_results: phase === 'done',
    has_error: ERRORS[phase] !== undefined,
  };
}
