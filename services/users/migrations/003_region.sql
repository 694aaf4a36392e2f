-- Where a person's data lives, for good: chosen at sign-up. On every table that holds such data, so
-- that rows can be kept in their region (pipeline/docs/residency.md).
ALTER TABLE users
  ADD COLUMN region text NOT NULL DEFAULT 'eu' CHECK (region IN ('eu', 'us', 'other'));
ALTER TABLE addresses
  ADD COLUMN region text NOT NULL DEFAULT 'eu' CHECK (region IN ('eu', 'us', 'other'));
