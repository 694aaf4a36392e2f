/**
 * Parameters that every panel is given, whatever its variables. Whole days are days of UTC, the first
 * included and the last not; those of `previous_` are of the time before.
 */
export const GIVEN_PARAMETERS = [
  'from',
  'to',
  'bucket',
  'previous_from',
  'days_from',
  'days_to',
  'chart_days_to',
  'previous_days_from',
  'previous_days_to',
] as const;

/** One of {@link GIVEN_PARAMETERS}. */
export type GivenParameter = (typeof GIVEN_PARAMETERS)[number];

const PARAMETER = /\{\s*([A-Za-z_]\w*)\s*:\s*[A-Z]/g;

/** Names of ClickHouse's typed parameters, `{name:Type}`, in a query; each once. */
export function parametersOf(sql: string): string[] {
  return [...new Set([...sql.matchAll(PARAMETER)].map((match) => match[1] ?? ''))];
}

/** Parameters of a query that neither a variable nor the page gives. */
export function unknownParameters(sql: string, variables: readonly string[]): string[] {
  const known = new Set<string>([...GIVEN_PARAMETERS, ...variables]);
  return parametersOf(sql).filter((name) => !known.has(name));
}
