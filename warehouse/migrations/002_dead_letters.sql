-- What a dead letter needs to be found, judged, and replayed.

ALTER TABLE ops.dead_letters ADD COLUMN IF NOT EXISTS key_size Nullable(UInt64)
    COMMENT 'Bytes of the key; NULL when the record has none. key_bytes holds the first 65536 of them';

ALTER TABLE ops.dead_letters ADD COLUMN IF NOT EXISTS value_size Nullable(UInt64)
    COMMENT 'Bytes of the value; NULL when the record has none. value_bytes holds the first 65536 of them';

ALTER TABLE ops.dead_letters ADD COLUMN IF NOT EXISTS letter_offset Int64
    COMMENT 'Offset in topic tributary.dead-letters, partition 0, where the whole record is kept';

ALTER TABLE ops.dead_letters ADD COLUMN IF NOT EXISTS replay_of Nullable(Int64)
    COMMENT 'Of a replayed record that failed again: offset of its first letter, in the same topic and partition';

-- In a table of its own: a letter that is written again after a crash must not open it again.
ALTER TABLE ops.dead_letters DROP COLUMN IF EXISTS replayed_at;

CREATE TABLE IF NOT EXISTS ops.dead_letter_resolutions
(
    topic       String                         COMMENT 'Place of the letter: Kafka topic the record is from',
    partition   Int32                          COMMENT 'Place of the letter: Kafka partition',
    offset      Int64                          COMMENT 'Place of the letter: Kafka offset',
    state       LowCardinality(String)         COMMENT 'replayed or discarded; letters that are not listed here are open',
    replayed_as Nullable(Int64)                COMMENT 'Offset that the replayed record got, in the same topic and partition',
    resolved_at DateTime64(3) DEFAULT now64(3) COMMENT 'When somebody dealt with the letter'
)
ENGINE = ReplacingMergeTree(resolved_at)
ORDER BY (topic, partition, offset)
COMMENT 'What became of dead letters; query with FINAL';
