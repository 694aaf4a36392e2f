/** Types that a cast to text prints as the type's output function does. */
const CAST_PRINTS_ALL: ReadonlySet<string> = new Set([
  'text',
  'varchar',
  'name',
  'bytea',
  'json',
  'jsonb',
  'xml',
  'numeric',
  'bit',
  'date',
  'timestamp',
  'timestamptz',
]);

/** Types whose text is not what their output function prints. */
const RESPELLED: ReadonlySet<string> = new Set(['money', 'time', 'timetz', 'interval', 'hstore']);

/** Whether COPY prints a value of a type by itself as {@link sourceText} does. */
export function copyPrints(name: string): boolean {
  return !RESPELLED.has(name);
}

/**
 * SQL of Postgres that gives the text by which the warehouse keeps a value of a type that is kept as
 * text: what comes through the connector and the pipeline. For a session with time zone UTC and
 * DateStyle ISO.
 *
 * @param name - of the type in `pg_type`
 * @param value - SQL of the value
 * @see pipeline/docs/types.md
 */
export function sourceText(name: string, value: string): string {
  if (CAST_PRINTS_ALL.has(name)) return `${value}::text`;
  switch (name) {
    case 'money':
      return `${value}::numeric::text`;
    case 'time':
      // Six digits of fraction, or none.
      return `replace(to_char(${value}, 'HH24:MI:SS.US'), '.000000', '')`;
    case 'timetz':
      return `replace((${value} AT TIME ZONE 'UTC')::text, '+00', 'Z')`;
    case 'interval':
      return intervalText(value);
    case 'hstore':
      return `CASE WHEN ${value} IS NOT NULL THEN (
        SELECT '{' || coalesce(string_agg(to_json(k)::text || ':' || coalesce(to_json(v)::text, 'null'), ','), '') || '}'
        FROM each(${value}) AS pairs(k, v)) END`;
    default:
      // A cast to text differs from the output function: it cuts the blanks of char(n) and gives an
      // address a netmask. `concat` calls the output function, and makes an empty text of NULL.
      // A composite whose fields are all NULL is itself not, but IS NULL.
      return printedText(value);
  }
}

/** SQL of Postgres that gives the text of an array, or of an element that is kept as text: as it prints it. */
export function printedText(value: string): string {
  return `CASE WHEN ${value} IS NOT DISTINCT FROM NULL THEN NULL ELSE concat(${value}) END`;
}

/** Query of Postgres that gives the elements of an array as `u`, in the order of `n`. */
export function elementsOf(value: string): string {
  // Not FROM unnest(…): that makes several columns of a composite.
  return `SELECT unnest(${value}) AS u, generate_subscripts(${value}, 1) AS n`;
}

/** SQL of Postgres that gives a timestamp as it is an element of the JSON text of a nullable array. */
export function timestampElementText(name: string, value: string): string {
  const wall = name === 'timestamptz' ? `timezone('UTC', ${value})` : value;
  return `to_char(${wall}, 'YYYY-MM-DD HH24:MI:SS.US')`;
}

/** Debezium's spelling, which keeps months, days and seconds apart. */
function intervalText(value: string): string {
  const part = (field: string) => `trim_scale(extract(${field} FROM ${value})::numeric)::text`;
  return (
    `'P' || ${part('year')} || 'Y' || ${part('month')} || 'M' || ${part('day')} || 'DT' || ` +
    `${part('hour')} || 'H' || ${part('minute')} || 'M' || ${part('second')} || 'S'`
  );
}
