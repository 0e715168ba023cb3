import { GatewayError } from '../ground/errors.ts';

/** A field whose value cannot be: 400 with `param`, the value seen and what would do. */
export function invalidValue(param: string, message: string): GatewayError {
  return new GatewayError('invalid_value', { message, param });
}
