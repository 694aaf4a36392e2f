import type { GivenParameter } from '../definition/sql-parameters.ts';

/**
 * A panel's query with Grafana's variables in place of ClickHouse's typed parameters. Grafana puts
 * values into the text of a query, so texts go in as quoted literals; the user that its data source
 * logs in as must be one who may only read.
 *
 * `${__from}` and `${__to}` are milliseconds since 1970, `${__interval_ms}` the length of a piece of
 * time. A filter that shows all has the value `''`, see {@link ALL}.
 *
 * @see Grafana manual, "Global variables" and "Variable syntax"
 */
export function grafanaSql(sql: string): string {
  return sql
    .trim()
    .replaceAll(PARAMETER, (_, name: string) =>
      isGiven(name) ? GIVEN[name] : `\${${name}:sqlstring}`,
    );
}

/** SQL that stands for "all" in place of a filter's value. */
export const ALL = `''`;

const PARAMETER = /\{\s*([A-Za-z_]\w*)\s*:\s*[A-Z](?:[^{}])*\}/g;

const DAY_MS = 86_400_000;

const time = (ms: string) => `fromUnixTimestamp64Milli(toInt64(${ms}), 'UTC')`;
const day = (ms: string) => `toDate(${time(ms)})`;
/** The first day that begins no earlier. */
const dayFrom = (ms: string) => day(`${ms} + ${DAY_MS - 1}`);

const BUCKET = 'toUInt32(greatest(1, intDiv(${__interval_ms}, 1000)))';
const PREVIOUS_FROM = '2 * ${__from} - ${__to}';

const GIVEN: Readonly<Record<GivenParameter, string>> = {
  from: time('${__from}'),
  to: time('${__to}'),
  bucket: BUCKET,
  previous_from: time(PREVIOUS_FROM),
  days_from: dayFrom('${__from}'),
  days_to: day('${__to}'),
  chart_days_to: `if(${BUCKET} % 86400 = 0, ${day('${__to}')}, ${dayFrom('${__from}')})`,
  previous_days_from: dayFrom(PREVIOUS_FROM),
  previous_days_to: day('${__from}'),
};

function isGiven(name: string): name is GivenParameter {
  return Object.hasOwn(GIVEN, name);
}
