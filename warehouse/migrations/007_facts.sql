-- How far the facts behind the marts have followed the tables they are made from: warehouse/facts/.

CREATE TABLE IF NOT EXISTS ops.fact_positions
(
    fact         LowCardinality(String)         COMMENT 'Name of the fact, as its table in database facts',
    identity     String                         COMMENT 'Digest of its definition and of the tables that it reads; with another one it is made anew',
    blocks       Map(String, UInt64)            COMMENT 'Last inserted block that it contains, by table in database current',
    version      UInt64                         COMMENT 'Sum of the blocks: the higher, the more it contains',
    refreshed_at DateTime64(3) DEFAULT now64(3) COMMENT 'When it was brought to this position'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY fact
COMMENT 'How far facts have followed their tables; query with FINAL';
