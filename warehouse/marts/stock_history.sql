-- needs: history.inventory__stock_levels

CREATE OR REPLACE VIEW marts.stock_history
(
    product_id     UUID                           COMMENT 'Product, as in catalog.products.id',
    warehouse_code LowCardinality(String)         COMMENT 'Warehouse, as in inventory.warehouses.code',
    on_hand        Int64                          COMMENT 'Pieces in the warehouse in that time',
    reserved       Int64                          COMMENT 'Pieces of these that orders held',
    available      Int64                          COMMENT 'Pieces that could be sold: on_hand - reserved',
    valid_from     DateTime64(6, 'UTC')           COMMENT 'From when on it was so, included; for what was there when the capture began, when it was read',
    valid_to       Nullable(DateTime64(6, 'UTC')) COMMENT 'Until when it was so, excluded; NULL when it still is'
)
AS
SELECT
    product_id,
    warehouse_code,
    ifNull(on_hand, 0) AS on_hand,
    ifNull(reserved, 0) AS reserved,
    on_hand - reserved AS available,
    valid_from,
    valid_to
FROM history.inventory__stock_levels
COMMENT 'How much of each product was in each warehouse when: one row a level and time';
