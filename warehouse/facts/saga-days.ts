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
  entries: (day) =>
    `SELECT kind, state, reason, assumeNotNull(duration_ms), count()
     FROM facts.sagas FINAL
     WHERE ended_at >= ${day} AND ended_at < ${day} + 1
     GROUP BY kind, state, reason, duration_ms`,
};
