-- needs: facts.orders

CREATE OR REPLACE VIEW marts.order_hours
(
    placed_hour DateTime64(0, 'UTC') COMMENT 'Begin of the hour in which an order was placed',
    settled_at  DateTime64(6, 'UTC') COMMENT 'When it was paid, as in mart orders, now or before it changed'
)
AS
SELECT
    date_trunc('hour', placed_at) AS placed_hour,
    settled_at
FROM facts.orders
COMMENT 'In which hours the orders of a time of payment were placed: a row for each order, and more for orders that changed lately. An order is in one of these hours, so little else of mart orders has to be read';
