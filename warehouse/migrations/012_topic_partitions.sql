-- How many partitions a table's topic has: keys change theirs when there are more.

CREATE TABLE IF NOT EXISTS ops.topic_partitions
(
    topic      String                         COMMENT 'Kafka topic of the table',
    epoch      UInt16                         COMMENT 'Epoch in which its positions began, see ops.resyncs',
    partitions UInt32                         COMMENT 'Partitions of the topic when the epoch was first read',
    seen_at    DateTime64(3) DEFAULT now64(3) COMMENT 'When that was'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, epoch)
COMMENT 'Partitions of the topics that the pipeline reads; another number makes a table wait for a resync';
