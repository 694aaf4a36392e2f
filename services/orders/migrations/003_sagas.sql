-- Copies of what users owns, kept by its events: orders can be placed while users does not answer.
-- Each field has the version of the user it is from, so that an old event never overwrites a newer
-- value, in whatever order they come.
CREATE TABLE buyers (
  user_id uuid PRIMARY KEY,
  name text,
  name_version integer NOT NULL DEFAULT 0,
  email text,
  email_version integer NOT NULL DEFAULT 0,
  status text,
  status_version integer NOT NULL DEFAULT 0,
  deleted boolean NOT NULL DEFAULT false,
  updated_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE orders
  ADD COLUMN user_name_version integer NOT NULL DEFAULT 0,
  ADD COLUMN user_email_version integer NOT NULL DEFAULT 0,
  -- Placed while users did not answer, with the copies of buyers.
  ADD COLUMN buyer_stale boolean NOT NULL DEFAULT false;

CREATE TYPE saga_state AS ENUM ('running', 'compensating', 'completed', 'compensated', 'stuck');
CREATE TYPE saga_direction AS ENUM ('do', 'undo');
CREATE TYPE saga_step_state AS ENUM ('started', 'done', 'refused');

-- What has to happen in several services because of an order. Written before each step.
CREATE TABLE sagas (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  order_id uuid NOT NULL REFERENCES orders (id),
  kind text NOT NULL CHECK (kind IN ('place-order', 'ship-order')),
  state saga_state NOT NULL DEFAULT 'running',
  -- Why it is being compensated, or is stuck.
  reason text,
  -- What its steps need to know beyond the order.
  input jsonb NOT NULL DEFAULT '{}',
  -- After this it goes no further forward, but back.
  deadline timestamptz,
  -- Failed attempts at the step it is at.
  attempts integer NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL DEFAULT now(),
  -- Who works on it, and until when nobody else does.
  lease uuid,
  leased_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  UNIQUE (order_id, kind)
);

CREATE INDEX sagas_due ON sagas (due_at) WHERE state IN ('running', 'compensating');

-- The timeline of a saga: one row a step and direction.
CREATE TABLE saga_steps (
  saga_id uuid NOT NULL REFERENCES sagas (id),
  step text NOT NULL,
  direction saga_direction NOT NULL,
  state saga_step_state NOT NULL DEFAULT 'started',
  attempts integer NOT NULL DEFAULT 1,
  detail jsonb,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  PRIMARY KEY (saga_id, step, direction)
);
