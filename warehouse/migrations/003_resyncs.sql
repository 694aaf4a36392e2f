-- Tables loaded anew from their source while their changes keep flowing: see pipeline/docs/delivery.md.

CREATE TABLE IF NOT EXISTS ops.resync_requests
(
    requested_at DateTime64(3) DEFAULT now64(3) COMMENT 'When the need was seen',
    source       LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    table_schema LowCardinality(String)         COMMENT 'Schema of the table in Postgres',
    table_name   LowCardinality(String)         COMMENT 'Table in Postgres',
    reason       String                         COMMENT 'Why the warehouse may differ from the source'
)
ENGINE = MergeTree
ORDER BY (source, table_schema, table_name, requested_at)
COMMENT 'Tables that need a resync; served by one that started later, see ops.resyncs';

CREATE TABLE IF NOT EXISTS ops.resyncs
(
    source       LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    table_schema LowCardinality(String)         COMMENT 'Schema of the table in Postgres',
    table_name   LowCardinality(String)         COMMENT 'Table in Postgres',
    epoch        UInt16                         COMMENT 'Epoch that the resync began: the first part of _version',
    state        LowCardinality(String)         COMMENT 'pausing, copying, done, failed, abandoned',
    from_offsets Map(UInt32, UInt64)            COMMENT 'Kafka partition to the first offset that can be of this epoch',
    snapshot     String                         COMMENT 'pg_current_snapshot() of the copy: changes of transactions it sees are of the epoch before; empty: all from from_offsets on are of this epoch',
    until_offsets Map(UInt32, UInt64)           COMMENT 'Kafka partition to the offset from which on every change is of this epoch',
    reason       String                         COMMENT 'Why it was done',
    started_at   DateTime64(3)                  COMMENT 'When it was begun',
    read_at      Nullable(DateTime64(6))        COMMENT 'When the snapshot was taken: _committed_at of the rows it changed',
    rows_read    UInt64                         COMMENT 'Rows of the table in the snapshot',
    rows_written UInt64                         COMMENT 'Rows that the warehouse lacked or had otherwise',
    rows_removed UInt64                         COMMENT 'Rows of the warehouse that the source has not',
    updated_at   DateTime64(3) DEFAULT now64(3) COMMENT 'Last sign of life'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (source, table_schema, table_name, epoch)
COMMENT 'Resyncs and the epochs they began; query with FINAL';
