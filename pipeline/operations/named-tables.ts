import { TributaryError } from '#runtime/errors.ts';
import { findSource, type Catalog } from '../catalog/catalog.ts';

/** A captured table. */
interface NamedTable {
  readonly source: string;
  readonly schema: string;
  readonly table: string;
}

/** A table as people name it: `orders.lines`, with its schema when that is not `public`. */
export function tableLabel({ source, schema, table }: NamedTable): string {
  return `${source}.${schema === 'public' ? '' : `${schema}.`}${table}`;
}

/** Whether a name stands for a table: that of its source, its label, or its full name. */
export function isNamed(table: NamedTable, name: string): boolean {
  const { source, schema, table: own } = table;
  return [source, tableLabel(table), `${source}.${schema}.${own}`].includes(name);
}

/** Names of sources that names of tables begin with. @throws `CONFIG_INVALID` for an unknown one */
export function sourcesOf(names: readonly string[], catalog: Catalog): ReadonlySet<string> {
  const sources = names.map((name) => name.split('.')[0] ?? '');
  const unknown = names.find((_, index) => findSource(catalog, sources[index] ?? '') === undefined);
  if (unknown !== undefined) throw unknownTable(unknown);
  return new Set(sources);
}

/** @throws `CONFIG_INVALID` when a name stands for none of the tables */
export function checkNames(names: readonly string[], tables: readonly NamedTable[]): void {
  const unknown = names.find((name) => !tables.some((table) => isNamed(table, name)));
  if (unknown !== undefined) throw unknownTable(unknown);
}

function unknownTable(name: string): TributaryError {
  return new TributaryError('CONFIG_INVALID', `no captured table is called ${name}`, {
    fix: 'Name a source of the catalog, source.table, or source.schema.table.',
  });
}
