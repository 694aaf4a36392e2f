import type { ClickHouseClient } from '@clickhouse/client';
import { describeError, messageCode } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import type { MartFile } from './mart-files.ts';

/** What {@link applyMarts} remembers between two calls: the state of the tables each mart was made for. */
export type AppliedMarts = Map<string, string>;

/**
 * Makes the marts whose tables are all there, and makes those anew whose tables have other columns
 * by now. The pipeline makes the table of a source when its first record comes, so a mart may have
 * to wait, which is no failure.
 *
 * A mart that ClickHouse refuses is logged and left as it was until its tables change: a source may
 * be called `orders` and have nothing to do with the shop.
 *
 * @param applied - what the calls before this one have made; changed
 * @returns names of the marts that wait for a table
 * @throws what the client throws when ClickHouse cannot be reached
 */
export async function applyMarts(
  client: ClickHouseClient,
  marts: readonly MartFile[],
  { applied, log }: { applied: AppliedMarts; log: Logger },
): Promise<string[]> {
  const shapes = await tableShapes(client, [...new Set(marts.flatMap(({ needs }) => needs))]);
  const waiting: string[] = [];
  for (const mart of marts) {
    const parts = mart.needs.map((table) => shapes.get(table));
    if (parts.includes(undefined)) {
      waiting.push(mart.name);
      continue;
    }
    const state = [mart.checksum, ...parts].join(' ');
    if (applied.get(mart.name) === state) continue;
    try {
      await client.command({
        query: `CREATE DATABASE IF NOT EXISTS marts COMMENT 'Facts and dimensions across services'`,
      });
      await client.command({ query: mart.statement });
      log.info({ mart: mart.name }, 'mart made');
    } catch (error) {
      const code = messageCode(error);
      // Without a number it is no answer of ClickHouse.
      if (code === undefined || !/^\d+$/.test(code)) throw error;
      log.warn({ mart: mart.name, code, reason: describeError(error) }, 'mart refused');
    }
    applied.set(mart.name, state);
  }
  return waiting;
}

/** A digest of names and types of the columns, by table; only of tables that are there. */
async function tableShapes(
  client: ClickHouseClient,
  tables: readonly string[],
): Promise<Map<string, string>> {
  const result = await client.query({
    query: `SELECT name, toString(sipHash64(groupArray(column))) AS shape
            FROM (
              SELECT concat(database, '.', table) AS name, tuple(c.name, type) AS column
              FROM system.columns AS c
              WHERE name IN {tables:Array(String)} ORDER BY name, position
            )
            GROUP BY name`,
    query_params: { tables },
    format: 'JSONEachRow',
  });
  const rows = await result.json<{ name: string; shape: string }>();
  return new Map(rows.map(({ name, shape }) => [name, shape]));
}
