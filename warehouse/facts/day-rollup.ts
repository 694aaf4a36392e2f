import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';

/** Days of one statement: reading the fact once for many days takes no longer than for one, adding up takes memory. */
const DAYS_AT_ONCE = 32;

/**
 * What a fact adds up to, day by day: a table in database `facts` with one row a day, in which all
 * entries of the day are. So a day is replaced as a whole, and entries that are no more leave nothing
 * behind.
 */
export interface DayRollup {
  /** Name of the table. */
  readonly name: string;
  /** Name of the fact; its table keeps the numbers of inserted blocks. */
  readonly of: string;
  /** Names and types of an entry. */
  readonly entry: readonly (readonly [name: string, type: string])[];
  readonly comment: string;
  /** SELECT of the days that rows inserted after a block of the fact belong to or have belonged to. */
  readonly touched: (block: string) => string;
  /** SELECT of all days. */
  readonly days: string;
  /** SELECT of the entries of days, each with its `day` in front. The days are an SQL list: `day IN (<days>)`. */
  readonly entries: (days: string) => string;
}

/**
 * Brings a rollup up to its fact: days that changed rows have to do with are added up anew. Any
 * number of processes may do this at once, and any may die in the middle: of two rows of a day the one
 * that contains more of the fact wins.
 *
 * @returns how many days were added up; undefined when the fact is not there yet
 * @throws what the client throws
 */
export async function refreshDayRollup(
  client: ClickHouseClient,
  rollup: DayRollup,
): Promise<number | undefined> {
  const fact = await readFact(client, rollup);
  if (fact === undefined) return undefined;
  const position = await readPosition(client, rollup);
  const known = position?.identity === fact.identity ? position : undefined;
  if (known !== undefined && known.block >= fact.block) return 0;
  if (known === undefined) await makeTable(client, rollup);
  const days = await select<{ day: string }>(
    client,
    `SELECT DISTINCT toString(day) AS day FROM (${known === undefined ? rollup.days : rollup.touched(`${known.block}`)}) ORDER BY day`,
  );
  for (let begin = 0; begin < days.length; begin += DAYS_AT_ONCE) {
    const list = days
      .slice(begin, begin + DAYS_AT_ONCE)
      .map(({ day }) => `toDate('${day}')`)
      .join(', ');
    await client.command({
      // A day that has no entries any more is replaced by an empty one.
      query: `INSERT INTO facts.${rollup.name}
              SELECT d.day, e.entries, ${fact.block}
              FROM (SELECT arrayJoin([${list}]) AS day) AS d
              LEFT JOIN (SELECT day, groupArray(tuple(* EXCEPT day)) AS entries
                         FROM (${rollup.entries(list)}) GROUP BY day) AS e ON e.day = d.day`,
      clickhouse_settings: { wait_end_of_query: 1 },
    });
  }
  await client.insert({
    table: 'ops.fact_positions',
    values: [
      {
        fact: rollup.name,
        identity: fact.identity,
        blocks: { [`facts.${rollup.of}`]: `${fact.block}` },
        version: `${fact.block}`,
      },
    ],
    format: 'JSONEachRow',
  });
  return days.length;
}

/** The fact as it is: its identity changes when it, or what is made of it, is another one. */
async function readFact(
  client: ClickHouseClient,
  rollup: DayRollup,
): Promise<{ identity: string; block: bigint } | undefined> {
  const [row] = await select<{ uuid: string; block: string }>(
    client,
    `SELECT toString(t.uuid) AS uuid, toString(p.block) AS block
     FROM (SELECT name, uuid FROM system.tables WHERE database = 'facts' AND name = '${rollup.of}') AS t
     LEFT JOIN (SELECT table, max(max_block_number) AS block FROM system.parts
                WHERE active AND database = 'facts' AND table = '${rollup.of}' GROUP BY table) AS p ON p.table = t.name`,
  );
  if (row === undefined) return undefined;
  const definition = [row.uuid, tableOf(rollup), rollup.entries('day')].join();
  return {
    identity: createHash('sha256').update(definition).digest('hex'),
    block: BigInt(row.block),
  };
}

async function readPosition(
  client: ClickHouseClient,
  rollup: DayRollup,
): Promise<{ identity: string; block: bigint } | undefined> {
  const [row] = await select<{ identity: string; block: string }>(
    client,
    `SELECT identity, toString(version) AS block FROM ops.fact_positions FINAL WHERE fact = '${rollup.name}'`,
  );
  return row === undefined ? undefined : { identity: row.identity, block: BigInt(row.block) };
}

/** Rows of another definition or of a fact that is gone are of no use. */
async function makeTable(client: ClickHouseClient, rollup: DayRollup): Promise<void> {
  for (const query of [
    `DROP TABLE IF EXISTS facts.${rollup.name}`,
    `ALTER TABLE ops.fact_positions DELETE WHERE fact = '${rollup.name}' SETTINGS mutations_sync = 1`,
    tableOf(rollup),
  ]) {
    await client.command({ query });
  }
}

function tableOf({ name, entry, comment }: DayRollup): string {
  const columns = entry.map(([column, type]) => `${column} ${type}`).join(', ');
  return `CREATE TABLE IF NOT EXISTS facts.${name}
    (
      day      Date                      COMMENT 'Day, UTC',
      entries  Array(Tuple(${columns})) COMMENT 'What it adds up to',
      _version UInt64                    COMMENT 'How much of the fact the row contains; the highest counts'
    )
    ENGINE = ReplacingMergeTree(_version) ORDER BY day
    COMMENT '${comment}'`;
}

async function select<T>(client: ClickHouseClient, query: string): Promise<T[]> {
  const result = await client.query({ query, format: 'JSONEachRow' });
  return result.json<T>();
}
