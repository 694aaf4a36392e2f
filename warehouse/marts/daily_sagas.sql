-- needs: facts.saga_days

CREATE OR REPLACE VIEW marts.daily_sagas
(
    day         Date                   COMMENT 'Day on which they began, UTC',
    ended_day   Nullable(Date)         COMMENT 'Day on which they ended, UTC; NULL while they run',
    kind        LowCardinality(String) COMMENT 'place-order or ship-order',
    state       LowCardinality(String) COMMENT 'running, compensating, completed, compensated or stuck',
    is_ended    Bool                   COMMENT 'Whether nothing more will happen',
    reason      Nullable(String)       COMMENT 'Why they were compensated or are stuck',
    duration_ms Nullable(Int64)        COMMENT 'From start to end, milliseconds; NULL while they run',
    sagas       UInt64                 COMMENT 'Sagas, each in one row alone'
)
AS
SELECT
    day,
    entry.1 AS ended_day,
    entry.2 AS kind,
    entry.3 AS state,
    entry.4 AS is_ended,
    entry.5 AS reason,
    entry.6 AS duration_ms,
    entry.7 AS sagas
FROM facts.saga_days FINAL
ARRAY JOIN entries AS entry
COMMENT 'Sagas by day of begin and of end, kind, state, reason and duration';
