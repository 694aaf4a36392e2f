import { randomUUID } from 'node:crypto';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { loadConfig } from '#runtime/config.ts';
import { describeError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/log.ts';
import { loadChosenCatalog } from '../chosen-catalog.ts';
import { checkNames, isNamed, sourcesOf } from '../../pipeline/operations/named-tables.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { agrees } from '../../pipeline/verify/verify-table.ts';
import { recordVerification } from '../../pipeline/verify/verification-log.ts';
import { compareSources } from '../up/compare-sources.ts';
import { catchUpThroughKafka } from '../../pipeline/verify/catch-up.ts';
import { describeVerification } from '../verify/describe-verification.ts';
import { connectConfiguredWarehouse, pipelineSettings } from '../server-settings.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly showValues?: boolean;
  /** Differing rows to print per table. */
  readonly limit: number;
  /** Seconds. */
  readonly deadline: number;
}

const LIMIT = 20;
const DEADLINE_SECONDS = 60;

/** `tributary verify`: whether the warehouse holds what the services hold, row by row. */
export function verifyCommand(signal: AbortSignal): Command {
  return new Command('verify')
    .description('Compare the warehouse with its sources, row by row, while writes go on')
    .argument('[tables...]', 'source, source.table or source.schema.table (default: all)')
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .option('--show-values', 'print the differing values, not only their columns')
    .option('--limit <rows>', 'differing rows to print per table', parseCount, LIMIT)
    .option(
      '--deadline <seconds>',
      'how long to wait for the warehouse to catch up where rows differ',
      parseCount,
      DEADLINE_SECONDS,
    )
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nKeys of differing rows are printed, values only with --show-values.\n' +
        'Counts are kept in ops.verifications, for the dashboard Verification.\n' +
        '\nEnvironment (by default the local stack):\n' +
        '  KAFKA_BROKERS, KAFKA_GROUP_ID,\n' +
        '  CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD\n' +
        '  and the variables that the catalog names\n' +
        '\nExit codes: 0 equal, 1 different or failed, 2 called or configured wrongly',
    )
    .action(async (names: readonly string[], options: Options) => {
      const config = loadConfig(pipelineSettings, process.env);
      const catalog = await loadChosenCatalog(options.config);
      const sources = sourcesOf(names, catalog);
      const warehouse = connectConfiguredWarehouse(config, 'tributary-verify');
      const run = randomUUID();
      let unrecorded: string | undefined;
      try {
        const comparisons = await compareSources(catalog, warehouse, {
          isWanted: (source, table) =>
            names.length === 0 ||
            names.some((name) => isNamed({ source: source.name, ...table }, name)),
          isWantedSource: (source) => names.length === 0 || sources.has(source.name),
          catchUp: catchUpThroughKafka({
            kafka: createKafka({
              clientId: 'tributary-verify',
              brokers: config.kafkaBrokers,
              log: createLogger('verify', 'silent'),
            }),
            groupId: config.kafkaGroupId,
            deadlineMs: options.deadline * 1_000,
            signal,
          }),
          showValues: options.showValues ?? false,
          onCompared: async (comparison, tookMs) => {
            try {
              const verifiedAt = Date.now() - tookMs;
              await recordVerification(warehouse, { comparison, run, verifiedAt, tookMs });
            } catch (error) {
              // What was found is true all the same.
              unrecorded = describeError(error);
            }
          },
          signal,
        });
        checkNames(names, comparisons);
        const paint = pc.isColorSupported
          ? { good: pc.green, bad: pc.red, warn: pc.yellow }
          : { good: String, bad: String, warn: String };
        process.stdout.write(
          options.json === true
            ? `${JSON.stringify(comparisons, undefined, 2)}\n`
            : `${describeVerification(comparisons, options.limit, paint)}\n`,
        );
        if (unrecorded !== undefined) {
          process.stderr.write(paint.warn(`not kept in ops.verifications: ${unrecorded}\n`));
        }
        process.exitCode = comparisons.every(agrees) ? EXIT.ok : EXIT.failed;
      } finally {
        await warehouse.close();
      }
    });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('must be a whole number above 0');
}
