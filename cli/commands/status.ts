import { Command } from 'commander';
import pc from 'picocolors';
import { z } from 'zod';
import { loadConfig } from '#runtime/config.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/log.ts';
import { createConnectClient } from '../../connectors/connect-client.ts';
import { loadChosenCatalog } from '../chosen-catalog.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { createLoadLedger } from '../../pipeline/first-load/load-ledger.ts';
import { readPauses } from '../../pipeline/resync/copy-pauses.ts';
import { readDriftStatus } from '../../pipeline/drift/drift-status.ts';
import { describeLoads } from '../first-load/describe-loads.ts';
import { describeDriftStatus, isDriftFree } from '../status/describe-drift-status.ts';
import { describeStatus, isWell } from '../status/describe-status.ts';
import { gatherStatus, known } from '../status/gather-status.ts';
import { connectConfiguredWarehouse, pipelineSettings } from '../server-settings.ts';

const settings = pipelineSettings.extend({ connectUrl: z.url() });

const DEADLINE_MS = 20_000;

/** `tributary status`: every source at a glance. */
export function statusCommand(): Command {
  return new Command('status')
    .description('Show every source: connector, slot, lags, rows in the warehouse; and what drifts')
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nEnvironment (by default the local stack):\n' +
        '  CONNECT_URL, KAFKA_BROKERS, KAFKA_GROUP_ID,\n' +
        '  CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD\n' +
        '  and the variables that the catalog names\n' +
        '\nExit codes: 0 all is well, 1 something is not, 2 called or configured wrongly',
    )
    .action(async (options: { config?: string; json?: boolean }) => {
      const config = loadConfig(settings, process.env);
      const catalog = await loadChosenCatalog(options.config);
      const warehouse = connectConfiguredWarehouse(config, 'tributary-status');
      const statuses = await gatherStatus({
        catalog,
        connect: createConnectClient(
          config.connectUrl,
          catalog.sources.map(({ password }) => password),
        ),
        kafka: createKafka({
          clientId: 'tributary-status',
          brokers: config.kafkaBrokers,
          log: createLogger('status', 'silent'),
        }),
        groupId: config.kafkaGroupId,
        warehouse,
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      const rules = catalog.drift.map(({ name }) => name);
      const drift = await known(() => readDriftStatus(warehouse, rules));
      const now = Date.now();
      const loads = await known(async () =>
        describeLoads(
          await createLoadLedger(warehouse).underWay(),
          await readPauses(warehouse),
          now,
        ),
      );
      await warehouse.close();
      const paint = pc.isColorSupported
        ? { good: pc.green, bad: pc.red }
        : { good: String, bad: String };
      const text = [
        describeStatus(statuses, paint),
        // What keeps them from being known is said with every source.
        ...('value' in loads ? loads.value : []),
        describeDriftStatus(drift, now),
      ];
      const asText = (_key: string, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : value;
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify({ sources: statuses, drift }, asText, 2)}\n`
          : `${text.filter((part) => part !== undefined).join('\n')}\n`,
      );
      const isAllWell = statuses.every(isWell) && isDriftFree(drift, now);
      process.exitCode = isAllWell ? EXIT.ok : EXIT.failed;
    });
}
