-- needs: facts.saga_days

CREATE OR REPLACE VIEW marts.daily_sagas
(
    day         Date                   COMMENT 'Day on which they ended, UTC',
    kind        LowCardinality(String) COMMENT 'place-order or ship-order',
    state       LowCardinality(String) COMMENT 'How they ended: completed, compensated or stuck',
    reason      Nullable(String)       COMMENT 'Why they were compensated or are stuck',
    duration_ms Int64                  COMMENT 'From start to end, milliseconds',
    sagas       UInt64                 COMMENT 'Sagas that took so long, each in one row alone'
)
AS
SELECT
    day,
    entry.1 AS kind,
    entry.2 AS state,
    entry.3 AS reason,
    entry.4 AS duration_ms,
    entry.5 AS sagas
FROM facts.saga_days FINAL
ARRAY JOIN entries AS entry
COMMENT 'Sagas that ended, by day of end, kind, state, reason and duration';
