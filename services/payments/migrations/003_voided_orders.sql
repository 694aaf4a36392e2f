-- Orders that must not be charged any more: a charge that arrives after its order was given up is
-- refused.
CREATE TABLE voided_orders (
  order_id uuid PRIMARY KEY,
  voided_at timestamptz NOT NULL DEFAULT now()
);
