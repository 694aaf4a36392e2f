import type { ClickHouseClient } from '@clickhouse/client';
import { firstVersion, type Epoch } from '../change/version.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';
import { isKeyless, sumRows } from '../sink/keyless-ddl.ts';
import { CHANGES, CURRENT, type StoredColumn } from '../sink/table-ddl.ts';
import { COPY_COLUMNS, OWN_COLUMNS, OWN_NAMES } from '../transform/table-plan.ts';
import { insertCopied } from './copied-rows.ts';

/** Place of rows that no record brought: a partition that Kafka never has. */
export const NO_PARTITION = 4_294_967_295;
/** Memory that comparing may take before it goes on on disk, in bytes. */
const MEMORY_BYTES = 512 * 1024 * 1024;

/** What a copy put right. */
export interface Corrections {
  /** Rows that the warehouse lacked or had otherwise. */
  readonly written: number;
  /** Rows that it had and the source had not. */
  readonly removed: number;
}

/** A copy of a table beside its storage, to be compared with it. */
export class StagedCopy {
  readonly #client: ClickHouseClient;
  readonly #storage: string;
  readonly #staging: string;
  readonly #found: string;
  /** Columns that are copied. */
  readonly #columns: readonly StoredColumn[];
  /** Columns that the source no longer has: a row that is written keeps what it has in them. */
  readonly #kept: readonly string[];
  /** Whether equal rows are counted, because nothing else tells rows apart. */
  readonly #isKeyless: boolean;

  /**
   * @param storage - name of the table in `current` and `changes`
   * @param columns - its columns
   * @param copied - names of those that the copy has
   */
  constructor(
    client: ClickHouseClient,
    storage: string,
    columns: readonly StoredColumn[],
    copied: readonly string[],
  ) {
    this.#client = client;
    this.#storage = quoteName(storage);
    // With a blank in it, so that no name of anybody's is like it.
    this.#staging = `ops.${quoteName(`resync ${storage}`)}`;
    this.#found = `ops.${quoteName(`resync ${storage} found`)}`;
    this.#isKeyless = isKeyless(columns);
    this.#columns = columns.filter(({ name }) => copied.includes(name));
    this.#kept = columns
      .map(({ name }) => name)
      .filter((name) => !OWN_NAMES.has(name) && !copied.includes(name));
  }

  /** Makes room for a copy; what a killed one left is dropped. */
  async create(): Promise<void> {
    await this.drop();
    const [like, order] = this.#isKeyless ? [CHANGES, [COPY_COLUMNS.row]] : [CURRENT, this.#key()];
    await this.#command(
      `CREATE TABLE ${this.#staging} AS ${like}.${this.#storage}
       ENGINE = MergeTree ORDER BY (${order.join(', ')})`,
    );
  }

  async drop(): Promise<void> {
    await this.#command(`DROP TABLE IF EXISTS ${this.#staging}`);
    await this.#command(`DROP TABLE IF EXISTS ${this.#found}`);
  }

  /** @param names - names of the copied columns, in the order of the values */
  async insert(names: readonly string[], tabSeparated: Buffer): Promise<void> {
    await this.#guard('storing a copy', () =>
      insertCopied(this.#client, this.#staging, names, tabSeparated),
    );
  }

  async count(): Promise<number> {
    return this.#number(`SELECT count() FROM ${this.#staging}`);
  }

  /**
   * Writes what differs, as of the beginning of an epoch: rows that have changed in it since are
   * right already and stay as they are.
   *
   * @param readAt - when the copy was taken
   */
  async apply(epoch: Epoch, readAt: string): Promise<Corrections> {
    return this.#isKeyless ? this.#applyCopies(epoch, readAt) : this.#applyRows(epoch, readAt);
  }

  /**
   * Adds copies that the change log lacks of a row, and takes away those it has too many: what is of
   * the epoch itself came after the copy of the table and counts on top. Rows keep nothing in columns
   * that the source no longer has, because nobody can say which of them it was.
   */
  async #applyCopies(epoch: Epoch, readAt: string): Promise<Corrections> {
    const { row, copies } = COPY_COLUMNS;
    const log = `${CHANGES}.${this.#storage}`;
    const names = [...this.#columns.map(({ name }) => name), ...this.#kept];
    const columns = names.map(quoteName);
    const version = `toUInt128(${quoteText(firstVersion(epoch).toString())})`;
    const both =
      `(SELECT ${[...columns, row, copies].join(', ')} FROM ${this.#staging} UNION ALL ` +
      `SELECT ${[...columns, row].join(', ')}, -${copies} FROM ${log} FINAL WHERE _version < ${version}) AS c`;
    const own = ownValues(epoch, readAt, {
      deleted: `${copies} < 0`,
      op: `if(${copies} < 0, 'delete', 'snapshot')`,
    });
    const ownNames = OWN_COLUMNS.map(({ name }) => name);
    await this.#command(
      `INSERT INTO ${log} (${[...columns, ...ownNames, row, copies].join(', ')})
       SELECT ${[...columns, ...own, row, copies].join(', ')}
       FROM (${sumRows(both, names, '!= 0')})
       SETTINGS max_bytes_before_external_group_by = ${MEMORY_BYTES}`,
    );
    const sumOf = (which: string) =>
      this.#number(
        `SELECT sumIf(abs(${copies}), ${copies} ${which} 0) FROM ${log} FINAL WHERE _version = ${version}`,
      );
    return { written: await sumOf('>'), removed: await sumOf('<') };
  }

  async #applyRows(epoch: Epoch, readAt: string): Promise<Corrections> {
    const key = this.#key();
    const names = this.#columns.map(({ name }) => quoteName(name));
    const version = `toUInt128(${quoteText(firstVersion(epoch).toString())})`;
    // One text per row: equal exactly when all cells are, NULL, NaN and negative zero too.
    const hash = `sipHash128(formatRowNoNewline('TSV', ${names.join(', ')}))`;
    await this.#command(`DROP TABLE IF EXISTS ${this.#found}`);
    await this.#command(
      `CREATE TABLE ${this.#found} ENGINE = MergeTree ORDER BY (${key.join(', ')}) AS
       SELECT ${key.join(', ')}, countIf(_is_copy) AS _in_source FROM (
         SELECT ${key.join(', ')}, true AS _is_copy, ${hash} AS _hash, toUInt128(0) AS _of, 0 AS _gone
         FROM ${this.#staging}
         UNION ALL
         SELECT ${key.join(', ')}, false, ${hash}, _version, _deleted FROM ${CURRENT}.${this.#storage})
       GROUP BY ${key.join(', ')}
       HAVING maxIf(_of, NOT _is_copy) < ${version} AND if(_in_source > 0,
         countIf(NOT _is_copy) = 0 OR argMaxIf(_gone, _of, NOT _is_copy) = 1
           OR argMaxIf(_hash, _of, NOT _is_copy) != anyIf(_hash, _is_copy),
         argMaxIf(_gone, _of, NOT _is_copy) = 0)
       SETTINGS max_bytes_before_external_group_by = ${MEMORY_BYTES}`,
    );
    const written = await this.#number(`SELECT countIf(_in_source > 0) FROM ${this.#found}`);
    const removed = await this.#number(`SELECT countIf(_in_source = 0) FROM ${this.#found}`);
    const own = (op: 'snapshot' | 'delete') =>
      ownValues(epoch, readAt, { deleted: String(op === 'delete'), op: quoteText(op) });
    const ownNames = OWN_COLUMNS.map(({ name }) => name);
    const kept = this.#kept.map(quoteName);
    const isFound = (which: string) =>
      `(${key.join(', ')}) IN (SELECT ${key.join(', ')} FROM ${this.#found} WHERE ${which})`;
    // The change log first: what is in the current table is not found to differ again.
    for (const database of [CHANGES, CURRENT]) {
      const storage = `${database}.${this.#storage}`;
      await this.#command(
        `INSERT INTO ${storage} (${[...names, ...kept, ...ownNames].join(', ')})
         SELECT ${[...names, ...kept, ...own('snapshot')].join(', ')} FROM (
           SELECT ${names.join(', ')} FROM ${this.#staging} WHERE ${isFound('_in_source > 0')}) AS _copied
         ${kept.length === 0 ? '' : `LEFT JOIN (SELECT ${[...key, ...kept].join(', ')} FROM ${CURRENT}.${this.#storage} FINAL WHERE ${isFound('_in_source > 0')}) AS _before USING (${key.join(', ')})`}`,
      );
      await this.#command(
        `INSERT INTO ${storage} (${[...key, ...ownNames].join(', ')})
         SELECT ${[...key, ...own('delete')].join(', ')} FROM (
           SELECT ${key.join(', ')} FROM ${this.#found} WHERE _in_source = 0)`,
      );
    }
    return { written, removed };
  }

  #key(): string[] {
    return this.#columns.filter(({ isKey }) => isKey).map(({ name }) => quoteName(name));
  }

  async #number(query: string): Promise<number> {
    return this.#guard('counting a copy', async () => {
      const result = await this.#client.query({ query, format: 'TabSeparated' });
      return Number((await result.text()).trim());
    });
  }

  async #command(query: string): Promise<void> {
    await this.#guard('comparing a copy', async () => {
      await this.#client.command({ query, clickhouse_settings: { wait_end_of_query: 1 } });
    });
  }

  async #guard<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw sinkError(error, `${doing} of ${this.#storage}`);
    }
  }
}

/** SQL of the columns of ours in rows that no record brought. */
function ownValues(
  epoch: Epoch,
  readAt: string,
  { deleted, op }: { readonly deleted: string; readonly op: string },
): string[] {
  return OWN_COLUMNS.map(({ name, clickhouse }) => {
    const value = {
      _version: quoteText(firstVersion(epoch).toString()),
      _deleted: deleted,
      _op: op,
      _committed_at: quoteText(readAt),
      _lsn: '0',
      _partition: String(NO_PARTITION),
      _offset: '0',
      _transaction: '0',
    }[name];
    return `CAST(${value} AS ${clickhouse}) AS ${quoteName(name)}`;
  });
}
