-- needs: facts.revenue_days

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
    day,
    entry.1 AS product_id,
    entry.2 AS product_name,
    entry.3 AS country,
    entry.4 AS currency,
    entry.5 AS orders,
    entry.6 AS items,
    entry.7 AS revenue
FROM facts.revenue_days FINAL
ARRAY JOIN entries AS entry
COMMENT 'Revenue by day of payment, product, country of the buyer and currency, before refunds';
