-- Tables of one generation; created with its schema as the search path.

-- Orders with all that a list of them shows. A row may begin with any of the events about it.
CREATE TABLE orders (
  order_id uuid PRIMARY KEY,
  -- From OrderPlaced; NULL until it has come, and the row is not shown before.
  placed_at timestamptz,
  order_number text,
  user_id uuid,
  currency text,
  total numeric(12, 2),
  lines jsonb,
  product_names text,
  -- From users.
  user_name text,
  user_email text,
  -- From OrderPlaced and OrderStatusChanged, whichever is newer.
  status text,
  status_version integer NOT NULL DEFAULT 0,
  status_changed_at timestamptz,
  reason text,
  -- From payments.
  payment_id text,
  payment_method text,
  payment_status text,
  payment_version integer NOT NULL DEFAULT 0,
  refunded_amount numeric(12, 2),
  -- Words by their beginnings: order number, product names, the user's name and address. The collation
  -- says what letters are: a database made with the locale C knows those of ASCII alone.
  search tsvector GENERATED ALWAYS AS (
    to_tsvector(
      'simple'::regconfig,
      regexp_replace(
        lower((
          coalesce(order_number, '') || ' ' || coalesce(user_name, '') || ' ' ||
          coalesce(user_email, '') || ' ' || coalesce(product_names, '')
        ) COLLATE pg_c_utf8),
        '[^[:alnum:]]+', ' ', 'g'
      )
    )
  ) STORED
);

CREATE INDEX orders_newest_first ON orders (placed_at DESC, order_id DESC);
CREATE INDEX orders_of_user ON orders (user_id, placed_at DESC, order_id DESC);
CREATE INDEX orders_search ON orders USING gin (search);

-- What is known of users, for orders that are still to come. Each field with the version it is from.
CREATE TABLE users (
  user_id uuid PRIMARY KEY,
  name text,
  name_version integer NOT NULL DEFAULT 0,
  email text,
  email_version integer NOT NULL DEFAULT 0
);

CREATE TABLE inbox (
  event_id uuid PRIMARY KEY,
  type text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE rejected_events (
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  reason jsonb NOT NULL,
  rejected_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition, "offset")
);
