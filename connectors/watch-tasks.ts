import { setTimeout as delay } from 'node:timers/promises';
import type { Secret } from '#runtime/config.ts';
import { isAbort } from '#runtime/errors.ts';
import { reasonOf } from './apply.ts';
import { blackOut, type ConnectClient } from './connect-client.ts';
import { RestartSchedule } from './restart-schedule.ts';

/** What the watch did or saw. */
export type TaskEvent =
  | {
      readonly kind: 'restarted';
      readonly connector: string;
      readonly attempt: number;
      /** Why the task had failed, in the words of the connector, without secrets. */
      readonly reason: string;
      /** Earliest time until the next restart, should it fail again, in milliseconds. */
      readonly nextDelayMs: number;
    }
  | { readonly kind: 'recovered'; readonly connector: string; readonly attempts: number };

const INTERVAL_MS = 2_000;

/**
 * Restarts failed tasks of these connectors, as {@link RestartSchedule} says, until `signal` aborts.
 * Connect restarts none by itself. Tasks that run are never touched, nor connectors of others.
 *
 * A Connect that does not answer is asked again: others see to it that it comes back.
 */
export async function watchTasks(options: {
  client: ConnectClient;
  connectors: readonly string[];
  secrets: readonly Secret[];
  onEvent: (event: TaskEvent) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { client, connectors, secrets, onEvent, signal } = options;
  const schedule = new RestartSchedule();

  async function look(): Promise<void> {
    const live = await client.list(signal);
    for (const connector of connectors) {
      const status = live.get(connector)?.status;
      if (status === undefined) continue;
      const decision = schedule.decide(connector, status, performance.now());
      if (decision.kind === 'recovered') {
        onEvent({ kind: 'recovered', connector, attempts: decision.attempts });
      } else if (decision.kind === 'restart') {
        await client.restartFailed(connector, signal);
        const { attempt, nextDelayMs, trace } = decision;
        const reason = blackOut(reasonOf(trace), secrets);
        onEvent({ kind: 'restarted', connector, attempt, reason, nextDelayMs });
      }
    }
  }

  while (!signal.aborted) {
    try {
      // A Connect that is away, or a connector that was just deleted: the next look tells.
      await look().catch((error: unknown) => {
        if (isAbort(error)) throw error;
      });
      await delay(INTERVAL_MS, undefined, { signal });
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }
}
