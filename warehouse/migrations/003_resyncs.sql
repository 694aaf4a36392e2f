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
    topic         String                         COMMENT 'Kafka topic of the table',
    epoch         UInt16                         COMMENT 'Epoch that began: the first part of _version',
    source        LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    table_schema  LowCardinality(String)         COMMENT 'Schema of the table in Postgres',
    table_name    LowCardinality(String)         COMMENT 'Table in Postgres',
    state         LowCardinality(String)         COMMENT 'pausing, copying, done, failed, or abandoned',
    from_offsets  Map(UInt32, UInt64)            COMMENT 'By Kafka partition the first offset that can be of this epoch',
    snapshot      String                         COMMENT 'pg_current_snapshot() of the copy: what it sees is of the epoch before. Empty: positions began anew, all from from_offsets on is of this epoch',
    until_offsets Map(UInt32, UInt64)            COMMENT 'By Kafka partition the offset from which on all is of this epoch; empty until that is known',
    reason        String                         COMMENT 'Why it was done',
    started_at    DateTime64(3, 'UTC')           COMMENT 'When it was begun',
    read_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'When the snapshot was taken, by the clock of the source: _committed_at of rows that were put right',
    rows_read     UInt64                         COMMENT 'Rows that the table had',
    rows_written  UInt64                         COMMENT 'Rows that the warehouse lacked or had otherwise',
    rows_removed  UInt64                         COMMENT 'Rows that the warehouse had and the table had not',
    updated_at    DateTime64(3) DEFAULT now64(3) COMMENT 'Last sign of life'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (topic, epoch)
COMMENT 'Resyncs, and the epochs they began; query with FINAL';

CREATE TABLE IF NOT EXISTS ops.resync_pauses
(
    topic     String                         COMMENT 'Kafka topic of the table',
    partition UInt32                         COMMENT 'Kafka partition',
    epoch     UInt16                         COMMENT 'Epoch whose marker was reached; of a regression the epoch that it broke',
    kind      LowCardinality(String)         COMMENT 'marker: everything before it is stored. regression: the record at offset has a position before that of an earlier one',
    offset    UInt64                         COMMENT 'Where the partition stands',
    paused_at DateTime64(3) DEFAULT now64(3) COMMENT 'When it got there'
)
ENGINE = ReplacingMergeTree(paused_at)
ORDER BY (topic, partition, epoch, kind)
COMMENT 'Partitions that wait for a resync; query with FINAL';
