const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '\0': '\\0',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** A string literal of ClickHouse SQL that reads back as exactly `text`. */
export function quoteText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is to be escaped
  return `'${text.replace(/[\\'\0\b\f\n\r\t]/g, (character) => ESCAPES[character] ?? character)}'`;
}

/** A quoted identifier of ClickHouse SQL. */
export function quoteName(name: string): string {
  return `\`${name.replace(/[\\`]/g, (character) => `\\${character}`)}\``;
}

/** Whether `name` can stand in SQL as it is: formats and settings are only ever such names. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}
