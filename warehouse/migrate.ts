import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { describeError, messageCode, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { onCluster } from './on-cluster.ts';
import { readMigrationFiles, type MigrationFile } from './migration-files.ts';

/** What {@link migrate} is told. */
export interface MigrateOptions {
  readonly log: Logger;
  /** Gives up waiting and applying when it aborts. */
  readonly signal: AbortSignal;
  /** Name of the cluster to create everything on; a single server when not given. */
  readonly cluster?: string;
  /** Where the files are, for tests; `warehouse/migrations/` when not given. */
  readonly folder?: URL;
  /** Age in seconds from which a lock belongs to a process that died: no migration lasts so long. */
  readonly staleLockSeconds?: number;
}

/** Runs a statement, on the cluster if there is one. */
type Run = (statement: string, signal?: AbortSignal) => Promise<unknown>;

const LOCK = 'ops.migration_lock';
const TABLE_ALREADY_EXISTS = '57';
const POLL_MS = 100;
const STALE_LOCK_SECONDS = 120;

/**
 * Brings the warehouse up to date: applies each file of `warehouse/migrations/` that is not in
 * `ops.migrations`, in order, and records it there.
 *
 * Any number of processes may call it at once: one applies, the others wait for it. Every statement
 * must be one that can run again (`IF NOT EXISTS`): ClickHouse has no transaction around a file, so
 * after a crash in the middle the whole file is applied again.
 *
 * @returns names of the files that this call applied
 * @throws TributaryError `MIGRATION_FAILED` when an applied file was edited since or is missing
 * @throws what the client throws when ClickHouse cannot be reached or refuses a statement
 */
export async function migrate(
  client: ClickHouseClient,
  options: MigrateOptions,
): Promise<string[]> {
  const files = await readMigrationFiles(options.folder);
  const run: Run = (statement, signal = options.signal) =>
    client.command({
      query: options.cluster === undefined ? statement : onCluster(statement, options.cluster),
      abort_signal: signal,
      clickhouse_settings: { wait_end_of_query: 1 },
    });
  await run(`CREATE DATABASE IF NOT EXISTS ops COMMENT 'What the pipeline tells of its own work'`);
  await run(`CREATE TABLE IF NOT EXISTS ops.migrations
    (
      name       String                         COMMENT 'File in warehouse/migrations, without .sql',
      checksum   String                         COMMENT 'SHA-256 of the file when it was applied, hexadecimal',
      applied_at DateTime64(3) DEFAULT now64(3) COMMENT 'When it was applied'
    )
    ENGINE = ReplacingMergeTree ORDER BY name COMMENT 'Migrations of the warehouse that were applied'`);
  if ((await pending(client, files)).length === 0) return [];
  return withLock(client, run, options, async () => {
    const applied: string[] = [];
    for (const file of await pending(client, files)) {
      for (const statement of file.statements) await run(statement);
      await client.insert({
        table: 'ops.migrations',
        columns: ['name', 'checksum'],
        values: [{ name: file.name, checksum: file.checksum }],
        format: 'JSONEachRow',
      });
      options.log.info({ migration: file.name }, 'migration applied');
      applied.push(file.name);
    }
    return applied;
  });
}

/** The files that were not applied yet, all before them being as they were when applied. */
async function pending(
  client: ClickHouseClient,
  files: readonly MigrationFile[],
): Promise<MigrationFile[]> {
  const result = await client.query({
    query: 'SELECT name, checksum FROM ops.migrations FINAL',
    format: 'JSONEachRow',
  });
  const applied = new Map(
    (await result.json<{ name: string; checksum: string }>()).map((row) => [
      row.name,
      row.checksum,
    ]),
  );
  for (const file of files) {
    const checksum = applied.get(file.name);
    if (checksum !== undefined && checksum !== file.checksum) {
      throw new TributaryError(
        'MIGRATION_FAILED',
        `warehouse/migrations/${file.name}.sql was edited after it had been applied`,
        { fix: 'Restore the file, and put the change into a new one.' },
      );
    }
  }
  return files.filter((file) => !applied.has(file.name));
}

/**
 * The lock is a table: CREATE TABLE without IF NOT EXISTS succeeds for one process alone, because
 * a server has one table of a name, and a cluster runs its ON CLUSTER statements in one order on
 * every node. ClickHouse has no other compare-and-set. A process that dies leaves the table behind;
 * whoever finds it older than any migration lasts drops it and tries again like everybody else.
 */
async function withLock<T>(
  client: ClickHouseClient,
  run: Run,
  { log, signal, staleLockSeconds = STALE_LOCK_SECONDS }: MigrateOptions,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    const age = await lockAge(client);
    if (age === undefined) {
      try {
        await run(`CREATE TABLE ${LOCK} (locked UInt8) ENGINE = Memory`);
        break;
      } catch (error) {
        if (messageCode(error) !== TABLE_ALREADY_EXISTS) throw error;
      }
    } else if (age >= staleLockSeconds) {
      log.warn('lock of a dead migration taken over');
      await run(`DROP TABLE IF EXISTS ${LOCK} SYNC`);
    } else {
      await delay(POLL_MS, undefined, { signal });
    }
  }
  try {
    return await work();
  } finally {
    try {
      await run(`DROP TABLE IF EXISTS ${LOCK} SYNC`, new AbortController().signal);
    } catch (error) {
      // The next one waits for it to get old; what was applied stays applied.
      log.warn({ reason: describeError(error) }, 'lock of the migration not removed');
    }
  }
}

/** Seconds since the lock was taken; undefined when it is free. */
async function lockAge(client: ClickHouseClient): Promise<number | undefined> {
  const result = await client.query({
    query: `SELECT toInt32(now() - metadata_modification_time) AS age
            FROM system.tables WHERE concat(database, '.', name) = '${LOCK}'`,
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ age: number }>();
  return row?.age;
}
