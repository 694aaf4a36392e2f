import pg from 'pg';
import { REDACTED } from '../catalog/mask.ts';
import { sourceText } from './source-text.ts';
import type { SourceColumn } from './table-shape.ts';

/**
 * SQL of Postgres for a column that is masked: of a redacted one what stands in place of its values,
 * of one to be hashed the text of which the stream makes its hash.
 */
export function maskedText(mask: 'hash' | 'redact', column: SourceColumn): string {
  const value = pg.escapeIdentifier(column.name);
  if (mask === 'redact')
    return `CASE WHEN ${value} IS NOT DISTINCT FROM NULL THEN NULL ELSE '${REDACTED}' END`;
  if (column.type === 'bool') return `(${value})::text`;
  if (column.type === 'bit' && column.modifier === 1) return `(${value} = B'1')::text`;
  return sourceText(column.type, value);
}
