import type { PublishedColumns } from './table-plan.ts';

/** A column at its source, as Postgres's catalog has it now. */
export interface CatalogColumn {
  /** `attnum`: a rename keeps it, and no later column gets it again. */
  readonly number: number;
  readonly name: string;
  /** As `format_type` prints it. */
  readonly type: string;
  /** Whether rows that were there before the column have a value in it: it has a default. */
  readonly hasDefault?: boolean;
}

/** A column that was seen before. */
export interface KnownColumn extends CatalogColumn {
  /** Name in the warehouse. */
  readonly published: string;
  /** Whether the source no longer has it. */
  readonly isGone: boolean;
}

/** How the columns of one schema are published. */
export interface PublishedNames extends PublishedColumns {
  /** Columns to remember, because they are new or not as they were. */
  readonly learned: readonly KnownColumn[];
  /** What happened, a line each. */
  readonly notes: readonly string[];
  /** Why rows may have values that no change tells of, a line each. */
  readonly rewrites: readonly string[];
}

/**
 * Decides under which name each column of a schema is published. A column keeps the name under which
 * it was first seen, whatever it is called later: its number tells that it is the same one. Names that
 * the catalog declares come first.
 *
 * @param columns - names of the schema, in the source's order
 * @param declared - names at the source by published names (`renames` in the catalog)
 * @param known - what was seen before
 * @param now - what the source has now, which may be older or newer than the schema; undefined when
 * nobody had to ask
 */
export function publishNames(
  columns: readonly string[],
  declared: ReadonlyMap<string, string>,
  known: readonly KnownColumn[],
  now: readonly CatalogColumn[] | undefined,
): PublishedNames {
  const byNumber = new Map(known.map((column) => [column.number, column]));
  const byName = new Map(known.map((column) => [column.name, column]));
  const current = new Map(now?.map((column) => [column.name, column]));
  const wanted = new Map([...declared].map(([published, name]) => [name, published]));
  const names = new Map<string, string>();
  const taken = new Set<string>();
  const learned: KnownColumn[] = [];
  const notes: string[] = [];
  const rewrites: string[] = [];
  // What was published first keeps its name, should another column be called so by now.
  const isNew = (name: string) => {
    const column = current.get(name);
    return column === undefined ? !byName.has(name) : !byNumber.has(column.number);
  };
  for (const name of columns.toSorted((a, b) => Number(isNew(a)) - Number(isNew(b)))) {
    const column = current.get(name);
    const before = column === undefined ? byName.get(name) : byNumber.get(column.number);
    // A declared name is meant for the successor, not while its predecessor is still there.
    const declaredName = wanted.get(name);
    const first =
      declaredName !== undefined && !columns.includes(declaredName)
        ? declaredName
        : (before?.published ?? name);
    let published = first;
    while (taken.has(published)) published += '_';
    taken.add(published);
    names.set(name, published);
    if (column === undefined) continue;
    const isAsKnown =
      before?.name === name &&
      before.published === published &&
      before.type === column.type &&
      !before.isGone;
    if (!isAsKnown) {
      const { number, type } = column;
      learned.push({ number, name, type, published, isGone: false });
    }
    if (before === undefined) {
      if (known.length > 0 && column.hasDefault === true) {
        rewrites.push(`column ${name} was added with a default, which old rows have too`);
      }
      continue;
    }
    if (before.name !== name) notes.push(`column ${before.name} is called ${name} now`);
    if (before.type !== column.type) {
      notes.push(`column ${name} was ${before.type} and is ${column.type} now`);
      rewrites.push(`the type of column ${name} was changed, which may rewrite values`);
    }
  }
  const numbers = new Set(now?.map(({ number }) => number));
  const lost = known.filter(
    ({ number, isGone }) => !isGone && now !== undefined && !numbers.has(number),
  );
  for (const column of lost) {
    learned.push({ ...column, isGone: true });
    notes.push(`column ${column.name} is gone`);
  }
  const gone = [...lost, ...known.filter(({ number, isGone }) => isGone && !numbers.has(number))]
    .map(({ published }) => published)
    .filter((published) => !taken.has(published));
  return { names, gone: new Set(gone), learned, notes, rewrites };
}
