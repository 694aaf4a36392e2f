import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from '#runtime/errors.ts';
import type { Lsn } from '../pipeline/change/lsn.ts';
import type { ConnectClient } from './connect-client.ts';
import type { ConnectorConfig } from './connector-config.ts';

const POLL_MS = 200;
const DEADLINE_MS = 60_000;

/**
 * Makes the connector of a source whose rows are in the warehouse already, so that it streams all of
 * its slot and takes no snapshot.
 *
 * It gets an offset before it runs for the first time, the one it would have after a snapshot of its
 * own. `snapshot.mode=no_data` would do without, but not survive a restart: until it has processed a
 * change, Debezium stores the position that the server had when it started, and what the slot has
 * before that would be left out.
 *
 * May be called again when it did not come to its end.
 *
 * @param slotLsn - from which the slot streams
 * @throws TributaryError `CONNECT_UNAVAILABLE`, `CONNECT_REFUSED`, `DEADLINE_EXCEEDED`
 */
export async function startBehindCopy(
  client: ConnectClient,
  { name, config }: ConnectorConfig,
  slotLsn: Lsn,
  signal: AbortSignal,
): Promise<void> {
  const state = async () => (await client.list(signal)).get(name)?.status;
  const before = await state();
  if (before === undefined) await client.createStopped(name, config, signal);
  // It was started, and that comes after the offset.
  else if (before.connector.state !== 'STOPPED') return;
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const now = await state();
    if (now?.connector.state === 'STOPPED' && now.tasks.length === 0) break;
    if (Date.now() > deadline) {
      throw new TributaryError(
        'DEADLINE_EXCEEDED',
        `connector ${name} is not stopped after ${DEADLINE_MS / 1_000} s: ${now?.connector.state ?? 'ABSENT'}`,
      );
    }
    await sleep(POLL_MS, undefined, { signal });
  }
  await client.setOffset(
    name,
    { server: config['topic.prefix'] ?? '' },
    { lsn: slotLsn, ts_usec: BigInt(Date.now()) * 1_000n },
    signal,
  );
  await client.resume(name, signal);
}
