import { userInfo } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '#runtime/config.ts';
import { describeError, TributaryError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/log.ts';
import { findSource, type Catalog, type Source } from '../../pipeline/catalog/catalog.ts';
import type { TableName } from '../../pipeline/catalog/table-pattern.ts';
import { recorded } from '../../pipeline/operations/operation-log.ts';
import { openRequests } from '../../pipeline/resync/request-resync.ts';
import type { ResyncResult } from '../../pipeline/resync/resync-table.ts';
import { createTurn } from '../../pipeline/resync/turn.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { loadChosenCatalog } from '../chosen-catalog.ts';
import {
  checkNames,
  isNamed,
  sourcesOf,
  tableLabel,
} from '../../pipeline/operations/named-tables.ts';
import { describeResync } from '../resync/describe-resync.ts';
import {
  capturedTables,
  resyncOne,
  resyncOutcome,
  type ResyncTools,
} from '../../pipeline/operations/resync-tables.ts';
import { connectConfiguredWarehouse, pipelineSettings } from '../server-settings.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly requested?: boolean;
  /** Seconds. */
  readonly deadline: number;
}

const DEADLINE_SECONDS = 600;
/** Tables side by side: most of the time of a small one is waiting. */
const TABLES_AT_ONCE = 4;

/** `tributary resync`: loads tables anew from their sources while their changes keep flowing. */
export function resyncCommand(signal: AbortSignal): Command {
  return new Command('resync')
    .description('Load tables anew from their source while changes keep flowing')
    .argument('[tables...]', 'source, source.table or source.schema.table')
    .option('--requested', 'the tables that the pipeline asked to have loaded anew', false)
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .option(
      '--deadline <seconds>',
      'how long the warehouse may take to catch up with a copy',
      parseSeconds,
      DEADLINE_SECONDS,
    )
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nThe view never goes empty or back; rows that are right are not written again.\n' +
        'While a table is copied, TRUNCATE and ALTER TABLE of it wait.\n' +
        '\nEnvironment (by default the local stack):\n' +
        '  KAFKA_BROKERS, KAFKA_GROUP_ID,\n' +
        '  CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD\n' +
        '  and the variables that the catalog names\n' +
        '\nExit codes: 0 all loaded, 1 some failed, 2 called or configured wrongly',
    )
    .action(async (names: readonly string[], options: Options) => {
      const config = loadConfig(pipelineSettings, process.env);
      const catalog = await loadChosenCatalog(options.config);
      const warehouse = connectConfiguredWarehouse(config, 'tributary-resync');
      const tools = {
        warehouse,
        kafka: createKafka({
          clientId: 'tributary-resync',
          brokers: config.kafkaBrokers,
          log: createLogger('resync', 'silent'),
        }),
        groupId: config.kafkaGroupId,
        deadlineMs: options.deadline * 1_000,
        turn: createTurn(),
        signal,
      };
      try {
        const jobs =
          options.requested === true
            ? await requestedJobs(catalog, warehouse)
            : await namedJobs(catalog, names);
        const outcomes = await runJobs(jobs, tools, options.json === true);
        if (options.json === true) {
          process.stdout.write(`${JSON.stringify(outcomes, undefined, 2)}\n`);
        }
        process.exitCode = outcomes.some((table) => 'failed' in table) ? EXIT.failed : EXIT.ok;
      } finally {
        await warehouse.close();
      }
    });
}

interface Job {
  readonly source: Source;
  readonly table: TableName;
  readonly reason: string;
}

async function namedJobs(catalog: Catalog, names: readonly string[]): Promise<Job[]> {
  if (names.length === 0) {
    throw new TributaryError('CONFIG_INVALID', 'which tables is not said', {
      fix: 'Name a source, source.table or source.schema.table, or say --requested.',
    });
  }
  const sources = sourcesOf(names, catalog);
  const captured = await capturedTables(catalog, ({ name }) => sources.has(name));
  const named = captured.map(({ source, table }) => ({ source: source.name, ...table }));
  checkNames(names, named);
  return captured
    .filter((_, index) => {
      const table = named[index];
      return table !== undefined && names.some((name) => isNamed(table, name));
    })
    .map((job) => ({ ...job, reason: 'asked for' }));
}

async function requestedJobs(catalog: Catalog, warehouse: Warehouse): Promise<Job[]> {
  return (await openRequests(warehouse)).flatMap(({ source: name, schema, table, reason }) => {
    const source = findSource(catalog, name);
    return source === undefined ? [] : [{ source, table: { schema, table }, reason }];
  });
}

/** What became of one table, for `--json`. */
type Outcome = { readonly table: string } & (
  | (ResyncResult & { readonly seconds: number })
  | { readonly failed: string; readonly reason: string }
);

async function runJobs(
  jobs: readonly Job[],
  tools: ResyncTools,
  quiet: boolean,
): Promise<Outcome[]> {
  const queue = [...jobs];
  const outcomes: Outcome[] = [];
  const say = (text: string) => {
    if (!quiet) process.stdout.write(`${text}\n`);
  };
  const work = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const table = tableLabel({ source: job.source.name, ...job.table });
      const began = performance.now();
      try {
        const result = await recorded(
          tools.warehouse,
          {
            operation: 'resync',
            target: table,
            askedBy: userInfo().username,
            askedVia: 'command',
          },
          async () => {
            const counts = await resyncOne(job.source, job.table, job.reason, tools);
            return { result: counts, outcome: resyncOutcome(counts) };
          },
        );
        const tookMs = performance.now() - began;
        say(describeResync(table, result, tookMs));
        outcomes.push({ table, ...result, seconds: tookMs / 1_000 });
      } catch (error) {
        tools.signal.throwIfAborted();
        if (!(error instanceof TributaryError)) throw error;
        say(`  ${table}: ${describeError(error)}`);
        outcomes.push({ table, failed: error.code, reason: error.message });
      }
    }
  };
  await Promise.all(Array.from({ length: TABLES_AT_ONCE }, work));
  return outcomes;
}

function parseSeconds(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('must be a whole number above 0');
}
