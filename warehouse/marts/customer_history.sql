-- needs: history.users__users

CREATE OR REPLACE VIEW marts.customer_history
(
    customer_id UUID                             COMMENT 'User, as in users.users.id',
    name        Nullable(String)                 COMMENT 'Name in that time; NULL when the person was erased',
    country     LowCardinality(Nullable(String)) COMMENT 'Country in that time, ISO 3166 alpha-2',
    status      LowCardinality(Nullable(String)) COMMENT 'Status in that time: active, suspended or closed',
    valid_from  DateTime64(6, 'UTC')             COMMENT 'From when on it was so, included; for what was there when the capture began, when it was read',
    valid_to    Nullable(DateTime64(6, 'UTC'))   COMMENT 'Until when it was so, excluded; NULL when it still is',
    is_current  Bool                             COMMENT 'Whether it still is so'
)
AS
SELECT
    id AS customer_id,
    name,
    country,
    status,
    valid_from,
    valid_to,
    CAST(isNull(valid_to), 'Bool') AS is_current
FROM history.users__users
COMMENT 'Who a customer was when (SCD2): one row a version, gapless while the account was there';
