import type { ClickHouseClient } from '@clickhouse/client';
import { isAbort } from '#runtime/errors.ts';
import type { OperationsPart, OperationsState } from '../wire.ts';
import { panelProblem } from './clickhouse-problem.ts';
import { queryRows } from './panel-query.ts';

/** What there is to do and what was done, part by part; no bytes and no headers of letters. */
const PARTS: Readonly<Record<keyof OperationsState, string>> = {
  groups: `
    SELECT d.topic AS topic, d.code AS code, count() AS letters,
           min(d.dead_lettered_at) AS first_at, max(d.dead_lettered_at) AS last_at
    FROM (SELECT topic, partition, offset, code, dead_lettered_at FROM ops.dead_letters FINAL) AS d
    LEFT ANTI JOIN (SELECT topic, partition, offset FROM ops.dead_letter_resolutions FINAL) AS r
      USING (topic, partition, offset)
    GROUP BY topic, code
    ORDER BY letters DESC, topic, code
    LIMIT 100`,
  letters: `
    SELECT d.topic AS topic, d.partition AS partition, d.offset AS offset, d.dead_lettered_at AS set_aside_at,
           d.code AS code, d.reason AS reason, ifNull(d.key_size, 0) + ifNull(d.value_size, 0) AS bytes
    FROM (SELECT topic, partition, offset, dead_lettered_at, code, reason, key_size, value_size
          FROM ops.dead_letters FINAL) AS d
    LEFT ANTI JOIN (SELECT topic, partition, offset FROM ops.dead_letter_resolutions FINAL) AS r
      USING (topic, partition, offset)
    ORDER BY set_aside_at DESC, topic, partition, offset
    LIMIT 50`,
  tables: `
    SELECT t.source AS source, t.table_schema AS schema, t.table_name AS table,
           r.last.1 AS state, r.last.2 AS last_resync, r.last.3 AS rows_read, r.last.4 AS put_right, r.last.5 AS removed
    FROM (SELECT source, table_schema, table_name FROM ops.source_tables FINAL WHERE is_gone = 0) AS t
    LEFT JOIN
    (
      SELECT source, table_schema, table_name,
             argMax(
               tuple(
                 toNullable(toString(state)), toNullable(started_at), toNullable(rows_read),
                 toNullable(rows_written), toNullable(rows_removed)),
               epoch) AS last
      FROM ops.resyncs FINAL
      GROUP BY source, table_schema, table_name
    ) AS r USING (source, table_schema, table_name)
    ORDER BY source, schema, table`,
  rules: `
    SELECT rule, state, open, unconfirmed, drifted, copies, looked_at
    FROM ops.drift_rules WHERE state != 'removed' ORDER BY open DESC, rule`,
  operations: `
    SELECT started_at, asked_by, asked_via, operation, target,
           -- Nothing runs for so long: whoever did it was killed.
           if(state = 'running' AND started_at < now64(3) - INTERVAL 1 HOUR, 'end unknown', state) AS state,
           outcome, if(isNull(ended_at), NULL, dateDiff('millisecond', started_at, ended_at)) AS took_ms
    FROM ops.operations FINAL
    ORDER BY started_at DESC
    LIMIT 50`,
};

/** Reads all parts. One that cannot be read, or that this user may not read, hides no other. */
export async function readOperations(
  client: ClickHouseClient,
  signal: AbortSignal,
): Promise<OperationsState> {
  const read = async ([name, sql]: [string, string]): Promise<[string, OperationsPart]> => {
    try {
      return [name, { rows: await queryRows(client, sql, {}, signal) }];
    } catch (error) {
      if (isAbort(error)) throw error;
      return [name, { problem: panelProblem(error).message }];
    }
  };
  return Object.fromEntries(
    await Promise.all(Object.entries(PARTS).map(read)),
  ) as unknown as OperationsState;
}
