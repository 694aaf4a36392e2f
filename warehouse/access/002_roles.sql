-- Who may do what. The databases of sources are in 003_sources.sql.

-- Reads marts, current views and history; not the change log, and not what is about operations.
CREATE ROLE IF NOT EXISTS analyst SETTINGS PROFILE tributary_reader;
GRANT SELECT, SHOW ON marts.* TO analyst;
GRANT SELECT, SHOW ON history.* TO analyst;
GRANT SELECT ON ops.freshness TO analyst;
GRANT SELECT ON ops.source_looks TO analyst;

-- Looks after the data as well: drift, verification, dead letters without their bytes.
CREATE ROLE IF NOT EXISTS steward SETTINGS PROFILE tributary_reader;
GRANT analyst TO steward;
GRANT SELECT, SHOW ON ops.* TO steward;
REVOKE SELECT(key_bytes, value_bytes, headers) ON ops.dead_letters FROM steward;

-- Makes and fills everything: transformer, drift monitor, resync, verify.
CREATE ROLE IF NOT EXISTS pipeline SETTINGS PROFILE tributary_pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW ON changes.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW ON current.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW ON history.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW ON facts.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW ON marts.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW ON ops.* TO pipeline;
GRANT TABLE ENGINE ON * TO pipeline;
GRANT SELECT ON system.tables TO pipeline;
GRANT SELECT ON system.columns TO pipeline;
GRANT SELECT ON system.mutations TO pipeline;
GRANT SELECT ON system.parts TO pipeline;
