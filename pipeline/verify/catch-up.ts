import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { TributaryError } from '#runtime/errors.ts';
import { captureNames } from '../../connectors/connector-config.ts';
import type { Source } from '../catalog/catalog.ts';
import { isTableTopic } from '../source/table-topic.ts';
import { waitUntilConsumed } from '../source/group-progress.ts';
import type { Kafka } from '../source/kafka-client.ts';
import type { CatchUp } from './settle-rows.ts';

const PAUSE_MS = 100;

/**
 * Waits for the warehouse by what each part has acknowledged: the slot's confirmed position says
 * that everything committed before it is in Kafka, for the slot would not send it again; the
 * consumer group's offsets say that what Kafka held then is in the warehouse.
 *
 * On a quiet database the slot moves with the connector's heartbeat, so this can take two of those.
 */
export function catchUpThroughKafka(parts: {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}): (source: Source, client: pg.Client) => CatchUp {
  const { kafka, groupId, deadlineMs, signal } = parts;
  return (source, client) => async () => {
    const deadline = Date.now() + deadlineMs;
    // What is visible may not be flushed yet, hence the position of what is written.
    const position = await one<{ lsn: string }>(
      client,
      'SELECT pg_current_wal_insert_lsn()::text AS lsn',
      [],
    );
    await waitForSlot(source, client, position?.lsn ?? '', { deadline, signal });
    const behind = await waitUntilConsumed(kafka, groupId, {
      isWanted: (topic) => isTableTopic(topic, new Set([source.name])),
      deadline,
      signal,
    });
    if (behind > 0n) throw tooLate(source, `${behind} records are not in the warehouse yet`);
  };
}

/**
 * Waits until everything that was committed before a position is in Kafka.
 *
 * @param lsn - as Postgres spells it
 * @throws TributaryError `DEADLINE_EXCEEDED`; the abort reason
 */
export async function waitForSlot(
  source: Source,
  client: pg.Client,
  lsn: string,
  { deadline, signal }: { readonly deadline: number; readonly signal: AbortSignal },
): Promise<void> {
  const { slot } = captureNames(source.name);
  for (;;) {
    const confirmed = await one<{ lsn: string; passed: boolean }>(
      client,
      `SELECT confirmed_flush_lsn::text AS lsn, confirmed_flush_lsn >= $1::pg_lsn AS passed
       FROM pg_replication_slots WHERE slot_name = $2`,
      [lsn, slot],
    );
    if (confirmed === undefined) throw tooLate(source, `there is no replication slot ${slot}`);
    if (confirmed.passed) return;
    if (Date.now() > deadline) {
      throw tooLate(source, `slot ${slot} is at ${confirmed.lsn}, not at ${lsn}`);
    }
    await delay(PAUSE_MS, undefined, { signal });
  }
}

/** What was waited for too long. */
export function tooLate(source: Source, what: string): TributaryError {
  return new TributaryError(
    'DEADLINE_EXCEEDED',
    `source ${source.name}: the warehouse did not catch up in time: ${what}`,
  );
}

async function one<T extends object>(
  client: pg.Client,
  sql: string,
  values: unknown[],
): Promise<T | undefined> {
  const { rows } = await client.query<T>(sql, values);
  return rows[0];
}
