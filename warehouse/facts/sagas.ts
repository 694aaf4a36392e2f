import type { Fact, Scope } from './fact.ts';

const TIME = "DateTime64(6, 'UTC')";

/** Sagas with their order's number and what became of their steps, sorted by their begin. */
export const SAGAS_FACT: Fact = {
  name: 'sagas',
  needs: ['orders.sagas', 'orders.saga_steps', 'orders.orders'],
  keys: { table: 'current.orders__sagas', column: 'id' },
  table: `CREATE TABLE IF NOT EXISTS facts.sagas
    (
      saga_id       UUID,
      kind          LowCardinality(String),
      order_id      UUID,
      order_number  Int64,
      state         LowCardinality(String),
      is_ended      Bool,
      reason        Nullable(String),
      started_at    ${TIME},
      ended_at      Nullable(${TIME}),
      duration_ms   Nullable(Int64),
      steps_done    UInt64,
      steps_undone  UInt64,
      refused_step  Nullable(String),
      step_attempts UInt64,
      _version      UInt64 COMMENT 'How much of the tables the row contains; the highest counts',
      _deleted      UInt8  COMMENT '1 when there is no such row any more',
      INDEX ended_at ended_at TYPE minmax GRANULARITY 1,
      INDEX is_ended is_ended TYPE minmax GRANULARITY 1
    )
    ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (started_at, saga_id)
    SETTINGS enable_block_number_column = 1
    COMMENT 'What mart saga_outcomes is made of; read the mart instead'`,
  touched: {
    'orders.sagas': (block) =>
      `SELECT DISTINCT toString(id) AS key FROM current.orders__sagas WHERE _block_number > ${block}`,
    'orders.saga_steps': (block) =>
      `SELECT DISTINCT toString(saga_id) AS key FROM current.orders__saga_steps WHERE _block_number > ${block}`,
    'orders.orders': (block) =>
      `SELECT DISTINCT toString(id) AS key FROM current.orders__sagas
       WHERE order_id IN (SELECT id FROM current.orders__orders WHERE _block_number > ${block})`,
  },
  rows,
  gone: {
    columns: 'started_at, saga_id',
    select: (scope) =>
      `SELECT DISTINCT assumeNotNull(log.created_at) AS started_at, log.id AS saga_id
       FROM changes.orders__sagas AS log
       LEFT JOIN (SELECT id, toNullable(created_at) AS created_at FROM orders.sagas WHERE ${scope('id')}) AS now
         ON now.id = log.id
       WHERE ${scope('log.id')} AND isNotNull(log.created_at)
         AND (isNull(now.created_at) OR now.created_at != log.created_at)`,
  },
};

function rows(scope: Scope): string {
  return `SELECT
    g.id, g.kind, g.order_id, o.order_number, g.state, CAST(isNotNull(g.ended_at), 'Bool'), g.reason,
    g.created_at, g.ended_at,
    if(isNull(g.ended_at), NULL, dateDiff('millisecond', g.created_at, g.ended_at)),
    t.steps_done, t.steps_undone, t.refused_step, t.step_attempts
  FROM (SELECT * FROM orders.sagas WHERE ${scope('id')}) AS g
  LEFT JOIN
  (
    SELECT id, order_number FROM orders.orders
    WHERE id IN (SELECT order_id FROM orders.sagas WHERE ${scope('id')})
  ) AS o ON o.id = g.order_id
  LEFT JOIN
  (
    SELECT
      saga_id,
      countIf(direction = 'do' AND state = 'done') AS steps_done,
      countIf(direction = 'undo' AND state = 'done') AS steps_undone,
      anyIf(toNullable(step), state = 'refused') AS refused_step,
      sum(attempts) AS step_attempts
    FROM orders.saga_steps
    WHERE ${scope('saga_id')}
    GROUP BY saga_id
  ) AS t ON t.saga_id = g.id`;
}
