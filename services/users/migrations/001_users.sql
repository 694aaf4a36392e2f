CREATE TYPE user_status AS ENUM ('active', 'suspended', 'closed');

CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email text NOT NULL CONSTRAINT users_email_key UNIQUE CHECK (email = lower(email)),
  name text NOT NULL,
  country char(2) NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
  phone text,
  birth_date date,
  status user_status NOT NULL DEFAULT 'active',
  -- NULL: never asked.
  marketing_consent boolean,
  preferences jsonb NOT NULL DEFAULT '{}',
  tags text[] NOT NULL DEFAULT '{}',
  loyalty_points bigint NOT NULL DEFAULT 0 CHECK (loyalty_points >= 0),
  login_count bigint NOT NULL DEFAULT 0,
  last_login_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX users_newest_first ON users (created_at DESC, id DESC);

CREATE TABLE addresses (
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  -- What the user calls it: home, work.
  label text NOT NULL,
  recipient text NOT NULL,
  line1 text NOT NULL,
  line2 text,
  city text NOT NULL,
  postcode text NOT NULL,
  country char(2) NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, label)
);
