import type { DayRollup } from './day-rollup.ts';

/**
 * How many sagas began a day, and how they ended. How long they took is kept to the millisecond: the
 * share that took no longer than something can be told exactly, where medians of days could not be
 * added up.
 */
export const SAGA_DAYS: DayRollup = {
  name: 'saga_days',
  of: 'sagas',
  entry: [
    ['ended_day', 'Nullable(Date)'],
    ['kind', 'LowCardinality(String)'],
    ['state', 'LowCardinality(String)'],
    ['is_ended', 'Bool'],
    ['reason', 'Nullable(String)'],
    ['duration_ms', 'Nullable(Int64)'],
    ['sagas', 'UInt64'],
  ],
  comment: 'What mart daily_sagas is made of; read the mart instead',
  // The time of the begin is part of the key: a saga that moved or went left a row behind that says so.
  touched: (block) =>
    `SELECT toDate(started_at) AS day FROM facts.sagas WHERE _block_number > ${block}`,
  days: 'SELECT DISTINCT toDate(started_at) AS day FROM facts.sagas FINAL',
  entries: (day) =>
    `SELECT toDate(ended_at) AS ended_day, kind, state, is_ended, reason, duration_ms, count()
     FROM facts.sagas FINAL
     WHERE started_at >= ${day} AND started_at < ${day} + 1
     GROUP BY ended_day, kind, state, is_ended, reason, duration_ms`,
};
