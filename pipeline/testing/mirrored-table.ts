import { NO_COLUMN_RULES, tableRules } from '../catalog/column-rules.ts';
import { Readable } from 'node:stream';
import type { ClickHouseClient } from '@clickhouse/client';
import pg from 'pg';
import type { AvroSchema } from '../avro/avro-schema.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';
import { CHANGES, createTable, CURRENT } from '../sink/table-ddl.ts';
import { planTable, storageName, type TablePlan } from '../transform/table-plan.ts';
import { envelopeSchema } from './sample-envelope.ts';

/** A column of a table that a test keeps on both sides. */
export interface MirroredColumn {
  readonly name: string;
  /** Its definition at the source, e.g. `bigint NOT NULL`. */
  readonly definition: string;
  /** Its schema in the records of a connector. */
  readonly avro: AvroSchema;
}

interface LoggedChange {
  readonly n: string;
  readonly deleted: boolean;
  readonly image: string;
  /** The low 32 bits of its transaction's number. */
  readonly xid: string;
}

/** Settings by which ClickHouse reads the JSON that Postgres makes of a row. */
const READ_JSON = {
  date_time_input_format: 'best_effort',
  input_format_json_read_objects_as_strings: 1,
  input_format_json_read_arrays_as_strings: 1,
  input_format_json_read_numbers_as_strings: 1,
} as const;

/**
 * A table of source `shop` with the warehouse's storage for it, kept equal without a connector:
 * a trigger notes each change in a log, in commit order as long as there is one writer, and
 * {@link apply} brings noted changes over.
 */
export class MirroredTable {
  readonly plan: TablePlan;
  readonly #source: pg.Client;
  readonly #warehouse: ClickHouseClient;
  readonly #log: string;
  #applied = 0;

  private constructor(source: pg.Client, warehouse: ClickHouseClient, plan: TablePlan) {
    this.#source = source;
    this.#warehouse = warehouse;
    this.plan = plan;
    this.#log = pg.escapeIdentifier(`${plan.table}_log`);
  }

  /** Makes the table on both sides, without a key when none is named. */
  static async create(
    source: pg.Client,
    warehouse: ClickHouseClient,
    what: { table: string; columns: readonly MirroredColumn[]; key: readonly string[] },
  ): Promise<MirroredTable> {
    const { table, columns, key } = what;
    const fields = columns.map(({ name, avro }) => ({ name, type: avro }));
    const plan = planTable({
      source: 'shop',
      schema: 'public',
      table,
      keySchema:
        key.length === 0
          ? null
          : {
              type: 'record',
              name: 'Key',
              fields: fields.filter(({ name }) => key.includes(name)),
            },
      valueSchema: envelopeSchema(table, fields),
      schemaId: 1,
      rules: tableRules(NO_COLUMN_RULES, { schema: 'public', table }),
    });
    const mirrored = new MirroredTable(source, warehouse, plan);
    for (const statement of createTable(plan).statements) {
      await warehouse.command({ query: statement });
    }
    const name = pg.escapeIdentifier(table);
    const primaryKey =
      key.length === 0
        ? ''
        : `, PRIMARY KEY (${key.map((column) => pg.escapeIdentifier(column)).join(', ')})`;
    await source.query(`
      CREATE TABLE ${name} (${columns.map((column) => `${pg.escapeIdentifier(column.name)} ${column.definition}`).join(', ')}${primaryKey});
      CREATE TABLE ${mirrored.#log} (n bigserial PRIMARY KEY, deleted boolean, image jsonb,
        xid text DEFAULT (pg_current_xact_id()::text::bigint & 4294967295)::text);
      CREATE FUNCTION ${pg.escapeIdentifier(`${table}_note`)}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP <> 'INSERT' THEN INSERT INTO ${mirrored.#log} (deleted, image) VALUES (true, to_jsonb(OLD)); END IF;
        IF TG_OP <> 'DELETE' THEN INSERT INTO ${mirrored.#log} (deleted, image) VALUES (false, to_jsonb(NEW)); END IF;
        RETURN NULL; END $$;
      CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON ${name}
        FOR EACH ROW EXECUTE FUNCTION ${pg.escapeIdentifier(`${table}_note`)}();`);
    return mirrored;
  }

  /** Number of the newest change that is committed. */
  async newest(): Promise<number> {
    const { rows } = await this.#source.query<{ n: string }>(
      `SELECT coalesce(max(n), 0)::text AS n FROM ${this.#log}`,
    );
    return Number(rows[0]?.n);
  }

  /** Number of the newest change that the warehouse holds. */
  get applied(): number {
    return this.#applied;
  }

  /** Brings changes over, up to this one. */
  async apply(upTo: number): Promise<void> {
    if (upTo <= this.#applied) return;
    const { rows } = await this.#source.query<LoggedChange>(
      `SELECT n::text, deleted, image::text, xid FROM ${this.#log} WHERE n > $1 AND n <= $2 ORDER BY n`,
      [this.#applied, upTo],
    );
    await this.#insert(
      rows.map(
        ({ n, deleted, image, xid }) =>
          `{"_version": ${n}, "_deleted": ${Number(deleted)}, "_transaction": ${xid}, ${image.slice(1)}`,
      ),
    );
    this.#applied = upTo;
  }

  /** Brings every row over as the source has it now, over whatever the warehouse has. */
  async restore(version: number): Promise<void> {
    const { rows } = await this.#source.query<{ image: string }>(
      `SELECT to_jsonb(t)::text AS image FROM ${pg.escapeIdentifier(this.plan.table)} AS t`,
    );
    await this.#warehouse.command({ query: `TRUNCATE TABLE ${this.#storage()}` });
    await this.#insert(rows.map(({ image }) => `{"_version": ${version}, ${image.slice(1)}`));
  }

  /**
   * Writes rows to the warehouse alone, made of those it has.
   *
   * @param replacements - SQL of ClickHouse by stored column
   * @param where - SQL that picks the rows
   */
  async damage(
    replacements: Readonly<Record<string, string>>,
    where: string,
    version: number,
  ): Promise<void> {
    const list = Object.entries({
      ...replacements,
      _version: `toUInt128(${quoteText(String(version))})`,
    })
      .map(([column, expression]) => `${expression} AS ${quoteName(column)}`)
      .join(', ');
    await this.#warehouse.command({
      // The subquery keeps a replaced column from standing in for the one that picks the rows.
      query: `INSERT INTO ${this.#storage()} SELECT * REPLACE (${list})
              FROM (SELECT * FROM ${this.#storage()} FINAL WHERE ${where})`,
    });
  }

  #storage(): string {
    return `${this.plan.isKeyless ? CHANGES : CURRENT}.${quoteName(storageName(this.plan))}`;
  }

  async #insert(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const { stream } = await this.#warehouse.exec({
      query: `INSERT INTO ${this.#storage()} FORMAT JSONEachRow`,
      values: Readable.from([Buffer.from(lines.join('\n'))], { objectMode: false }),
      clickhouse_settings: READ_JSON,
    });
    stream.resume();
  }
}
