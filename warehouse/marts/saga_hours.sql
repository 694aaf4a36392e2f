-- needs: facts.sagas

CREATE OR REPLACE VIEW marts.saga_hours
(
    started_hour DateTime64(0, 'UTC')           COMMENT 'Begin of the hour in which a saga began',
    ended_at     Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ended, now or before it changed; NULL while it runs',
    is_ended     Bool                           COMMENT 'Whether nothing more will happen, now or before it changed'
)
AS
SELECT
    date_trunc('hour', started_at) AS started_hour,
    ended_at,
    is_ended
FROM facts.sagas
COMMENT 'In which hours the sagas of a time of end began: a row for each saga, and more for sagas that changed lately. A saga is in one of these hours, so little else of mart saga_outcomes has to be read';
