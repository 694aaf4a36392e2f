-- What tells a renamed column from a new one: see pipeline/docs/schema-changes.md.

CREATE TABLE IF NOT EXISTS ops.source_columns
(
    source       LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    table_schema LowCardinality(String)         COMMENT 'Schema of the table in Postgres',
    table_name   LowCardinality(String)         COMMENT 'Table in Postgres',
    number       Int16                          COMMENT 'attnum in pg_attribute, which a rename keeps',
    name         String                         COMMENT 'Name of the column in Postgres when it was last looked at',
    published    String                         COMMENT 'Name of the column in the warehouse: the first that was seen',
    type         String                         COMMENT 'Type in Postgres when it was last looked at',
    is_gone      UInt8                          COMMENT '1 when Postgres no longer has the column; its values are kept',
    seen_at      DateTime64(3) DEFAULT now64(3) COMMENT 'When this was last looked at'
)
ENGINE = ReplacingMergeTree(seen_at)
ORDER BY (source, table_schema, table_name, number)
COMMENT 'Columns of captured tables and the names they are published under; query with FINAL';
