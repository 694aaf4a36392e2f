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
    product_id,
    argMax(name, tuple(settled_at, order_id)) AS product_name,
    ifNull(buyer_country, 'unknown') AS country,
    paid_in AS currency,
    uniqExact(order_id) AS orders,
    sum(pieces) AS items,
    sum(amount) AS revenue
FROM
(
    -- Other names: in WHERE an alias hides the column of the same name, and this one is never NULL.
    SELECT
        order_id, buyer_country, toString(currency) AS paid_in, assumeNotNull(paid_at) AS settled_at,
        product AS product_id, name, pieces, amount
    FROM facts.orders FINAL
    ARRAY JOIN
        line_products AS product, line_names AS name, line_quantities AS pieces, line_totals AS amount
    WHERE isNotNull(paid_at)
)
GROUP BY day, product_id, country, currency
COMMENT 'Revenue by day of payment, product, country of the buyer and currency, before refunds';
