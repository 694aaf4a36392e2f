import type { ClickHouseClient } from '@clickhouse/client';
import { TributaryError } from '#runtime/errors.ts';
import type { SubjectData } from '../catalog/erase-rule.ts';
import { findSide, tableText } from '../drift/warehouse-side.ts';
import { blankSteps } from '../sink/blank-columns.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';

/** Values shorter than this say little, and are found everywhere. */
const SHORTEST_VALUE = 6;

interface Column {
  /** Quoted. */
  readonly name: string;
  readonly type: string;
}

/** A table of the warehouse with rows of the subject. */
interface Stored {
  /** Quoted, with its database. */
  readonly name: string;
  /** Condition for the subject's rows. */
  readonly isOfSubject: string;
  readonly personal: readonly Column[];
}

/** Data of a subject in one table of a source, as the warehouse stores it. */
export interface SubjectTable {
  readonly data: SubjectData;
  readonly current: Stored;
  readonly changes: Stored;
}

/** How much there is of a subject in a table: rows that still say something. */
export interface SubjectRows {
  readonly rows: number;
  readonly changes: number;
}

/**
 * Looks up where the warehouse stores data of a subject.
 *
 * @param key - of the subject, as text
 * @returns undefined when the table has not come yet
 * @throws TributaryError `ERASE_REFUSED` for a column that is not there, or in the key;
 * `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function findSubjectTable(
  client: ClickHouseClient,
  data: SubjectData,
  key: string,
): Promise<SubjectTable | undefined> {
  const side = await findSide(client, data.table);
  if (side === undefined) return undefined;
  const refuse = (why: string) =>
    new TributaryError('ERASE_REFUSED', `${tableText(data.table)}: ${why}`, {
      fix: 'Correct the table under `erase` in the catalog.',
    });
  if (side.key.length === 0) {
    throw refuse('it has no primary key, so that changes are told apart by all they hold');
  }
  const named = (name: string) => {
    const column = side.columns.get(name);
    if (column === undefined) throw refuse(`the warehouse has no column ${name}`);
    return column;
  };
  const reference = named(data.reference);
  const isKey = new Set(side.key.map(({ stored }) => stored));
  const inKey = data.columns?.find((name) => isKey.has(named(name).stored));
  if (inKey !== undefined) {
    throw refuse(
      `column ${inKey} is part of the primary key, which has to stay to tell rows apart`,
    );
  }
  const personal = new Set(
    (data.columns ?? [...side.columns.keys()])
      .map((name) => named(name).stored)
      .filter((stored) => !isKey.has(stored) && stored !== reference.stored),
  );
  // A key that is none, such as a text for a number, is nobody's.
  const isOfSubject = `${reference.stored} = accurateCastOrNull(${quoteText(key)}, ${quoteText(reference.type)})`;
  const stored = async (name: string): Promise<Stored> => ({
    name,
    isOfSubject,
    personal: (await columnsOf(client, name)).filter((column) => personal.has(column.name)),
  });
  return { data, current: await stored(side.current), changes: await stored(side.changes) };
}

/** How much there is. @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED` */
export async function countSubjectRows(
  client: ClickHouseClient,
  { current, changes }: SubjectTable,
): Promise<SubjectRows> {
  return {
    rows: await countPersonal(client, current),
    changes: await countPersonal(client, changes),
  };
}

/**
 * Leaves the subject's rows without what says who it is: keys, times and order of changes stay.
 * What is computed of the tables is computed anew.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function blankSubjectRows(
  client: ClickHouseClient,
  { current, changes }: SubjectTable,
): Promise<void> {
  for (const { name, personal, isOfSubject } of [changes, current]) {
    if (personal.length === 0) continue;
    for (const step of blankSteps(personal.map((column) => column.name))) {
      try {
        await client.command({
          query: `ALTER TABLE ${name} UPDATE ${step} WHERE ${isOfSubject}`,
          clickhouse_settings: { mutations_sync: '2', wait_end_of_query: 1 },
        });
      } catch (error) {
        throw sinkError(error, `erasing in ${name}`);
      }
    }
  }
  await touchRows(client, current);
}

/** Facts follow inserts, and a mutation is none: without it they would keep what they know. */
async function touchRows(client: ClickHouseClient, { name, isOfSubject }: Stored): Promise<void> {
  try {
    await client.command({
      // All versions, as they are: the deleted ones would be missing otherwise.
      query: `INSERT INTO ${name} SELECT * FROM ${name} WHERE ${isOfSubject}`,
      clickhouse_settings: { insert_deduplicate: 0, wait_end_of_query: 1 },
    });
  } catch (error) {
    throw sinkError(error, `inserting erased rows of ${name} again`);
  }
}

/**
 * Texts of the subject that nobody else has in the same column: whoever finds one has found the
 * subject.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function distinctiveValues(
  client: ClickHouseClient,
  { current, changes }: SubjectTable,
): Promise<string[]> {
  const texts = changes.personal.filter(({ type }) => /^(Nullable\()?String\)?$/.test(type));
  const values: string[] = [];
  for (const { name: column } of texts) {
    const own = [current, changes].map(
      (table) =>
        `SELECT ${column} AS value FROM ${table.name}
         WHERE ${table.isOfSubject} AND length(ifNull(${column}, '')) >= ${SHORTEST_VALUE}`,
    );
    const others = [current, changes].map(
      (table) =>
        `value NOT IN (SELECT ifNull(${column}, '') FROM ${table.name} WHERE NOT ifNull(${table.isOfSubject}, 0))`,
    );
    const rows = await ask<{ value: string }>(
      client,
      `SELECT DISTINCT value FROM (SELECT assumeNotNull(value) AS value FROM (${own.join(' UNION ALL ')}))
       WHERE ${others.join(' AND ')}`,
    );
    values.push(...rows.map(({ value }) => value));
  }
  return values;
}

async function countPersonal(
  client: ClickHouseClient,
  { name, personal, isOfSubject }: Stored,
): Promise<number> {
  const says = personal.map(
    (column) => `NOT (isNull(${column.name}) OR ifNull(${column.name} = ${blankOf(column)}, 0))`,
  );
  if (says.length === 0) return 0;
  const [row] = await ask<{ n: string }>(
    client,
    `SELECT toString(count()) AS n FROM ${name} WHERE ${isOfSubject} AND (${says.join(' OR ')})`,
  );
  return Number(row?.n ?? 0);
}

function blankOf({ type }: Column): string {
  return `defaultValueOfTypeName(${quoteText(type)})`;
}

async function columnsOf(client: ClickHouseClient, table: string): Promise<Column[]> {
  const rows = await ask<{ name: string; type: string }>(client, `DESCRIBE TABLE ${table}`);
  return rows.map(({ name, type }) => ({ name: quoteName(name), type }));
}

async function ask<T>(client: ClickHouseClient, query: string): Promise<T[]> {
  try {
    return await (await client.query({ query, format: 'JSONEachRow' })).json<T>();
  } catch (error) {
    throw sinkError(error, 'looking for personal data');
  }
}
