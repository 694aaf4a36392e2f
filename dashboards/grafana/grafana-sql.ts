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
    .replaceAll(PARAMETER, (_, name: string) => TIMES[name] ?? `\${${name}:sqlstring}`);
}

/** SQL that stands for "all" in place of a filter's value. */
export const ALL = `''`;

const PARAMETER = /\{\s*([A-Za-z_]\w*)\s*:\s*[A-Z](?:[^{}])*\}/g;

const time = (ms: string) => `fromUnixTimestamp64Milli(toInt64(${ms}), 'UTC')`;

const TIMES: Readonly<Record<string, string>> = {
  from: time('${__from}'),
  to: time('${__to}'),
  previous_from: time('2 * ${__from} - ${__to}'),
  bucket: 'toUInt32(greatest(1, intDiv(${__interval_ms}, 1000)))',
};
