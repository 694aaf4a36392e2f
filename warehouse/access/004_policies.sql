-- Rows of the change log and of the storage behind the views are for the pipeline alone, also when
-- somebody is granted more by mistake: on a table with a policy, who has none sees no row.
CREATE ROW POLICY IF NOT EXISTS tributary_raw ON changes.* FOR SELECT USING 1 TO pipeline;
CREATE ROW POLICY IF NOT EXISTS tributary_raw ON current.* FOR SELECT USING 1 TO pipeline;

-- One person's queries leave room for everybody else's. The dashboards share theirs among viewers.
CREATE QUOTA IF NOT EXISTS tributary_analyst KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 10000, execution_time = 3600, read_rows = 100000000000
    TO analyst;
