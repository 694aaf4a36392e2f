/**
 * What two mutations, one after the other, set columns to so that they hold nothing: NULL where they
 * take it, else the default of their type. Under a NULL that a mutation writes, ClickHouse keeps the
 * value that was there, and `assumeNotNull` shows it; so the first writes something else over it.
 *
 * @param columns - quoted names
 */
export function blankSteps(columns: readonly string[]): [overwrite: string, empty: string] {
  return [
    columns
      .map((name) => `${name} = defaultValueOfArgumentType(assumeNotNull(${name}))`)
      .join(', '),
    columns.map((name) => `${name} = defaultValueOfArgumentType(${name})`).join(', '),
  ];
}
