-- The read model exists in generations, each in a schema of its own, built from the topics by a
-- consumer group of its own. One serves; a new one is built beside it and then takes its place.
CREATE TYPE generation_state AS ENUM ('building', 'serving', 'retired');

CREATE TABLE generations (
  number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  state generation_state NOT NULL DEFAULT 'building',
  began_at timestamptz NOT NULL DEFAULT now(),
  served_at timestamptz,
  retired_at timestamptz
);

CREATE UNIQUE INDEX generations_one_serves ON generations (state) WHERE state = 'serving';
CREATE UNIQUE INDEX generations_one_builds ON generations (state) WHERE state = 'building';
