/** The variables of a process, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of this process; the only place that reads it, so that everything else is given what it needs. */
export const processEnvironment = (): Environment => process.env;
