import type { Readable } from 'node:stream';
import type { ClickHouseClient } from '@clickhouse/client';
import { parametersOf, type GivenParameter } from '../definition/sql-parameters.ts';
import type { Cell, Column, Rows } from '../wire.ts';
import { DOWNLOAD_SETTINGS, DOWNLOADS, type DownloadEnding } from './downloads.ts';
import type { TimeRange } from './time-range.ts';

const DAY_SECONDS = 86_400;

/** How values come: exact, and times that need no time zone to be understood. */
const EXACT = {
  output_format_json_quote_64bit_integers: 1,
  output_format_json_quote_decimals: 1,
  output_format_json_quote_denormals: 1,
} as const;

/** Values of the parameters of a panel's query. */
export interface PanelParameters {
  readonly range: TimeRange;
  /** By name; an empty value means all. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Runs the query of a panel. Values go as ClickHouse's typed parameters, never as text of the query.
 *
 * @throws what the client throws, ClickHouseError among it
 */
export async function queryPanel(
  client: ClickHouseClient,
  sql: string,
  parameters: PanelParameters,
  signal: AbortSignal,
): Promise<Rows> {
  return queryRows(client, sql, valuesFor(sql, parameters), signal);
}

/** Runs the query of a panel for a file. @throws what the client throws, ClickHouseError among it */
export async function panelFile(
  client: ClickHouseClient,
  sql: string,
  parameters: PanelParameters,
  as: DownloadEnding,
  signal: AbortSignal,
): Promise<Readable> {
  const { stream } = await client.exec({
    query: sql,
    query_params: valuesFor(sql, parameters),
    abort_signal: signal,
    clickhouse_settings: {
      default_format: DOWNLOADS[as].format,
      ...DOWNLOAD_SETTINGS,
      date_time_output_format: 'iso',
    },
  });
  return stream;
}

/** Runs a query. @throws what the client throws, ClickHouseError among it */
export async function queryRows(
  client: ClickHouseClient,
  sql: string,
  values: Readonly<Record<string, string | number>>,
  signal: AbortSignal,
): Promise<Rows> {
  const result = await client.query({
    query: sql,
    query_params: values,
    format: 'JSONCompact',
    clickhouse_settings: { ...EXACT, date_time_output_format: 'iso' },
    abort_signal: signal,
  });
  const { meta, data } = (await result.json()) as unknown as { meta: Column[]; data: Cell[][] };
  return { columns: meta, rows: data };
}

/** Values of the parameters that a query has. */
export function valuesFor(
  sql: string,
  { range, variables }: PanelParameters,
): Record<string, string | number> {
  const given: Readonly<Record<string, string | number>> = { ...variables, ...givenBy(range) };
  return Object.fromEntries(
    parametersOf(sql).flatMap((name) => {
      const value = given[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function givenBy(range: TimeRange): Readonly<Record<GivenParameter, string | number>> {
  const { from, to, previousFrom, bucketSeconds } = range;
  const isOfDays = bucketSeconds % DAY_SECONDS === 0;
  return {
    from: timeText(from),
    to: timeText(to),
    bucket: bucketSeconds,
    previous_from: timeText(previousFrom),
    days_from: dayText(dayFrom(from)),
    days_to: dayText(to),
    // Only pieces of whole days can be made of days.
    chart_days_to: dayText(isOfDays ? to : dayFrom(from)),
    previous_days_from: dayText(dayFrom(previousFrom)),
    previous_days_to: dayText(from),
  };
}

/** A time on the first day that begins no earlier. */
function dayFrom(ms: number): number {
  return ms + DAY_SECONDS * 1000 - 1;
}

/** As ClickHouse reads a Date. */
function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** As ClickHouse reads a DateTime64 whose type names the zone UTC. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
}
