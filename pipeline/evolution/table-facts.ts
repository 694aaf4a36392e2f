import type pg from 'pg';
import { isCaptured, type TablePattern } from '../catalog/table-pattern.ts';

/** A published table as Postgres's catalog has it. */
export interface TableFacts {
  /** `pg_class.oid`: a rename keeps it. */
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** Partitions that hold rows, by oid. */
  readonly partitions: readonly number[];
  /** Those of them that were made on their own and attached later: they may have brought rows. */
  readonly attached: readonly number[];
  /** Labels of the enums of its columns, by oid, which a rename of the label keeps. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What a database says of the tables that a source captures. */
export interface SourceTables {
  /** Tables that match the catalog and are published. */
  readonly published: readonly TableFacts[];
  /** Oids of all tables there are. */
  readonly existing: ReadonlySet<number>;
}

const EXISTING = "SELECT oid::int8::float8 AS oid FROM pg_class WHERE relkind IN ('r', 'p')";

// Making a partition writes its rows of pg_inherits and pg_attribute in one transaction; attaching a
// table that was there writes the first alone. The row of a system column is never written again.
const PUBLISHED = `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS table,
         ARRAY(SELECT relid::oid::int8::float8 FROM pg_partition_tree(c.oid)
               WHERE isleaf AND relid <> c.oid ORDER BY 1) AS partitions,
         ARRAY(SELECT relid::oid::int8::float8 FROM pg_partition_tree(c.oid) AS part
               WHERE isleaf AND relid <> c.oid AND EXISTS (
                 SELECT FROM pg_inherits i JOIN pg_attribute a ON a.attrelid = i.inhrelid
                 WHERE i.inhrelid = part.relid AND a.attname = 'ctid' AND a.xmin <> i.xmin)
               ORDER BY 1) AS attached,
         coalesce((SELECT json_object_agg(e.oid, e.enumlabel)
           FROM pg_enum e WHERE e.enumtypid IN (
             SELECT coalesce(element.oid, base.oid) FROM pg_attribute a
             JOIN pg_type t ON t.oid = a.atttypid
             JOIN pg_type base ON base.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
             LEFT JOIN pg_type element ON element.oid = base.typelem AND base.typcategory = 'A'
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)), '{}') AS labels
  FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
  JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE p.pubname = $1 ORDER BY 2, 3`;

/**
 * Reads what Postgres's catalog says of a source's tables.
 *
 * @returns undefined while nothing captures them: there is no slot
 */
export async function readTables(
  client: pg.Client,
  source: { readonly tables: readonly TablePattern[]; readonly exclude: readonly TablePattern[] },
  names: { readonly slot: string; readonly publication: string },
): Promise<SourceTables | undefined> {
  const { rowCount } = await client.query(
    'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()',
    [names.slot],
  );
  return rowCount === 0 ? undefined : readPublishedTables(client, source, names.publication);
}

/** Reads what Postgres's catalog says of a source's tables, whether anything captures them or not. */
export async function readPublishedTables(
  client: pg.Client,
  source: { readonly tables: readonly TablePattern[]; readonly exclude: readonly TablePattern[] },
  publication: string,
): Promise<SourceTables> {
  const published = await client.query<TableFacts>(PUBLISHED, [publication]);
  const existing = await client.query<{ oid: number }>(EXISTING);
  return {
    published: published.rows.filter((table) => isCaptured(source, table)),
    existing: new Set(existing.rows.map(({ oid }) => oid)),
  };
}
