CREATE TYPE payment_method AS ENUM ('card', 'bank_transfer', 'wallet', 'voucher');
CREATE TYPE payment_status AS ENUM
  ('authorized', 'captured', 'failed', 'partially_refunded', 'refunded');

CREATE TABLE payments (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Owned by orders and users: ids, not foreign keys.
  order_id uuid NOT NULL,
  user_id uuid NOT NULL,
  amount numeric(12, 2) NOT NULL CHECK (amount > 0),
  refunded_amount numeric(12, 2) NOT NULL DEFAULT 0,
  currency char(3) NOT NULL,
  method payment_method NOT NULL,
  status payment_status NOT NULL DEFAULT 'authorized',
  provider_ref text,
  failure_reason text,
  details jsonb NOT NULL DEFAULT '{}',
  captured_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT payments_refunded_check CHECK (refunded_amount BETWEEN 0 AND amount)
);

-- An order is charged once; a charge that failed may be tried again.
CREATE UNIQUE INDEX payments_one_per_order ON payments (order_id) WHERE status <> 'failed';
CREATE INDEX payments_of_order ON payments (order_id, id DESC);

CREATE TABLE refunds (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  payment_id bigint NOT NULL REFERENCES payments (id),
  amount numeric(12, 2) NOT NULL CHECK (amount > 0),
  reason text,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX refunds_of_payment ON refunds (payment_id, id);
