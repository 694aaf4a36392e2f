-- needs: users.users, orders.orders

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
    spent          Map(String, Decimal(38, 2))    COMMENT 'Totals of paid orders by currency (ISO 4217), before refunds'
)
AS
SELECT
    u.id AS customer_id,
    u.name AS name,
    u.country AS country,
    u.status AS status,
    u.created_at AS signed_up_at,
    o.orders AS orders,
    o.paid_orders AS paid_orders,
    o.first_order_at AS first_order_at,
    o.first_paid_at AS first_paid_at,
    o.last_order_at AS last_order_at,
    o.spent AS spent
FROM users.users AS u
LEFT JOIN
(
    SELECT
        user_id,
        count() AS orders,
        countIf(isNotNull(paid_at)) AS paid_orders,
        min(toNullable(placed_at)) AS first_order_at,
        min(paid_at) AS first_paid_at,
        max(toNullable(placed_at)) AS last_order_at,
        sumMapIf(map(toString(currency), toDecimal128(total, 2)), isNotNull(paid_at)) AS spent
    FROM orders.orders
    GROUP BY user_id
) AS o ON o.user_id = u.id
COMMENT 'Customers with what they ordered, one row a user, as everything stands now';
