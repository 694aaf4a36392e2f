import { createHash } from 'node:crypto';
import pg from 'pg';
import { describeError, messageCode, TributaryError } from '#runtime/errors.ts';
import {
  parseTransactionSnapshot,
  type TransactionSnapshot,
} from '../change/transaction-snapshot.ts';
import { postgresHash, postgresRow, rowHash } from './canonical-text.ts';
import { keyId, type Key, type KeyRange, type RangeSum, type RowHash } from './key-range.ts';
import type { RowCells } from './row-cells.ts';
import { plainColumns, type TableShape } from './table-shape.ts';

/**
 * How the session prints and plans. Whatever the statistics say, rows are read in the order of the
 * primary key's index and nothing is sorted or read in parallel: a read costs what it returns.
 */
const SESSION = `
  SET timezone = 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 1; SET bytea_output = 'hex';
  SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
  SET enable_hashjoin = off; SET enable_mergejoin = off;
  SET max_parallel_workers_per_gather = 0; SET jit = off;
  SET default_transaction_read_only = on; SET lock_timeout = '5s'`;

/** Hashes that are fetched together. */
const HASHES_AT_ONCE = 20_000;
/** Rows of which values are fetched together: they may be large. */
const ROWS_AT_ONCE = 200;

/** Prepares a connection for {@link SourceRows}. */
export async function prepareSession(client: pg.Client): Promise<void> {
  await client.query(SESSION);
}

/** A part of the keys, told apart by their hash. */
export interface HashPart {
  readonly part: number;
  readonly parts: number;
}

/**
 * Reads a table at its source. Each method is one short statement of its own, but for those of a table
 * without a key: no index leads to a part of it, so they read all of it, as of one moment.
 */
export class SourceRows {
  readonly #client: pg.Client;
  readonly #shape: TableShape;

  /** @param client - prepared by {@link prepareSession} */
  constructor(client: pg.Client, shape: TableShape) {
    this.#client = client;
    this.#shape = shape;
  }

  /** Key of the row that is `rows` rows into the range; undefined when it has no more than that. */
  async boundary(range: KeyRange, rows: number): Promise<Key | undefined> {
    const { relation, key } = this.#shape;
    const where = this.#within(range);
    // With the table's name before it: alone it would mean the text that is selected under it.
    const order = key.map(({ name }) => `t.${pg.escapeIdentifier(name)}`).join(', ');
    const [found] = await this.#rows(
      `SELECT ${key.map(({ postgres }) => postgres).join(', ')} FROM ${relation} AS t
       ${where.sql} ORDER BY ${order} OFFSET ${rows - 1} LIMIT 1`,
      where.values,
    );
    return found?.map(text);
  }

  /** Count and checksum of a range. */
  async sum(range: KeyRange): Promise<RangeSum> {
    const where = this.#within(range);
    const [row] = await this.#rows(
      `SELECT count(*), coalesce(sum(hash), 0)::text FROM (${this.#hashed([], where.sql)}) AS s`,
      where.values,
    );
    return { rows: Number(row?.[0]), hash: text(row?.[1]) };
  }

  /** Keys and hashes of the rows of a range. */
  async hashes(range: KeyRange): Promise<RowHash[]> {
    const where = this.#within(range);
    const rows = await this.#rows(this.#hashed(this.#keyIndexes(), where.sql), where.values);
    return rows.map(([hash, ...key]) => ({ key: key.map(text), hash: text(hash) }));
  }

  /** Hash of the key and of the row, for the rows of a range whose key's hash is in a part. */
  async keyHashes(range: KeyRange, { part, parts }: HashPart): Promise<[string, string][]> {
    const where = this.#within(range);
    const rows = await this.#rows(
      `SELECT key_hash::text, hash::text FROM (
         SELECT ${this.#keyHash()} AS key_hash, hash
         FROM (${this.#hashed(this.#keyIndexes(), where.sql)}) AS h) AS s
       WHERE abs(key_hash % ${parts}) = ${part}`,
      where.values,
    );
    return rows.map(([keyHash, hash]) => [text(keyHash), text(hash)]);
  }

  /** Keys of the rows of a range whose keys have one of these hashes. */
  async keysByHash(range: KeyRange, keyHashes: readonly string[]): Promise<Key[]> {
    const where = this.#within(range);
    const key = this.#shape.key.map(({ postgres }, index) => `${postgres} AS c${index}`).join(', ');
    const names = this.#shape.key.map((_, index) => `c${index}`);
    const rows = await this.#rows(
      `SELECT ${names.join(', ')}
       FROM (SELECT ${key} FROM ${this.#shape.relation} ${where.sql} OFFSET 0) AS s
       WHERE ${postgresHash(postgresRow(names))} = ANY ($${where.values.length + 1}::bigint[])`,
      [...where.values, keyHashes],
    );
    return rows.map((row) => row.map(text));
  }

  /**
   * Looks rows up by their keys.
   *
   * @param show - whether cells are their texts; else they are digests of them
   */
  async cells(keys: readonly Key[], show: boolean): Promise<ReadonlyMap<string, RowCells>> {
    const { relation, columns, key } = this.#shape;
    const cells = columns.map(({ postgres, hash }) =>
      show || hash !== undefined ? postgres : `md5(${postgres})`,
    );
    const asWarehouse = (cell: string | null, index: number) => {
      const hash = columns[index]?.hash;
      if (hash === undefined || cell === null) return cell;
      return show ? hash(cell) : createHash('md5').update(hash(cell)).digest('hex');
    };
    const wanted = key.map((_, index) => `w${index}`);
    const arrays = key.map((_, index) => `$${index + 1}::text[]`);
    const rows = await this.#rows(
      `SELECT t.xmin::text, ${[...key.map(({ postgres }) => postgres), ...cells].join(', ')}
       FROM unnest(${arrays.join(', ')}) AS w(${wanted.join(', ')})
       JOIN ${relation} AS t
         ON ${key
           .map(
             ({ name, castTo }, index) =>
               `t.${pg.escapeIdentifier(name)} = ${wanted[index]}::${castTo}`,
           )
           .join(' AND ')}`,
      key.map((_, index) => keys.map((texts) => texts[index])),
    );
    return new Map(
      rows.map(([revision, ...rest]) => [
        keyId(rest.slice(0, key.length).map(text)),
        { cells: rest.slice(key.length).map(asWarehouse), revision: text(revision) },
      ]),
    );
  }

  /**
   * Hashes of the rows, those in a part, each as often as it is there.
   *
   * @returns what the moment sees that they are of
   */
  async readCopies(
    { part, parts }: HashPart,
    take: (hash: string) => void,
    signal: AbortSignal,
  ): Promise<TransactionSnapshot> {
    if (!this.#isHashedHere) {
      return this.#scan(
        `SELECT hash::text FROM (${this.#hashed([], '')}) AS s WHERE abs(hash % ${parts}) = ${part}`,
        HASHES_AT_ONCE,
        ([hash]) => take(text(hash)),
        signal,
      );
    }
    const [place, count] = [BigInt(part), BigInt(parts)];
    return this.#scan(
      this.#hashable([]),
      HASHES_AT_ONCE / 10,
      (row) => {
        const hash = this.#hashOf(row);
        const rest = BigInt(hash) % count;
        if ((rest < 0n ? -rest : rest) === place) take(hash);
      },
      signal,
    );
  }

  /**
   * The rows that have one of these hashes, each different row once.
   *
   * @param show - whether cells are their texts; else those of the key are, and the others digests
   */
  async cellsByHash(
    hashes: readonly string[],
    show: boolean,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, RowCells>> {
    const { columns, copies } = this.#shape;
    if (!this.#isHashedHere) {
      const indexes = columns.map((_, index) => index);
      const rows = await this.#rows(
        `SELECT DISTINCT ON (hash) * FROM (${this.#hashed(indexes, '')}) AS s
         WHERE hash = ANY ($1::bigint[])`,
        [hashes],
      );
      return new Map(rows.map(([hash, ...cells]) => [text(hash), { cells }]));
    }
    // Only here it is known what a row's hash is: all rows are read.
    const wanted = new Set(hashes);
    const found = new Map<string, RowCells>();
    const isShown = columns.map(
      ({ published }) => show || copies?.hashedKey.includes(published) === true,
    );
    const cells = columns.map(({ postgres, hash }, index) =>
      isShown[index] === true || hash !== undefined ? postgres : `md5(${postgres})`,
    );
    await this.#scan(
      this.#hashable(cells),
      ROWS_AT_ONCE,
      (row) => {
        const hash = this.#hashOf(row);
        if (!wanted.has(hash)) return;
        const own = row.slice(-columns.length);
        found.set(hash, { cells: own.map((cell, index) => this.#masked(cell, index, isShown)) });
      },
      signal,
    );
    return found;
  }

  /** What the warehouse has of a cell, or a digest of it. */
  #masked(cell: string | null, index: number, isShown: readonly boolean[]): string | null {
    const hash = this.#shape.columns[index]?.hash;
    if (hash === undefined || cell === null) return cell;
    return isShown[index] === true
      ? hash(cell)
      : createHash('md5').update(hash(cell)).digest('hex');
  }

  /** Whether a row's hash is made here, because that of a column is. */
  get #isHashedHere(): boolean {
    return this.#shape.columns.some(({ hash }) => hash !== undefined);
  }

  /** Selects what {@link #hashOf} needs of each row, and expressions beside it. */
  #hashable(beside: readonly string[]): string {
    const plain = plainColumns(this.#shape);
    const rest = this.#shape.columns.slice(plain.length);
    const digest = `md5(${postgresRow(plain.map((_, index) => `c${index}`))})`;
    const texts = plain.map(({ postgres }, index) => `${postgres} AS c${index}`);
    const others = [...rest.map(({ postgres }) => postgres), ...beside];
    const named = others.map((expression, index) => `${expression} AS o${index}`);
    return `SELECT ${[...(plain.length === 0 ? [] : [digest]), ...others.map((_, index) => `o${index}`)].join(', ')}
      FROM (SELECT ${[...texts, ...named].join(', ')} FROM ${this.#shape.relation} OFFSET 0) AS r`;
  }

  #hashOf(row: readonly (string | null)[]): string {
    const { columns } = this.#shape;
    const plain = plainColumns(this.#shape).length;
    const digests = plain === 0 ? 0 : 1;
    const hashes = columns.slice(plain).map(({ hash }, index) => {
      const cell = row[digests + index] ?? null;
      return cell === null ? null : (hash?.(cell) ?? null);
    });
    return rowHash([...row.slice(0, digests), ...hashes]);
  }

  /** Reads all rows of a statement, some at a time, at one moment. @returns what that moment sees */
  async #scan(
    sql: string,
    rowsAtOnce: number,
    take: (row: (string | null)[]) => void,
    signal: AbortSignal,
  ): Promise<TransactionSnapshot> {
    await this.#rows('BEGIN ISOLATION LEVEL REPEATABLE READ', []);
    try {
      const [snapshot] = await this.#rows('SELECT pg_current_snapshot()::text', []);
      await this.#rows(`DECLARE copies NO SCROLL CURSOR FOR ${sql}`, []);
      for (;;) {
        signal.throwIfAborted();
        const rows = await this.#rows(`FETCH ${rowsAtOnce} FROM copies`, []);
        if (rows.length === 0) return parseTransactionSnapshot(text(snapshot?.[0]));
        for (const row of rows) take(row);
      }
    } finally {
      await this.#client.query('ROLLBACK').catch(() => undefined);
    }
  }

  #keyIndexes(): number[] {
    const { columns, key } = this.#shape;
    return key.map(({ name }) => columns.findIndex((column) => column.name === name));
  }

  #keyHash(): string {
    return postgresHash(postgresRow(this.#keyIndexes().map((index) => `c${index}`)));
  }

  /** Selects the hash of each row, and the texts of some columns beside it. */
  #hashed(columnIndexes: readonly number[], where: string): string {
    const { relation } = this.#shape;
    const columns = plainColumns(this.#shape);
    const texts = columns.map(({ postgres }, index) => `${postgres} AS c${index}`);
    const names = columns.map((_, index) => `c${index}`);
    const shown = columnIndexes.map((index) => `, c${index}`).join('');
    // OFFSET 0 keeps Postgres from computing each text twice.
    return `SELECT ${postgresHash(postgresRow(names))} AS hash${shown}
      FROM (SELECT ${texts.join(', ')} FROM ${relation} ${where} OFFSET 0) AS r`;
  }

  #within({ after, upTo }: KeyRange): { sql: string; values: unknown[] } {
    const { key } = this.#shape;
    const names = `(${key.map(({ name }) => pg.escapeIdentifier(name)).join(', ')})`;
    const values: unknown[] = [];
    const bound = (texts: Key) =>
      `(${texts.map((value, index) => `$${values.push(value)}::text::${key[index]?.castTo}`).join(', ')})`;
    const conditions = [
      ...(after === undefined ? [] : [`${names} > ${bound(after)}`]),
      ...(upTo === undefined ? [] : [`${names} <= ${bound(upTo)}`]),
    ];
    return {
      sql: conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`,
      values,
    };
  }

  async #rows(sql: string, values: unknown[]): Promise<(string | null)[][]> {
    try {
      const result = await this.#client.query<(string | null)[]>({
        text: sql,
        values,
        rowMode: 'array',
      });
      return result.rows;
    } catch (error) {
      throw sourceError(error, this.#shape.table.source, this.#shape.relation);
    }
  }
}

function text(value: string | null | undefined): string {
  return value ?? '';
}

function sourceError(error: unknown, source: string, relation: string): TributaryError {
  const what = `source ${source}: reading ${relation}`;
  if (!(error instanceof pg.DatabaseError)) {
    return new TributaryError('SOURCE_UNAVAILABLE', `${what}: ${describeError(error)}`, {
      cause: error,
    });
  }
  const state = messageCode(error) ?? '';
  // Class 22, "data exception", quotes the value.
  const reason = state.startsWith('22') ? `a key has another type there` : error.message;
  return new TributaryError('SOURCE_REFUSED', `${what}: ${reason} (SQLSTATE ${state})`);
}
