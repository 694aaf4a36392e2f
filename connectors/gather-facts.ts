import type pg from 'pg';
import { z } from 'zod';
import type { SourceFacts } from './source-facts.ts';

const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined);
const tableName = z.object({ schema: z.string(), table: z.string() });

const serverRow = z.object({
  serverVersion: z.coerce.number(),
  walLevel: z.string(),
  maxSlotWalKeepMb: z.coerce.number(),
  slotsAllowed: z.coerce.number(),
  walSendersAllowed: z.coerce.number(),
  walSendersUsed: z.coerce.number(),
  database: z.string(),
});

const roleRow = z.object({
  name: z.string(),
  superuser: z.boolean(),
  replication: z.boolean(),
  bypassesRowSecurity: z.boolean(),
  createsRoles: z.boolean(),
  createsDatabases: z.boolean(),
  createsInDatabase: z.boolean(),
});

const slotRow = z.object({
  name: z.string(),
  plugin: optional(z.string()),
  database: optional(z.string()),
  active: z.boolean(),
  activePid: optional(z.number()),
  walStatus: optional(z.string()),
});

const publicationRow = z.object({
  allTables: z.boolean(),
  schemas: z.array(z.string()),
  viaPartitionRoot: z.boolean(),
  publishes: z.object({
    insert: z.boolean(),
    update: z.boolean(),
    delete: z.boolean(),
    truncate: z.boolean(),
  }),
  tables: z.array(
    tableName.extend({ rowFilter: optional(z.string()), hasColumnList: z.boolean() }),
  ),
});

const tableRow = tableName.extend({
  partitioned: z.boolean(),
  partitionRoot: optional(tableName),
  unlogged: z.boolean(),
  rowSecurity: z.boolean(),
  roleSeesOnly: optional(z.string()),
  replicaIdentity: z.string(),
  primaryKey: z.enum(['none', 'immediate', 'deferrable']),
  keyMadeImmediate: optional(z.string()),
  identityColumns: z.array(z.string()),
  keyCandidate: optional(z.string()),
  uniqueIndex: optional(z.string()),
  roleOwns: z.boolean(),
  roleSelects: z.boolean(),
  roleUsesSchema: z.boolean(),
  roleWrites: z.array(z.string()),
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      typeKind: z.string(),
      dimensions: z.number(),
      builtIn: z.boolean(),
      generated: z.enum(['no', 'stored', 'virtual']),
      isKey: z.boolean(),
    }),
  ),
});

/**
 * Asks a database everything that capture depends on. Reads the system catalogs only, takes no
 * lock that anything waits for.
 *
 * @param role - the capture role, which need not exist yet nor be the one connected
 * @param publication - name of the source's publication
 */
export async function gatherFacts(
  client: pg.ClientBase,
  role: string,
  publication: string,
): Promise<SourceFacts> {
  const rows = async <T>(schema: z.ZodType<T>, sql: string, values: readonly string[] = []) =>
    z.array(schema).parse((await client.query(sql, [...values])).rows);
  const [server] = await rows(serverRow, SERVER_SQL);
  const [roleFacts] = await rows(roleRow, ROLE_SQL, [role]);
  const [published] = await rows(publicationRow, publicationSql(server?.serverVersion ?? 0), [
    publication,
  ]);
  if (server === undefined || roleFacts === undefined) {
    throw new Error('the server did not describe itself');
  }
  return {
    ...server,
    role: roleFacts,
    slots: await rows(slotRow, SLOTS_SQL),
    publication: published,
    tables: await rows(tableRow, TABLES_SQL, [role]),
  };
}

const SERVER_SQL = `
  SELECT current_setting('server_version_num') AS "serverVersion",
         current_setting('wal_level') AS "walLevel",
         (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS "maxSlotWalKeepMb",
         current_setting('max_replication_slots') AS "slotsAllowed",
         current_setting('max_wal_senders') AS "walSendersAllowed",
         (SELECT count(*) FROM pg_stat_replication) AS "walSendersUsed",
         current_database() AS database`;

// A role that is not there yet has no attribute and no right.
const ROLE_SQL = `
  SELECT $1::text AS name,
         coalesce(rolsuper, false) AS superuser,
         coalesce(rolreplication, false) AS replication,
         coalesce(rolbypassrls, false) AS "bypassesRowSecurity",
         coalesce(rolcreaterole, false) AS "createsRoles",
         coalesce(rolcreatedb, false) AS "createsDatabases",
         coalesce(has_database_privilege(r.oid, current_database(), 'CREATE'), false)
           AS "createsInDatabase"
  FROM (VALUES (1)) AS one LEFT JOIN pg_roles r ON r.rolname = $1`;

const SLOTS_SQL = `
  SELECT slot_name AS name, plugin::text, database::text, active, active_pid AS "activePid",
         wal_status AS "walStatus"
  FROM pg_replication_slots`;

/** Row filters, column lists and whole schemas came with Postgres 15. */
function publicationSql(serverVersion: number): string {
  const since15 = serverVersion >= 150_000;
  return `
  SELECT puballtables AS "allTables",
         ${
           since15
             ? `ARRAY(SELECT nspname::text FROM pg_publication_namespace
                JOIN pg_namespace n ON n.oid = pnnspid WHERE pnpubid = p.oid)`
             : `'{}'::text[]`
         } AS schemas,
         pubviaroot AS "viaPartitionRoot",
         json_build_object('insert', pubinsert, 'update', pubupdate, 'delete', pubdelete,
                           'truncate', pubtruncate) AS publishes,
         coalesce((SELECT json_agg(json_build_object('schema', nspname, 'table', relname,
             'rowFilter', ${since15 ? 'pg_get_expr(prqual, prrelid)' : 'NULL'},
             'hasColumnList', ${since15 ? 'prattrs IS NOT NULL' : 'false'}))
           FROM pg_publication_rel JOIN pg_class c ON c.oid = prrelid
           JOIN pg_namespace n ON n.oid = relnamespace WHERE prpubid = p.oid), '[]') AS tables
  FROM pg_publication p WHERE pubname = $1`;
}

const TABLES_SQL = `
  WITH capture AS (SELECT (SELECT oid FROM pg_roles WHERE rolname = $1) AS role)
  SELECT n.nspname AS schema, c.relname AS table,
         c.relkind = 'p' AS partitioned,
         CASE WHEN c.relispartition THEN (
           SELECT json_build_object('schema', rn.nspname, 'table', rc.relname)
           FROM pg_class rc JOIN pg_namespace rn ON rn.oid = rc.relnamespace
           WHERE rc.oid = pg_partition_root(c.oid)) END AS "partitionRoot",
         c.relpersistence = 'u' AS unlogged,
         c.relrowsecurity AS "rowSecurity",
         (SELECT string_agg(pg_get_expr(polqual, polrelid), ' AND ') FROM pg_policy
          WHERE polrelid = c.oid AND NOT polpermissive AND polcmd IN ('r', '*')
            AND capture.role = ANY (polroles)) AS "roleSeesOnly",
         c.relreplident::text AS "replicaIdentity",
         coalesce((SELECT CASE WHEN indimmediate THEN 'immediate' ELSE 'deferrable' END
                   FROM pg_index WHERE indrelid = c.oid AND indisprimary), 'none') AS "primaryKey",
         (SELECT format('DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I %2$s', conname,
                        regexp_replace(pg_get_constraintdef(oid), ' DEFERRABLE( INITIALLY DEFERRED)?$', ''))
          FROM pg_constraint WHERE conrelid = c.oid AND contype = 'p' AND condeferrable) AS "keyMadeImmediate",
         ARRAY(SELECT a.attname::text FROM pg_index i
               CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS place (number, nth)
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = place.number
               WHERE i.indrelid = c.oid AND i.indisreplident AND c.relreplident = 'i'
               ORDER BY place.nth) AS "identityColumns",
         (SELECT quote_ident(named.relname) FROM pg_index i JOIN pg_class named ON named.oid = i.indexrelid
          WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT i.indisprimary
            AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                            AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
          ORDER BY i.indnatts, i.indexrelid LIMIT 1) AS "keyCandidate",
         (SELECT quote_ident(named.relname) FROM pg_index i JOIN pg_class named ON named.oid = i.indexrelid
          WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary
          ORDER BY i.indexrelid LIMIT 1) AS "uniqueIndex",
         c.relowner IS NOT DISTINCT FROM capture.role AS "roleOwns",
         coalesce(has_table_privilege(capture.role, c.oid, 'SELECT'), false) AS "roleSelects",
         coalesce(has_schema_privilege(capture.role, n.oid, 'USAGE'), false) AS "roleUsesSchema",
         ARRAY(SELECT privilege FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'])
               AS privilege WHERE has_table_privilege(capture.role, c.oid, privilege)) AS "roleWrites",
         (SELECT coalesce(json_agg(json_build_object(
            'name', a.attname,
            'type', coalesce(element.typname, base.typname),
            'typeKind', coalesce(element.typtype, base.typtype),
            'dimensions', CASE WHEN element.oid IS NULL THEN 0 ELSE greatest(a.attndims, 1) END,
            'builtIn', coalesce(element.typnamespace, base.typnamespace) = 'pg_catalog'::regnamespace,
            'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual'
                         ELSE 'no' END,
            'isKey', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid
                             AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END
                             AND a.attnum = ANY (i.indkey))) ORDER BY a.attnum), '[]')
          FROM pg_attribute a
          JOIN pg_type t ON t.oid = a.atttypid
          JOIN pg_type base ON base.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
          LEFT JOIN pg_type element ON base.typsubscript = 'array_subscript_handler'::regproc
                                   AND element.oid = base.typelem
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, capture
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'
                    AND d.classid = 'pg_class'::regclass)
  ORDER BY 1, 2`;
