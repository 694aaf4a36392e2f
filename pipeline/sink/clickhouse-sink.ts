import { Readable } from 'node:stream';
import type { ClickHouseClient } from '@clickhouse/client';
import { failpoint } from '#runtime/failpoint.ts';
import { parseDecimalLsn } from '../change/lsn.ts';
import { parseOffset } from '../change/offset.ts';
import { transactionId } from '../change/transaction-snapshot.ts';
import { COMMIT_LSN_OF_VERSION, firstVersion } from '../change/version.ts';
import type { Cell } from '../transform/column-type.ts';
import {
  COPY_COLUMNS,
  OWN_COLUMNS,
  OWN_NAMES,
  storageName,
  type PlannedColumn,
  type TablePlan,
} from '../transform/table-plan.ts';
import { sinkError } from './clickhouse-error.ts';
import { quoteName, quoteText } from './identifier.ts';
import type { Sink, StoredPosition } from './sink.ts';
import { isKeyless, sumRows } from './keyless-ddl.ts';
import { recordSchemaChange } from './schema-history.ts';
import { storedColumns } from './stored-columns.ts';
import {
  alterTable,
  CHANGES,
  changesType,
  createTable,
  CURRENT,
  currentType,
  textColumns,
} from './table-ddl.ts';

const NEWLINE = '\n';
const MAX_QUERY_SIZE_WITHOUT_KEYS = 262_144;

/** How inserts are stored; pinned here because defaults differ between ClickHouse versions. */
const INSERT_SETTINGS = {
  // Versions of one row in one insert are told apart by merges, which come anyway.
  optimize_on_insert: 0,
  async_insert: 0,
} as const;

/** How cells are to be written, so that they can be sent again. */
const CELLS_AS_SENT = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_denormals: 1,
} as const;

/** Stores rows in ClickHouse. */
export function createClickHouseSink(client: ClickHouseClient): Sink {
  async function guard<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw sinkError(error, doing);
    }
  }

  const command = (query: string, doing: string) =>
    guard(doing, async () => {
      await client.command({ query, clickhouse_settings: { wait_end_of_query: 1 } });
    });

  async function rowsOf<T>(
    query: string,
    params: Record<string, unknown>,
    doing: string,
  ): Promise<T[]> {
    return guard(doing, async () => {
      const result = await client.query({ query, query_params: params, format: 'JSONEachRow' });
      return result.json<T>();
    });
  }

  async function insertInto(
    database: string,
    plan: TablePlan,
    body: readonly Buffer[],
    token: string,
  ): Promise<void> {
    const table = `${database}.${quoteName(storageName(plan))}`;
    await guard(`inserting into ${database}.${storageName(plan)}`, async () => {
      const { stream } = await client.exec({
        query: `INSERT INTO ${table} (${columnList(plan)}) FORMAT Native`,
        values: Readable.from(body, { objectMode: false }),
        clickhouse_settings: { ...INSERT_SETTINGS, insert_deduplication_token: token },
      });
      stream.resume();
    });
  }

  return {
    async prepare(plan) {
      const doing = `preparing ${plan.source}.${plan.relation}`;
      const stored = await storedColumns(client, storageName(plan));
      const change = stored.length === 0 ? createTable(plan) : alterTable(plan, stored);
      for (const statement of change.statements) {
        await command(statement, doing);
        failpoint('between-ddl');
      }
      for (const note of change.notes) await recordSchemaChange(client, plan, note, 'applied');
      return textColumns(plan, await storedColumns(client, storageName(plan)));
    },

    async storedPositions(plan, since) {
      const rows = await rowsOf<{
        partition: number;
        last: string;
        position: string;
        reader: number;
      }>(
        `SELECT _partition AS partition, toString(max(_offset)) AS last,
                toString(max(${COMMIT_LSN_OF_VERSION})) AS position,
                argMaxIf(_transaction, _offset, _op = 'snapshot' AND _transaction != 0) AS reader
         FROM ${CHANGES}.${quoteName(storageName(plan))}
         WHERE _version >= {least:UInt128} GROUP BY _partition`,
        { least: firstVersion(since).toString() },
        `reading how far ${plan.source}.${plan.relation} is stored`,
      );
      return new Map<number, StoredPosition>(
        rows.map(({ partition, last, position, reader }) => [
          partition,
          {
            offset: parseOffset(last),
            commitLsn: parseDecimalLsn(position),
            snapshotBy: reader === 0 ? undefined : transactionId(BigInt(reader)),
          },
        ]),
      );
    },

    async insert(block, token) {
      const { plan } = block;
      const forCurrent = () => block.bytes(isNullable(currentType));
      // The change log last: what it holds counts as stored, after a crash too (`storedPositions`).
      // Without a key it is all there is.
      failpoint('before-insert');
      if (!plan.isKeyless) await insertInto(CURRENT, plan, forCurrent(), token);
      failpoint('between-inserts');
      const forLog = plan.isKeyless ? forCurrent() : block.bytes(isNullable(changesType));
      await insertInto(CHANGES, plan, forLog, token);
      failpoint('after-insert');
    },

    async lastValues(plan, rows, indexes) {
      const keys = plan.columns.filter((column) => column.isKey);
      const wanted = indexes.map((index) => quoteName(plan.columns[index]?.stored ?? ''));
      const keyNames = keys.map((column) => quoteName(column.stored)).join(', ');
      const asked = keys.map((_, index) => `_asked_${index}`);
      const structure = [
        '_asked_row UInt32',
        ...keys.map((column, index) => `_asked_${index} ${column.type.clickhouse}`),
        '_asked_version UInt128',
      ].join(', ');
      const places = keys.map((column) => plan.columns.indexOf(column));
      const list = rows
        .map(({ key, version }, row) =>
          JSON.stringify([
            row,
            ...places.map((place) => key.get(place) ?? null),
            version.toString(),
          ]),
        )
        .join(NEWLINE);
      const found = await guard(`reading rows of ${plan.source}.${plan.relation}`, async () => {
        const result = await client.query({
          // From the change log, not from the current table: after a crash between the two inserts
          // the current table may already hold changes that come after these rows. And only what is
          // older than the row: a replayed one has newer changes behind it.
          query: `WITH asked AS (
              SELECT * FROM format(JSONCompactEachRow, ${quoteText(structure)}, ${quoteText(list)}))
            SELECT _asked_row, ${wanted.join(', ')} FROM (
              SELECT _asked_row, ${wanted.join(', ')}, _op FROM ${CHANGES}.${quoteName(storageName(plan))}
              INNER JOIN asked ON ${keys
                .map((column, index) => `${quoteName(column.stored)} = _asked_${index}`)
                .join(' AND ')}
              WHERE (${keyNames}) IN (SELECT ${asked.join(', ')} FROM asked)
                AND _version < _asked_version
              ORDER BY _version DESC LIMIT 1 BY _asked_row)
            WHERE _op NOT IN ('delete', 'truncate')`,
          format: 'JSONCompactEachRow',
          clickhouse_settings: {
            ...CELLS_AS_SENT,
            max_query_size: String(list.length * 2 + MAX_QUERY_SIZE_WITHOUT_KEYS),
          },
        });
        return result.json<[row: number, ...values: Cell[]]>();
      });
      return new Map(
        found.map(([row, ...values]) => [
          row,
          new Map(indexes.map((index, position) => [index, values[position] ?? null])),
        ]),
      );
    },

    async deletesAt(plan, lsns) {
      const keys = plan.columns.flatMap(({ isKey, stored }, index) =>
        isKey ? [{ index, name: quoteName(stored) }] : [],
      );
      // All of the log is looked through: an update of a key is rarely torn apart by two batches.
      const found = await guard(`reading rows of ${plan.source}.${plan.relation}`, async () => {
        const result = await client.query({
          query: `SELECT toString(_lsn), toString(_version), ${keys.map(({ name }) => name).join(', ')}
            FROM ${CHANGES}.${quoteName(storageName(plan))}
            WHERE _op = 'delete' AND _lsn IN (${lsns.map((lsn) => `toUInt64(${quoteText(String(lsn))})`).join(', ')})
            ORDER BY _version DESC LIMIT 1 BY _lsn`,
          format: 'JSONCompactEachRow',
          clickhouse_settings: CELLS_AS_SENT,
        });
        return result.json<[lsn: string, version: string, ...key: Cell[]]>();
      });
      return new Map(
        found.map(([lsn, version, ...cells]) => [
          parseDecimalLsn(lsn),
          {
            key: new Map(keys.map(({ index }, place) => [index, cells[place] ?? null])),
            version: BigInt(version),
          },
        ]),
      );
    },

    async truncate(table, own) {
      const doing = `truncating ${table.source}.${table.relation}`;
      const stored = await storedColumns(client, storageName(table));
      const names = stored.map((column) => column.name);
      if (names.length === 0) return;
      const storage = quoteName(storageName(table));
      const all = names.map(quoteName).join(', ');
      const ownNames = OWN_COLUMNS.map((column) => column.name as string);
      const dataNames = names.filter((name) => !OWN_NAMES.has(name));
      const data = dataNames.map(quoteName);
      const literals = OWN_COLUMNS.map(
        ({ name, clickhouse }, index) =>
          `CAST(${quoteText(String(own[index]))} AS ${clickhouse}) AS ${quoteName(name)}`,
      );
      const before = `_version < toUInt128(${quoteText(String(own[0]))})`;
      if (isKeyless(stored)) {
        const { row, copies } = COPY_COLUMNS;
        const log = `${CHANGES}.${storage}`;
        // What is there is taken away; what was taken away before it came, given back.
        await command(
          `INSERT INTO ${log} (${[...data, ...ownNames.map(quoteName), row, copies].join(', ')})
           SELECT ${[...data, ...literals, row, `-${copies}`].join(', ')}
           FROM (${sumRows(`${log} AS c FINAL WHERE ${before}`, dataNames, '!= 0')})`,
          doing,
        );
        return;
      }
      // The change log first: its rows are read off the current table.
      for (const database of [CHANGES, CURRENT]) {
        await command(
          `INSERT INTO ${database}.${storage} (${[...data, ...ownNames.map(quoteName)].join(', ')})
           SELECT ${[...data, ...literals].join(', ')} FROM (
             SELECT ${all} FROM ${CURRENT}.${storage} FINAL
             WHERE ${before})`,
          doing,
        );
        failpoint('between-truncate-inserts');
      }
    },
  };
}

/** Whether a column of a database's tables takes NULL. */
function isNullable(typeIn: (column: PlannedColumn) => string) {
  return (column: PlannedColumn) => typeIn(column) !== column.type.clickhouse;
}

function columnList(plan: TablePlan): string {
  return [...plan.columns.map((column) => column.stored), ...OWN_COLUMNS.map(({ name }) => name)]
    .map(quoteName)
    .join(', ');
}
