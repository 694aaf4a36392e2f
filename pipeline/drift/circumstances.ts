import type { ClickHouseClient } from '@clickhouse/client';
import type { DriftRule } from '../catalog/drift-rule.ts';
import { lookAt } from './warehouse-side.ts';
import { quoteText } from '../sink/identifier.ts';

/** What is looked at before and after the moment at which drift began, in seconds. */
const AROUND_SECONDS = 120;
const MOST = 10;
/** A source that writes nothing for so long, at a time when it had been writing, is worth a word. */
const SILENCE_SECONDS = 30;

/**
 * What else happened around a moment: schema changes, markers, dead letters, and a copy's source
 * that stopped writing.
 *
 * @param at - milliseconds since 1970
 * @returns sentences, in the order of time
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function circumstances(
  client: ClickHouseClient,
  rule: DriftRule,
  at: number,
): Promise<string[]> {
  const sources = [rule.owner.source, rule.copy.source].map(quoteText).join(', ');
  const near = (column: string) =>
    `abs(dateDiff('second', ${column}, fromUnixTimestamp64Milli(toInt64(${Math.round(at)})))) <= ${AROUND_SECONDS}`;
  const told = await lookAt<{ at: string; what: string }>(
    client,
    `SELECT formatDateTime(when, '%F %T', 'UTC') AS at, what FROM (
       SELECT seen_at AS when,
              concat('schema change in ', source, '.', table_name, ': ', change) AS what
       FROM ops.schema_history
       WHERE source IN (${sources}) AND ${near('seen_at')} AND change NOT IN ('table first seen', 'schema seen')
       UNION ALL
       SELECT marked_at, concat('marker', if(source = '', '', concat(' of ', source)), ': ', text)
       FROM ops.markers WHERE (source IN (${sources}) OR source = '') AND ${near('marked_at')}
       UNION ALL
       SELECT min(dead_lettered_at), concat(toString(count()), ' dead letters of ', topic, ', ', code)
       FROM ops.dead_letters
       WHERE splitByChar('.', topic)[1] IN (${sources}) AND ${near('dead_lettered_at')}
       GROUP BY topic, code
     ) ORDER BY when LIMIT ${MOST}`,
  );
  const silent = await silence(client, rule.copy.source, at);
  return [...told.map(({ at: time, what }) => `${time} UTC: ${what}`), ...silent];
}

/** The longest time around a moment in which nothing of a source was stored, if it was long. */
async function silence(client: ClickHouseClient, source: string, at: number): Promise<string[]> {
  const [from, to] = [at - AROUND_SECONDS * 1_000, at + AROUND_SECONDS * 1_000].map(
    (ms) => `fromUnixTimestamp64Milli(toInt64(${Math.round(ms)}))`,
  );
  const [gap] = await lookAt<{ began: string; seconds: number }>(
    client,
    `SELECT formatDateTime(before, '%F %T', 'UTC') AS began,
            toInt32(dateDiff('second', before, observed)) AS seconds
     FROM (
       SELECT observed_at AS observed,
              lagInFrame(toNullable(observed_at)) OVER (ORDER BY observed_at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
       FROM ops.freshness
       WHERE source = ${quoteText(source)} AND observed_at BETWEEN ${from} AND ${to}
     ) WHERE before IS NOT NULL ORDER BY seconds DESC LIMIT 1`,
  );
  if (gap === undefined || gap.seconds < SILENCE_SECONDS) return [];
  return [`${gap.began} UTC: nothing came from ${source} for ${gap.seconds} s`];
}
