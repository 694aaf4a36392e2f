-- What tables and columns mean, for whoever reads them here or in the warehouse, which takes these over.

COMMENT ON TABLE users IS 'Accounts of customers: one row a person';
COMMENT ON COLUMN users.id IS 'User; other services refer to it';
COMMENT ON COLUMN users.email IS 'Address to log in with, lower case';
COMMENT ON COLUMN users.name IS 'Name of the person';
COMMENT ON COLUMN users.country IS 'Country, ISO 3166 alpha-2';
COMMENT ON COLUMN users.phone IS 'Telephone number as it was given; NULL when none was';
COMMENT ON COLUMN users.birth_date IS 'Day of birth; NULL when it was not told';
COMMENT ON COLUMN users.status IS 'active, suspended or closed';
COMMENT ON COLUMN users.marketing_consent IS 'Whether advertising may be sent; NULL when nobody asked';
COMMENT ON COLUMN users.preferences IS 'What the person has set, as JSON';
COMMENT ON COLUMN users.tags IS 'Labels that staff gave';
COMMENT ON COLUMN users.loyalty_points IS 'Points collected and not spent';
COMMENT ON COLUMN users.login_count IS 'Logins so far';
COMMENT ON COLUMN users.last_login_at IS 'When the last was; NULL before the first';
COMMENT ON COLUMN users.version IS 'Counts the writes of the row';
COMMENT ON COLUMN users.created_at IS 'When the person signed up';
COMMENT ON COLUMN users.updated_at IS 'When the row was last written';
COMMENT ON COLUMN users.region IS 'Where the data of the person lives: eu, us or other';

COMMENT ON TABLE addresses IS 'Addresses of customers, by label';
COMMENT ON COLUMN addresses.user_id IS 'User whose address it is';
COMMENT ON COLUMN addresses.label IS 'What the user calls it, e.g. home';
COMMENT ON COLUMN addresses.recipient IS 'Name on the parcel';
COMMENT ON COLUMN addresses.line1 IS 'Street and number';
COMMENT ON COLUMN addresses.line2 IS 'Further line; NULL when there is none';
COMMENT ON COLUMN addresses.city IS 'Town';
COMMENT ON COLUMN addresses.postcode IS 'Postal code as it is written there';
COMMENT ON COLUMN addresses.country IS 'Country, ISO 3166 alpha-2';
COMMENT ON COLUMN addresses.created_at IS 'When the row was made';
COMMENT ON COLUMN addresses.updated_at IS 'When the row was last written';
COMMENT ON COLUMN addresses.region IS 'Where the data of the user lives: eu, us or other';
