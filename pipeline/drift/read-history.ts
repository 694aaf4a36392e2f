import type { ClickHouseClient } from '@clickhouse/client';
import { quoteText } from '../sink/identifier.ts';
import { keyId, type Key } from '../verify/key-range.ts';
import { HAS_EXACT_LITERAL } from '../verify/table-shape.ts';
import type { Change, History, Texts } from './row-history.ts';
import {
  columnOf,
  keyTexts,
  lookAt,
  textOf,
  type StoredColumn,
  type WarehouseSide,
} from './warehouse-side.ts';

/** Changes of one row that are looked at: the newest. */
const CHANGES_PER_ROW = 500;
const KEYS_AT_ONCE = 500;

/**
 * Reads what the change log knows of rows.
 *
 * @param fields - published names of the columns whose texts are wanted
 * @returns by {@link keyId}; a row of which nothing is known is left out
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function readHistories(
  client: ClickHouseClient,
  side: WarehouseSide,
  fields: readonly string[],
  keys: readonly Key[],
): Promise<Map<string, History>> {
  const histories = new Map<string, Change[]>();
  for (let start = 0; start < keys.length; start += KEYS_AT_ONCE) {
    const some = keys.slice(start, start + KEYS_AT_ONCE);
    const rows = await lookAt<{
      key: string[];
      at: string;
      op: string;
      transaction: number;
      deleted: number;
      texts: (string | null)[];
    }>(
      client,
      `SELECT ${keyTexts(side.key)} AS key, toString(toUnixTimestamp64Micro(_committed_at)) AS at,
              _op AS op, _transaction AS transaction, _deleted AS deleted,
              ${fieldTexts(side, fields)} AS texts
       FROM ${side.changes} WHERE ${isOneOf(side.key, some)}
       ORDER BY _version DESC LIMIT ${CHANGES_PER_ROW} BY ${keyTexts(side.key)}`,
    );
    for (const row of rows.toReversed()) {
      const change: Change = {
        at: Number(row.at) / 1_000,
        transaction: row.transaction,
        op: row.op,
        texts: row.deleted === 1 ? undefined : row.texts,
      };
      const id = keyId(row.key);
      const history = histories.get(id);
      if (history === undefined) histories.set(id, [change]);
      else history.push(change);
    }
  }
  return histories;
}

/**
 * Reads rows as the warehouse holds them now.
 *
 * @returns by {@link keyId}; a row that is not there is left out
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function readStored(
  client: ClickHouseClient,
  side: WarehouseSide,
  fields: readonly string[],
  keys: readonly Key[],
): Promise<Map<string, Texts>> {
  const stored = new Map<string, Texts>();
  for (let start = 0; start < keys.length; start += KEYS_AT_ONCE) {
    const some = keys.slice(start, start + KEYS_AT_ONCE);
    const rows = await lookAt<{ key: string[]; texts: (string | null)[] }>(
      client,
      `SELECT ${keyTexts(side.key)} AS key, ${fieldTexts(side, fields)} AS texts
       FROM ${side.current} FINAL PREWHERE ${isOneOf(side.key, some)}`,
    );
    for (const { key, texts } of rows) stored.set(keyId(key), texts);
  }
  return stored;
}

function fieldTexts(side: WarehouseSide, fields: readonly string[]): string {
  return `[${fields.map((name) => `toNullable(${textOf(columnOf(side, name))})`).join(', ')}]`;
}

function isOneOf(key: readonly StoredColumn[], keys: readonly Key[]): string {
  const looked = key.map((column) => (isExact(column) ? column.stored : textOf(column)));
  const list = keys.map((texts) => {
    const literals = texts.map((text, index) => {
      const column = key[index];
      return column !== undefined && isExact(column) && column.type !== 'String'
        ? `CAST(${quoteText(text)} AS ${column.type})`
        : quoteText(text);
    });
    return `(${literals.join(', ')})`;
  });
  return `(${looked.join(', ')}) IN (${list.join(', ')})`;
}

/** Whether a column can be compared with a literal itself, which the index understands. */
function isExact({ type }: StoredColumn): boolean {
  return type === 'String' || HAS_EXACT_LITERAL.test(type);
}
