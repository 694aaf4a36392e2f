-- What tells of changes to tables that no change event tells of: see pipeline/docs/schema-changes.md.

CREATE TABLE IF NOT EXISTS ops.source_tables
(
    source       LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    oid          UInt32                         COMMENT 'Number of the table in Postgres, which a rename keeps',
    table_schema LowCardinality(String)         COMMENT 'Schema of the table in Postgres when it was last looked at',
    table_name   LowCardinality(String)         COMMENT 'Name of the table in Postgres when it was last looked at',
    partitions   Array(UInt32)                  COMMENT 'Numbers of its partitions that hold rows',
    labels       Map(UInt32, String)            COMMENT 'Labels of the enums of its columns by their numbers',
    is_gone      UInt8                          COMMENT '1 when Postgres no longer has the table or no longer publishes it; its rows in the warehouse are kept',
    seen_at      DateTime64(3) DEFAULT now64(3) COMMENT 'When this was last looked at'
)
ENGINE = ReplacingMergeTree(seen_at)
ORDER BY (source, oid)
COMMENT 'Captured tables as they were last seen at their sources; query with FINAL';
