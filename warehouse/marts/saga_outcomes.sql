-- needs: facts.sagas

CREATE OR REPLACE VIEW marts.saga_outcomes
(
    saga_id       UUID                           COMMENT 'Saga, as in orders.sagas.id',
    kind          LowCardinality(String)         COMMENT 'place-order or ship-order',
    order_id      UUID                           COMMENT 'Order that it is about',
    order_number  Int64                          COMMENT 'What people quote on the phone',
    state         LowCardinality(String)         COMMENT 'running, compensating, completed, compensated or stuck',
    is_ended      Bool                           COMMENT 'Whether nothing more will happen',
    reason        Nullable(String)               COMMENT 'Why it was compensated or is stuck',
    started_at    DateTime64(6, 'UTC')           COMMENT 'When it began',
    ended_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ended; NULL while it runs',
    duration_ms   Nullable(Int64)                COMMENT 'From start to end, milliseconds; NULL while it runs',
    steps_done    UInt64                         COMMENT 'Steps forward that were done',
    steps_undone  UInt64                         COMMENT 'Steps that were undone',
    refused_step  Nullable(String)               COMMENT 'Step that a service refused, which began the compensation',
    step_attempts UInt64                         COMMENT 'Attempts over all steps; more than steps means retries'
)
AS
SELECT
    saga_id,
    kind,
    order_id,
    order_number,
    state,
    is_ended,
    reason,
    started_at,
    ended_at,
    duration_ms,
    steps_done,
    steps_undone,
    refused_step,
    step_attempts
FROM facts.sagas FINAL
COMMENT 'What had to happen in several services because of an order, and how it ended: one row a saga';
