-- needs: facts.orders

CREATE OR REPLACE VIEW marts.order_lines
(
    order_id      UUID                             COMMENT 'Order, as in orders.orders.id',
    placed_at     DateTime64(6, 'UTC')             COMMENT 'When the order was placed',
    paid_at       Nullable(DateTime64(6, 'UTC'))   COMMENT 'When the order was paid; NULL while it is not',
    settled_at    DateTime64(6, 'UTC')             COMMENT 'When the order was paid; of one that is not, when it was placed. Unlike paid_at quick to look a time up by',
    status        LowCardinality(String)           COMMENT 'Status of the order: pending, paid, shipped, cancelled or refunded',
    buyer_id      UUID                             COMMENT 'User who placed the order, as in users.users.id',
    buyer_country LowCardinality(Nullable(String)) COMMENT 'Country of the buyer now, ISO 3166 alpha-2; NULL when the account was deleted',
    product_id    UUID                             COMMENT 'Product, as in catalog.products.id',
    product_name  LowCardinality(String)           COMMENT 'Name of the product when it was ordered',
    quantity      Int64                            COMMENT 'Pieces',
    currency      LowCardinality(String)           COMMENT 'ISO 4217 code of line_total; never sum over currencies',
    line_total    Decimal(12, 2)                   COMMENT 'Amount of the line, in currency'
)
AS
SELECT
    order_id,
    placed_at,
    paid_at,
    settled_at,
    status,
    buyer_id,
    buyer_country,
    line_products AS product_id,
    line_names AS product_name,
    line_quantities AS quantity,
    currency,
    line_totals AS line_total
FROM facts.orders FINAL
ARRAY JOIN line_products, line_names, line_quantities, line_totals
COMMENT 'Lines of orders with their order and buyer: one row a line, as everything stands now';
