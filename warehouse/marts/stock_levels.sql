-- needs: inventory.stock_levels, inventory.warehouses, catalog.products

CREATE OR REPLACE VIEW marts.stock_levels
(
    product_id     UUID                             COMMENT 'Product, as in catalog.products.id',
    sku            Nullable(String)                 COMMENT 'Article number; NULL when the catalog does not have the product',
    product_name   Nullable(String)                 COMMENT 'Name of the product now',
    product_status LowCardinality(Nullable(String)) COMMENT 'draft, published or retired',
    warehouse_code LowCardinality(String)           COMMENT 'Warehouse, as in inventory.warehouses.code',
    warehouse_name Nullable(String)                 COMMENT 'Name of the warehouse',
    on_hand        Int64                            COMMENT 'Pieces in the warehouse',
    reserved       Int64                            COMMENT 'Pieces of these that orders hold',
    available      Int64                            COMMENT 'Pieces that can be sold: on_hand - reserved',
    reorder_point  Nullable(Int64)                  COMMENT 'Pieces at which more should be ordered; NULL when nobody set it',
    is_low         Bool                             COMMENT 'Whether what is available is at the reorder point or below',
    updated_at     DateTime64(6, 'UTC')             COMMENT 'Last movement or change of the level'
)
AS
SELECT
    s.product_id AS product_id,
    p.sku AS sku,
    p.name AS product_name,
    p.status AS product_status,
    s.warehouse_code AS warehouse_code,
    w.name AS warehouse_name,
    s.on_hand AS on_hand,
    s.reserved AS reserved,
    toInt64(s.on_hand) - s.reserved AS available,
    s.reorder_point AS reorder_point,
    CAST(ifNull(available <= s.reorder_point, 0), 'Bool') AS is_low,
    s.updated_at AS updated_at
FROM inventory.stock_levels AS s
LEFT JOIN
(
    SELECT id, toNullable(sku) AS sku, toNullable(name) AS name, toNullable(toString(status)) AS status
    FROM catalog.products
) AS p ON p.id = s.product_id
LEFT JOIN
(
    SELECT code, toNullable(name) AS name FROM inventory.warehouses
) AS w ON w.code = s.warehouse_code
COMMENT 'Stock of each product in each warehouse as it is now';
