import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { describeError, isAbort } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { CUSTOMERS_FACT } from '../facts/customers.ts';
import type { Fact } from '../facts/fact.ts';
import { ORDER_DAYS } from '../facts/order-days.ts';
import { ORDERS_FACT } from '../facts/orders.ts';
import { refreshDayRollup, type DayRollup } from '../facts/day-rollup.ts';
import { refreshFact } from '../facts/refresh-fact.ts';
import { REVENUE_DAYS } from '../facts/revenue-days.ts';
import { SAGA_DAYS } from '../facts/saga-days.ts';
import { SAGAS_FACT } from '../facts/sagas.ts';
import { applyMarts, type AppliedMarts } from './apply-marts.ts';
import { readMartFiles } from './mart-files.ts';

/** Whether tables have come or changed is looked at this often. */
const INTERVAL_MS = 2_000;
/**
 * A fact rests twice as long as its refresh took, but neither shorter nor longer than this. A refresh
 * of a few rows costs little less than one of many: most of its time goes into planning its queries.
 */
const REST_FACTOR = 2;
const SHORTEST_REST_MS = 2_000;
const LONGEST_REST_MS = 10_000;
/** A day is read again for any change of it, and mostly asked for when it is over. */
const ROLLUP_REST_MS = 5_000;

/** Facts that marts read. */
export const FACTS: readonly Fact[] = [ORDERS_FACT, SAGAS_FACT, CUSTOMERS_FACT];

/** What facts add up to. */
export const ROLLUPS: readonly DayRollup[] = [REVENUE_DAYS, ORDER_DAYS, SAGA_DAYS];

/** Brings all facts up to their tables, and rollups to their facts, once. @throws what the client throws */
export async function refreshFacts(client: ClickHouseClient): Promise<void> {
  for (const fact of FACTS) await refreshFact(client, fact);
  for (const rollup of ROLLUPS) await refreshDayRollup(client, rollup);
}

/**
 * Keeps the marts as their tables need them until `signal` aborts. Marts of sources that the
 * catalog does not have are none of its business: without the shop there is nothing to do.
 *
 * @param sources - names of the catalog's sources
 * @throws what reading the files throws; a warehouse that is away is tried again
 */
export async function watchMarts(options: {
  client: ClickHouseClient;
  sources: readonly string[];
  log: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { client, log, signal } = options;
  const known = new Set(options.sources);
  const areKnown = (tables: readonly string[]) =>
    tables.every((table) => known.has(sourceOf(table)));
  const facts = FACTS.filter(({ needs }) => areKnown(needs));
  const rollups = ROLLUPS.filter(({ of }) => facts.some(({ name }) => name === of));
  const made = new Set([...facts, ...rollups].map(({ name }) => `facts.${name}`));
  const marts = (await readMartFiles()).filter(({ needs }) =>
    areKnown(needs.filter((table) => !made.has(table))),
  );
  const applied: AppliedMarts = new Map();
  const keepMarts = async () => {
    while (marts.length > 0 && !signal.aborted) {
      try {
        await applyMarts(client, marts, { applied, log });
      } catch (error) {
        log.debug({ reason: describeError(error) }, 'marts will be looked at again');
      }
      await rest(INTERVAL_MS, signal);
    }
  };
  await Promise.all([
    keepMarts(),
    ...facts.map(async (fact) =>
      keepFresh(fact.name, { restMs: factRestMs, log, signal }, async () => {
        const { done } = await refreshFact(client, fact);
        if (done === 'all') log.info({ fact: fact.name }, 'fact computed as a whole');
      }),
    ),
    ...rollups.map(async (rollup) =>
      keepFresh(rollup.name, { restMs: () => ROLLUP_REST_MS, log, signal }, async () =>
        refreshDayRollup(client, rollup),
      ),
    ),
  ]);
}

/** Source of a table that a mart needs: `users` of `users.users`, and of `history.users__users`. */
function sourceOf(table: string): string {
  const [database = '', name = ''] = table.split('.');
  return database === 'history' ? (name.split('__')[0] ?? '') : database;
}

function factRestMs(tookMs: number): number {
  return Math.min(Math.max(REST_FACTOR * tookMs, SHORTEST_REST_MS), LONGEST_REST_MS);
}

async function keepFresh(
  fact: string,
  {
    restMs,
    log,
    signal,
  }: {
    /** How long to rest after what took so long. */
    readonly restMs: (tookMs: number) => number;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
  refresh: () => Promise<unknown>,
): Promise<void> {
  while (!signal.aborted) {
    const began = performance.now();
    try {
      await refresh();
    } catch (error) {
      // The pipeline goes on; whoever reads the fact reads what it was.
      log.warn({ fact, reason: describeError(error) }, 'fact not brought up to date');
    }
    await rest(restMs(performance.now() - began), signal);
  }
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
}
