import { setTimeout as delay } from 'node:timers/promises';
import { consumeEvents, type EventBroker, type Subscription } from '#events/consume-events.ts';
import { waitUntilApplied } from '#events/wait-until-applied.ts';
import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import type { Database } from '#runtime/service/database.ts';
import { groupOf, schemaOf, type Generation, type Generations } from './generations.ts';
import { projection } from './projection.ts';
import type { Freshness } from './freshness.ts';

/** How often generations are looked at. */
const LOOK_MS = 1_000;
/** How often positions are compared: each time asks the broker about every topic. */
const COMPARE_MS = 2_000;

/**
 * Keeps every generation that is not retired up with the topics, lets one that has been built take
 * over, and removes old ones, until `signal` aborts. Several processes may do so at once.
 */
export async function followTopics(options: {
  broker: EventBroker;
  database: Database;
  generations: Generations;
  freshness: Freshness;
  log: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { broker, database, generations, freshness, log, signal } = options;
  const followed = new Map<number, { stop: AbortController; done: Promise<void> }>();

  const follow = async ({ number, state }: Generation, stop: AbortSignal): Promise<void> => {
    const schema = schemaOf(number);
    const subscriptions = projection(schema);
    const consuming = consumeEvents({
      broker,
      groupId: groupOf(number),
      database,
      schema,
      subscriptions,
      log,
      signal: stop,
    });
    const watching = watch(number, subscriptions, state === 'building', stop);
    await Promise.all([consuming, watching]);
  };

  /** Notes until when a generation is complete; the first time, one that is built takes over. */
  const watch = async (
    number: number,
    subscriptions: readonly Subscription[],
    isBuilding: boolean,
    stop: AbortSignal,
  ): Promise<void> => {
    let toPromote = isBuilding;
    while (!stop.aborted) {
      try {
        const began = new Date();
        await waitUntilApplied(broker, groupOf(number), subscriptions, { log, signal: stop });
        if (toPromote) {
          await generations.promote(number);
          log.info({ generation: number }, 'a new read model serves');
          toPromote = false;
        }
        freshness.note(number, began);
      } catch (error) {
        if (!stop.aborted) log.debug({ reason: describeError(error) }, 'freshness is not known');
      }
      await delay(COMPARE_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  };

  while (!signal.aborted) {
    try {
      await generations.begin();
      const active = (await generations.list()).filter(({ state }) => state !== 'retired');
      for (const generation of active) {
        if (followed.has(generation.number)) continue;
        const stop = new AbortController();
        const done = follow(generation, AbortSignal.any([signal, stop.signal]))
          .catch((error: unknown) => {
            log.warn({ reason: describeError(error) }, 'a read model is followed anew');
          })
          .finally(() => {
            stop.abort();
            followed.delete(generation.number);
          });
        followed.set(generation.number, { stop, done });
      }
      for (const [number, { stop, done }] of followed) {
        if (active.some((generation) => generation.number === number)) continue;
        stop.abort();
        await done;
      }
      await generations.sweep();
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'generations cannot be looked at');
    }
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
  await Promise.all([...followed.values()].map(async ({ done }) => done));
}
