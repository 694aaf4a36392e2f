import type { ClickHouseClient } from '@clickhouse/client';
import { REDACTED, type Mask } from '../catalog/mask.ts';
import { blankSteps } from '../sink/blank-columns.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';
import { isKeyless } from '../sink/keyless-ddl.ts';
import { CHANGES, CURRENT, type StoredColumn } from '../sink/table-ddl.ts';

/**
 * Takes out of change log and current table what a column held before it was masked, older versions
 * of rows too. What is to be hashed becomes NULL: of what is gone there is no hash. A value that looks
 * like a hash is taken for one.
 *
 * @param storage - name of the table in both
 * @param maskOf - by stored name
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function cleanMasked(
  client: ClickHouseClient,
  storage: string,
  columns: readonly StoredColumn[],
  maskOf: (column: string) => Mask | undefined,
): Promise<void> {
  // Rows without a key are counted by what they hold: to rewrite them would be to make others of them.
  if (isKeyless(columns)) return;
  for (const { name, isKey } of columns) {
    const mask = maskOf(name);
    // A column of the key cannot be rewritten; it is masked from its first row on, or not at all.
    if (mask === undefined || isKey) continue;
    for (const database of [CHANGES, CURRENT]) {
      await cleanColumn(client, `${database}.${quoteName(storage)}`, quoteName(name), mask);
    }
  }
}

async function cleanColumn(
  client: ClickHouseClient,
  table: string,
  column: string,
  mask: Mask,
): Promise<void> {
  const isClear = {
    drop: `${column} IS DISTINCT FROM defaultValueOfArgumentType(${column})`,
    redact: `${column} NOT IN (${quoteText(REDACTED)}, '')`,
    hash: `${column} <> '' AND NOT match(assumeNotNull(${column}), '^[0-9a-f]{64}$')`,
  }[mask];
  const [overwrite, empty] = blankSteps([column]);
  const steps =
    mask === 'redact'
      ? [`${column} = ${quoteText(REDACTED)} WHERE ${isClear}`]
      : [
          `${overwrite} WHERE ${isClear}`,
          `${empty} WHERE ${column} = defaultValueOfArgumentType(assumeNotNull(${column}))`,
        ];
  try {
    const found = await client.query({
      query: `SELECT 1 FROM ${table} WHERE ${isClear} LIMIT 1`,
      format: 'JSONEachRow',
    });
    if ((await found.json()).length === 0) return;
    for (const step of steps) {
      await client.command({
        query: `ALTER TABLE ${table} UPDATE ${step} SETTINGS mutations_sync = 2`,
        clickhouse_settings: { wait_end_of_query: 1 },
      });
    }
  } catch (error) {
    throw sinkError(error, `cleaning ${table} of what a mask hides`);
  }
}
