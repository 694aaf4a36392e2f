import type { ClickHouseClient } from '@clickhouse/client';
import { isUnseen, type TransactionSnapshot } from '../change/transaction-snapshot.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName } from '../sink/identifier.ts';
import { rowsThere } from '../sink/keyless-ddl.ts';
import { COPY_COLUMNS } from '../transform/table-plan.ts';
import { clickhouseHash, clickhouseRow } from './canonical-text.ts';
import { keyId, type Key, type KeyRange, type RangeSum, type RowHash } from './key-range.ts';
import type { RowCells } from './row-cells.ts';
import type { HashPart } from './source-rows.ts';
import { plainColumns, type ComparedColumn, type TableShape } from './table-shape.ts';

/** Floats in the JSON text of arrays are read to the last bit. */
const EXACT = { precise_float_parsing: 1 } as const;

/** Room for a statement beside the keys in it, in bytes. */
const STATEMENT_BYTES = 1_048_576;

type Cells = (string | null)[];

/** Reads the warehouse's view of a table. */
export class WarehouseRows {
  readonly #client: ClickHouseClient;
  readonly #shape: TableShape;
  /** Columns that rows are hashed of. */
  readonly #summed: readonly ComparedColumn[];

  constructor(client: ClickHouseClient, shape: TableShape) {
    this.#client = client;
    this.#shape = shape;
    this.#summed = shape.copies === undefined ? plainColumns(shape) : shape.columns;
  }

  async count(): Promise<number> {
    const [row] = await this.#rows(`SELECT toString(count()) FROM ${this.#shape.view}`);
    return Number(row?.[0]);
  }

  /**
   * Count and checksum of ranges that follow one another, in one pass.
   *
   * @param range - all of them together
   * @param cuts - where one ends and the next begins, in order
   */
  async sums(range: KeyRange, cuts: readonly Key[]): Promise<RangeSum[]> {
    const { key } = this.#shape;
    const names = key.map((_, index) => `__k${index}`);
    // How many cuts lie below the key. A sum of comparisons is worked off a column at a time; an
    // array of the cuts would be made anew for each row.
    const below = cuts.map((cut) => `(${this.#bound(cut)} < ${tuple(names)})`);
    const index = below.length === 0 ? '0' : below.join(' + ');
    const rows = await this.#rows(
      `SELECT toString(${index}) AS __range, toString(count()), toString(sum(toInt128(__hash)))
       FROM (${this.#hashed(
         key.map(({ ordered }) => ordered),
         this.#within(range),
       )})
       GROUP BY __range`,
    );
    const sums = [...cuts, undefined].map((): RangeSum => ({ rows: 0, hash: '0' }));
    for (const [place, count, hash] of rows) {
      sums[Number(place)] = { rows: Number(count), hash: hash ?? '0' };
    }
    return sums;
  }

  /** Keys and hashes of the rows of a range. */
  async hashes(range: KeyRange): Promise<RowHash[]> {
    const { key } = this.#shape;
    const names = key.map((_, index) => `__k${index}`);
    const rows = await this.#rows(
      `SELECT toString(__hash), ${names.join(', ')}
       FROM (${this.#hashed(
         key.map(({ clickhouse }) => clickhouse),
         this.#within(range),
       )})`,
    );
    return rows.map(([hash, ...texts]) => ({ key: texts.map(text), hash: text(hash) }));
  }

  /** Keys that cut a range into pieces of `rows` rows, in order. */
  async cuts(range: KeyRange, rows: number): Promise<Key[]> {
    const { key, view } = this.#shape;
    const ordered = key.map((_, index) => `__o${index}`);
    const names = key.map((_, index) => `__k${index}`);
    const inner = key.map(
      ({ ordered, clickhouse }, index) => `${ordered} AS __o${index}, ${clickhouse} AS __k${index}`,
    );
    const found = await this.#rows(
      `SELECT ${names.join(', ')} FROM (
         SELECT ${names.join(', ')}, row_number() OVER (ORDER BY ${ordered.join(', ')}) AS __n
         FROM (SELECT ${inner.join(', ')} FROM ${view} ${this.#within(range)}))
       WHERE __n % ${rows} = 0 ORDER BY __n`,
    );
    return found.map((texts) => texts.map(text));
  }

  /** Hash of the key and of the row, for the rows whose key's hash is in a part. */
  async *keyHashes({ part, parts }: HashPart): AsyncGenerator<[string, string]> {
    const where = `WHERE abs(__key % ${parts}) = ${part}`;
    yield* this.#pairs(`SELECT toString(__key), toString(__hash) FROM (
      SELECT ${this.#keyHash()} AS __key, __hash
      FROM (${this.#hashed(
        this.#shape.key.map(({ clickhouse }) => clickhouse),
        '',
      )})) ${where}`);
  }

  /** Where no key leads to a row: hashes of rows, those in a part, and how often each was there. */
  async *copies(
    { part, parts }: HashPart,
    asOf: TransactionSnapshot,
  ): AsyncGenerator<[string, string]> {
    yield* this.#pairs(`SELECT toString(__hash), toString(sum(__copies)) FROM (
      SELECT ${this.#rowHash()} AS __hash, __copies FROM (
        SELECT ${[...this.#texts(), '__copies'].join(', ')}
        FROM (${this.#published(`NOT ${isUnseen(asOf)}`)})))
      WHERE abs(__hash % ${parts}) = ${part} GROUP BY __hash`);
  }

  /**
   * The rows that have one of these hashes, each different row once.
   *
   * @param show - whether cells are their texts; else those of the key are, and the others digests
   */
  async cellsByHash(
    hashes: readonly string[],
    show: boolean,
  ): Promise<ReadonlyMap<string, RowCells>> {
    const cells = this.#summed.map(({ published }, index) =>
      show || this.#shape.copies?.hashedKey.includes(published) === true
        ? `__c${index}`
        : `lower(hex(MD5(__c${index})))`,
    );
    const rows = await this.#rows(
      `SELECT toString(${this.#rowHash()}) AS __hash, ${cells.join(', ')} FROM (
         SELECT ${this.#texts().join(', ')} FROM ${this.#shape.view})
       WHERE ${this.#rowHash()} IN (${hashes.join(', ')}) LIMIT 1 BY __hash`,
    );
    return new Map(rows.map(([hash, ...cells]) => [text(hash), { cells }]));
  }

  /** Selects what was there, by published names, and `__copies`. */
  #published(seen: string): string {
    const { copies, view } = this.#shape;
    const names = this.#shape.columns.map(({ published }) => ({
      published: quoteName(published),
      stored: copies?.stored.get(published) ?? published,
    }));
    const renamed = names.map(({ published, stored }) => `${quoteName(stored)} AS ${published}`);
    const log = copies?.log ?? '';
    const { hashedKey = [], stored } = copies ?? {};
    if (hashedKey.length === 0) {
      const rows = rowsThere(
        log,
        names.map((name) => name.stored),
        seen,
      );
      return `SELECT ${[...renamed, `${COPY_COLUMNS.copies} AS __copies`].join(', ')} FROM (${rows})`;
    }
    // The view as it is, but for rows that were changed since: those as they were.
    const published = hashedKey.map(quoteName);
    const key = hashedKey.map((name) => quoteName(stored?.get(name) ?? name));
    const changed = `(SELECT ${key.join(', ')} FROM ${log} WHERE NOT (${seen}))`;
    return `SELECT ${names.map((name) => name.published).join(', ')}, 1 AS __copies FROM ${view}
      WHERE ${tuple(published)} NOT IN ${changed}
      UNION ALL
      SELECT ${renamed.join(', ')}, 1 AS __copies FROM (
        SELECT * FROM ${log} WHERE ${seen} AND ${tuple(key)} IN ${changed}
        ORDER BY _version DESC LIMIT 1 BY ${key.join(', ')})
      WHERE _deleted = 0`;
  }

  async *#pairs(query: string): AsyncGenerator<[string, string]> {
    try {
      const result = await this.#client.query({
        query,
        format: 'JSONCompactEachRow',
        clickhouse_settings: EXACT,
      });
      for await (const rows of result.stream<[string, string]>()) {
        for (const row of rows) yield row.json();
      }
    } catch (error) {
      throw sinkError(error, `reading ${this.#shape.view}`);
    }
  }

  /** Keys of the rows whose keys have one of these hashes. */
  async keysByHash(keyHashes: readonly string[]): Promise<Key[]> {
    const { key, view } = this.#shape;
    const rows = await this.#rows(
      `SELECT ${key.map((_, index) => `__k${index}`).join(', ')} FROM (
         SELECT ${key.map(({ clickhouse }, index) => `${clickhouse} AS __k${index}`).join(', ')} FROM ${view})
       WHERE ${this.#keyHash()} IN (${keyHashes.join(', ')})`,
    );
    return rows.map((texts) => texts.map(text));
  }

  /**
   * Looks rows up by their keys.
   *
   * @param show - whether cells are their texts; else they are digests of them
   */
  async cells(keys: readonly Key[], show: boolean): Promise<ReadonlyMap<string, RowCells>> {
    if (keys.length === 0) return new Map();
    const { columns, key, view } = this.#shape;
    const cells = columns.map(({ clickhouse }) =>
      show ? clickhouse : `lower(hex(MD5(${clickhouse})))`,
    );
    const list = keys.map((texts) =>
      tuple(texts.map((value, index) => key[index]?.lookedLiteral(value) ?? '')),
    );
    const rows = await this.#rows(
      `SELECT ${[...key.map(({ clickhouse }) => clickhouse), ...cells].join(', ')} FROM ${view}
       WHERE ${tuple(key.map(({ looked }) => looked))} IN (${list.join(', ')})`,
    );
    return new Map(
      rows.map((row) => [
        keyId(row.slice(0, key.length).map(text)),
        { cells: row.slice(key.length) },
      ]),
    );
  }

  #keyHash(): string {
    return clickhouseHash(clickhouseRow(this.#shape.key.map((_, index) => `__k${index}`)));
  }

  /** Selects the hash of each row as `__hash`, and expressions of the key as `__k0`, … beside it. */
  #hashed(ofKey: readonly string[], where: string): string {
    const keys = ofKey.map((expression, index) => `${expression} AS __k${index}`);
    return `SELECT ${[`${this.#rowHash()} AS __hash`, ...ofKey.map((_, index) => `__k${index}`)].join(', ')}
      FROM (SELECT ${[...this.#texts(), ...keys].join(', ')} FROM ${this.#shape.view} ${where})`;
  }

  /** Expressions of the columns' texts, as `__c0`, … */
  #texts(): string[] {
    return this.#summed.map(({ clickhouse }, index) => `${clickhouse} AS __c${index}`);
  }

  #rowHash(): string {
    const texts = this.#summed.map((_, index) => `__c${index}`);
    const plain = plainColumns(this.#shape).length;
    if (plain === texts.length || plain === 0) return clickhouseHash(clickhouseRow(texts));
    // As the source tells it: one digest of all that needs no hashing, and the hashes.
    const digest = `lower(hex(MD5(${clickhouseRow(texts.slice(0, plain))})))`;
    return clickhouseHash(clickhouseRow([digest, ...texts.slice(plain)]));
  }

  #within({ after, upTo }: KeyRange): string {
    const { key } = this.#shape;
    const names = tuple(key.map(({ ordered }) => ordered));
    const first = key[0];
    // The condition on the first column says nothing new; the primary index understands it.
    const conditions = [
      ...(after === undefined
        ? []
        : [
            `${names} > ${this.#bound(after)}`,
            `${first?.ordered} >= ${first?.orderedLiteral(after[0] ?? '')}`,
          ]),
      ...(upTo === undefined
        ? []
        : [
            `${names} <= ${this.#bound(upTo)}`,
            `${first?.ordered} <= ${first?.orderedLiteral(upTo[0] ?? '')}`,
          ]),
    ];
    return conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  }

  #bound(key: Key): string {
    return tuple(key.map((value, index) => this.#shape.key[index]?.orderedLiteral(value) ?? ''));
  }

  async #rows(query: string): Promise<Cells[]> {
    try {
      const result = await this.#client.query({
        query,
        format: 'JSONCompactEachRow',
        clickhouse_settings: {
          ...EXACT,
          max_query_size: String(query.length * 4 + STATEMENT_BYTES),
        },
      });
      return await result.json<Cells>();
    } catch (error) {
      throw sinkError(error, `reading ${this.#shape.view}`);
    }
  }
}

function text(value: string | null | undefined): string {
  return value ?? '';
}

/** One expression of several: itself when it is alone. */
function tuple(parts: readonly string[]): string {
  return parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(', ')})`;
}
