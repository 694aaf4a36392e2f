-- Who was erased when, and what is known to be left; never a value.

CREATE TABLE IF NOT EXISTS ops.erasures
(
    erased_at   DateTime64(3) DEFAULT now64(3) COMMENT 'When it was done',
    subject     LowCardinality(String)         COMMENT 'Kind of subject, as in tributary.yaml',
    subject_key String                         COMMENT 'Key of the subject; rows keep it where it tells them apart',
    asked_by    LowCardinality(String)         COMMENT 'Account that asked for it',
    is_complete Bool                           COMMENT 'Whether everything was found to be gone',
    rows        UInt64                         COMMENT 'Rows of the warehouse that said something of the subject',
    changes     UInt64                         COMMENT 'Changes in the change log that did',
    letters     UInt64                         COMMENT 'Dead letters that did',
    records     UInt64                         COMMENT 'Records of Kafka topics that were dropped, whoever they were about',
    left        Array(String)                  COMMENT 'Places where something was left'
)
ENGINE = MergeTree
ORDER BY (subject, subject_key, erased_at)
COMMENT 'Requests to be forgotten that were carried out';
