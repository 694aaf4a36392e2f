-- needs: orders.orders, orders.order_lines, orders.sagas, users.users, payments.payments, inventory.reservations

CREATE OR REPLACE VIEW marts.orders
(
    order_id           UUID                             COMMENT 'Order, as in orders.orders.id',
    order_number       Int64                            COMMENT 'What people quote on the phone',
    placed_at          DateTime64(6, 'UTC')             COMMENT 'When the buyer placed it',
    status             LowCardinality(String)           COMMENT 'pending, paid, shipped, cancelled or refunded',
    currency           LowCardinality(String)           COMMENT 'ISO 4217 code of every amount in the row; never sum over currencies',
    total              Decimal(12, 2)                   COMMENT 'What the buyer owes, in currency',
    line_count         UInt64                           COMMENT 'Lines, one a product',
    item_count         Int64                            COMMENT 'Pieces over all lines',
    is_gift            Bool                             COMMENT 'Whether it was ordered as a gift',
    buyer_id           UUID                             COMMENT 'User who placed it, as in users.users.id',
    buyer_name         String                           COMMENT 'Name of the buyer when the order was placed',
    buyer_name_now     Nullable(String)                 COMMENT 'Name of the buyer now; NULL when the account was deleted',
    buyer_country      LowCardinality(Nullable(String)) COMMENT 'Country of the buyer now, ISO 3166 alpha-2; NULL when the account was deleted',
    paid_at            Nullable(DateTime64(6, 'UTC'))   COMMENT 'When it was paid; NULL while it is not',
    closed_at          Nullable(DateTime64(6, 'UTC'))   COMMENT 'When it was cancelled or refunded; NULL while it is open',
    cancel_reason      Nullable(String)                 COMMENT 'Why it was cancelled',
    payment_id         Nullable(Int64)                  COMMENT 'The payment that counts: the one that did not fail, else the last; NULL without any',
    payment_status     LowCardinality(Nullable(String)) COMMENT 'authorized, captured, failed, partially_refunded or refunded',
    payment_method     LowCardinality(Nullable(String)) COMMENT 'card, bank_transfer, wallet or voucher',
    payment_attempts   UInt64                           COMMENT 'Charges that were tried, failed ones among them',
    captured           Decimal(12, 2)                   COMMENT 'Money that was taken, in currency; 0 when none was',
    refunded           Decimal(12, 2)                   COMMENT 'Money that went back, in currency',
    stock_state        LowCardinality(String)           COMMENT 'held, shipped, released, mixed, or none when nothing was ever reserved',
    saga_state         LowCardinality(Nullable(String)) COMMENT 'State of the place-order saga: running, compensating, completed, compensated or stuck',
    saga_reason        Nullable(String)                 COMMENT 'Why the saga was compensated or is stuck',
    saga_duration_ms   Nullable(Int64)                  COMMENT 'From the start to the end of the saga, milliseconds; NULL while it runs'
)
AS
SELECT
    o.id AS order_id,
    o.order_number AS order_number,
    o.placed_at AS placed_at,
    o.status AS status,
    o.currency AS currency,
    o.total AS total,
    l.line_count AS line_count,
    l.item_count AS item_count,
    o.gift AS is_gift,
    o.user_id AS buyer_id,
    o.user_name AS buyer_name,
    u.name AS buyer_name_now,
    u.country AS buyer_country,
    o.paid_at AS paid_at,
    o.closed_at AS closed_at,
    o.cancel_reason AS cancel_reason,
    p.payment_id AS payment_id,
    p.payment_status AS payment_status,
    p.payment_method AS payment_method,
    p.attempts AS payment_attempts,
    p.captured AS captured,
    p.refunded AS refunded,
    if(r.stock_state = '', 'none', r.stock_state) AS stock_state,
    s.saga_state AS saga_state,
    s.saga_reason AS saga_reason,
    s.saga_duration_ms AS saga_duration_ms
FROM orders.orders AS o
LEFT JOIN
(
    SELECT order_id, count() AS line_count, sum(quantity) AS item_count
    FROM orders.order_lines
    GROUP BY order_id
) AS l ON l.order_id = o.id
LEFT JOIN
(
    SELECT id, toNullable(name) AS name, toNullable(toString(country)) AS country
    FROM users.users
) AS u ON u.id = o.user_id
LEFT JOIN
(
    -- One row of the payments as a whole: argMax of single columns would skip NULL and so mix rows.
    SELECT
        order_id,
        count() AS attempts,
        argMax(tuple(id, toString(status), toString(method), amount, refunded_amount, captured_at),
               tuple(status != 'failed', id)) AS best,
        toNullable(best.1) AS payment_id,
        toNullable(best.2) AS payment_status,
        toNullable(best.3) AS payment_method,
        CAST(if(isNull(best.6) OR best.2 = 'failed', 0, best.4), 'Decimal(12, 2)') AS captured,
        best.5 AS refunded
    FROM payments.payments
    GROUP BY order_id
) AS p ON p.order_id = o.id
LEFT JOIN
(
    SELECT order_id, if(uniqExact(status) = 1, any(toString(status)), 'mixed') AS stock_state
    FROM inventory.reservations
    GROUP BY order_id
) AS r ON r.order_id = o.id
LEFT JOIN
(
    SELECT
        order_id,
        toNullable(toString(state)) AS saga_state,
        reason AS saga_reason,
        if(isNull(ended_at), NULL, dateDiff('millisecond', created_at, ended_at)) AS saga_duration_ms
    FROM orders.sagas
    WHERE kind = 'place-order'
) AS s ON s.order_id = o.id
COMMENT 'Orders with buyer, items, payment, stock and saga: one row an order, as everything stands now';
