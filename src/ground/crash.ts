/**
 * Named places where a process may be killed. They do nothing in production; tests put a hook there that throws or
 * ends the process, and so visit every gap between a commit and a call.
 */
let hook: ((point: string) => void) | null = null;

/** A place where being killed must be harmless. */
export function crashPoint(point: string): void {
  hook?.(point);
}

/** Sets what happens at crash points; null makes them do nothing again. */
export function onCrashPoint(action: ((point: string) => void) | null): void {
  hook = action;
}
