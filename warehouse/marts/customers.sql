-- needs: facts.customers

CREATE OR REPLACE VIEW marts.customers
(
    customer_id    UUID                           COMMENT 'User, as in users.users.id',
    name           String                         COMMENT 'Name now',
    country        LowCardinality(String)         COMMENT 'Country now, ISO 3166 alpha-2',
    status         LowCardinality(String)         COMMENT 'active, suspended or closed',
    signed_up_at   DateTime64(6, 'UTC')           COMMENT 'When the account was made',
    orders         UInt64                         COMMENT 'Orders ever placed',
    paid_orders    UInt64                         COMMENT 'Orders that were paid, later refunded ones among them',
    first_order_at Nullable(DateTime64(6, 'UTC')) COMMENT 'When the first order was placed; NULL without any',
    first_paid_at  Nullable(DateTime64(6, 'UTC')) COMMENT 'When an order was first paid; NULL without any',
    last_order_at  Nullable(DateTime64(6, 'UTC')) COMMENT 'When the last order was placed; NULL without any',
    spent          Map(String, Decimal(38, 2))    COMMENT 'Totals of paid orders by currency (ISO 4217), before refunds',
    order_days     Array(Date)                    COMMENT 'Days on which orders were placed, UTC, each once, in order'
)
AS
SELECT
    customer_id,
    name,
    country,
    status,
    signed_up_at,
    orders,
    paid_orders,
    first_order_at,
    first_paid_at,
    last_order_at,
    spent,
    order_days
FROM facts.customers FINAL
COMMENT 'Customers with what they ordered, one row a user, as everything stands now';
