CREATE TYPE movement_kind AS ENUM ('receipt', 'adjustment', 'reservation', 'release', 'shipment');
CREATE TYPE reservation_status AS ENUM ('held', 'released', 'shipped');

CREATE TABLE warehouses (
  code text PRIMARY KEY CHECK (code ~ '^[A-Z0-9]{2,10}$'),
  name text NOT NULL,
  country char(2) NOT NULL,
  accepts_returns boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE stock_levels (
  -- Owned by the catalog: an id, not a foreign key.
  product_id uuid NOT NULL,
  warehouse_code text NOT NULL CONSTRAINT stock_levels_warehouse_fkey REFERENCES warehouses (code),
  on_hand integer NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
  reserved integer NOT NULL DEFAULT 0,
  reorder_point integer,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (product_id, warehouse_code),
  CONSTRAINT stock_levels_reserved_check CHECK (reserved BETWEEN 0 AND on_hand)
);

CREATE TABLE reservations (
  order_id uuid NOT NULL,
  line_no integer NOT NULL,
  product_id uuid NOT NULL,
  warehouse_code text NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  status reservation_status NOT NULL DEFAULT 'held',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (order_id, line_no),
  FOREIGN KEY (product_id, warehouse_code) REFERENCES stock_levels (product_id, warehouse_code)
);

CREATE TABLE stock_movements (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  product_id uuid NOT NULL,
  warehouse_code text NOT NULL,
  kind movement_kind NOT NULL,
  -- Change of on_hand; for reservation and release, change of reserved.
  quantity integer NOT NULL,
  order_id uuid,
  note text,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (product_id, warehouse_code) REFERENCES stock_levels (product_id, warehouse_code)
);

CREATE INDEX stock_movements_of_product ON stock_movements (product_id, id DESC);
