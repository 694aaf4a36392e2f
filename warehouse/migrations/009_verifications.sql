-- What tributary verify has found: see pipeline/docs/verify.md.

CREATE TABLE IF NOT EXISTS ops.verifications
(
    verified_at    DateTime64(3, 'UTC')   COMMENT 'When the comparison of the table began',
    run            UUID                   COMMENT 'The same for all tables that one command compared',
    source         LowCardinality(String) COMMENT 'Source, as in tributary.yaml',
    table_schema   LowCardinality(String) COMMENT 'Schema of the table in Postgres',
    table_name     LowCardinality(String) COMMENT 'Table in Postgres',
    outcome        LowCardinality(String) COMMENT 'equal, different, failed (see problem), or not compared (see problem)',
    source_rows    UInt64                 COMMENT 'Rows at the source',
    warehouse_rows UInt64                 COMMENT 'Rows in the warehouse',
    missing        UInt64                 COMMENT 'Rows of the source that the warehouse lacks',
    surplus        UInt64                 COMMENT 'Rows of the warehouse that the source does not have',
    different      UInt64                 COMMENT 'Rows that differ in at least one column',
    is_cut         Bool                   COMMENT 'Whether more rows differ than were counted',
    undecided      UInt64                 COMMENT 'Rows that were written too often to be compared',
    not_compared   Array(String)          COMMENT 'Columns that cannot be compared, with their types',
    problem        String                 COMMENT 'Why the two were not compared; empty when they were',
    took_ms        Float64                COMMENT 'How long the comparison took, milliseconds'
)
ENGINE = MergeTree
ORDER BY (source, table_schema, table_name, verified_at)
TTL toDateTime(verified_at) + INTERVAL 1 YEAR
COMMENT 'Comparisons of tables with their sources, a row per table and run of tributary verify, no values; kept a year';
