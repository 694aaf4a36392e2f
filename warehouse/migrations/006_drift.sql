-- What the drift monitor has found and done: see pipeline/docs/drift.md.

CREATE TABLE IF NOT EXISTS ops.drift_findings
(
    rule              LowCardinality(String)         COMMENT 'Rule, as in tributary.yaml',
    copy_key          String                         COMMENT 'Primary key of the copy, as a JSON array of texts',
    field             String                         COMMENT 'Column of the copy; empty where the whole row is meant',
    opened_at         DateTime64(3, 'UTC')           COMMENT 'When it was first found',
    state             LowCardinality(String)         COMMENT 'open: confirmed at both sources. unconfirmed: a source cannot be asked. healed: it is over',
    kind              LowCardinality(String)         COMMENT 'missed update, written locally, orphan, missing, pipeline, or unexplained',
    owner_key         String                         COMMENT 'Key of the owner, as a JSON array of texts',
    owner_fingerprint String                         COMMENT 'Short hash of the value of the owner; of a masked column with the key of the masks',
    copy_fingerprint  String                         COMMENT 'Short hash of the value of the copy',
    owner_changed_at  Nullable(DateTime64(6, 'UTC')) COMMENT 'Commit time of the change that gave the owner its value; NULL when that was before the change log',
    copy_changed_at   Nullable(DateTime64(6, 'UTC')) COMMENT 'Commit time of the change that gave the copy its value; NULL when that was before the change log',
    missed_at         Nullable(DateTime64(6, 'UTC')) COMMENT 'Commit time of the first change of the owner that the copy missed',
    missed_event      String                         COMMENT 'Id and type of the event that told of that change, where the outbox of the owner still has it',
    note              String                         COMMENT 'What else is to be said, e.g. why it is unconfirmed',
    seen_at           DateTime64(3, 'UTC')           COMMENT 'When it was last found so',
    healed_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was found to be over',
    updated_at        DateTime64(3) DEFAULT now64(3) COMMENT 'When this was written'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (rule, copy_key, field, opened_at)
COMMENT 'Copies that differ from their owners, from when to when; query with FINAL';

CREATE TABLE IF NOT EXISTS ops.drift_rounds
(
    looked_at   DateTime64(3, 'UTC')           COMMENT 'When the round began',
    rule        LowCardinality(String)         COMMENT 'Rule, as in tributary.yaml',
    kind        LowCardinality(String)         COMMENT 'sweep: all copies. changes: those that were written, or whose owner was, since the round before',
    copies      UInt64                         COMMENT 'Copies that the rule is about, as of the last sweep',
    candidates  UInt64                         COMMENT 'Copies that differed in the warehouse',
    opened      UInt64                         COMMENT 'Findings that began',
    healed      UInt64                         COMMENT 'Findings that ended',
    open        UInt64                         COMMENT 'Findings that are open after it',
    unconfirmed UInt64                         COMMENT 'Findings that wait for a source to answer',
    in_flight   UInt64                         COMMENT 'Copies whose owner changed less than the allowed staleness ago',
    waiting     UInt64                         COMMENT 'Copies that are to be looked at again, because something is still on its way',
    oldest_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'When the oldest open finding was first found',
    took_ms     Float64                        COMMENT 'How long the round took, milliseconds',
    problem     String                         COMMENT 'Why the round could not be done; empty when it was'
)
ENGINE = MergeTree
ORDER BY (rule, looked_at)
TTL toDateTime(looked_at) + INTERVAL 30 DAY
COMMENT 'Rounds of the drift monitor in which something was to be told; kept 30 days';

CREATE TABLE IF NOT EXISTS ops.drift_alerts
(
    rule          LowCardinality(String)         COMMENT 'Rule, as in tributary.yaml',
    raised_at     DateTime64(3, 'UTC')           COMMENT 'When the thresholds of the rule were passed',
    healed_at     Nullable(DateTime64(3, 'UTC')) COMMENT 'When they were kept again; NULL while the alert stands',
    summary       String                         COMMENT 'What was told',
    circumstances Array(String)                  COMMENT 'What else happened around the moment at which it began',
    updated_at    DateTime64(3) DEFAULT now64(3) COMMENT 'When this was written'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (rule, raised_at)
COMMENT 'Alerts of the drift monitor; query with FINAL';

CREATE TABLE IF NOT EXISTS ops.drift_repairs
(
    asked_at  DateTime64(3, 'UTC')   COMMENT 'When the owner was asked to publish its value again',
    rule      LowCardinality(String) COMMENT 'Rule, as in tributary.yaml',
    owner_key String                 COMMENT 'Key of the owner, as a JSON array of texts',
    copy_keys Array(String)          COMMENT 'Copies that this is to mend',
    asked_by  String                 COMMENT 'Account that ran the command',
    outcome   LowCardinality(String) COMMENT 'healed, not healed, or refused',
    detail    String                 COMMENT 'Why not'
)
ENGINE = MergeTree
ORDER BY (rule, asked_at)
COMMENT 'Repairs that a person asked for, and what came of them';

CREATE TABLE IF NOT EXISTS ops.markers
(
    marked_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it happened',
    source    LowCardinality(String)                COMMENT 'Source that it is about; empty for all',
    text      String                                COMMENT 'What happened, e.g. deployed 1.4.2',
    marked_by String                                COMMENT 'Account that wrote it'
)
ENGINE = MergeTree
ORDER BY marked_at
COMMENT 'Deploys and other moments that people and their scripts noted with tributary drift mark';
