/** Whose task it is, as far as a read of it tells. What is absent, this provider does not tell. */
export interface TaskIdentity {
  /** Our own tag. */
  readonly attemptId?: string;
  /** Whether it was ordered by the capability's own name. */
  readonly isOfOrder?: boolean;
  readonly createdAtMs?: number;
}
