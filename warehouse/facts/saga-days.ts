import type { DayRollup } from './day-rollup.ts';

/**
 * How the sagas that ended a day did. How long they took is kept to the millisecond: within what time so
 * many of a hundred ended can be told exactly, where medians of days could not be added up.
 */
export const SAGA_DAYS: DayRollup = {
  name: 'saga_days',
  of: 'sagas',
  entry: [
    ['kind', 'LowCardinality(String)'],
    ['state', 'LowCardinality(String)'],
    ['reason', 'Nullable(String)'],
    ['duration_ms', 'Int64'],
    ['sagas', 'UInt64'],
  ],
  comment: 'What mart daily_sagas is made of; read the mart instead',
  // The log knows the time of an end that was taken back or moved.
  touched: (block) =>
    `SELECT toDate(assumeNotNull(ended_at)) AS day FROM facts.sagas WHERE _block_number > ${block} AND is_ended
     UNION DISTINCT
     SELECT toDate(assumeNotNull(ended_at)) FROM changes.orders__sagas
     WHERE isNotNull(ended_at) AND id IN (SELECT saga_id FROM facts.sagas WHERE _block_number > ${block})`,
  days: 'SELECT DISTINCT toDate(assumeNotNull(ended_at)) AS day FROM facts.sagas FINAL WHERE is_ended',
  entries: (days) =>
    `SELECT toDate(assumeNotNull(ended_at)) AS day, kind, state, reason, assumeNotNull(duration_ms), count()
     FROM facts.sagas FINAL
     WHERE is_ended AND date_trunc('day', ended_at) IN (${days})
       AND date_trunc('hour', started_at) IN (SELECT date_trunc('hour', started_at) FROM facts.sagas WHERE date_trunc('day', ended_at) IN (${days}))
     GROUP BY day, kind, state, reason, duration_ms`,
};
