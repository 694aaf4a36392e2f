-- needs: facts.orders

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
    toDate(settled_at) AS day,
    line.1 AS product_id,
    argMax(line.2, tuple(settled_at, order_id)) AS product_name,
    ifNull(buyer_country, 'unknown') AS country,
    order_currency AS currency,
    uniqExact(order_id) AS orders,
    sum(line.3) AS items,
    sum(line.4) AS revenue
FROM
(
    -- Other names: in WHERE an alias hides the column of the same name, and this one is never NULL.
    SELECT
        order_id, buyer_country, toString(currency) AS order_currency, assumeNotNull(paid_at) AS settled_at,
        arrayJoin(arrayZip(line_products, line_names, line_quantities, line_totals)) AS line
    FROM facts.orders FINAL
    WHERE isNotNull(paid_at)
)
GROUP BY day, product_id, country, currency
COMMENT 'Revenue by day of payment, product, country of the buyer and currency, before refunds';
