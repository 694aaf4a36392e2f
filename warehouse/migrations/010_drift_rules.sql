-- How the rules of the drift monitor stand, told from what it has written.

CREATE OR REPLACE VIEW ops.drift_rules
(
    rule        String                         COMMENT 'Rule, as in tributary.yaml',
    state       String                         COMMENT 'in step, drifting, unconfirmed (a source cannot be asked), failing (see problem), not watched (for five minutes), or removed (others were looked at since, it was not)',
    copies      UInt64                         COMMENT 'Copies that the rule is about, as of the last round that could be done',
    drifted     UInt64                         COMMENT 'Copies that differ from their owners, confirmed at both sources',
    share       Float64                        COMMENT 'drifted in copies, 0 to 1',
    open        UInt64                         COMMENT 'Open findings; a copy has one for each field that differs',
    unconfirmed UInt64                         COMMENT 'Findings that wait for a source to answer',
    in_flight   UInt64                         COMMENT 'Copies whose owner changed less than the allowed staleness ago, as of the last round',
    oldest_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'When the oldest open finding was first found; NULL when there is none',
    looked_at   DateTime64(3, 'UTC')           COMMENT 'When the last round began',
    swept_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'When all copies were last looked at',
    problem     String                         COMMENT 'Why the last round could not be done; empty when it was'
)
AS
SELECT
    r.name AS rule,
    multiIf(
        r.last < now64(3) - INTERVAL 5 MINUTE AND n.newest > r.last + INTERVAL 5 MINUTE, 'removed',
        r.last < now64(3) - INTERVAL 5 MINUTE, 'not watched',
        r.why != '', 'failing',
        f.opened > 0, 'drifting',
        f.waiting > 0, 'unconfirmed',
        'in step') AS state,
    r.of AS copies,
    f.rows AS drifted,
    if(r.of = 0, if(f.rows = 0, 0, 1), least(1, f.rows / r.of)) AS share,
    f.opened AS open,
    f.waiting AS unconfirmed,
    r.moving AS in_flight,
    if(f.opened = 0, NULL, toNullable(f.oldest)) AS oldest_at,
    r.last AS looked_at,
    if(r.sweeps = 0, NULL, toNullable(r.swept)) AS swept_at,
    r.why AS problem
FROM
(
    SELECT
        toString(d.rule) AS name,
        max(d.looked_at) AS last,
        argMax(d.problem, d.looked_at) AS why,
        argMaxIf(d.copies, d.looked_at, d.problem = '') AS of,
        argMax(d.in_flight, d.looked_at) AS moving,
        countIf(d.kind = 'sweep' AND d.problem = '') AS sweeps,
        maxIf(d.looked_at, d.kind = 'sweep' AND d.problem = '') AS swept
    FROM ops.drift_rounds AS d
    GROUP BY name
) AS r
CROSS JOIN (SELECT max(looked_at) AS newest FROM ops.drift_rounds) AS n
LEFT JOIN
(
    SELECT
        toString(d.rule) AS name,
        countIf(d.state = 'open') AS opened,
        uniqExactIf(d.copy_key, d.state = 'open') AS rows,
        countIf(d.state = 'unconfirmed') AS waiting,
        minIf(d.opened_at, d.state = 'open') AS oldest
    FROM ops.drift_findings AS d FINAL
    WHERE d.state IN ('open', 'unconfirmed')
    GROUP BY name
) AS f ON f.name = r.name
COMMENT 'How the rules of the drift monitor stand now, one row a rule that was looked at in the last 30 days';
