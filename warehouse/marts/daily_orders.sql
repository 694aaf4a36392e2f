-- needs: facts.order_days

CREATE OR REPLACE VIEW marts.daily_orders
(
    day            Date                   COMMENT 'Day of placement, UTC',
    paid_day       Nullable(Date)         COMMENT 'Day of payment, UTC; NULL while they are not paid',
    status         LowCardinality(String) COMMENT 'What they are now: pending, paid, shipped, cancelled or refunded',
    currency       LowCardinality(String) COMMENT 'ISO 4217 code of every amount in the row; never sum over currencies',
    country        LowCardinality(String) COMMENT 'Country of the buyer now, ISO 3166 alpha-2; unknown when the account was deleted',
    payment_method LowCardinality(String) COMMENT 'card, bank_transfer, wallet or voucher; unknown without a payment',
    cancel_reason  Nullable(String)       COMMENT 'Why they were cancelled',
    orders         UInt64                 COMMENT 'Orders, each in one row alone',
    total          Decimal(38, 2)         COMMENT 'What their buyers owe, in currency',
    refunded       Decimal(38, 2)         COMMENT 'Money that went back, in currency'
)
AS
SELECT
    day,
    entry.1 AS paid_day,
    entry.2 AS status,
    entry.3 AS currency,
    entry.4 AS country,
    entry.5 AS payment_method,
    entry.6 AS cancel_reason,
    entry.7 AS orders,
    entry.8 AS total,
    entry.9 AS refunded
FROM facts.order_days FINAL
ARRAY JOIN entries AS entry
COMMENT 'Orders by day of placement and of payment, status, currency, country of the buyer, payment and reason';
