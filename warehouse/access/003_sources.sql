-- The current views: two lines for each source of tributary.yaml, whose database has its name.
GRANT SELECT, SHOW ON users.* TO analyst;
GRANT SELECT, SHOW ON catalog.* TO analyst;
GRANT SELECT, SHOW ON inventory.* TO analyst;
GRANT SELECT, SHOW ON orders.* TO analyst;
GRANT SELECT, SHOW ON payments.* TO analyst;

GRANT SELECT, INSERT, ALTER, CREATE, DROP, SHOW ON users.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, SHOW ON catalog.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, SHOW ON inventory.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, SHOW ON orders.* TO pipeline;
GRANT SELECT, INSERT, ALTER, CREATE, DROP, SHOW ON payments.* TO pipeline;
