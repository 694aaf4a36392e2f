-- needs: orders.sagas, orders.saga_steps, orders.orders

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
    g.id AS saga_id,
    g.kind AS kind,
    g.order_id AS order_id,
    o.order_number AS order_number,
    g.state AS state,
    CAST(isNotNull(g.ended_at), 'Bool') AS is_ended,
    g.reason AS reason,
    g.created_at AS started_at,
    g.ended_at AS ended_at,
    if(isNull(g.ended_at), NULL, dateDiff('millisecond', g.created_at, g.ended_at)) AS duration_ms,
    t.steps_done AS steps_done,
    t.steps_undone AS steps_undone,
    t.refused_step AS refused_step,
    t.step_attempts AS step_attempts
FROM orders.sagas AS g
LEFT JOIN (SELECT id, order_number FROM orders.orders) AS o ON o.id = g.order_id
LEFT JOIN
(
    SELECT
        saga_id,
        countIf(direction = 'do' AND state = 'done') AS steps_done,
        countIf(direction = 'undo' AND state = 'done') AS steps_undone,
        anyIf(toNullable(step), state = 'refused') AS refused_step,
        sum(attempts) AS step_attempts
    FROM orders.saga_steps
    GROUP BY saga_id
) AS t ON t.saga_id = g.id
COMMENT 'What had to happen in several services because of an order, and how it ended: one row a saga';
