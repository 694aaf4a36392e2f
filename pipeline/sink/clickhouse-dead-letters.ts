import type { ClickHouseClient } from '@clickhouse/client';
import { TributaryError } from '#runtime/errors.ts';
import { readSchemaId } from '../avro/wire-format.ts';
import { parseOffset, type Offset } from '../change/offset.ts';
import type { RecordHeaders } from '../change/record-headers.ts';
import { firstOffsetOf } from '../change/replay.ts';
import { sinkError } from './clickhouse-error.ts';
import type { DeadLetter, SourceRecord } from './dead-letter.ts';
import { quoteText } from './identifier.ts';

/** Most bytes of a key or value that the warehouse lists; the topic holds them all. */
const MAX_LISTED_BYTES = 65_536;

/** Place of a record, which is also the name of its letter. */
export interface LetterPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
}

/** Whether somebody has dealt with a letter. */
export type LetterState = 'open' | 'replayed' | 'discarded';

/** A letter as the warehouse lists it, without its bytes. */
export interface ListedLetter extends LetterPlace {
  readonly state: LetterState;
  /** UTC. */
  readonly deadLetteredAt: string;
  readonly code: string;
  readonly reason: string;
  readonly schemaId: number | null;
  /** Bytes; null when there is no key. */
  readonly keySize: number | null;
  /** Bytes; null when there is no value. */
  readonly valueSize: number | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Where the whole record is, in the dead-letter topic. */
  readonly letterOffset: Offset;
  /** First letter of a replayed record that failed again. */
  readonly replayOf: Offset | null;
  /** Offset that the replayed record got. */
  readonly replayedAs: Offset | null;
}

/** Which letters; what is not given does not matter. */
export interface LetterFilter {
  readonly topic?: string | undefined;
  readonly code?: string | undefined;
  readonly state?: LetterState | undefined;
  readonly place?: LetterPlace | undefined;
  /** SQL of a condition on `key_bytes` and `value_bytes`, base64. */
  readonly bytes?: string | undefined;
}

/**
 * Lists a dead letter in `ops.dead_letters`, where people look for it.
 *
 * @param letterOffset - where the dead-letter topic holds it
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function recordDeadLetter(
  client: ClickHouseClient,
  { record, error }: DeadLetter,
  letterOffset: Offset,
): Promise<void> {
  try {
    await client.insert({
      table: 'ops.dead_letters',
      format: 'JSONEachRow',
      values: [
        {
          topic: record.topic,
          partition: record.partition,
          offset: record.offset.toString(),
          code: error.code,
          reason: error.message,
          schema_id: quietly(() => (record.value === null ? null : readSchemaId(record.value))),
          key_bytes: listed(record.key),
          key_size: record.key?.length ?? null,
          value_bytes: listed(record.value),
          value_size: record.value?.length ?? null,
          headers: headerTexts(record.headers),
          letter_offset: letterOffset.toString(),
          replay_of: replayOf(record),
        },
      ],
    });
  } catch (failure) {
    throw sinkError(failure, 'listing a dead letter');
  }
}

/**
 * How many letters are open, by topic.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function countOpenLetters(
  client: ClickHouseClient,
): Promise<ReadonlyMap<string, number>> {
  const rows = await ask<{ topic: string; letters: string }>(
    client,
    `SELECT topic, toString(count()) AS letters FROM ops.dead_letters FINAL
     WHERE (topic, partition, offset) NOT IN
       (SELECT topic, partition, offset FROM ops.dead_letter_resolutions)
     GROUP BY topic`,
    {},
  );
  return new Map(rows.map(({ topic, letters }) => [topic, Number(letters)]));
}

/**
 * Letters, in the order of their topics, partitions and offsets.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function listDeadLetters(
  client: ClickHouseClient,
  filter: LetterFilter,
  limit: number,
): Promise<ListedLetter[]> {
  const conditions = [
    ...(filter.topic === undefined ? [] : ['topic = {topic:String}']),
    ...(filter.code === undefined ? [] : ['code = {code:String}']),
    ...(filter.state === undefined ? [] : ['state = {state:String}']),
    ...(filter.place === undefined
      ? []
      : [
          'topic = {place_topic:String} AND partition = {partition:Int32} AND offset = {offset:Int64}',
        ]),
    ...(filter.bytes === undefined ? [] : [`(${filter.bytes})`]),
  ];
  const rows = await ask<LetterRow>(
    client,
    `SELECT topic, partition, toString(offset) AS offset_text, state, dead_lettered_at, code, reason,
            schema_id, key_size, value_size, headers, toString(letter_offset) AS letter_text,
            toString(replay_of) AS first_text, toString(replayed_as) AS replayed_text
     FROM (
       SELECT letter.*, if(resolution.state = '', 'open', toString(resolution.state)) AS state,
              resolution.replayed_as AS replayed_as
       FROM (SELECT * FROM ops.dead_letters FINAL) AS letter
       LEFT JOIN (SELECT * FROM ops.dead_letter_resolutions FINAL) AS resolution
       USING (topic, partition, offset))
     WHERE ${conditions.length === 0 ? '1' : conditions.join(' AND ')}
     ORDER BY topic, partition, offset LIMIT {limit:UInt32}`,
    {
      topic: filter.topic,
      code: filter.code,
      state: filter.state,
      place_topic: filter.place?.topic,
      partition: filter.place?.partition,
      offset: filter.place?.offset.toString(),
      limit,
    },
  );
  return rows.map((row) => ({
    topic: row.topic,
    partition: row.partition,
    offset: parseOffset(row.offset_text),
    state: row.state,
    deadLetteredAt: row.dead_lettered_at,
    code: row.code,
    reason: row.reason,
    schemaId: row.schema_id,
    keySize: row.key_size === null ? null : Number(row.key_size),
    valueSize: row.value_size === null ? null : Number(row.value_size),
    headers: row.headers,
    letterOffset: parseOffset(row.letter_text),
    replayOf: row.first_text === null ? null : parseOffset(row.first_text),
    replayedAs: row.replayed_text === null ? null : parseOffset(row.replayed_text),
  }));
}

/** The bytes of a letter, as far as the warehouse lists them; null where there are none. */
export async function listedBytes(
  client: ClickHouseClient,
  letter: ListedLetter,
): Promise<{ readonly key: Buffer | null; readonly value: Buffer | null }> {
  const [row] = await ask<{ key_bytes: string; value_bytes: string }>(
    client,
    `SELECT key_bytes, value_bytes FROM ops.dead_letters FINAL
     WHERE topic = {topic:String} AND partition = {partition:Int32} AND offset = {offset:Int64}`,
    { topic: letter.topic, partition: letter.partition, offset: letter.offset.toString() },
  );
  const bytes = (text: string | undefined, size: number | null) =>
    text === undefined || size === null ? null : Buffer.from(text, 'base64');
  return {
    key: bytes(row?.key_bytes, letter.keySize),
    value: bytes(row?.value_bytes, letter.valueSize),
  };
}

/**
 * Takes note that somebody has dealt with letters.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function resolveDeadLetters(
  client: ClickHouseClient,
  resolutions: readonly {
    readonly place: LetterPlace;
    readonly state: Exclude<LetterState, 'open'>;
    readonly replayedAs?: Offset;
  }[],
): Promise<void> {
  try {
    await client.insert({
      table: 'ops.dead_letter_resolutions',
      format: 'JSONEachRow',
      values: resolutions.map(({ place, state, replayedAs }) => ({
        topic: place.topic,
        partition: place.partition,
        offset: place.offset.toString(),
        state,
        replayed_as: replayedAs?.toString() ?? null,
      })),
    });
  } catch (failure) {
    throw sinkError(failure, 'noting what became of dead letters');
  }
}

/**
 * Leaves letters without key and value; that there were some, where and why stays.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function blankLetters(
  client: ClickHouseClient,
  places: readonly LetterPlace[],
): Promise<void> {
  const list = places.map(
    ({ topic, partition, offset }) => `(${quoteText(topic)}, ${partition}, ${offset})`,
  );
  try {
    await client.command({
      query: `ALTER TABLE ops.dead_letters UPDATE key_bytes = '', value_bytes = ''
              WHERE (topic, partition, offset) IN (${list.join(', ')})`,
      clickhouse_settings: { mutations_sync: '2', wait_end_of_query: 1 },
    });
  } catch (failure) {
    throw sinkError(failure, 'erasing dead letters');
  }
}

interface LetterRow {
  readonly topic: string;
  readonly partition: number;
  readonly offset_text: string;
  readonly state: LetterState;
  readonly dead_lettered_at: string;
  readonly code: string;
  readonly reason: string;
  readonly schema_id: number | null;
  readonly key_size: string | null;
  readonly value_size: string | null;
  readonly headers: Record<string, string>;
  readonly letter_text: string;
  readonly first_text: string | null;
  readonly replayed_text: string | null;
}

async function ask<T>(
  client: ClickHouseClient,
  query: string,
  params: Record<string, unknown>,
): Promise<T[]> {
  try {
    const query_params = Object.fromEntries(
      Object.entries(params).filter(([, value]) => value !== undefined),
    );
    const result = await client.query({ query, query_params, format: 'JSONEachRow' });
    return await result.json<T>();
  } catch (failure) {
    throw sinkError(failure, 'reading dead letters');
  }
}

function listed(bytes: Buffer | null): string {
  return bytes?.subarray(0, MAX_LISTED_BYTES).toString('base64') ?? '';
}

/** Headers for people to read; the topic has them byte by byte. */
function headerTexts(headers: RecordHeaders = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
  );
}

function replayOf({ headers }: SourceRecord): string | null {
  return quietly(() => firstOffsetOf(headers)?.toString() ?? null);
}

/** What cannot be read of a bad record is left out: the letter says why it is one. */
function quietly<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof TributaryError) return null;
    throw error;
  }
}
