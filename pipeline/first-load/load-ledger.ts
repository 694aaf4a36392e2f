import type { ClickHouseClient } from '@clickhouse/client';
import type { TableName } from '../catalog/table-pattern.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { CURRENT } from '../sink/table-ddl.ts';

/**
 * How far the first load of a source is.
 *
 * - `copying`: its slot is made, not all rows are in the warehouse. The snapshot is that of a
 *   connection: whoever comes to it later begins anew.
 * - `copied`: all rows are there, the connector has yet to be put behind them.
 * - `streaming`: the connector goes on from the slot.
 * - `snapshot`: left to Debezium.
 */
export type LoadState = 'copying' | 'copied' | 'streaming' | 'snapshot';

/** The first load of one source, as `ops.first_loads` keeps it. */
export interface FirstLoad {
  readonly source: string;
  readonly state: LoadState;
  /** As Postgres spells it; empty before there is a slot. */
  readonly slotLsn: string;
  /** When the slot was made, by the source's clock, as ClickHouse spells it. */
  readonly readAt: string | null;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** How far one table is. */
export interface TableProgress extends TableName {
  /** What Postgres reckons; it may be wrong. */
  readonly rowsExpected: number;
  readonly rowsCopied: number;
  readonly isDone: boolean;
}

/** A first load that has not come to its end. */
export interface LoadStatus extends FirstLoad {
  readonly tables: readonly TableProgress[];
  /** When whoever works on it wrote something down last, in milliseconds since 1970. */
  readonly heardAt: number;
}

/**
 * What is known of first loads, in ClickHouse's database `ops`.
 *
 * Every method rejects with a TributaryError: `SINK_UNAVAILABLE`, `SINK_REFUSED`.
 */
export interface LoadLedger {
  read(source: string): Promise<FirstLoad | undefined>;
  write(load: FirstLoad): Promise<void>;
  /** Tables of the last load of a source. */
  tables(source: string): Promise<TableProgress[]>;
  writeTables(source: string, tables: readonly TableProgress[]): Promise<void>;
  /** Loads that are not done, by source. */
  underWay(): Promise<LoadStatus[]>;
  /** Whether the warehouse holds any table of a source. */
  hasTables(source: string): Promise<boolean>;
}

export function createLoadLedger(client: ClickHouseClient): LoadLedger {
  async function select<T>(query: string, source?: string): Promise<T[]> {
    try {
      const result = await client.query({
        query,
        query_params: { source },
        format: 'JSONEachRow',
      });
      return await result.json<T>();
    } catch (error) {
      throw sinkError(
        error,
        `reading the first load${source === undefined ? 's' : ` of ${source}`}`,
      );
    }
  }

  async function insert(table: string, values: readonly object[], source: string): Promise<void> {
    try {
      await client.insert({ table, values, format: 'JSONEachRow' });
    } catch (error) {
      throw sinkError(error, `writing down the first load of ${source}`);
    }
  }

  const ledger: LoadLedger = {
    async read(source) {
      const [row] = await select<Omit<FirstLoad, 'startedAt'> & { startedAt: string }>(
        `SELECT source, state, slot_lsn AS "slotLsn", read_at AS "readAt", reason,
                toString(toUnixTimestamp64Milli(started_at)) AS "startedAt"
         FROM ops.first_loads FINAL WHERE source = {source:String}`,
        source,
      );
      return row === undefined ? undefined : { ...row, startedAt: Number(row.startedAt) };
    },

    write: ({ source, state, slotLsn, readAt, reason, startedAt }) =>
      insert(
        'ops.first_loads',
        [
          {
            source,
            state,
            slot_lsn: slotLsn,
            read_at: readAt,
            reason,
            started_at: new Date(startedAt).toISOString().slice(0, -1).replace('T', ' '),
          },
        ],
        source,
      ),

    async tables(source) {
      const rows = await select<{
        schema: string;
        table: string;
        expected: string;
        copied: string;
        done: number;
      }>(
        `SELECT table_schema AS schema, table_name AS "table", toString(rows_expected) AS expected,
                toString(rows_copied) AS copied, is_done AS done
         FROM ops.first_load_tables FINAL WHERE source = {source:String}
         ORDER BY table_schema, table_name`,
        source,
      );
      return rows.map(({ schema, table, expected, copied, done }) => ({
        schema,
        table,
        rowsExpected: Number(expected),
        rowsCopied: Number(copied),
        isDone: done === 1,
      }));
    },

    async writeTables(source, tables) {
      if (tables.length === 0) return;
      await insert(
        'ops.first_load_tables',
        tables.map(({ schema, table, rowsExpected, rowsCopied, isDone }) => ({
          source,
          table_schema: schema,
          table_name: table,
          rows_expected: rowsExpected,
          rows_copied: rowsCopied,
          is_done: isDone ? 1 : 0,
        })),
        source,
      );
    },

    async underWay() {
      const loads = await select<{ source: string; heardAt: string }>(
        `SELECT source, toString(toUnixTimestamp64Milli(greatest(l.updated_at, t.updated_at))) AS "heardAt"
         FROM (SELECT * FROM ops.first_loads FINAL WHERE state IN ('copying', 'copied')) AS l
         LEFT JOIN (SELECT source, max(updated_at) AS updated_at FROM ops.first_load_tables GROUP BY source) AS t
         USING (source) ORDER BY source`,
      );
      return Promise.all(
        loads.map(async ({ source, heardAt }) => {
          const [load, tables] = await Promise.all([ledger.read(source), ledger.tables(source)]);
          if (load === undefined) throw new Error('a load that was there is not');
          return { ...load, tables, heardAt: Number(heardAt) };
        }),
      );
    },

    async hasTables(source) {
      const rows = await select(
        `SELECT 1 FROM system.tables
         WHERE database = '${CURRENT}' AND startsWith(name, concat({source:String}, '__')) LIMIT 1`,
        source,
      );
      return rows.length > 0;
    },
  };
  return ledger;
}
