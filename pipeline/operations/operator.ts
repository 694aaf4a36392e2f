import { describeError, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { findSource } from '../catalog/catalog.ts';
import { planRepairs } from '../drift/repair.ts';
import { createDriftStore } from '../drift/store.ts';
import { createTurn } from '../resync/turn.ts';
import {
  listDeadLetters,
  listedBytes,
  type LetterPlace,
  type ListedLetter,
} from '../sink/clickhouse-dead-letters.ts';
import { connectWarehouse, type WarehouseAddress } from '../sink/clickhouse-client.ts';
import { createKafka } from '../source/kafka-client.ts';
import { mayHoldMasked } from '../source/masked-topic.ts';
import {
  discardLetters,
  findLetter,
  isWithheld,
  openLetters,
  placeText,
  replayOpenLetters,
} from './dead-letters.ts';
import { tableLabel } from './named-tables.ts';
import { beginOperation, targetOf, type OperationAbout } from './operation-log.ts';
import { areHealed, repairOutcomes, repairRule } from './repair-rule.ts';
import { capturedTables, resyncOne, resyncOutcome } from './resync-tables.ts';

/** Which letters an operation is about. */
export type ChosenLetters =
  | { readonly places: readonly LetterPlace[] }
  /** All that are open of a topic with an error code. */
  | { readonly topic: string; readonly code: string };

/** A letter, with its bytes unless its table has masked columns. */
export interface ShownLetter {
  readonly letter: Omit<ListedLetter, 'headers'>;
  /** Undefined where the table has masked columns. */
  readonly content:
    | {
        readonly headers: Readonly<Record<string, string>>;
        readonly key: Buffer | null;
        readonly value: Buffer | null;
      }
    | undefined;
}

/**
 * What an operator does on a page. Each is noted in `ops.operations` before it begins, and goes on
 * by itself: the methods resolve when it has begun, and reject when it cannot.
 *
 * All of them throw TributaryError: `OPERATION_REFUSED`, `DEAD_LETTER_UNKNOWN`, `CONFIG_INVALID` for a
 * table or rule that is not there, `SINK_UNAVAILABLE`, `SINK_REFUSED`, `SOURCE_UNAVAILABLE`.
 */
export interface Operator {
  /** Shows a letter; this too is noted. */
  look(place: LetterPlace, by: string): Promise<ShownLetter>;
  replay(chosen: ChosenLetters, by: string): Promise<void>;
  discard(chosen: ChosenLetters, by: string): Promise<void>;
  resync(
    table: { readonly source: string; readonly schema: string; readonly table: string },
    by: string,
  ): Promise<void>;
  repair(rule: string, by: string): Promise<void>;
  /** Stops what is under way, takes note of that, and closes. */
  close(): Promise<void>;
}

/** What comes of the work of an operation. */
interface Outcome {
  readonly outcome: string;
  readonly failed?: boolean;
}

/** Most letters that one operation takes. */
const MOST_LETTERS = 100_000;
const SIDE_BY_SIDE = 4;
const RESYNC_DEADLINE_MS = 600_000;
const REPAIR_DEADLINE_MS = 60_000;

/** Opens what an operator works with. Nothing is connected before the first operation. */
export function openOperator(parts: {
  readonly catalog: Catalog;
  readonly warehouse: WarehouseAddress;
  readonly kafkaBrokers: readonly string[];
  readonly kafkaGroupId: string;
  readonly log: Logger;
}): Operator {
  const { catalog, log } = parts;
  const warehouse = connectWarehouse(parts.warehouse, 'tributary-operator');
  const kafka = createKafka({ clientId: 'tributary-operator', brokers: parts.kafkaBrokers, log });
  const stopped = new AbortController();
  const { signal } = stopped;
  const turn = createTurn();
  const running = new Map<string, Promise<void>>();

  /** Two of the same would only be in each other's way. */
  async function start(
    operation: Exclude<OperationAbout['operation'], 'look'>,
    target: string,
    by: string,
    work: () => Promise<Outcome>,
  ): Promise<void> {
    const name = `${operation} of ${target}`;
    if (running.has(name)) throw refused(`${name} is under way`);
    if (running.size >= SIDE_BY_SIDE) throw refused(`${running.size} operations are under way`);
    let release = () => {};
    running.set(name, new Promise((resolve) => (release = resolve)));
    const leave = () => {
      running.delete(name);
      release();
    };
    try {
      const about = { operation, target, askedBy: by, askedVia: 'page' } as const;
      const noted = await beginOperation(warehouse, about);
      log.info({ operation, target }, 'operation begun');
      const finish = async () => {
        try {
          const { outcome, failed = false } = await work();
          await noted.end(failed ? 'failed' : 'done', outcome);
        } catch (error) {
          await noted.end(
            'failed',
            signal.aborted ? 'the server of the pages was stopped' : describeError(error),
          );
        }
      };
      void finish()
        .catch((error: unknown) =>
          log.error({ operation, target, reason: describeError(error) }, 'outcome not noted'),
        )
        .finally(leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  async function lettersOf(chosen: ChosenLetters): Promise<ListedLetter[]> {
    const letters =
      'places' in chosen
        ? await openLetters(warehouse, chosen.places)
        : await listDeadLetters(warehouse, { ...chosen, state: 'open' }, MOST_LETTERS);
    if (letters.length > 0) return letters;
    throw new TributaryError('DEAD_LETTER_UNKNOWN', 'none of these letters is open any more');
  }

  return {
    async look(place, by) {
      const found = await findLetter(warehouse, place);
      const { headers, ...letter } = found;
      const noted = await beginOperation(warehouse, {
        operation: 'look',
        target: placeText(place),
        askedBy: by,
        askedVia: 'page',
      });
      // Also of a letter that was set aside before the catalog had a mask.
      const isMasked = isWithheld(found) || mayHoldMasked(catalog.sources, found.topic);
      const content = isMasked ? undefined : { headers, ...(await listedBytes(warehouse, found)) };
      await noted.end('done', isMasked ? 'withheld: masked columns' : 'key and value shown');
      return { letter, content };
    },

    async replay(chosen, by) {
      const letters = await lettersOf(chosen);
      await start('replay', targetOf(letters.map(placeText)), by, async () => {
        const sent = await replayOpenLetters({ warehouse, kafka }, letters);
        const without = letters.length - sent.length;
        return {
          outcome: `${sent.length} replayed${without === 0 ? '' : `, ${without} not: the value never fit a record`}`,
          failed: sent.length === 0,
        };
      });
    },

    async discard(chosen, by) {
      const letters = await lettersOf(chosen);
      await start('discard', targetOf(letters.map(placeText)), by, async () => {
        await discardLetters(warehouse, letters);
        return { outcome: `${letters.length} discarded` };
      });
    },

    async resync({ source: name, schema, table }, by) {
      const label = tableLabel({ source: name, schema, table });
      const source = findSource(catalog, name);
      const captured = await capturedTables(catalog, (other) => other === source);
      const found = captured.find(
        (other) => other.table.schema === schema && other.table.table === table,
      );
      if (found === undefined) {
        throw new TributaryError('CONFIG_INVALID', `no captured table is called ${label}`);
      }
      await start('resync', label, by, async () => ({
        outcome: resyncOutcome(
          await resyncOne(found.source, found.table, 'asked for', {
            warehouse,
            kafka,
            groupId: parts.kafkaGroupId,
            deadlineMs: RESYNC_DEADLINE_MS,
            turn,
            signal,
          }),
        ),
      }));
    },

    async repair(name, by) {
      const rule = catalog.drift.find((known) => known.name === name);
      if (rule === undefined) {
        throw new TributaryError('CONFIG_INVALID', `no rule is called ${name}`);
      }
      const store = createDriftStore(warehouse);
      const findings = await store.findings({ rules: [name], states: ['open'] });
      const repairs = planRepairs(findings, []);
      if (repairs.length === 0) {
        throw new TributaryError('CONFIG_INVALID', `rule ${name} has nothing to repair`);
      }
      await start('repair', name, by, async () => {
        const records = await repairRule({ catalog, warehouse, rule, store }, repairs, {
          by,
          deadlineMs: REPAIR_DEADLINE_MS,
          signal,
        });
        return { outcome: repairOutcomes(records).join(', '), failed: !areHealed(records) };
      });
    },

    async close() {
      stopped.abort();
      await Promise.all(running.values());
      await warehouse.close();
    },
  };
}

function refused(what: string): TributaryError {
  return new TributaryError('OPERATION_REFUSED', what);
}
