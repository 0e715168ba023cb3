/** A task of official Kling as either generation shows it. */
import type { Emulator, Phase } from './emulator.ts';
import type { Ordered } from './kling-fields.ts';
import type { EmulatedTask } from './tasks.ts';

/** What is kept of a create request: where it came in, what it ordered, and what that is charged at. */
export interface StoredOrder {
  readonly path: string;
  readonly ordered: Ordered;
  readonly units: number;
}

const storedOf = (task: EmulatedTask): StoredOrder => task.request as StoredOrder;

/** The create path of the task, which is also its generation and, on the legacy one, where it is read. */
export const madeAt = (task: EmulatedTask): string => storedOf(task).path;

const STATUS: Readonly<Record<Phase, string>> = {
  queued: 'submitted',
  running: 'processing',
  done: 'succeeded',
  failed: 'failed',
  rejected: 'failed',
  cancelled: 'failed',
};
const UNKNOWN_STATUS = 'reviewing';

const MESSAGES: Readonly<Partial<Record<Phase, string>>> = {
  failed: 'generation failed, please try again',
  rejected: 'Failure to pass the risk control system',
};

/** A video's id is its task's with another first digit, so that an extension finds its source. */
const videoIdOf = (taskId: string): string => `9${taskId.slice(1)}`;

/** The finished video of that id as what was ordered; null when there is none. */
export function sourceOf(emulator: Emulator, videoId: string): Ordered | null {
  const task = emulator.find(`8${videoId.slice(1)}`);
  return task && emulator.phaseOf(task) === 'done' ? storedOf(task).ordered : null;
}

/** What the task has drawn from the pack: nothing before it is done. */
export function unitsUsed(emulator: Emulator, task: EmulatedTask): number {
  return emulator.phaseOf(task) === 'done' ? emulator.usageOf(task, storedOf(task).units) : 0;
}

interface Shown {
  readonly phase: Phase;
  readonly updatedAtMs: number;
  readonly videos: readonly { id: string; url: string; watermark_url: string; duration: string }[];
}

function look(emulator: Emulator, task: EmulatedTask): Shown {
  const phase = emulator.phaseOf(task);
  const url = phase === 'done' ? emulator.fileUrl(task) : null;
  const marked = storedOf(task).ordered.common.watermark_info?.enabled === true;
  const video = url === null ? null : { id: videoIdOf(task.id), url, watermark_url: marked ? `${url}#marked` : '' };
  return {
    phase,
    updatedAtMs: phase === 'queued' ? task.createdAtMs : Math.min(emulator.nowMs(), task.readyAtMs),
    videos: video ? [{ ...video, duration: task.order.seconds.toFixed(3) }] : [],
  };
}

/** An element of the answer of `GET /tasks`, and the body of an announcement. */
export function showNew(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const { phase, updatedAtMs, videos } = look(emulator, task);
  const amount = String(unitsUsed(emulator, task));
  return {
    id: task.id,
    status: task.fault === 'unknown_status' ? UNKNOWN_STATUS : STATUS[phase],
    message: MESSAGES[phase] ?? '',
    create_time: task.createdAtMs,
    update_time: updatedAtMs,
    ...(task.tag !== null && { external_id: task.tag }),
    outputs: videos.map((video) => ({ type: 'video', ...video })),
    billing: phase === 'done' ? [{ charge_type: 'unit', amount, package_type: 'video' }] : [],
  };
}

/** The `data` of a legacy answer, and the body of a legacy announcement. */
export function showLegacy(emulator: Emulator, task: EmulatedTask): Record<string, unknown> {
  const { phase, updatedAtMs, videos } = look(emulator, task);
  const status = STATUS[phase] === 'succeeded' ? 'succeed' : STATUS[phase];
  return {
    task_id: task.id,
    task_status: task.fault === 'unknown_status' ? UNKNOWN_STATUS : status,
    task_status_msg: MESSAGES[phase] ?? '',
    task_info: task.tag === null ? {} : { external_task_id: task.tag },
    task_result: { videos },
    watermark_info: { enabled: storedOf(task).ordered.common.watermark_info?.enabled ?? false },
    final_unit_deduction: String(unitsUsed(emulator, task)),
    final_balance_deduction: { quota: '0', list_price: '0' },
    created_at: task.createdAtMs,
    updated_at: updatedAtMs,
  };
}
