import { TributaryError } from '#runtime/errors.ts';
import { MAX_DECIMAL_DIGITS, nullableOf } from '../transform/column-type.ts';
import {
  nameBeside,
  OWN_COLUMNS,
  OWN_NAMES,
  storageName,
  type PlannedColumn,
  type TablePlan,
} from '../transform/table-plan.ts';
import { quoteName, quoteText } from './identifier.ts';
import {
  CHANGE_KEY,
  copyColumns,
  createCopies,
  eachCopy,
  eachPeriod,
  rowDefinition,
} from './keyless-ddl.ts';

/** Database of the tables behind the current views. */
export const CURRENT = 'current';
/** Database of the change logs. */
export const CHANGES = 'changes';
/** Database of the views of who was what when. */
export const HISTORY = 'history';

/** Columns that a history view adds: from when (included) until when (excluded) a row was so. */
const VALIDITY = new Set(['valid_from', 'valid_to']);

/** A column as ClickHouse has it. */
export interface StoredColumn {
  readonly name: string;
  readonly type: string;
  readonly isKey: boolean;
}

/** What has to be done to make the storage of a table fit a plan. */
export interface TableChange {
  readonly statements: readonly string[];
  /** One line per change that is worth remembering, e.g. `added column phone`. */
  readonly notes: readonly string[];
}

/** ClickHouse type of a column in the current table. */
export function currentType(column: PlannedColumn): string {
  return column.nullable && !column.isKey
    ? nullableOf(column.type.clickhouse)
    : column.type.clickhouse;
}

/** ClickHouse type of a column in the change log, where deletes carry the key alone. */
export function changesType(column: PlannedColumn): string {
  return column.isKey || !column.type.canBeNullable
    ? column.type.clickhouse
    : nullableOf(column.type.clickhouse);
}

/** Statements that make a table which is not there yet. Safe to run from two processes at once. */
export function createTable(plan: TablePlan): TableChange {
  if (plan.isKeyless) return createKeyless(plan);
  const storage = quoteName(storageName(plan));
  const key = plan.columns
    .filter((column) => column.isKey)
    .map((column) => quoteName(column.stored));
  const own = OWN_COLUMNS.map(
    ({ name, clickhouse, comment }) =>
      `${quoteName(name)} ${clickhouse} COMMENT ${quoteText(comment)}`,
  );
  const columns = (type: (column: PlannedColumn) => string) =>
    [...plan.columns.map((column) => `${quoteName(column.stored)} ${type(column)}`), ...own].join(
      ', ',
    );
  const what = `${plan.schema}.${plan.table} of source ${plan.source}`;
  return {
    statements: [
      `CREATE DATABASE IF NOT EXISTS ${quoteName(plan.source)}`,
      // Replacing by the whole place of a change: it can only ever collapse a change with itself.
      `CREATE TABLE IF NOT EXISTS ${CHANGES}.${storage} (${columns(changesType)}) ` +
        `ENGINE = ReplacingMergeTree ORDER BY (${[...key, '_version', '_partition'].join(', ')}) ` +
        `SETTINGS non_replicated_deduplication_window = 1000 ` +
        `COMMENT ${quoteText(`every change of ${what}`)}`,
      // After the change log, because a table that is here counts as made, after a crash too.
      // The newest version of a row wins; `_deleted` rows stay as tombstones, so that an older
      // version that comes late cannot bring a deleted row back. It needs no window of insert tokens
      // as the change log does: a row that comes again collapses with itself.
      `CREATE TABLE IF NOT EXISTS ${CURRENT}.${storage} (${columns(currentType)}) ` +
        `ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (${key.join(', ')}) ` +
        `COMMENT ${quoteText(`newest version of each row of ${what}; read the view instead`)}`,
      ...createViews(plan, []),
    ],
    notes: ['table first seen'],
  };
}

/** The storage of a table without a key: a change log, in which deletes are whole rows, and views. */
function createKeyless(plan: TablePlan): TableChange {
  const own = OWN_COLUMNS.map(
    ({ name, clickhouse, comment }) =>
      `${quoteName(name)} ${clickhouse} COMMENT ${quoteText(comment)}`,
  );
  const columns = plan.columns.map((column) => ({
    name: column.stored,
    type: currentType(column),
  }));
  const definitions = [
    ...columns.map(({ name, type }) => `${quoteName(name)} ${type}`),
    ...own,
    ...copyColumns(columns),
  ];
  return {
    statements: [
      `CREATE DATABASE IF NOT EXISTS ${quoteName(plan.source)}`,
      `CREATE TABLE IF NOT EXISTS ${CHANGES}.${quoteName(storageName(plan))} (${definitions.join(', ')}) ` +
        `ENGINE = ReplacingMergeTree ORDER BY (${CHANGE_KEY.join(', ')}) ` +
        `SETTINGS non_replicated_deduplication_window = 1000 ` +
        `COMMENT ${quoteText(`every change of ${plan.schema}.${plan.table} of source ${plan.source}`)}`,
      ...createViews(plan, []),
    ],
    notes: ['table first seen'],
  };
}

/** The views of a table, newest definition. */
function createViews(plan: TablePlan, gone: readonly string[]): string[] {
  const storage = quoteName(storageName(plan));
  const copies = plan.isKeyless
    ? [createCopies(`${CURRENT}.${storage}`, `${CHANGES}.${storage}`, storedNames(plan, gone))]
    : [];
  return [...copies, createView(plan, gone), createHistory(plan, gone)];
}

function storedNames(plan: TablePlan, gone: readonly string[]): string[] {
  return [...plan.columns.map(({ stored }) => stored), ...gone];
}

/**
 * What has to change in a table that is there already.
 *
 * @param current - its columns, see `storedColumns`
 * @throws TributaryError `KEY_CHANGED`, `TYPE_CHANGED`
 */
export function alterTable(plan: TablePlan, current: readonly StoredColumn[]): TableChange {
  const byName = new Map(current.map((column) => [column.name, column]));
  const oldKey = current.filter((column) => column.isKey).map((column) => column.name);
  const newKey = plan.columns.filter((column) => column.isKey).map((column) => column.stored);
  if (oldKey.length !== newKey.length || newKey.some((name) => !oldKey.includes(name))) {
    throw new TributaryError(
      'KEY_CHANGED',
      `${plan.source}.${plan.relation}: the primary key was ${keyText(oldKey)}, now it is ${keyText(newKey)}`,
    );
  }
  const statements: string[] = [];
  const notes: string[] = [];
  const storage = quoteName(storageName(plan));
  // The current table last: what it lacks is added again after a crash.
  const tables = plan.isKeyless ? [CHANGES] : [CHANGES, CURRENT];
  const modify = (database: string, name: string, type: string) =>
    `ALTER TABLE ${database}.${storage} MODIFY COLUMN ${quoteName(name)} ${type}`;
  // A warehouse of an earlier version of ours may lack some.
  for (const { name, clickhouse, comment } of OWN_COLUMNS.filter(({ name }) => !byName.has(name))) {
    for (const database of tables) {
      statements.push(
        `ALTER TABLE ${database}.${storage} ADD COLUMN IF NOT EXISTS ${quoteName(name)} ${clickhouse} COMMENT ${quoteText(comment)}`,
      );
    }
  }
  for (const column of plan.columns) {
    const stored = byName.get(column.stored);
    const wanted = currentType(column);
    if (stored === undefined) {
      // Rows from before know nothing of the column: NULL where that can be said.
      const added = column.type.canBeNullable ? nullableOf(column.type.clickhouse) : wanted;
      const place = placeOf(plan, column);
      for (const database of tables) {
        statements.push(
          `ALTER TABLE ${database}.${storage} ADD COLUMN IF NOT EXISTS ${quoteName(column.stored)} ${added} ${place}`,
        );
      }
      notes.push(`added column ${column.name}`);
    } else {
      const fitted =
        column.isKey && stored.type !== wanted ? undefined : fittedType(stored.type, wanted);
      const what = `${plan.source}.${plan.relation}, column ${column.name}: the warehouse has ${stored.type}, the source now needs ${wanted}`;
      if (fitted === undefined) throw new TributaryError('TYPE_CHANGED', what);
      if (fitted === stored.type) continue;
      if (plan.isInContract(column.name) && withoutNull(fitted) === 'String') {
        throw new TributaryError('CONTRACT_BROKEN', what);
      }
      for (const database of tables) {
        const isWhole = database === CURRENT || plan.isKeyless;
        statements.push(modify(database, column.stored, isWhole ? fitted : withNull(fitted)));
      }
      notes.push(`column ${column.name} is now ${fitted}`);
    }
  }
  const planned = new Set(plan.columns.map((column) => column.stored));
  const others = current.filter(
    ({ name }) => !planned.has(name) && !OWN_NAMES.has(name) && !plan.isDropped(name),
  );
  for (const { name, type } of others) {
    if (plan.gone.has(name) && plan.isInContract(name)) {
      throw new TributaryError(
        'CONTRACT_BROKEN',
        `${plan.source}.${plan.relation}: the source no longer has column ${name}`,
      );
    }
    // Rows of this plan have no value for it, which is neither 0 nor empty.
    if (withNull(type) !== type) {
      statements.push(modify(plan.isKeyless ? CHANGES : CURRENT, name, withNull(type)));
    }
  }
  const gone = others.map(({ name }) => name);
  if (plan.isKeyless) statements.push(modifyRow(plan, current, storage));
  statements.push(...createViews(plan, gone));
  return { statements, notes };
}

/** Stored names of columns that a table keeps as text, although the plan has another type. */
export function textColumns(plan: TablePlan, current: readonly StoredColumn[]): Set<string> {
  const types = new Map(current.map(({ name, type }) => [name, withoutNull(type)]));
  return new Set(
    plan.columns
      .filter(
        ({ stored, type }) =>
          TEXTS.includes(types.get(stored) ?? '') && !TEXTS.includes(type.clickhouse),
      )
      .map(({ stored }) => stored),
  );
}

/** Lets columns that were added count in what makes rows equal; all that the log has ever had do. */
function modifyRow(plan: TablePlan, stored: readonly StoredColumn[], storage: string): string {
  const columns = new Map(
    stored.filter(({ name }) => !OWN_NAMES.has(name)).map(({ name, type }) => [name, type]),
  );
  for (const column of plan.columns) columns.set(column.stored, currentType(column));
  const definition = rowDefinition([...columns].map(([name, type]) => ({ name, type })));
  return `ALTER TABLE ${CHANGES}.${storage} MODIFY COLUMN ${definition}`;
}

function keyText(names: readonly string[]): string {
  return names.length === 0 ? 'none' : `(${names.join(', ')})`;
}

/**
 * The view that shows what the service's table holds now. Columns that the source no longer has
 * stay in it, so that queries which name them go on working.
 */
function createView(plan: TablePlan, gone: readonly string[]): string {
  const columns = [
    ...plan.columns.map((column) =>
      column.stored === column.name
        ? quoteName(column.name)
        : `${quoteName(column.stored)} AS ${quoteName(column.name)}`,
    ),
    ...gone.map(quoteName),
    ...renamed(plan, gone).map(
      (column) => `${quoteName(column.stored)} AS ${quoteName(column.sourceName)}`,
    ),
  ];
  const current = `${CURRENT}.${quoteName(storageName(plan))}`;
  const rows = plan.isKeyless
    ? `(${eachCopy(current, storedNames(plan, gone))})`
    : `${current} FINAL`;
  return (
    `CREATE OR REPLACE VIEW ${quoteName(plan.source)}.${quoteName(plan.relation)} AS ` +
    `SELECT ${columns.join(', ')} FROM ${rows}`
  );
}

/**
 * The view that shows every version of every row with the time it was valid (SCD2): half-open
 * intervals, without gaps while the row is there, never two at a time.
 *
 * Versions follow each other in commit order. Commit times need not: the clock of a server can be
 * set back. So an interval begins no earlier than the one before it, and one that would end where
 * it begins, as of all but the last change of a row in a transaction, was never to be seen by
 * anybody and is left out.
 */
function createHistory(plan: TablePlan, gone: readonly string[]): string {
  const names = new Set([...plan.columns.map((column) => column.name), ...gone]);
  const shown = [
    ...plan.columns.map(({ name, stored }) => ({ name, stored })),
    ...gone.map((name) => ({ name, stored: name })),
    ...renamed(plan, gone).map(({ sourceName, stored }) => ({ name: sourceName, stored })),
  ];
  const columns = shown.map(
    ({ name, stored }) =>
      `h.${quoteName(stored)} AS ${quoteName(nameBeside(VALIDITY, name, names))}`,
  );
  const stored = [...new Set(shown.map((column) => quoteName(column.stored)))];
  const key = plan.columns
    .filter((column) => column.isKey)
    .map((column) => quoteName(column.stored));
  // Within the view; a source column may have any name.
  const inside = (name: string) => quoteName(nameBeside(new Set([name]), name, names));
  const [since, until] = [inside('_since'), inside('_until')];
  const inOrder = `PARTITION BY ${key.join(', ')} ORDER BY _version`;
  const log = `${CHANGES}.${quoteName(storageName(plan))}`;
  const view =
    `CREATE OR REPLACE VIEW ${HISTORY}.${quoteName(storageName(plan))} AS ` +
    `SELECT ${columns.join(', ')}, h.${since} AS valid_from, h.${until} AS valid_to FROM (`;
  const isPeriod = `(h.${until} IS NULL OR h.${since} < h.${until})`;
  if (plan.isKeyless) {
    const periods = eachPeriod(log, storedNames(plan, gone), { since, until });
    return `${view}${periods}) AS h WHERE h.${since} IS NOT NULL AND ${isPeriod}`;
  }
  return (
    `${view}SELECT ${stored.join(', ')}, _deleted, ${since}, ` +
    `leadInFrame(toNullable(${since})) OVER (${inOrder} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS ${until} ` +
    `FROM (SELECT ${stored.join(', ')}, _deleted, _version, ` +
    `max(_committed_at) OVER (${inOrder} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ${since} ` +
    `FROM ${log} FINAL)) AS h WHERE h._deleted = 0 AND ${isPeriod}`
  );
}

/** Columns that have another name at the source by now; they answer to that one too. */
function renamed(plan: TablePlan, gone: readonly string[]): readonly PlannedColumn[] {
  const names = new Set([...plan.columns.map(({ name }) => name), ...gone]);
  return plan.columns.filter(({ sourceName }) => !names.has(sourceName));
}

function placeOf(plan: TablePlan, column: PlannedColumn): string {
  const previous = plan.columns[plan.columns.indexOf(column) - 1];
  return previous === undefined ? 'FIRST' : `AFTER ${quoteName(previous.stored)}`;
}

const INTEGERS = ['Int16', 'Int32', 'Int64'];
const TEXTS = ['String', 'LowCardinality(String)'];

/**
 * The type to give a column of type `stored` so that it holds what it has and values of type `wanted`
 * exactly; undefined when none does. Text holds every single value: in ClickHouse's spelling what is
 * there, as it comes what follows.
 */
function fittedType(stored: string, wanted: string): string | undefined {
  const [from, to] = [withoutNull(stored), withoutNull(wanted)];
  const common = commonType(from, to);
  // NULL that was allowed once stays allowed: old rows may hold it.
  return common !== undefined && (stored !== from || wanted !== to) ? nullableOf(common) : common;
}

function commonType(from: string, to: string): string | undefined {
  if (TEXTS.includes(from) || isWider(to, from)) return from;
  if (isWider(from, to)) return to;
  if (from.startsWith('Array') || to.startsWith('Array')) return undefined;
  return commonDecimal(from, to) ?? 'String';
}

/** A Decimal with as many digits on either side as both have. */
function commonDecimal(from: string, to: string): string | undefined {
  const [a, b] = [decimalParts(from), decimalParts(to)];
  if (a === undefined || b === undefined) return undefined;
  const scale = Math.max(a.scale, b.scale);
  const precision = scale + Math.max(a.precision - a.scale, b.precision - b.scale);
  return precision > MAX_DECIMAL_DIGITS ? undefined : `Decimal(${precision}, ${scale})`;
}

/** The type that also holds NULL, where there is one. */
function withNull(type: string): string {
  return withoutNull(type) === type && !type.startsWith('Array') ? nullableOf(type) : type;
}

function isWider(from: string, to: string): boolean {
  if (from === to) return true;
  if (INTEGERS.includes(from) && INTEGERS.includes(to)) {
    return INTEGERS.indexOf(from) < INTEGERS.indexOf(to);
  }
  if (from === 'Float32' && to === 'Float64') return true;
  const [narrow, wide] = [decimalParts(from), decimalParts(to)];
  if (narrow === undefined || wide === undefined) return false;
  return (
    wide.scale >= narrow.scale && wide.precision - wide.scale >= narrow.precision - narrow.scale
  );
}

function withoutNull(type: string): string {
  const lowCardinality = /^LowCardinality\(Nullable\((.*)\)\)$/.exec(type)?.[1];
  if (lowCardinality !== undefined) return `LowCardinality(${lowCardinality})`;
  return /^Nullable\((.*)\)$/.exec(type)?.[1] ?? type;
}

function decimalParts(type: string): { precision: number; scale: number } | undefined {
  const match = /^Decimal\((\d+), (\d+)\)$/.exec(type);
  return match === null ? undefined : { precision: Number(match[1]), scale: Number(match[2]) };
}
