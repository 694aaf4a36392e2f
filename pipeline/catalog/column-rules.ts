import type { Secret } from '#runtime/config.ts';
import { keyedHash, maskOf, type Mask, type MaskRule } from './mask.ts';
import { matchesColumn, type ColumnPattern, type TableName } from './table-pattern.ts';

/** What the catalog says of a source's columns. */
export interface ColumnRules {
  /** To be kept as exact text although ClickHouse has a type for them. */
  readonly textColumns: readonly ColumnPattern[];
  /** Must not go, by their published names. */
  readonly contract: readonly ColumnPattern[];
  readonly masks: readonly MaskRule[];
  /** Key of hashes; there when a rule says `hash`. */
  readonly maskKey: Secret | undefined;
}

/** The rules as they are for the columns of one table. */
export interface TableRules {
  readonly isText: (column: string) => boolean;
  /** @param column - its published name */
  readonly isInContract: (column: string) => boolean;
  readonly maskOf: (column: string) => Mask | undefined;
  readonly hash: (text: string) => string;
}

export const NO_COLUMN_RULES: ColumnRules = {
  textColumns: [],
  contract: [],
  masks: [],
  maskKey: undefined,
};

/** Narrows the rules of a source to one of its tables. */
export function tableRules(rules: ColumnRules, { schema, table }: TableName): TableRules {
  const any = (patterns: readonly ColumnPattern[]) => (column: string) =>
    patterns.some((pattern) => matchesColumn(pattern, { schema, table, column }));
  return {
    isText: any(rules.textColumns),
    isInContract: any(rules.contract),
    maskOf: (column) => maskOf(rules.masks, { schema, table, column }),
    hash:
      rules.maskKey === undefined
        ? () => {
            throw new Error('there is no key to hash with');
          }
        : keyedHash(rules.maskKey),
  };
}
