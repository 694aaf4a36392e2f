import type { SourceTables, TableFacts } from './table-facts.ts';

/** A table as it was last seen. */
export interface KnownTable extends Omit<TableFacts, 'attached'> {
  /** Whether the source no longer has or publishes it. */
  readonly isGone: boolean;
}

/** Something that happened to a table and that no change event tells of. */
export interface TableNews {
  readonly schema: string;
  readonly table: string;
  readonly change: string;
  /** Whether the warehouse may lack rows, or have some that the table has not. */
  readonly needsResync: boolean;
}

/** What to tell, and what to remember. */
export interface Review {
  readonly news: readonly TableNews[];
  readonly learned: readonly KnownTable[];
}

/**
 * Compares a source's tables with what they were when last seen. Pure.
 *
 * @param known - empty when the source is seen for the first time: the snapshot of its connector
 * brings what is there then
 */
export function reviewTables(known: readonly KnownTable[], now: SourceTables): Review {
  const news: TableNews[] = [];
  const learned: KnownTable[] = [];
  const before = new Map(known.map((table) => [table.oid, table]));
  const tell = (table: TableFacts | KnownTable, change: string, needsResync = false) => {
    news.push({ schema: table.schema, table: table.table, change, needsResync });
  };
  for (const table of now.published) {
    const { oid, schema, partitions, labels } = table;
    const old = before.get(oid);
    if (old === undefined) {
      if (known.length > 0) tell(table, 'table joined the source', true);
    } else if (old.isGone) {
      tell(table, 'table is captured again', true);
    } else if (old.schema !== schema || old.table !== table.table) {
      const [from, to] = [`${old.schema}.${old.table}`, `${schema}.${table.table}`];
      tell(old, `table is called ${to} now; what it held stays here as it was`);
      tell(table, `table was called ${from}`, true);
    } else {
      const lost = old.partitions.filter((part) => !partitions.includes(part));
      const won = table.attached.filter((part) => !old.partitions.includes(part));
      if (lost.length > 0) tell(table, 'a partition was detached or dropped', true);
      if (won.length > 0) tell(table, 'a partition was attached, which may have rows', true);
      if (Object.entries(old.labels).some(([label, text]) => isRenamed(text, labels[label]))) {
        tell(table, 'a label of an enum was renamed', true);
      }
    }
    const seen = { oid, schema, table: table.table, partitions, labels, isGone: false };
    if (JSON.stringify(seen) !== JSON.stringify(old && inOrder(old))) learned.push(seen);
  }
  const published = new Set(now.published.map(({ oid }) => oid));
  for (const table of known.filter(({ oid, isGone }) => !isGone && !published.has(oid))) {
    tell(
      table,
      now.existing.has(table.oid)
        ? 'table is no longer captured; what the warehouse has of it stays'
        : 'table was dropped; what the warehouse has of it stays',
    );
    learned.push({ ...table, isGone: true });
  }
  return { news, learned };
}

function isRenamed(before: string, now: string | undefined): boolean {
  return now !== undefined && now !== before;
}

/** The parts of a known table in one order, to compare by. */
function inOrder({ oid, schema, table, partitions, labels, isGone }: KnownTable): KnownTable {
  return { oid, schema, table, partitions, labels, isGone };
}
