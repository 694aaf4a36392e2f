import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import type pg from 'pg';
import { withDatabase } from '../../connectors/source-connection.ts';
import { textKey } from '../avro/key-bytes.ts';
import { callEndpoint } from '../catalog/call-endpoint.ts';
import { findSource, type Catalog, type Source } from '../catalog/catalog.ts';
import type { EraseRule, SubjectData } from '../catalog/erase-rule.ts';
import { tableText } from '../drift/warehouse-side.ts';
import { EVENT_TOPIC_PREFIX, eventTopic } from '../events/event-topic.ts';
import type { CatchUp } from '../verify/settle-rows.ts';
import type { LetterPlace } from '../sink/clickhouse-dead-letters.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { DEAD_LETTER_TOPIC, LETTER_PARTITION, letterKey } from '../source/kafka-dead-letters.ts';
import type { Doomed, ErasedRecords, Patience } from '../source/erase-records.ts';
import { tableTopic } from '../source/table-topic.ts';
import { searchValues, type Found } from './search-values.ts';
import { rowsAtSource } from './source-rows.ts';
import { blankSubjectLetters, lettersOf, refuseWithheld } from './subject-letters.ts';
import {
  blankSubjectRows,
  countSubjectRows,
  distinctiveValues,
  findSubjectTable,
  type SubjectRows,
  type SubjectTable,
} from './subject-tables.ts';

const PAUSE_MS = 500;

/** Takes records out of the broker. */
export interface RecordEraser {
  /** Those of which the consumer group has made rows. */
  dropConsumed(topics: readonly string[], patience: Patience): Promise<ErasedRecords[]>;
  eraseByKey(topic: string, doomed: Doomed, patience: Patience): Promise<ErasedRecords>;
}

/** What an erasure is done with. */
export interface EraseParts {
  readonly catalog: Catalog;
  readonly warehouse: ClickHouseClient;
  readonly records: RecordEraser;
  readonly registryUrl: string;
  /** Makes what waits until the warehouse holds all that a source has committed. */
  readonly catchUpWith: (source: Source, client: pg.Client) => CatchUp;
  /** Called with what is being done now. */
  readonly say: (what: string) => void;
}

/** What there is, or was, of a subject in one table. */
export interface TableErasure {
  readonly table: string;
  /** Columns; undefined: whole rows. */
  readonly columns: readonly string[] | undefined;
  /** Rows of the service that still say something. */
  readonly atSource: number;
  /** Rows of the warehouse that did before, superseded versions among them. */
  readonly rows: number;
  /** Changes in the change log that did before. */
  readonly changes: number;
}

/** What became of a request to be forgotten. */
export interface Erasure {
  readonly tables: readonly TableErasure[];
  /** Dead letters that told of the subject. */
  readonly letters: number;
  readonly topics: readonly ErasedRecords[];
  /** Texts that nobody else had, which were searched for everywhere. */
  readonly searched: number;
  /** Where one of them is left. */
  readonly found: readonly Found[];
}

/** Whether nothing was found that is left of the subject. */
export function isComplete({ tables, topics, found }: Erasure): boolean {
  return (
    tables.every(({ atSource }) => atSource === 0) &&
    topics.every(({ left }) => left === 0n) &&
    found.length === 0
  );
}

/**
 * What there is of a subject. Nothing is changed.
 *
 * @param key - of the subject, as text
 * @throws TributaryError `ERASE_REFUSED`, and what asking sources and warehouse throws
 */
export async function surveySubject(
  { catalog, warehouse }: Pick<EraseParts, 'catalog' | 'warehouse'>,
  rule: EraseRule,
  key: string,
): Promise<Pick<Erasure, 'tables' | 'letters'>> {
  const atSource = await countAtSources({ catalog, warehouse }, rule, key);
  const stored = await findTables(warehouse, rule, key);
  const values = await allValues(warehouse, stored);
  return {
    tables: atServices(await countAll(warehouse, rule, stored), rule, atSource),
    letters: (await lettersOf(warehouse, key, values)).length,
  };
}

/**
 * Carries a request to be forgotten through services, warehouse, dead letters and topics, and looks
 * whether anything is left. The services go first: what they still hold would only come again. May
 * be interrupted and repeated at any point.
 *
 * @param key - of the subject, as text
 * @throws TributaryError `ERASE_REFUSED` when the service refuses, or nothing may be done yet;
 * `DEADLINE_EXCEEDED` when a part does not come along in time; what asking the parts throws
 */
export async function eraseSubject(
  parts: EraseParts,
  rule: EraseRule,
  key: string,
  { deadline, signal }: Patience,
): Promise<Erasure> {
  const { warehouse, records, say } = parts;
  const topics = rule.data.map(({ table }) => tableTopic(table.source, table.schema, table.table));
  await refuseWithheld(warehouse, topics);
  // Before anything is gone: afterwards nobody knows what there was, and what to search for.
  const before = await findTables(warehouse, rule, key);
  const values = await allValues(warehouse, before);
  const there = await countAll(warehouse, rule, before);

  say(`asking ${rule.subject} to erase`);
  await callEndpoint(rule.request, rule.request.url.replaceAll('{key}', encodeURIComponent(key)), {
    code: 'ERASE_REFUSED',
    what: `asking the service of ${rule.subject} to erase`,
    fix: 'See that the service answers at the `request` url under `erase`.',
  });
  say('waiting for the services');
  let atSource = await countAtSources(parts, rule, key);
  while ([...atSource.values()].some((rows) => rows > 0) && Date.now() < deadline) {
    await delay(PAUSE_MS, undefined, { signal });
    atSource = await countAtSources(parts, rule, key);
  }
  if ([...atSource.values()].some((rows) => rows > 0)) {
    // Whatever was taken out now would come again with the next change.
    const tables = atServices(there, rule, atSource);
    return { tables, letters: 0, topics: [], searched: 0, found: [] };
  }
  say('waiting for the warehouse');
  await catchUpAll(parts, rule);

  say('erasing in the warehouse');
  const stored = await findTables(warehouse, rule, key);
  for (const table of stored.values()) await blankSubjectRows(warehouse, table);
  const letters = await lettersOf(warehouse, key, values);
  await blankSubjectLetters(warehouse, letters);

  say('erasing in the topics');
  const patience = { deadline, signal };
  const erased = [
    ...(await records.dropConsumed([...new Set(topics)], patience)),
    ...(await eraseEvents(parts, rule, key, patience)),
    ...(await eraseLetters(parts, letters, patience)),
  ];
  say('searching for what is left');
  const found = await searchUntilGone(warehouse, values, patience);
  const tables = atServices(there, rule, atSource);
  return { tables, letters: letters.length, topics: erased, searched: values.length, found };
}

async function eraseEvents(
  { records, registryUrl }: EraseParts,
  rule: EraseRule,
  key: string,
  patience: Patience,
): Promise<ErasedRecords[]> {
  const erased = await Promise.all(
    rule.events.map(async ({ source, type }) => {
      const topic = eventTopic(source, type);
      const prefix = `${EVENT_TOPIC_PREFIX}.`;
      const found = await textKey(registryUrl, topic, prefix, key, patience.signal);
      if (found === undefined) return [];
      return [
        await records.eraseByKey(topic, { marker: found.bytes, isDoomed: found.is }, patience),
      ];
    }),
  );
  return erased.flat();
}

async function eraseLetters(
  { records }: EraseParts,
  letters: readonly LetterPlace[],
  patience: Patience,
): Promise<ErasedRecords[]> {
  const [first] = letters;
  if (first === undefined) return [];
  const keys = new Set(letters.map(letterKey));
  const doomed = {
    marker: Buffer.from(letterKey(first)),
    isDoomed: (key: Buffer) => keys.has(key.toString()),
    partition: LETTER_PARTITION,
  };
  return [await records.eraseByKey(DEAD_LETTER_TOPIC, doomed, patience)];
}

/**
 * What is computed of the tables follows them, and keeps what it replaces until it is merged; that
 * is hurried here.
 */
async function searchUntilGone(
  warehouse: ClickHouseClient,
  values: readonly string[],
  { deadline, signal }: Patience,
): Promise<Found[]> {
  for (;;) {
    const found = await searchValues(warehouse, values);
    const computed = new Set(
      found.map(({ table }) => table).filter((table) => table.startsWith('facts.')),
    );
    if (computed.size === 0 || Date.now() > deadline) return found;
    for (const table of computed) {
      try {
        await warehouse.command({
          query: `OPTIMIZE TABLE ${table} FINAL`,
          clickhouse_settings: { wait_end_of_query: 1 },
        });
      } catch (error) {
        throw sinkError(error, `merging ${table}`);
      }
    }
    await delay(PAUSE_MS, undefined, { signal });
  }
}

async function findTables(
  warehouse: ClickHouseClient,
  rule: EraseRule,
  key: string,
): Promise<Map<SubjectData, SubjectTable>> {
  const tables = new Map<SubjectData, SubjectTable>();
  for (const data of rule.data) {
    const table = await findSubjectTable(warehouse, data, key);
    if (table !== undefined) tables.set(data, table);
  }
  return tables;
}

async function allValues(
  warehouse: ClickHouseClient,
  stored: ReadonlyMap<SubjectData, SubjectTable>,
): Promise<string[]> {
  const values = new Set<string>();
  for (const table of stored.values()) {
    for (const value of await distinctiveValues(warehouse, table)) values.add(value);
  }
  return [...values];
}

async function countAll(
  warehouse: ClickHouseClient,
  rule: EraseRule,
  stored: ReadonlyMap<SubjectData, SubjectTable>,
): Promise<SubjectRows[]> {
  const counts: SubjectRows[] = [];
  for (const data of rule.data) {
    const table = stored.get(data);
    counts.push(
      table === undefined ? { rows: 0, changes: 0 } : await countSubjectRows(warehouse, table),
    );
  }
  return counts;
}

function atServices(
  counts: readonly SubjectRows[],
  rule: EraseRule,
  atSource: ReadonlyMap<SubjectData, number>,
): TableErasure[] {
  return rule.data.map((data, index) => ({
    table: tableText(data.table),
    columns: data.columns,
    atSource: atSource.get(data) ?? 0,
    ...(counts[index] ?? { rows: 0, changes: 0 }),
  }));
}

async function countAtSources(
  { catalog, warehouse }: Pick<EraseParts, 'catalog' | 'warehouse'>,
  rule: EraseRule,
  key: string,
): Promise<Map<SubjectData, number>> {
  const counts = new Map<SubjectData, number>();
  await eachSource(catalog, rule, async (_, client, all) => {
    for (const data of all) counts.set(data, await rowsAtSource(client, warehouse, data, key));
  });
  return counts;
}

async function catchUpAll({ catalog, catchUpWith }: EraseParts, rule: EraseRule): Promise<void> {
  await eachSource(catalog, rule, async (source, client) => catchUpWith(source, client)());
}

async function eachSource(
  catalog: Catalog,
  rule: EraseRule,
  act: (source: Source, client: pg.Client, data: readonly SubjectData[]) => Promise<void>,
): Promise<void> {
  const names = [...new Set(rule.data.map(({ table }) => table.source))];
  await Promise.all(
    names.map(async (name) => {
      const source = findSource(catalog, name);
      // The catalog was checked when it was loaded.
      if (source === undefined) throw new Error(`there is no source ${name}`);
      await withDatabase(name, source.url, async (client) =>
        act(
          source,
          client,
          rule.data.filter(({ table }) => table.source === name),
        ),
      );
    }),
  );
}
