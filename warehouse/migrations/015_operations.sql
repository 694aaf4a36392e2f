-- What people did to the running pipeline, and how its sources stand.

CREATE TABLE IF NOT EXISTS ops.operations
(
    operation_id UUID                           COMMENT 'Operation',
    started_at   DateTime64(3, 'UTC')           COMMENT 'When it was asked for',
    operation    LowCardinality(String)         COMMENT 'replay, discard, or look (at the bytes) of dead letters; resync of tables; repair of drift',
    target       String                         COMMENT 'What it was done to: places of letters, tables, or a rule; never a value of a row',
    asked_by     String                         COMMENT 'Account that ran the command; on the page the name that the holder of the operator token gave',
    asked_via    LowCardinality(String)         COMMENT 'command or page',
    state        LowCardinality(String)         COMMENT 'running, done, or failed; running for hours: whoever did it was killed',
    outcome      String                         COMMENT 'What came of it, or why it failed, in a sentence',
    ended_at     Nullable(DateTime64(3, 'UTC')) COMMENT 'When it ended; NULL while it runs',
    updated_at   DateTime64(6) DEFAULT now64(6) COMMENT 'When this was written'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (started_at, operation_id)
COMMENT 'Who did what to the running pipeline, by command or on the page, and what came of it; query with FINAL';

CREATE TABLE IF NOT EXISTS ops.source_looks
(
    looked_at             DateTime64(3, 'UTC')   COMMENT 'When its database was asked',
    process               String                 COMMENT 'Pipeline process that asked: host and pid',
    source                LowCardinality(String) COMMENT 'Source, as in tributary.yaml',
    problem               String                 COMMENT 'Why its database could not be asked; empty when it answered',
    connector_state       LowCardinality(String) COMMENT 'State of connector and task, as Kafka Connect names it, e.g. RUNNING; empty when Connect did not answer or is not known to the pipeline',
    slot_active           Nullable(Bool)         COMMENT 'Whether the connector reads the replication slot; NULL without a slot, or when the database could not be asked',
    wal_status            LowCardinality(String) COMMENT 'reserved, extended, unreserved, lost, or unknown (a standby); empty without a slot',
    retained_bytes        Nullable(Int64)        COMMENT 'Log that the server keeps because of the slot, bytes',
    safe_bytes            Nullable(Int64)        COMMENT 'Log that may still be written before the slot is lost, bytes; NULL without a bound',
    replication_lag_bytes Nullable(Int64)        COMMENT 'Log that is written and that the connector has not confirmed, bytes',
    consumer_lag          Nullable(Int64)        COMMENT 'Records in the topics of the source that the pipeline has not committed; NULL when the broker did not answer'
)
ENGINE = MergeTree
ORDER BY (source, looked_at)
TTL toDateTime(looked_at) + INTERVAL 7 DAY
COMMENT 'How sources stand, a row per source and pipeline process every 15 s: database, connector, replication slot, and what waits in Kafka; kept 7 days';
