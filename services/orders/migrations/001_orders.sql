CREATE TYPE order_status AS ENUM ('pending', 'paid', 'shipped', 'cancelled', 'refunded');

CREATE TABLE orders (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- What people quote on the phone.
  order_number bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000001) UNIQUE,
  -- Owned by users: an id, not a foreign key.
  user_id uuid NOT NULL,
  -- Copies as of placement, so that an order can be read and posted without asking users.
  user_name text NOT NULL,
  user_email text NOT NULL,
  status order_status NOT NULL DEFAULT 'pending',
  total numeric(12, 2) NOT NULL CHECK (total > 0),
  currency char(3) NOT NULL,
  gift boolean NOT NULL DEFAULT false,
  note text,
  coupon_codes text[] NOT NULL DEFAULT '{}',
  shipping_address jsonb,
  requested_delivery date,
  -- The payment that settled it, in the payments service.
  payment_id bigint,
  placed_at timestamptz NOT NULL DEFAULT now(),
  paid_at timestamptz,
  closed_at timestamptz,
  cancel_reason text,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX orders_newest_first ON orders (placed_at DESC, id DESC);
CREATE INDEX orders_of_user ON orders (user_id, placed_at DESC, id DESC);

CREATE TABLE order_lines (
  order_id uuid NOT NULL REFERENCES orders (id),
  line_no integer NOT NULL,
  product_id uuid NOT NULL,
  -- Copies as of placement: what was bought does not change when the catalog does.
  product_name text NOT NULL,
  unit_price numeric(12, 2) NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  line_total numeric(12, 2) NOT NULL,
  PRIMARY KEY (order_id, line_no)
);
