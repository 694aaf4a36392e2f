const NULL = '\\N';
const ESCAPED: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * Puts hashes in place of fields of tab-separated values, as COPY writes them.
 *
 * @param rows - whole rows, in UTF-8
 * @param isHashed - for each field of a row
 */
export function hashFields(
  rows: Buffer,
  isHashed: readonly boolean[],
  hash: (text: string) => string,
): Buffer {
  const lines = rows.toString().split('\n');
  return Buffer.from(
    lines
      .map((line, index) =>
        // After the last newline there is no row.
        index === lines.length - 1
          ? line
          : line
              .split('\t')
              .map((field, place) =>
                isHashed[place] === true && field !== NULL ? hash(unescape(field)) : field,
              )
              .join('\t'),
      )
      .join('\n'),
  );
}

function unescape(field: string): string {
  return field.replace(/\\(.)/gs, (_, code: string) => ESCAPED[code] ?? code);
}
