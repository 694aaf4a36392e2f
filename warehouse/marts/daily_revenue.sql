-- needs: orders.orders, orders.order_lines, users.users

CREATE OR REPLACE VIEW marts.daily_revenue
(
    day          Date                   COMMENT 'Day of payment, UTC',
    product_id   UUID                   COMMENT 'Product, as in catalog.products.id',
    product_name String                 COMMENT 'Name of the product when it was last sold that day',
    country      LowCardinality(String) COMMENT 'Country of the buyer now, ISO 3166 alpha-2; unknown when the account was deleted',
    currency     LowCardinality(String) COMMENT 'ISO 4217 code of revenue; never sum over currencies',
    orders       UInt64                 COMMENT 'Orders with this product that were paid that day',
    items        Int64                  COMMENT 'Pieces in them',
    revenue      Decimal(38, 2)         COMMENT 'Line totals of these orders, in currency, before refunds: those are of whole orders, see marts.orders'
)
AS
SELECT
    toDate(o.settled_at) AS day,
    l.product_id AS product_id,
    argMax(l.product_name, tuple(o.settled_at, o.id)) AS product_name,
    ifNull(u.country, 'unknown') AS country,
    o.currency AS currency,
    uniqExact(o.id) AS orders,
    sum(l.quantity) AS items,
    sum(l.line_total) AS revenue
FROM orders.order_lines AS l
INNER JOIN
(
    -- Another name: in WHERE an alias hides the column of the same name, and this one is never NULL.
    SELECT id, user_id, toString(currency) AS currency, assumeNotNull(paid_at) AS settled_at
    FROM orders.orders
    WHERE isNotNull(paid_at)
) AS o ON o.id = l.order_id
LEFT JOIN
(
    SELECT id, toNullable(toString(country)) AS country FROM users.users
) AS u ON u.id = o.user_id
GROUP BY day, product_id, country, currency
COMMENT 'Revenue by day of payment, product, country of the buyer and currency, before refunds';
