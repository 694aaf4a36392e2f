-- Orders that get no stock any more: a reservation that arrives after its order was given up is
-- refused.
CREATE TABLE closed_orders (
  order_id uuid PRIMARY KEY,
  closed_at timestamptz NOT NULL DEFAULT now()
);
