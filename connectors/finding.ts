/** One thing about a source that keeps it from being captured, or that somebody should know. */
export interface Finding {
  /** Stable name, for scripts. */
  readonly id: FindingId;
  /** An error stands in the way of capture or would lose data; a warning does not. */
  readonly severity: 'error' | 'warning';
  readonly what: string;
  readonly why: string;
  /** SQL statements that mend it, as the owner of the database would run them. */
  readonly sql: readonly string[];
  /** What to do where SQL alone does not mend it. */
  readonly advice?: string;
}

/** Names of all findings. */
export type FindingId =
  | 'wal-level'
  | 'wal-unbounded'
  | 'slot-lost'
  | 'slot-at-risk'
  | 'slot-foreign'
  | 'slot-in-use'
  | 'no-free-slot'
  | 'no-free-wal-sender'
  | 'role-cannot-replicate'
  | 'role-too-powerful'
  | 'role-can-write'
  | 'role-cannot-read'
  | 'row-security'
  | 'rows-of-nothing'
  | 'rows-not-hidden'
  | 'publication-missing'
  | 'publication-not-listed'
  | 'publication-lacks-table'
  | 'publication-extra-table'
  | 'publication-filters'
  | 'publication-operations'
  | 'publication-not-via-root'
  | 'pattern-matches-nothing'
  | 'outbox-missing'
  | 'outbox-columns'
  | 'partition-matched'
  | 'key-of-nothing'
  | 'no-primary-key'
  | 'replica-identity'
  | 'unlogged-table'
  | 'names-collide'
  | 'column-names-collide'
  | 'array-of-arrays'
  | 'mask-matches-nothing'
  | 'mask-not-possible'
  | 'generated-column';
