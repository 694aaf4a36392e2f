import type { ClickHouseClient } from '@clickhouse/client';
import type { Catalog } from '../catalog/catalog.ts';
import type { CapturedTable } from '../catalog/drift-rule.ts';
import { quoteText } from '../sink/identifier.ts';
import { follows, type FieldEvidence } from './field-evidence.ts';
import {
  listSides,
  lookAt,
  textOf,
  type StoredColumn,
  type WarehouseSide,
} from './warehouse-side.ts';

/** A rule that a person may want, with what speaks for it. */
export interface Proposal {
  readonly owner: CapturedTable;
  readonly copy: CapturedTable;
  readonly reference: { readonly copy: string; readonly owner: string };
  /** References of the copy that were looked at, and how many lead to an owner that is there. */
  readonly referring: number;
  readonly leading: number;
  readonly fields: readonly FieldEvidence[];
}

/** References that are tried, and rows that are compared. */
const SAMPLE = 1_000;
/** With fewer rows than these any two columns may agree. */
const LEAST = 20;
/** Share of references that have to lead somewhere: owners may have been deleted. */
const LEAST_LEADING = 0.7;

/**
 * Looks for fields that follow another source's: columns that refer to a table's key, and beside
 * them columns whose values are those of the row they refer to.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`; the abort reason
 */
export async function discoverRules(
  client: ClickHouseClient,
  catalog: Catalog,
  signal: AbortSignal,
): Promise<Proposal[]> {
  const stored = await listSides(
    client,
    catalog.sources.map(({ name }) => name),
  );
  const sides = stored.filter(({ key }) => key.length > 0);
  const owners = sides.filter(({ key }) => key.length === 1);
  const proposals: Proposal[] = [];
  for (const copy of sides) {
    for (const column of copy.columns.values()) {
      if (!mayRefer(column)) continue;
      const others = owners.filter(
        ({ table, key }) => table.source !== copy.table.source && key[0]?.type === column.type,
      );
      if (others.length === 0) continue;
      signal.throwIfAborted();
      const references = await sampleOf(client, copy, column);
      if (references.length < LEAST) continue;
      for (const owner of others) {
        signal.throwIfAborted();
        const leading = await countLeading(client, owner, references);
        if (leading < references.length * LEAST_LEADING) continue;
        const fields = await followingFields(client, copy, column, owner);
        if (fields.length === 0) continue;
        proposals.push({
          owner: owner.table,
          copy: copy.table,
          reference: { copy: column.name, owner: owner.key[0]?.name ?? '' },
          referring: references.length,
          leading,
          fields,
        });
      }
    }
  }
  return proposals;
}

/** Numbers refer to anything that is numbered, unless their name says that they are meant to. */
function mayRefer({ type, name }: StoredColumn): boolean {
  return type === 'UUID' || (/^U?Int\d+$|^String$/.test(type) && /(?:^|_)id$|_key$/i.test(name));
}

async function sampleOf(
  client: ClickHouseClient,
  { current }: WarehouseSide,
  { stored }: StoredColumn,
): Promise<string[]> {
  const rows = await lookAt<{ text: string }>(
    client,
    `SELECT DISTINCT toString(${stored}) AS text FROM ${current}
     WHERE isNotNull(${stored}) AND _deleted = 0 LIMIT ${SAMPLE}`,
  );
  return rows.map(({ text }) => text);
}

async function countLeading(
  client: ClickHouseClient,
  { current, key }: WarehouseSide,
  references: readonly string[],
): Promise<number> {
  const [column] = key;
  if (column === undefined) return 0;
  const list = references.map(quoteText).join(', ');
  const [row] = await lookAt<{ count: string }>(
    client,
    `SELECT toString(uniqExact(${column.stored})) AS count FROM ${current}
     WHERE ${column.stored} IN (SELECT CAST(arrayJoin([${list}]) AS ${column.type})) AND _deleted = 0`,
  );
  return Number(row?.count ?? 0);
}

/** Pairs of columns whose values agree far more often than by chance. */
async function followingFields(
  client: ClickHouseClient,
  copy: WarehouseSide,
  reference: StoredColumn,
  owner: WarehouseSide,
): Promise<FieldEvidence[]> {
  const [key] = owner.key;
  if (key === undefined) return [];
  const ofCopy = comparable(copy, [reference.name, ...copy.key.map(({ name }) => name)]);
  const ofOwner = comparable(owner, [key.name]);
  const texts = (columns: readonly StoredColumn[]) =>
    `[${columns.map((column) => `toNullable(${textOf(column)})`).join(', ')}]`;
  const rows = await lookAt<{ copy: (string | null)[]; owner: (string | null)[] }>(
    client,
    `SELECT c.texts AS copy, o.texts AS owner FROM (
       SELECT ${reference.stored} AS reference, ${texts(ofCopy)} AS texts
       FROM ${copy.current} FINAL WHERE isNotNull(${reference.stored}) LIMIT ${SAMPLE}
     ) AS c JOIN (
       SELECT ${key.stored} AS key, ${texts(ofOwner)} AS texts FROM ${owner.current} FINAL
       WHERE ${key.stored} IN (
         SELECT ${reference.stored} FROM ${copy.current} FINAL
         WHERE isNotNull(${reference.stored}) LIMIT ${SAMPLE})
     ) AS o ON c.reference = o.key`,
  );
  if (rows.length < LEAST) return [];
  return ofCopy.flatMap((mine, place) => {
    const column = rows.map((row) => row.copy[place] ?? null);
    const candidates = ofOwner.flatMap((theirs, at) => {
      if (theirs.type !== mine.type) return [];
      const evidence = follows(
        { copy: mine.name, owner: theirs.name },
        column,
        rows.map((row) => row.owner[at] ?? null),
      );
      return evidence === undefined ? [] : [evidence];
    });
    // One of two that agree alike: that of the same name.
    const best = candidates.toSorted(
      (a, b) =>
        b.equal - a.equal || Number(b.copy.endsWith(b.owner)) - Number(a.copy.endsWith(a.owner)),
    );
    return best.slice(0, 1);
  });
}

/** Columns that a service may repeat of another: not when a row was written, and by which version. */
function comparable(side: WarehouseSide, without: readonly string[]): StoredColumn[] {
  return [...side.columns.values()].filter(
    ({ name, type }) =>
      !without.includes(name) &&
      !type.startsWith('Array') &&
      !/^(?:created|updated)_at$/.test(name),
  );
}
