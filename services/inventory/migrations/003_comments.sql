-- What tables and columns mean, for whoever reads them here or in the warehouse, which takes these over.

COMMENT ON TABLE warehouses IS 'Warehouses that goods lie in';
COMMENT ON COLUMN warehouses.code IS 'Short name, e.g. BER';
COMMENT ON COLUMN warehouses.name IS 'Name for people';
COMMENT ON COLUMN warehouses.country IS 'Country, ISO 3166 alpha-2';
COMMENT ON COLUMN warehouses.accepts_returns IS 'Whether goods may be sent back to it';
COMMENT ON COLUMN warehouses.created_at IS 'When the row was made';
COMMENT ON COLUMN warehouses.updated_at IS 'When the row was last written';

COMMENT ON TABLE stock_levels IS 'How much of a product is in a warehouse now';
COMMENT ON COLUMN stock_levels.product_id IS 'Product, as in catalog';
COMMENT ON COLUMN stock_levels.warehouse_code IS 'Warehouse';
COMMENT ON COLUMN stock_levels.on_hand IS 'Pieces in the warehouse';
COMMENT ON COLUMN stock_levels.reserved IS 'Pieces of these that orders hold';
COMMENT ON COLUMN stock_levels.reorder_point IS 'Available pieces at which more should be ordered; NULL when nobody set it';
COMMENT ON COLUMN stock_levels.version IS 'Counts the writes of the row';
COMMENT ON COLUMN stock_levels.created_at IS 'When the row was made';
COMMENT ON COLUMN stock_levels.updated_at IS 'When the row was last written';

COMMENT ON TABLE reservations IS 'Pieces that orders hold or held: one row a line of an order';
COMMENT ON COLUMN reservations.order_id IS 'Order, as in orders';
COMMENT ON COLUMN reservations.line_no IS 'Line of the order, from 1';
COMMENT ON COLUMN reservations.product_id IS 'Product, as in catalog';
COMMENT ON COLUMN reservations.warehouse_code IS 'Warehouse the pieces are in';
COMMENT ON COLUMN reservations.quantity IS 'Pieces';
COMMENT ON COLUMN reservations.status IS 'held, released or shipped';
COMMENT ON COLUMN reservations.created_at IS 'When the row was made';
COMMENT ON COLUMN reservations.updated_at IS 'When the row was last written';

COMMENT ON TABLE stock_movements IS 'What made stock go up or down: one row each, never changed';
COMMENT ON COLUMN stock_movements.id IS 'Movement, in order';
COMMENT ON COLUMN stock_movements.product_id IS 'Product, as in catalog';
COMMENT ON COLUMN stock_movements.warehouse_code IS 'Warehouse';
COMMENT ON COLUMN stock_movements.kind IS 'receipt, adjustment, reservation, release or shipment';
COMMENT ON COLUMN stock_movements.quantity IS 'Pieces; below 0 when they go away';
COMMENT ON COLUMN stock_movements.order_id IS 'Order that it is for; NULL without one';
COMMENT ON COLUMN stock_movements.note IS 'What somebody wrote; NULL when nobody did';
COMMENT ON COLUMN stock_movements.created_at IS 'When it was booked';

COMMENT ON TABLE closed_orders IS 'Orders that must not reserve any more, whatever arrives late';
COMMENT ON COLUMN closed_orders.order_id IS 'Order, as in orders';
COMMENT ON COLUMN closed_orders.closed_at IS 'When it was closed';
