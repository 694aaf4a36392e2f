import type { ClickHouseClient } from '@clickhouse/client';
import { firstVersion, type Epoch } from '../change/version.ts';
import { insertCopied } from '../resync/copied-rows.ts';
import { NO_PARTITION } from '../resync/staged-copy.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';
import { CHANGES, CURRENT, currentType, HISTORY } from '../sink/table-ddl.ts';
import { OWN_COLUMNS, storageName, type TablePlan } from '../transform/table-plan.ts';

/** Number of a row of a table without a key. With a blank in it, so that no column is called so. */
const ROW_NUMBER = 'row number';
const NEWLINE = 10;

/**
 * Where the copied rows of a table go in: a table that keeps nothing, and two views of it that put
 * each block into the change log and the current table. So a row is read once, and comes without
 * the columns of ours, which are the same for all.
 *
 * Of a table without a key there is no current table, and rows have a number, which goes into their
 * versions: equal ones would pass for one that came twice.
 */
export class LoadStorage {
  readonly #client: ClickHouseClient;
  readonly #plan: TablePlan;
  readonly #storage: string;
  readonly #inlet: string;
  readonly #views: readonly (readonly [view: string, target: string])[];
  #rows = 0;

  constructor(client: ClickHouseClient, plan: TablePlan) {
    this.#client = client;
    this.#plan = plan;
    const name = storageName(plan);
    this.#storage = name;
    this.#inlet = helper(name, 'inlet');
    this.#views = viewsOf(name, plan.isKeyless ? [CHANGES] : [CHANGES, CURRENT]);
  }

  /**
   * Opens it; the table's storage has to be there.
   *
   * @param epoch - that of the copied rows, whose first version they get
   * @param readAt - when they were read
   */
  async open(epoch: Epoch, readAt: string): Promise<void> {
    await this.close();
    const { columns, isKeyless } = this.#plan;
    const names = columns.map(({ stored }) => quoteName(stored));
    const definitions = columns.map(
      (column) => `${quoteName(column.stored)} ${currentType(column)}`,
    );
    if (isKeyless) definitions.unshift(`${quoteName(ROW_NUMBER)} UInt64`);
    await this.#command(`CREATE TABLE ${this.#inlet} (${definitions.join(', ')}) ENGINE = Null`);
    const own = OWN_COLUMNS.map(({ name, clickhouse }) => {
      const value = {
        _version: firstVersion(epoch).toString(),
        _deleted: '0',
        _op: 'snapshot',
        _committed_at: readAt,
        _lsn: '0',
        _partition: String(NO_PARTITION),
        _offset: '0',
        _transaction: '0',
      }[name];
      const number = isKeyless && name === '_version' ? ` + ${quoteName(ROW_NUMBER)}` : '';
      return `CAST(CAST(${quoteText(value)} AS ${clickhouse})${number} AS ${clickhouse}) AS ${quoteName(name)}`;
    });
    for (const [view, target] of this.#views) {
      await this.#command(
        `CREATE MATERIALIZED VIEW ${view} TO ${target} AS SELECT ${[...names, ...own].join(', ')} FROM ${this.#inlet}`,
      );
    }
  }

  /** @param rows - tab-separated values of the plan's columns, whole rows */
  async insert(rows: Buffer): Promise<void> {
    const names = this.#plan.columns.map(({ stored }) => stored);
    if (this.#plan.isKeyless) names.unshift(ROW_NUMBER);
    const values = this.#plan.isKeyless ? this.#numbered(rows) : rows;
    try {
      await insertCopied(this.#client, this.#inlet, names, values);
    } catch (error) {
      throw sinkError(error, `storing copied rows of ${this.#storage}`);
    }
  }

  #numbered(rows: Buffer): Buffer {
    const pieces: Buffer[] = [];
    for (let start = 0; start < rows.length;) {
      const end = rows.indexOf(NEWLINE, start) + 1 || rows.length;
      pieces.push(Buffer.from(`${this.#rows}\t`), rows.subarray(start, end));
      this.#rows += 1;
      start = end;
    }
    return Buffer.concat(pieces);
  }

  /** Takes the inlet away; the rows stay. */
  async close(): Promise<void> {
    for (const statement of closing(this.#storage)) await this.#command(statement);
  }

  async #command(query: string): Promise<void> {
    await run(this.#client, query, this.#storage);
  }
}

/**
 * Removes a table that a first load did not finish, as if it had never been there.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function removeTable(
  client: ClickHouseClient,
  table: Pick<TablePlan, 'source' | 'relation'>,
): Promise<void> {
  const name = storageName(table);
  const storage = quoteName(name);
  for (const statement of [
    ...closing(name),
    `DROP VIEW IF EXISTS ${HISTORY}.${storage}`,
    `DROP VIEW IF EXISTS ${quoteName(table.source)}.${quoteName(table.relation)}`,
    `DROP TABLE IF EXISTS ${CURRENT}.${storage} SYNC`,
    `DROP TABLE IF EXISTS ${CHANGES}.${storage} SYNC`,
  ]) {
    await run(client, statement, name);
  }
}

/** With a blank in it, so that no name of anybody's is like it. */
function helper(storage: string, what: string): string {
  return `ops.${quoteName(`first load ${storage} ${what}`)}`;
}

function viewsOf(storage: string, databases: readonly string[] = [CHANGES, CURRENT]) {
  return databases.map(
    (database) => [helper(storage, database), `${database}.${quoteName(storage)}`] as const,
  );
}

function closing(storage: string): string[] {
  return [
    ...viewsOf(storage).map(([view]) => `DROP VIEW IF EXISTS ${view} SYNC`),
    `DROP TABLE IF EXISTS ${helper(storage, 'inlet')} SYNC`,
  ];
}

async function run(client: ClickHouseClient, query: string, storage: string): Promise<void> {
  try {
    await client.command({ query, clickhouse_settings: { wait_end_of_query: 1 } });
  } catch (error) {
    throw sinkError(error, `preparing the first load of ${storage}`);
  }
}
