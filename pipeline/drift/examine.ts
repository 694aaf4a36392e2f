import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import type pg from 'pg';
import { describeError, TributaryError } from '#runtime/errors.ts';
import { withDatabase } from '../../connectors/source-connection.ts';
import { findSource, type Catalog, type Source } from '../catalog/catalog.ts';
import type { DriftRule } from '../catalog/drift-rule.ts';
import { keyId, type Key } from '../verify/key-range.ts';
import { prepareSession } from '../verify/source-rows.ts';
import { classify, type Classification, type RowState } from './classify.ts';
import type { Candidate } from './find-candidates.ts';
import { readHistories, readStored } from './read-history.ts';
import { currentRow, type History, type Texts } from './row-history.ts';
import { rowsAtSource } from './source-side.ts';
import type { WarehouseSide, WarehouseSides } from './warehouse-side.ts';

/** What a look at the sources says of a copy. */
export interface Examined {
  readonly copy: Key;
  readonly owner: Key;
  readonly classification: Classification;
  /** Equal as long as both sources hold the same, and the change log knows the same of them. */
  readonly state: string;
  /** Why a source could not be asked; what is said of the copy is what the warehouse knows then. */
  readonly unconfirmed: string | undefined;
  /** When the owner's source was read, by its clock, in milliseconds since 1970. */
  readonly readAt: number;
  /** Of each field the texts of owner and copy; of a whole row those of its keys. */
  readonly texts: { readonly owner: Texts | undefined; readonly copy: Texts | undefined };
}

/** What a look at the sources needs. */
export interface Examiner {
  readonly catalog: Catalog;
  readonly warehouse: ClickHouseClient;
  readonly rule: DriftRule;
  readonly sides: WarehouseSides;
  /** Since when a copy is known to be in a {@link Examined.state}, by {@link keyId} of the copy. */
  readonly seen: ReadonlyMap<string, { readonly state: string; readonly since: number }>;
}

/** What the warehouse knows of rows. */
interface KnownRows {
  readonly stored: ReadonlyMap<string, Texts>;
  readonly histories: ReadonlyMap<string, History>;
}

/** A row of the copy at its source, taken apart; or one that the rule is not about. */
type CopyRow = { readonly owner: Key; readonly fields: Texts } | 'out of scope';

/**
 * Looks candidates up at their sources, the copies first, and judges them.
 *
 * @throws TributaryError `DRIFT_RULE_BROKEN`, `SOURCE_REFUSED`, `SINK_UNAVAILABLE`, `SINK_REFUSED`;
 * a source that cannot be reached is told of in the results
 */
export async function examine(
  examiner: Examiner,
  candidates: readonly Candidate[],
): Promise<Examined[]> {
  if (candidates.length === 0) return [];
  const { rule, warehouse, sides } = examiner;
  const copyKeys = candidates.map(({ copy }) => copy);
  const copies = await reach(readCopies(examiner, copyKeys));
  const pairs = candidates.map(({ copy, owner }) => {
    const row = copies.rows?.get(keyId(copy));
    return row === undefined || row === 'out of scope'
      ? { copy, owner, fields: undefined, isOutOfScope: row !== undefined }
      : { copy, owner: row.owner, fields: row.fields, isOutOfScope: false };
  });
  const ownerKeys = [...new Map(pairs.map(({ owner }) => [keyId(owner), owner])).values()];
  const owners = await reach(readOwners(examiner, ownerKeys));
  const ofCopy = rule.fields.map(({ copy }) => copy);
  const ofOwner = rule.fields.map(({ owner }) => owner);
  const known = {
    copies: await readWarehouse(warehouse, sides.copy, ofCopy, copyKeys),
    owners: await readWarehouse(warehouse, sides.owner, ofOwner, ownerKeys),
  };
  const unconfirmed = copies.problem ?? owners.problem;
  const readAt = owners.rows?.readAt ?? Date.now();
  return pairs.map((pair): Examined => {
    const [copyId, ownerId] = [keyId(pair.copy), keyId(pair.owner)];
    const stateOf = (side: KnownRows, id: string, atSource: Texts | undefined): RowState => {
      const stored = side.stored.get(id);
      const history = side.histories.get(id) ?? [];
      return { now: unconfirmed === undefined ? atSource : stored, stored, history };
    };
    const copyState = stateOf(known.copies, copyId, pair.fields);
    // That the warehouse has it as well is as it should be.
    const copy = pair.isOutOfScope ? { ...copyState, stored: undefined } : copyState;
    const owner = stateOf(known.owners, ownerId, owners.rows?.rows.get(ownerId));
    // With what the log knows: it may have heard of a change since the sources were read.
    const held = [copy, owner].flatMap(({ now, history }) => [now ?? 0, currentRow(history) ?? 0]);
    const state = digest(JSON.stringify([ownerId, ...held]));
    const seen = examiner.seen.get(copyId);
    const classification = classify({
      copy,
      owner,
      normalize: rule.fields.map(({ normalize }) => normalize),
      allowedStalenessMs: rule.allowedStalenessMs,
      orphansAllowed: rule.orphansAllowed,
      complete: rule.complete,
      readAt,
      sameSince: seen?.state === state ? seen.since : readAt,
    });
    const texts = { owner: owner.now, copy: copy.now };
    const { copy: copyKey, owner: ownerKey } = pair;
    const about = { copy: copyKey, owner: ownerKey, classification, state, unconfirmed, readAt };
    return { ...about, texts };
  });
}

async function readWarehouse(
  client: ClickHouseClient,
  side: WarehouseSide,
  fields: readonly string[],
  keys: readonly Key[],
): Promise<KnownRows> {
  return {
    stored: await readStored(client, side, fields, keys),
    histories: await readHistories(client, side, fields, keys),
  };
}

async function readCopies(
  { catalog, rule, warehouse, sides }: Examiner,
  keys: readonly Key[],
): Promise<Map<string, CopyRow>> {
  const wanted = [...rule.where.keys()];
  // In the order of the owner's key, whatever that of the rule.
  const references = sides.owner.key.flatMap(({ name }) =>
    rule.reference.filter(({ owner }) => owner === name).map(({ copy }) => copy),
  );
  const fields = rule.fields.map(({ copy }) => copy);
  const columns = [...fields, ...references, ...wanted];
  const rows = await atSource(sourceOf(catalog, rule.copy.source), async (client, source) =>
    (await rowsAtSource(client, warehouse, source, rule.copy, columns))(keys),
  );
  return new Map(
    [...rows].map(([id, texts]): [string, CopyRow] => {
      const owner = texts.slice(fields.length, fields.length + references.length);
      const scope = texts.slice(fields.length + references.length);
      const inScope = wanted.every((column, index) =>
        rule.where.get(column)?.includes(scope[index] ?? null),
      );
      // Nor is it about a copy that refers to nobody.
      return inScope && isKey(owner)
        ? [id, { owner, fields: texts.slice(0, fields.length) }]
        : [id, 'out of scope'];
    }),
  );
}

function isKey(texts: Texts): texts is Key {
  return !texts.includes(null);
}

async function readOwners(
  { catalog, rule, warehouse }: Examiner,
  keys: readonly Key[],
): Promise<{ rows: Map<string, Texts>; readAt: number }> {
  const fields = rule.fields.map(({ owner }) => owner);
  return atSource(sourceOf(catalog, rule.owner.source), async (client, source) => {
    const read = await rowsAtSource(client, warehouse, source, rule.owner, fields);
    const rows = await read(keys);
    const { rows: clock } = await client.query<{ now: string }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::text AS now',
    );
    return { rows, readAt: Number(clock[0]?.now) };
  });
}

/** A source that a rule names, which the catalog has made sure of. */
export function sourceOf(catalog: Catalog, name: string): Source {
  const source = findSource(catalog, name);
  if (source === undefined) throw new Error(`the catalog has no source ${name}`);
  return source;
}

/** Runs `work` on a connection to a source that can only read. */
export async function atSource<T>(
  source: Source,
  work: (client: pg.Client, source: Source) => Promise<T>,
): Promise<T> {
  return withDatabase(source.name, source.url, async (client) => {
    await prepareSession(client);
    return work(client, source);
  });
}

const UNREACHABLE: ReadonlySet<string> = new Set(['SOURCE_UNAVAILABLE', 'PREFLIGHT_FAILED']);

/** Tells a source that cannot be reached from a look that failed. */
async function reach<T>(reading: Promise<T>): Promise<{ rows?: T; problem?: string }> {
  try {
    return { rows: await reading };
  } catch (error) {
    if (!(error instanceof TributaryError) || !UNREACHABLE.has(error.code)) throw error;
    return { problem: describeError(error) };
  }
}

/** A short hash: enough to see whether two values are one. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
