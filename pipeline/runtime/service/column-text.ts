import pg from 'pg';

const { builtins } = pg.types;

type TypeId = (typeof builtins)['INT8'];

/**
 * PostgreSQL's text of a timestamptz in a session whose time zone is UTC, as RFC 3339. A Date
 * would cut the microseconds off.
 */
export function timestampText(text: string): string {
  return `${text.replace(' ', 'T').replace(/\+00$/, '')}Z`;
}

const asText = (text: string): string => text;

const OWN_PARSERS = new Map<number, (text: string) => string>([
  [builtins.INT8, asText],
  [builtins.NUMERIC, asText],
  [builtins.DATE, asText],
  [builtins.TIMESTAMPTZ, timestampText],
]);

/**
 * How column values reach JSON: bigint, numeric and date as the text PostgreSQL sends, timestamptz
 * as RFC 3339 text with its microseconds; everything else as the driver parses it.
 */
export const COLUMN_TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((type: TypeId, format?: 'text') =>
    OWN_PARSERS.get(type) ?? pg.types.getTypeParser(type, format)) as typeof pg.types.getTypeParser,
};
