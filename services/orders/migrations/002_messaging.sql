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

-- Events that were applied: what is delivered again changes nothing.
CREATE TABLE messaging.inbox (
  event_id uuid PRIMARY KEY,
  type text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX inbox_oldest_first ON messaging.inbox (received_at);

-- Events that could not be applied, by their place in Kafka, where they stay.
CREATE TABLE messaging.rejected_events (
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  reason jsonb NOT NULL,
  rejected_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition, "offset")
);
