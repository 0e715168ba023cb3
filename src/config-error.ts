/** A configuration that cannot be used: which variable or file, which value, which rule. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
