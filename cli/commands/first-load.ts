import { Command } from 'commander';
import { loadConfig } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { findSource } from '../../pipeline/catalog/catalog.ts';
import { createLoadLedger } from '../../pipeline/first-load/load-ledger.ts';
import { readPauses, setPaused } from '../../pipeline/resync/copy-pauses.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { loadChosenCatalog } from '../chosen-catalog.ts';
import { describeLoads } from '../first-load/describe-loads.ts';
import { connectConfiguredWarehouse, pipelineSettings } from '../server-settings.ts';

/** `tributary first-load …`: how far copies of sources are, and a stop to what they read. */
export function firstLoadCommand(): Command {
  const command = new Command('first-load')
    .description('Show how far first loads are; pause and resume what is read of a source')
    .addHelpText(
      'after',
      '\nPauses hold for first loads and resyncs, wherever they run, until they are resumed.\n' +
        '\nEnvironment (by default the local stack):\n' +
        '  CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD\n' +
        '  and the variables that the catalog names',
    );
  command
    .command('status')
    .description('First loads that are under way')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      await withWarehouse(async (warehouse) => {
        const loads = await createLoadLedger(warehouse).underWay();
        const pauses = await readPauses(warehouse);
        if (options.json === true) {
          const shown = loads.map((load) => ({ ...load, isPaused: pauses.has(load.source) }));
          process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
          return;
        }
        const lines = describeLoads(loads, pauses, Date.now());
        const others = [...pauses.keys()].filter(
          (source) => !loads.some((load) => load.source === source),
        );
        for (const source of others) lines.push(`${source}  paused, nothing is under way`);
        process.stdout.write(
          lines.length === 0 ? 'no first load is under way\n' : `${lines.join('\n')}\n`,
        );
      });
    });
  for (const [name, isPaused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    command
      .command(name)
      .argument('<source>')
      .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
      .description(
        isPaused
          ? 'Stop reading a source: its first load and resyncs wait'
          : 'Go on reading a source',
      )
      .action(async (source: string, options: { config?: string }) => {
        const catalog = await loadChosenCatalog(options.config);
        if (findSource(catalog, source) === undefined) {
          throw new TributaryError('CONFIG_INVALID', `the catalog has no source ${source}`, {
            fix: `Name one of: ${catalog.sources.map((known) => known.name).join(', ')}.`,
          });
        }
        await withWarehouse((warehouse) => setPaused(warehouse, source, isPaused));
        process.stdout.write(`${source}: ${isPaused ? 'paused' : 'goes on'}\n`);
        process.exitCode = EXIT.ok;
      });
  }
  return command;
}

async function withWarehouse(work: (warehouse: Warehouse) => Promise<void>): Promise<void> {
  const config = loadConfig(pipelineSettings, process.env);
  const warehouse = connectConfiguredWarehouse(config, 'tributary-first-load');
  try {
    await work(warehouse);
  } finally {
    await warehouse.close();
  }
}
