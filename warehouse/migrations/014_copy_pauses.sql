-- Sources that are not to be read for now: see pipeline/docs/first-load.md.

CREATE TABLE IF NOT EXISTS ops.copy_pauses
(
    source     LowCardinality(String)         COMMENT 'Source, as in tributary.yaml',
    is_paused  UInt8                          COMMENT '1 while first loads and resyncs of it stop reading',
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'Since when'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY source
COMMENT 'Which copies are paused; query with FINAL';
