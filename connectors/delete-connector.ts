import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from '#runtime/errors.ts';
import type { Source } from '../pipeline/catalog/catalog.ts';
import type { ConnectClient } from './connect-client.ts';
import { captureNames } from './connector-config.ts';
import { withDatabase } from './source-connection.ts';

const POLL_MS = 200;

/**
 * Ends the capture of a source: its connector, the connector's offsets and the replication slot,
 * which would keep WAL for ever otherwise. What is not there is not missed. Publication and role
 * stay, and so does everything in Kafka and the warehouse.
 *
 * @throws TributaryError `DEADLINE_EXCEEDED`, `CONNECT_UNAVAILABLE`, `SOURCE_UNAVAILABLE`
 */
export async function deleteConnector(
  client: ConnectClient,
  source: Source,
  options: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<{ connector: boolean; slot: boolean }> {
  const { signal, deadlineMs } = options;
  const names = captureNames(source.name);
  const deadline = Date.now() + deadlineMs;
  const until = async (what: string, reached: () => Promise<boolean>) => {
    while (!(await reached())) {
      if (Date.now() > deadline) {
        throw new TributaryError('DEADLINE_EXCEEDED', `${what} after ${deadlineMs / 1000} s`);
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  };

  const connector = (await client.list(signal)).has(names.connector);
  if (connector) {
    await client.stop(names.connector, signal);
    await until(`connector ${names.connector} has not stopped`, async () => {
      const status = (await client.list(signal)).get(names.connector)?.status;
      return status?.connector.state === 'STOPPED' && status.tasks.length === 0;
    });
    await client.removeStopped(names.connector, signal);
  }
  const slot = await withDatabase(source.name, source.url, async (database) => {
    const find = async () =>
      (
        await database.query<{ active: boolean }>(
          'SELECT active FROM pg_replication_slots WHERE slot_name = $1',
          [names.slot],
        )
      ).rows[0];
    if ((await find()) === undefined) return false;
    await until(`slot ${names.slot} is still being read`, async () => !(await find())?.active);
    await database.query('SELECT pg_drop_replication_slot($1)', [names.slot]);
    return true;
  });
  return { connector, slot };
}
