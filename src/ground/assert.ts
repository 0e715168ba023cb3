/** Thrown when a promise of our own code is broken. Never a tenant's or a provider's fault; the process may go on. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Holds `condition` to be true, or throws an AssertionError that says what was expected. */
export function assert(condition: boolean, expected: string): asserts condition {
  if (!condition) throw new AssertionError(`expected ${expected}`);
}

/** The value, or an AssertionError when it is absent; for what the lines above have already made certain. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new AssertionError(`expected ${what} to be present`);
  return value;
}

/** Ends a switch over one of our own unions: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`a case for every value, got ${JSON.stringify(value)}`);
}
