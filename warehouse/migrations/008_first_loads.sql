-- First loads of new sources by copying: see pipeline/docs/first-load.md.

CREATE TABLE IF NOT EXISTS ops.first_loads
(
    source     LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    state      LowCardinality(String)         COMMENT 'copying, copied (the connector is not made yet), streaming, or snapshot (left to Debezium)',
    slot_lsn   String                         COMMENT 'Position of the log from which the slot streams: the copy has all that was committed before, and nothing after',
    read_at    Nullable(DateTime64(6, 'UTC')) COMMENT 'When the slot was made, by the clock of the source: _committed_at of the copied rows',
    reason     String                         COMMENT 'Why it was left to Debezium',
    started_at DateTime64(3, 'UTC')           COMMENT 'When it was begun',
    updated_at DateTime64(3) DEFAULT now64(3) COMMENT 'When it came to this state'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY source
COMMENT 'First loads of sources; query with FINAL';

CREATE TABLE IF NOT EXISTS ops.first_load_tables
(
    source        LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    table_schema  LowCardinality(String)         COMMENT 'Schema of the table in Postgres',
    table_name    LowCardinality(String)         COMMENT 'Table in Postgres',
    rows_expected UInt64                         COMMENT 'How many rows Postgres reckons the table to have',
    rows_copied   UInt64                         COMMENT 'Rows that are in the warehouse',
    is_done       UInt8                          COMMENT '1 when all are',
    updated_at    DateTime64(3) DEFAULT now64(3) COMMENT 'When this was written'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (source, table_schema, table_name)
COMMENT 'How far the first load of each table is; query with FINAL';
