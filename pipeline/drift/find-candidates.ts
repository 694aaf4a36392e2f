import type { ClickHouseClient } from '@clickhouse/client';
import type { CopiedField, DriftRule } from '../catalog/drift-rule.ts';
import { quoteText } from '../sink/identifier.ts';
import type { Key } from '../verify/key-range.ts';
import {
  columnOf,
  keyTexts,
  lookAt,
  textOf,
  type StoredColumn,
  type WarehouseSide,
  type WarehouseSides,
} from './warehouse-side.ts';

/** A copy that differs from its owner in the warehouse: to be confirmed at the sources. */
export interface Candidate {
  readonly copy: Key;
  readonly owner: Key;
}

/** Up to where a side was looked at: by Kafka partition the newest `_version` of its topic. */
export type Positions = ReadonlyMap<number, string>;

/** What was written to a side between two looks. */
export interface Window {
  readonly after: Positions;
  readonly upTo: Positions;
}

/** Which rows to look at. Undefined: all of them. */
export interface ChangedSides {
  readonly owner: Window;
  readonly copy: Window;
}

/** What a look at the warehouse brought. */
export interface Found {
  readonly candidates: readonly Candidate[];
  /** Whether there are more of them than were fetched. */
  readonly cut: boolean;
}

/** Owners whose hashes a join may hold in memory at once: some 64 bytes each. */
const OWNERS_AT_ONCE = 2_000_000;

/** The newest version of each partition of a side. */
export async function readPositions(
  client: ClickHouseClient,
  side: WarehouseSide,
): Promise<Positions> {
  const rows = await lookAt<{ partition: number; version: string }>(
    client,
    `SELECT _partition AS partition, toString(max(_version)) AS version FROM ${side.current}
     GROUP BY _partition`,
  );
  return new Map(rows.map(({ partition, version }) => [partition, version]));
}

/** Whether anything was written in a window. */
export function isEmptyWindow({ after, upTo }: Window): boolean {
  return [...upTo].every(([partition, version]) => after.get(partition) === version);
}

/** Copies that a rule is about. @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED` */
export async function countCopies(
  client: ClickHouseClient,
  rule: DriftRule,
  { copy }: WarehouseSides,
): Promise<number> {
  const [row] = await lookAt<{ count: string }>(
    client,
    `SELECT toString(count()) AS count FROM ${copy.current} FINAL WHERE ${inScope(rule, copy)}`,
  );
  return Number(row?.count ?? 0);
}

/**
 * Finds the copies that differ from their owners in the warehouse.
 *
 * @param changed - look only at rows written in these windows, and at copies of owners that were
 * @param limit - candidates to fetch at most
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function findCandidates(
  client: ClickHouseClient,
  rule: DriftRule,
  sides: WarehouseSides,
  { changed, limit }: { changed?: ChangedSides; limit: number },
): Promise<Found> {
  const parts = changed === undefined ? await countParts(client, sides.owner) : 1;
  const found: Candidate[] = [];
  for (let part = 0; part < parts && found.length <= limit; part += 1) {
    const slice = parts === 1 ? undefined : { part, parts };
    const queries = [
      differing(rule, sides, changed, slice),
      ...(rule.complete ? [lacking(rule, sides, changed, slice)] : []),
    ];
    for (const query of queries) {
      const rows = await lookAt<Candidate>(client, `${query} LIMIT ${limit + 1}`);
      found.push(...rows);
    }
  }
  return { candidates: found.slice(0, limit), cut: found.length > limit };
}

interface Slice {
  readonly part: number;
  readonly parts: number;
}

async function countParts(client: ClickHouseClient, owner: WarehouseSide): Promise<number> {
  const [row] = await lookAt<{ count: string }>(
    client,
    `SELECT toString(count()) AS count FROM ${owner.current}`,
  );
  return Math.max(1, Math.ceil(Number(row?.count ?? 0) / OWNERS_AT_ONCE));
}

/**
 * Copies whose fields are not those of their owner. Each side brings its keys and one hash of its
 * fields, so that a join holds few bytes per row.
 */
function differing(
  rule: DriftRule,
  { owner, copy }: WarehouseSides,
  changed: ChangedSides | undefined,
  slice: Slice | undefined,
): string {
  const links = linksOf(rule, { owner, copy });
  const orphans = rule.orphansAllowed ? '' : 'o.is_there = 0 OR ';
  const [ofCopy, ofOwner] = [
    restriction(copy.key, changed && touchedCopies(rule, { owner, copy }, changed)),
    restriction(owner.key, changed && ownersOf(rule, { owner, copy }, changed)),
  ];
  return `
    SELECT c.copy_key AS copy, c.owner_key AS owner FROM (
      SELECT ${keyTexts(copy.key)} AS copy_key,
             ${keyTexts(ownerOrder(owner, links).map((link) => link.copy))} AS owner_key,
             ${links.map((link, index) => `${link.copyJoin} AS r${index}`).join(', ')},
             ${fieldsHash(rule, copy, 'copy')} AS fields
      FROM ${copy.current} FINAL ${ofCopy} WHERE ${inScope(rule, copy)}${sliceOf(slice, links, 'copyJoin')}
    ) AS c LEFT JOIN (
      SELECT ${links.map((link, index) => `${link.ownerJoin} AS k${index}`).join(', ')},
             ${fieldsHash(rule, owner, 'owner')} AS fields, 1 AS is_there
      FROM ${owner.current} FINAL ${ofOwner}${slice === undefined ? '' : ` WHERE 1${sliceOf(slice, links, 'ownerJoin')}`}
    ) AS o ON ${links.map((_, index) => `c.r${index} = o.k${index}`).join(' AND ')}
    WHERE ${orphans}(o.is_there = 1 AND c.fields != o.fields)`;
}

/** Owners without a copy. The reference is the key of the copy then. */
function lacking(
  rule: DriftRule,
  { owner, copy }: WarehouseSides,
  changed: ChangedSides | undefined,
  slice: Slice | undefined,
): string {
  const links = linksOf(rule, { owner, copy });
  // As the copy's key would be.
  const asCopy = copy.key.map((column) => {
    const link = links.find(({ copy: referring }) => referring.name === column.name);
    return link?.owner ?? column;
  });
  const ofOwner = restriction(owner.key, changed && ownersOf(rule, { owner, copy }, changed));
  const keys = tuple(links.map(({ ownerJoin }) => ownerJoin));
  const references = tuple(links.map(({ copyJoin }) => copyJoin));
  return `
    SELECT ${keyTexts(asCopy)} AS copy, ${keyTexts(owner.key)} AS owner
    FROM ${owner.current} FINAL ${ofOwner}
    WHERE ${keys} NOT IN (
      SELECT ${references} FROM ${copy.current} FINAL
      WHERE ${inScope(rule, copy)}${sliceOf(slice, links, 'copyJoin')})${sliceOf(slice, links, 'ownerJoin')}`;
}

/** A column of the reference with the column it leads to, and what to join them by. */
interface Link {
  readonly copy: StoredColumn;
  readonly owner: StoredColumn;
  readonly copyJoin: string;
  readonly ownerJoin: string;
}

function linksOf(rule: DriftRule, { owner, copy }: WarehouseSides): Link[] {
  return rule.reference.map((pair) => {
    const [from, to] = [columnOf(copy, pair.copy), columnOf(owner, pair.owner)];
    const join = (column: StoredColumn) =>
      `assumeNotNull(${from.type === to.type ? column.stored : textOf(column)})`;
    return { copy: from, owner: to, copyJoin: join(from), ownerJoin: join(to) };
  });
}

/** The links in the order of the owner's key. */
function ownerOrder(owner: WarehouseSide, links: readonly Link[]): Link[] {
  return owner.key.flatMap(({ name }) => links.filter((link) => link.owner.name === name));
}

/** Keys of copies that were written, or whose owner was: also of versions that are no more. */
function touchedCopies(rule: DriftRule, sides: WarehouseSides, changed: ChangedSides): string {
  const links = linksOf(rule, sides);
  const key = sides.copy.key.map(({ stored }) => stored).join(', ');
  return `SELECT ${key} FROM ${sides.copy.current} WHERE ${written(changed.copy)}
    UNION ALL SELECT ${key} FROM ${sides.copy.current}
    WHERE ${tuple(links.map(({ copyJoin }) => copyJoin))} IN (
      SELECT ${tuple(links.map(({ ownerJoin }) => ownerJoin))} FROM ${sides.owner.current}
      WHERE ${written(changed.owner)})`;
}

/** Keys of owners that were written, or of which a copy was. */
function ownersOf(rule: DriftRule, sides: WarehouseSides, changed: ChangedSides): string {
  const links = ownerOrder(sides.owner, linksOf(rule, sides));
  const key = sides.owner.key.map(({ stored }) => stored).join(', ');
  const references = links.map(({ copy, owner }) =>
    // Compared with the column itself, so that the index of the key is of use.
    copy.type === owner.type
      ? `assumeNotNull(${copy.stored})`
      : `accurateCastOrNull(${copy.stored}, ${quoteText(owner.type)})`,
  );
  return `SELECT ${key} FROM ${sides.owner.current} WHERE ${written(changed.owner)}
    UNION ALL SELECT ${references.join(', ')} FROM ${sides.copy.current}
    WHERE ${written(changed.copy)} AND ${links.map(({ copy }) => `isNotNull(${copy.stored})`).join(' AND ')}`;
}

function written({ after, upTo }: Window): string {
  const ranges = [...upTo].flatMap(([partition, version]) =>
    after.get(partition) === version
      ? []
      : [
          `(_partition = ${partition} AND _version > toUInt128(${quoteText(after.get(partition) ?? '0')})` +
            ` AND _version <= toUInt128(${quoteText(version)}))`,
        ],
  );
  return ranges.length === 0 ? '0' : `(${ranges.join(' OR ')})`;
}

/** All versions of a row share its key, so this may be looked at before they are merged. */
function restriction(key: readonly StoredColumn[], keys: string | undefined): string {
  return keys === undefined
    ? ''
    : `PREWHERE ${tuple(key.map(({ stored }) => stored))} IN (${keys})`;
}

/** Rows of the copy that the rule is about. */
function inScope(rule: DriftRule, copy: WarehouseSide): string {
  const referring = rule.reference.map(({ copy: name }) => columnOf(copy, name).stored);
  return [
    ...referring.map((name) => `isNotNull(${name})`),
    ...[...rule.where].map(([name, wanted]) => {
      const column = columnOf(copy, name);
      const texts = wanted.filter((value) => value !== null).map(quoteText);
      const conditions = [
        ...(texts.length === 0 ? [] : [`ifNull(${textOf(column)} IN (${texts.join(', ')}), 0)`]),
        ...(wanted.includes(null) ? [`isNull(${column.stored})`] : []),
      ];
      return `(${conditions.length === 0 ? '0' : conditions.join(' OR ')})`;
    }),
  ].join(' AND ');
}

/** One number for the values of all fields of a side, the same for the same texts. */
function fieldsHash(rule: DriftRule, side: WarehouseSide, of: 'copy' | 'owner'): string {
  const texts = rule.fields.map((field) => normalized(textOf(columnOf(side, field[of])), field));
  // NULL and the empty text are two things.
  return `cityHash64(${texts.map((text) => `ifNull(concat('v', ${text}), 'n')`).join(', ')})`;
}

function normalized(text: string, { normalize }: CopiedField): string {
  return normalize.reduce((sql, how) => {
    if (how === 'trim') return `trim(BOTH ' ' FROM ${sql})`;
    if (how === 'lower-case') return `lowerUTF8(${sql})`;
    return `replaceRegexpAll(${sql}, ' +', ' ')`;
  }, text);
}

function tuple(parts: readonly string[]): string {
  return `(${parts.join(', ')})`;
}

function sliceOf(
  slice: Slice | undefined,
  links: readonly Link[],
  side: 'copyJoin' | 'ownerJoin',
): string {
  if (slice === undefined) return '';
  const hash = `cityHash64(${links.map((link) => link[side]).join(', ')})`;
  return ` AND ${hash} % ${slice.parts} = ${slice.part}`;
}
