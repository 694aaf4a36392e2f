-- Databases of the warehouse, and the tables in which the pipeline tells of its own work.

CREATE DATABASE IF NOT EXISTS changes COMMENT 'Change logs: every change of every captured table, once';

CREATE DATABASE IF NOT EXISTS current COMMENT 'Storage behind the current views; query <source>.<table> instead';

CREATE DATABASE IF NOT EXISTS history COMMENT 'Who was what when: rows with the time they were valid (SCD2)';

CREATE TABLE IF NOT EXISTS ops.freshness
(
    observed_at       DateTime64(3) DEFAULT now64(3) COMMENT 'When the interval was measured',
    process           String                         COMMENT 'Pipeline process that measured: host and pid',
    source            LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    table_name        LowCardinality(String)         COMMENT 'Table in the warehouse: <source>.<table_name>',
    changes           UInt64                         COMMENT 'Changes stored in the interval, snapshot rows among them',
    lag_p50_ms        Float64                        COMMENT 'End-to-end lag, median: milliseconds from commit in Postgres to queryable',
    lag_p99_ms        Float64                        COMMENT 'End-to-end lag that 99 of 100 changes stay within, milliseconds',
    lag_max_ms        Float64                        COMMENT 'Largest end-to-end lag, milliseconds',
    last_committed_at DateTime64(6)                  COMMENT 'Commit time in Postgres of the newest change stored'
)
ENGINE = MergeTree
ORDER BY (source, table_name, observed_at)
TTL toDateTime(observed_at) + INTERVAL 7 DAY
COMMENT 'Measured end-to-end lag, a row per table and interval in which something happened; kept 7 days';

CREATE TABLE IF NOT EXISTS ops.dead_letters
(
    dead_lettered_at DateTime64(3) DEFAULT now64(3)        COMMENT 'When the record was set aside',
    topic            String                                COMMENT 'Kafka topic the record is from',
    partition        Int32                                 COMMENT 'Kafka partition',
    offset           Int64                                 COMMENT 'Kafka offset; with topic and partition the place of the record',
    code             LowCardinality(String)                COMMENT 'Why, by name: see pipeline/docs/errors.md',
    reason           String                                COMMENT 'Why, in a sentence; never holds a value of the row',
    schema_id        Nullable(UInt32)                      COMMENT 'Schema id of the value in the registry; NULL when it has none',
    key_bytes        String                                COMMENT 'Key as it came, base64; empty when there was none',
    value_bytes      String                                COMMENT 'Value as it came, base64; empty when there was none',
    headers          Map(String, String)                   COMMENT 'Kafka headers of the record',
    replayed_at      Nullable(DateTime64(3))               COMMENT 'When the record was replayed; NULL while it waits'
)
ENGINE = ReplacingMergeTree(dead_lettered_at)
ORDER BY (topic, partition, offset)
COMMENT 'Records that could not be stored, with their bytes, place and reason; query with FINAL';

CREATE TABLE IF NOT EXISTS ops.schema_history
(
    seen_at      DateTime64(3) DEFAULT now64(3) COMMENT 'When the pipeline met the change',
    source       LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    table_schema LowCardinality(String)         COMMENT 'Schema of the table in Postgres',
    table_name   LowCardinality(String)         COMMENT 'Table in Postgres',
    schema_id    UInt32                         COMMENT 'Schema id in the registry that brought the change',
    change       String                         COMMENT 'What changed, e.g. added column phone',
    action       LowCardinality(String)         COMMENT 'What was done about it, e.g. applied'
)
ENGINE = MergeTree
ORDER BY (source, table_schema, table_name, seen_at)
COMMENT 'Schema changes of captured tables and what was done about them';
