const MIB = 1_048_576;

/** Statements that run side by side, by purpose; one purpose never takes another's place. */
export const LANES = {
  /** Inserts with data. */
  insert: 4,
  /** The writer's other statements: DDL, INSERT ... SELECT, ALTER. */
  write: 3,
  /** The writer's queries. */
  read: 4,
  /** The writer's queries by GET, which cannot write. */
  get: 2,
  /** Everything of the analyst. */
  analyst: 3,
} as const;

/** Named HTTP sessions that can be open at once. */
export const MAX_SESSIONS = 16;

/**
 * Threads libuv must have: one for every statement that can run at once, and some for files and
 * compression. With fewer, a few heavy queries would hold up every insert.
 */
export const THREADS = 40;

/**
 * Memory of the whole process that the engine keeps itself within, in MiB, unless it is told another.
 * It counts what is allocated, used or not: every table with insert tokens (each change log) has 1 MiB.
 */
export const MAX_SERVER_MEMORY_MIB = 1_500;

/** Longest statement, without the data of an insert. */
export const MAX_STATEMENT_BYTES = 16 * MIB;

/** Data of an insert that is held in memory; what is longer goes to a file as it comes. */
export const MAX_BUFFERED_INSERT_BYTES = MIB;

/** How much of a result is held back so that a failure can still become the HTTP status. */
export const HELD_BACK_BYTES = MIB;
/** The same for a client that asked to wait for the end of the query. */
export const MAX_HELD_BACK_BYTES = 64 * MIB;

/** Lifetime of an idle HTTP session in seconds, and the longest that a client can ask for. */
export const SESSION_TIMEOUT_SECONDS = 60;
export const MAX_SESSION_TIMEOUT_SECONDS = 3_600;

/** Bounds of one query of the analyst: what it has, and the most it can ask for. */
export const ANALYST_BOUNDS: Readonly<Record<string, { value: number; max: number }>> = {
  max_execution_time: { value: 30, max: 60 },
  max_memory_usage: { value: 600 * MIB, max: 600 * MIB },
  max_result_rows: { value: 1_000_000, max: 1_000_000 },
  max_result_bytes: { value: 512 * MIB, max: 512 * MIB },
  max_temporary_data_on_disk_size_for_query: { value: 2_048 * MIB, max: 2_048 * MIB },
  max_threads: { value: 2, max: 2 },
};
