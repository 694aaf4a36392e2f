import type { ClickHouseClient } from '@clickhouse/client';
import type pg from 'pg';
import { TributaryError } from '#runtime/errors.ts';
import { maskOf, keyedHash } from '../catalog/mask.ts';
import type { Source } from '../catalog/catalog.ts';
import type { CapturedTable } from '../catalog/drift-rule.ts';
import type { Key } from '../verify/key-range.ts';
import { SourceRows } from '../verify/source-rows.ts';
import { readShape } from '../verify/table-shape.ts';
import type { Texts } from './row-history.ts';
import { tableText } from './warehouse-side.ts';

/** Rows looked up in one statement: few, so that the service feels nothing. */
const ROWS_AT_ONCE = 200;

/** Looks rows of one side of a rule up at their source, by their keys. */
export type ReadRows = (keys: readonly Key[]) => Promise<Map<string, Texts>>;

/**
 * Finds out how rows of a table are read so that their texts are those of the warehouse.
 *
 * @param client - connected to the source, prepared by `prepareSession`
 * @param columns - published names of the columns that are wanted
 * @returns resolves with rows by {@link keyId}; a row that is not there is left out. Columns that
 * are masked by hashes come as the hashes
 * @throws TributaryError `DRIFT_RULE_BROKEN`, `SOURCE_UNAVAILABLE`, `SOURCE_REFUSED`,
 * `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function rowsAtSource(
  client: pg.Client,
  warehouse: ClickHouseClient,
  source: Source,
  table: CapturedTable,
  columns: readonly string[],
): Promise<ReadRows> {
  const shape = await readShape(table, client, warehouse);
  if ('problem' in shape) {
    throw new TributaryError('DRIFT_RULE_BROKEN', `${tableText(table)}: ${shape.problem}`);
  }
  const compared = [...new Set(columns)].map((name) => {
    const column = shape.columns.find(({ published }) => published === name);
    if (column !== undefined) return column;
    throw new TributaryError(
      'DRIFT_RULE_BROKEN',
      `${tableText(table)}: values of column ${name} cannot be compared`,
    );
  });
  const places = columns.map((name) => compared.findIndex(({ published }) => published === name));
  const hash = source.maskKey === undefined ? undefined : keyedHash(source.maskKey);
  const isHashed = columns.map(
    (column) => hash !== undefined && maskOf(source.masks, { ...table, column }) === 'hash',
  );
  const rows = new SourceRows(client, { ...shape, columns: compared });
  return async (keys) => {
    const found = new Map<string, Texts>();
    for (let start = 0; start < keys.length; start += ROWS_AT_ONCE) {
      const some = await rows.cells(keys.slice(start, start + ROWS_AT_ONCE), true);
      for (const [id, { cells }] of some) {
        const texts = places.map((place, index) => {
          const text = cells[place] ?? null;
          return text !== null && hash !== undefined && isHashed[index] === true
            ? hash(text)
            : text;
        });
        found.set(id, texts);
      }
    }
    return found;
  };
}
