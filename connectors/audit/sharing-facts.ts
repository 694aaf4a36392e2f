import type pg from 'pg';

/** Something in a database by which services may share more than they should. */
export interface SharingFacts {
  /** Number of the server's data directory: the same for two addresses of one server. */
  readonly server: string;
  readonly database: string;
  /** Owners of the captured tables. */
  readonly owners: readonly string[];
  /** Roles that can log in, are nobody of the above, and have rights on captured tables. */
  readonly readers: readonly { readonly role: string; readonly tables: readonly string[] }[];
  /** Tables that are elsewhere, with the server they are on. */
  readonly foreignTables: readonly { readonly table: string; readonly server: string }[];
  /** Extensions that reach into other databases. */
  readonly extensions: readonly string[];
  /** Logical replication that is not ours, in or out. */
  readonly replication: readonly string[];
  /** Views that read tables of another owner. */
  readonly views: readonly {
    readonly view: string;
    readonly owner: string;
    readonly tables: readonly string[];
  }[];
  /** Roles with open connections that are nobody of the above. */
  readonly connections: readonly { readonly role: string; readonly count: number }[];
}

/** Who is at home in a database: its owner, the tables' owners, who may be them, and superusers. */
const AT_HOME = `
  captured AS (
    SELECT c.oid, c.relowner, format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))),
  owners AS (
    SELECT relowner AS role FROM captured
    UNION SELECT datdba FROM pg_database WHERE datname = current_database()),
  at_home AS (
    SELECT r.oid FROM pg_roles r
    WHERE r.rolsuper OR r.rolname = $3 OR r.rolname LIKE 'pg\\_%'
      OR EXISTS (SELECT FROM owners WHERE pg_has_role(r.oid, owners.role, 'MEMBER')))`;

const FACTS = `
  WITH ${AT_HOME}
  SELECT (SELECT system_identifier::text FROM pg_control_system()) AS server,
         current_database() AS database,
         ARRAY(SELECT rolname::text FROM pg_roles WHERE oid IN (SELECT relowner FROM captured) ORDER BY 1) AS owners,
         coalesce((SELECT json_agg(json_build_object('role', role, 'tables', tables) ORDER BY role) FROM (
           SELECT r.rolname AS role, json_agg(c.name ORDER BY c.name) AS tables
           FROM pg_roles r JOIN captured c
             ON has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
               OR has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')
           WHERE r.rolcanlogin AND r.oid NOT IN (SELECT oid FROM at_home)
             AND has_database_privilege(r.oid, current_database(), 'CONNECT')
           GROUP BY r.rolname) AS found), '[]') AS readers,
         coalesce((SELECT json_agg(json_build_object(
             'table', f.ftrelid::regclass::text,
             'server', s.srvname || coalesce((SELECT ' (' || string_agg(option_name || ' ' || option_value, ', ')
               || ')' FROM pg_options_to_table(s.srvoptions) WHERE option_name IN ('host', 'port', 'dbname')), ''))
             ORDER BY f.ftrelid::regclass::text)
           FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver), '[]') AS "foreignTables",
         ARRAY(SELECT extname::text FROM pg_extension
               WHERE extname IN ('dblink', 'postgres_fdw') ORDER BY 1) AS extensions,
         ARRAY(SELECT 'publication ' || pubname FROM pg_publication WHERE pubname <> $4
               UNION ALL SELECT 'replication slot ' || slot_name FROM pg_replication_slots
               WHERE database = current_database() AND slot_name <> $5
               UNION ALL SELECT 'subscription ' || subname FROM pg_stat_subscription
               ORDER BY 1) AS replication,
         coalesce((SELECT json_agg(json_build_object('view', view, 'owner', owner, 'tables', tables) ORDER BY view) FROM (
           SELECT v.oid::regclass::text AS view, pg_get_userbyid(v.relowner)::text AS owner,
                  json_agg(DISTINCT t.oid::regclass::text) AS tables
           FROM pg_class v JOIN pg_rewrite w ON w.ev_class = v.oid
           JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
             AND d.refclassid = 'pg_class'::regclass
           JOIN pg_class t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p', 'f')
           JOIN pg_namespace n ON n.oid = v.relnamespace
           WHERE v.relkind IN ('v', 'm') AND t.relowner <> v.relowner
             AND n.nspname NOT IN ('pg_catalog', 'information_schema')
             AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = v.oid AND e.deptype = 'e')
           GROUP BY v.oid, v.relowner) AS found), '[]') AS views,
         coalesce((SELECT json_agg(json_build_object('role', role, 'count', count) ORDER BY role) FROM (
           SELECT a.usename AS role, count(*) AS count FROM pg_stat_activity a
           WHERE a.datname = current_database() AND a.usesysid NOT IN (SELECT oid FROM at_home)
           GROUP BY a.usename) AS found), '[]') AS connections`;

/**
 * Reads what may be shared of a source's database. Reads the system catalogs alone.
 *
 * @param source.role - the capture role, which is at home
 */
export async function readSharing(
  client: pg.Client,
  source: {
    readonly tables: readonly { readonly schema: string; readonly table: string }[];
    readonly role: string;
    readonly publication: string;
    readonly slot: string;
  },
): Promise<SharingFacts> {
  const { rows } = await client.query<SharingFacts>(FACTS, [
    source.tables.map(({ schema }) => schema),
    source.tables.map(({ table }) => table),
    source.role,
    source.publication,
    source.slot,
  ]);
  const [facts] = rows;
  if (facts === undefined) throw new Error('the database did not describe itself');
  return facts;
}
