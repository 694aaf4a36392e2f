-- Beside `public`: what a service keeps for itself is no business of whoever captures `public.*`.
CREATE SCHEMA messaging;

-- Domain events, written in the transaction of the change they tell of. Debezium publishes them.
CREATE TABLE messaging.outbox (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  aggregatetype text NOT NULL,
  aggregateid text NOT NULL,
  type text NOT NULL,
  payload jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX outbox_oldest_first ON messaging.outbox (created_at);
