/*
 * One text for one value, whichever of the two databases prints it: so that rows can be compared
 * by what they hold and not by how each side formats it.
 */

/** How a column is printed by both sides. */
export interface CanonicalColumn {
  /** SQL expression of Postgres that gives text. */
  readonly postgres: string;
  /** SQL expression of ClickHouse that gives text. */
  readonly clickhouse: string;
  /** What is left to be evened out once both texts are here. */
  readonly normalize: (text: string) => string;
}

const asIs = (text: string) => text;
const number = (text: string) => String(Number(text.replace(/^(-?)inf.*$/i, '$1Infinity')));
const json = (text: string) => JSON.stringify(JSON.parse(text));

/**
 * Chooses how to print a column.
 *
 * @param clickhouseType - type of the column in the view
 * @param isArray - whether the column is an array in Postgres
 * @param pg - quoted name for Postgres
 * @param ch - quoted name for ClickHouse
 */
export function canonicalColumn(
  clickhouseType: string,
  isArray: boolean,
  pg: string,
  ch: string,
): CanonicalColumn {
  const type = clickhouseType.replace(/^Nullable\((.*)\)$/, '$1');
  if (type === 'Date32') {
    return {
      postgres: `to_char(${pg}, 'YYYY-MM-DD')`,
      clickhouse: `toString(${ch})`,
      normalize: asIs,
    };
  }
  if (type.startsWith('DateTime64')) {
    // AT TIME ZONE turns timestamptz into UTC wall time and would shift a timestamp, hence the cast.
    return {
      postgres: `to_char(${pg}::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`,
      clickhouse: `toString(${ch})`,
      normalize: asIs,
    };
  }
  if (type.startsWith('Decimal')) {
    return {
      postgres: `${pg}::text`,
      clickhouse: `toString(${ch})`,
      normalize: withoutTrailingZeros,
    };
  }
  if (type.startsWith('Float')) {
    return { postgres: `${pg}::text`, clickhouse: `toString(${ch})`, normalize: number };
  }
  // A nullable array is kept as JSON text (pipeline/docs/types.md).
  if (isArray && !type.startsWith('Array')) {
    return {
      postgres: `to_jsonb(${pg})::text`,
      clickhouse: `toString(${ch})`,
      normalize: json,
    };
  }
  if (type.startsWith('Array')) {
    return {
      postgres: `to_jsonb(${pg})::text`,
      clickhouse: `toJSONString(${ch})`,
      normalize: json,
    };
  }
  return { postgres: `${pg}::text`, clickhouse: `toString(${ch})`, normalize: asIs };
}

function withoutTrailingZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
