import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { storedAs, type Fact, type Scope } from './fact.ts';

/** Keys of one statement, which names them several times and has room for 256 KiB. */
const KEYS_AT_ONCE = 500;
/** From this many touched keys on, all rows are computed anew, a range at a time. */
const MOST_KEYS = 50_000;
/** Rows of one range. */
const ROWS_AT_ONCE = 250_000;

/** What a refresh has done. */
export type Refreshed =
  /** Not all of its tables are there yet. */
  | { readonly done: 'waiting' }
  /** Nothing was inserted since the last time. */
  | { readonly done: 'nothing' }
  /** The rows of so many keys were computed anew. */
  | { readonly done: 'some'; readonly keys: number }
  | { readonly done: 'all' };

interface State {
  /** Changes when the fact is defined otherwise, or a table of it was made anew. */
  readonly identity: string;
  /** Last inserted block by table of `needs`. */
  readonly blocks: ReadonlyMap<string, bigint>;
}

/**
 * Brings a fact up to what its tables hold: rows that inserts since the last time have to do with
 * are computed anew from the tables as they are now, in whatever order changes came. So updates,
 * deletes and late changes all correct it.
 *
 * Inserted blocks of a table are numbered in the order in which they become visible, and rows keep
 * the number of theirs (`_block_number`). The version of a computed row is the sum of the numbers
 * seen before its tables were read. Any number of processes may refresh at once, and any may die
 * in the middle: of two rows the one with the higher version contains every change up to it, and
 * whatever came later is touched next time.
 *
 * @throws what the client throws
 */
export async function refreshFact(client: ClickHouseClient, fact: Fact): Promise<Refreshed> {
  const state = await readState(client, fact);
  if (state === undefined) return { done: 'waiting' };
  const position = await readPosition(client, fact);
  const version = [...state.blocks.values()].reduce((sum, block) => sum + block, 0n);
  const known = position?.identity === state.identity ? position : undefined;
  if (known !== undefined && known.version >= version) return { done: 'nothing' };
  if (known === undefined) await makeTable(client, fact, position !== undefined);
  const keys =
    known === undefined ? undefined : await touchedKeys(client, fact, known.blocks, state.blocks);
  if (keys === undefined) {
    for await (const scope of ranges(client, fact)) await compute(client, fact, scope, version);
  } else {
    for (let begin = 0; begin < keys.length; begin += KEYS_AT_ONCE) {
      await compute(client, fact, oneOf(keys.slice(begin, begin + KEYS_AT_ONCE)), version);
    }
  }
  await client.insert({
    table: 'ops.fact_positions',
    values: [
      {
        fact: fact.name,
        identity: state.identity,
        blocks: Object.fromEntries([...state.blocks].map(([table, block]) => [table, `${block}`])),
        version: `${version}`,
      },
    ],
    format: 'JSONEachRow',
  });
  if (keys !== undefined) return { done: 'some', keys: keys.length };
  // Parts of a range of keys each are spread over all times: until they are merged, every query with
  // FINAL would have to merge them.
  await client.command({
    query: `OPTIMIZE TABLE facts.${fact.name} FINAL`,
    clickhouse_settings: { wait_end_of_query: 1 },
  });
  return { done: 'all' };
}

async function compute(
  client: ClickHouseClient,
  fact: Fact,
  scope: Scope,
  version: bigint,
): Promise<void> {
  const run = async (query: string) =>
    client.command({ query, clickhouse_settings: { wait_end_of_query: 1 } });
  await run(`INSERT INTO facts.${fact.name} SELECT *, ${version}, 0 FROM (${fact.rows(scope)})`);
  await run(
    `INSERT INTO facts.${fact.name} (${fact.gone.columns}, _version, _deleted)
     SELECT ${fact.gone.columns}, ${version}, 1 FROM (${fact.gone.select(scope)})`,
  );
}

/**
 * @param isOutdated - there is one of an earlier definition or of tables that are gone, whose rows
 * are of no use. Another process that is at work on it fails, and tries again.
 */
async function makeTable(client: ClickHouseClient, fact: Fact, isOutdated: boolean): Promise<void> {
  const remove = [
    `DROP TABLE IF EXISTS facts.${fact.name}`,
    `ALTER TABLE ops.fact_positions DELETE WHERE fact = '${fact.name}' SETTINGS mutations_sync = 1`,
  ];
  for (const query of [
    `CREATE DATABASE IF NOT EXISTS facts COMMENT 'What marts are made of; read the marts instead'`,
    ...(isOutdated ? remove : []),
    fact.table,
  ]) {
    await client.command({ query });
  }
}

async function readState(client: ClickHouseClient, fact: Fact): Promise<State | undefined> {
  const stored = fact.needs.map(storedAs);
  const result = await client.query({
    query: `SELECT t.name AS name, toString(t.uuid) AS uuid,
              position(t.engine_full, 'enable_block_number_column = 1') > 0 AS is_numbered,
              toString(p.block) AS block
            FROM (SELECT name, uuid, engine_full FROM system.tables
                  WHERE database = 'current' AND name IN {stored:Array(String)}) AS t
            LEFT JOIN (SELECT table, max(max_block_number) AS block FROM system.parts
                       WHERE active AND database = 'current' AND table IN {stored:Array(String)}
                       GROUP BY table) AS p ON p.table = t.name`,
    query_params: { stored },
    format: 'JSONEachRow',
  });
  const tables = new Map(
    (await result.json<{ name: string; uuid: string; is_numbered: number; block: string }>()).map(
      (row) => [row.name, row],
    ),
  );
  const found = fact.needs.flatMap((name) => {
    const table = tables.get(storedAs(name));
    if (table === undefined) return [];
    const { uuid, block } = table;
    return [{ name, uuid, block, isNumbered: table.is_numbered === 1 }];
  });
  if (found.length < fact.needs.length) return undefined;
  const plain = found.filter(({ isNumbered }) => !isNumbered);
  for (const { name } of plain) {
    // Else a row would lose the number of its block in the first merge.
    await client.command({
      query: `ALTER TABLE current.${storedAs(name)} MODIFY SETTING enable_block_number_column = 1`,
    });
  }
  // A block that came before the numbers were kept must not count as seen.
  if (plain.length > 0) return readState(client, fact);
  const definition = [fact.table, fact.rows(oneOf([])), ...found.map(({ uuid }) => uuid)].join();
  return {
    identity: createHash('sha256').update(definition).digest('hex'),
    blocks: new Map(found.map(({ name, block }) => [name, BigInt(block)])),
  };
}

async function readPosition(
  client: ClickHouseClient,
  fact: Fact,
): Promise<(State & { version: bigint }) | undefined> {
  const result = await client.query({
    query: `SELECT identity, mapApply((name, block) -> (name, toString(block)), blocks) AS blocks,
              toString(version) AS version
            FROM ops.fact_positions FINAL WHERE fact = {fact:String}`,
    query_params: { fact: fact.name },
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{
    identity: string;
    blocks: Record<string, string>;
    version: string;
  }>();
  return row === undefined
    ? undefined
    : {
        identity: row.identity,
        blocks: new Map(Object.entries(row.blocks).map(([name, block]) => [name, BigInt(block)])),
        version: BigInt(row.version),
      };
}

/** Keys to be computed anew; undefined when they are so many that all may as well be. */
async function touchedKeys(
  client: ClickHouseClient,
  fact: Fact,
  from: State['blocks'],
  to: State['blocks'],
): Promise<string[] | undefined> {
  const keys = new Set<string>();
  for (const table of fact.needs) {
    const since = from.get(table) ?? 0n;
    if ((to.get(table) ?? 0n) <= since) continue;
    const select = fact.touched[table]?.(`${since}`);
    if (select === undefined)
      throw new Error(`fact ${fact.name} does not say what ${table} touches`);
    const result = await client.query({
      query: `SELECT key FROM (${select}) LIMIT ${MOST_KEYS + 1}`,
      format: 'JSONCompactEachRow',
    });
    for (const [key] of await result.json<[string]>()) keys.add(key);
    if (keys.size > MOST_KEYS) return undefined;
  }
  return [...keys];
}

/** All keys, also of deleted rows, cut into ranges. */
async function* ranges(client: ClickHouseClient, fact: Fact): AsyncGenerator<Scope> {
  const { table, column } = fact.keys;
  let after: string | undefined;
  for (;;) {
    const begin = after === undefined ? undefined : `toUUID('${after}')`;
    const result = await client.query({
      query: `SELECT toString(${column}) FROM ${table}
              ${begin === undefined ? '' : `WHERE ${column} > ${begin}`}
              ORDER BY ${column} LIMIT 1 OFFSET ${ROWS_AT_ONCE - 1}`,
      format: 'JSONCompactEachRow',
    });
    const [last] = await result.json<[string]>();
    const end = last === undefined ? undefined : `toUUID('${last[0]}')`;
    yield (name) =>
      [
        begin === undefined ? '' : `${name} > ${begin}`,
        end === undefined ? '' : `${name} <= ${end}`,
      ]
        .filter((condition) => condition !== '')
        .join(' AND ') || '1';
    if (last === undefined) return;
    after = last[0];
  }
}

/** Keys are UUIDs that ClickHouse wrote, so they need no escape. */
function oneOf(keys: readonly string[]): Scope {
  const list = keys.map((key) => `'${key}'`).join(', ');
  return (column) => `${column} IN (${list})`;
}
