/** A prediction of Atlas's as its reads, lists and announcements show it (atlascloud.ai/docs, predictions, 2026). */
import type { Letter } from './announcer.ts';
import { letterOf } from './atlas-hooks.ts';
import { modelOf, orderOf } from './atlas-models.ts';
import type { Emulator, Phase } from './emulator.ts';
import type { EmulatedTask } from './tasks.ts';

const STATUS = {
  queued: 'created',
  running: 'processing',
  done: 'completed',
  failed: 'failed',
  rejected: 'failed',
  cancelled: 'failed',
} as const satisfies Record<Phase, string>;

const INPUT_REJECTED = 1039;

const ERRORS: Partial<Readonly<Record<Phase, { readonly error: string; readonly error_code?: number }>>> = {
  failed: { error: 'generation failed' },
  rejected: { error: 'The input was rejected by moderation', error_code: INPUT_REJECTED },
};

export const modelIdOf = (task: EmulatedTask): string => (task.request as { model: string }).model;

/** What the task holds while it runs and costs when it is done; nothing when it has failed. */
export function usdOf(emulator: Emulator, task: EmulatedTask): { held: number; charged: number } {
  const model = modelOf(modelIdOf(task));
  const listed = model ? orderOf(task.request, model).usd : 0;
  const phase = emulator.phaseOf(task);
  if (phase === 'queued' || phase === 'running') return { held: listed, charged: 0 };
  return { held: 0, charged: phase === 'done' ? emulator.usageOf(task, listed) : 0 };
}

export function statusOf(emulator: Emulator, task: EmulatedTask): string {
  return task.fault === 'unknown_status' ? 'hibernating' : STATUS[emulator.phaseOf(task)];
}

/** The task as it is shown. */
export function showTask(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const phase = emulator.phaseOf(task);
  const address = phase === 'done' ? emulator.fileUrl(task) : null;
  const ended = phase !== 'queued' && phase !== 'running';
  return {
    id: task.id,
    model: modelIdOf(task),
    status: statusOf(emulator, task),
    outputs: phase === 'done' ? (address === null ? [] : [address]) : null,
    urls: { get: `${emulator.url}/api/v1/model/prediction/${task.id}` },
    created_at: new Date(task.createdAtMs).toISOString(),
    ...(ended && { completed_at: new Date(task.readyAtMs).toISOString() }),
    error: '',
    ...ERRORS[phase],
    has_nsfw_contents: phase === 'done' ? [false] : null,
    ...(phase === 'done' && { price: String(usdOf(emulator, task).charged) }),
  };
}

export function announce(emulator: Emulator, task: EmulatedTask): Letter {
  const { model, status, outputs, error } = showTask(emulator, task);
  return letterOf({
    id: task.id,
    nowMs: emulator.nowMs(),
    payload: { model, status, outputs },
    error: error === '' ? null : String(error),
  });
}
