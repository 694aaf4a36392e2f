/** Parameters that every panel is given, whatever its variables. */
export const GIVEN_PARAMETERS: readonly string[] = ['from', 'to', 'bucket', 'previous_from'];

const PARAMETER = /\{\s*([A-Za-z_]\w*)\s*:\s*[A-Z]/g;

/** Names of ClickHouse's typed parameters, `{name:Type}`, in a query; each once. */
export function parametersOf(sql: string): string[] {
  return [...new Set([...sql.matchAll(PARAMETER)].map((match) => match[1] ?? ''))];
}

/** Parameters of a query that neither a variable nor the page gives. */
export function unknownParameters(sql: string, variables: readonly string[]): string[] {
  const known = new Set([...GIVEN_PARAMETERS, ...variables]);
  return parametersOf(sql).filter((name) => !known.has(name));
}
