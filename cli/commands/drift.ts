import { userInfo } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { loadConfig } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/log.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { findSource } from '../../pipeline/catalog/catalog.ts';
import type { DriftRule } from '../../pipeline/catalog/drift-rule.ts';
import { runDriftMonitor } from '../../pipeline/drift-monitor.ts';
import { discoverRules } from '../../pipeline/drift/discover.ts';
import { planRepairs, keyText } from '../../pipeline/drift/repair.ts';
import { recorded } from '../../pipeline/operations/operation-log.ts';
import { areHealed, repairOutcomes, repairRule } from '../../pipeline/operations/repair-rule.ts';
import { createDriftStore, type DriftStore } from '../../pipeline/drift/store.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { catchUpThroughKafka } from '../../pipeline/verify/catch-up.ts';
import { loadChosenCatalog } from '../chosen-catalog.ts';
import { checkRule, holds, type CheckedRule } from '../drift/check-rules.ts';
import { describeCheck, describeFindings } from '../drift/describe-drift.ts';
import { describeProposals } from '../drift/describe-proposals.ts';
import { valuesOfFindings } from '../drift/values-of-findings.ts';
import { connectConfiguredWarehouse, pipelineSettings } from '../server-settings.ts';

/** Options of the subcommands; each has those it declares. */
interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly limit: number;
  /** Seconds. */
  readonly deadline: number;
  readonly state: (typeof STATES)[number];
  readonly showValues?: boolean;
  readonly keys?: readonly string[];
  readonly dryRun?: boolean;
  readonly source?: string;
}

/** What a subcommand works with. */
interface Parts {
  readonly catalog: Catalog;
  readonly warehouse: Warehouse;
  readonly store: DriftStore;
  readonly catchUpWith: ReturnType<typeof catchUpThroughKafka>;
}

const STATES = ['open', 'unconfirmed', 'healed', 'all'] as const;
const LIMIT = 20;
const DEADLINE_SECONDS = 60;

/** `tributary drift …`: copies of fields compared with their owners. */
export function driftCommand(signal: AbortSignal): Command {
  const command = new Command('drift')
    .exitOverride()
    .description('Compare fields that services repeat of one another with their owners')
    .addHelpText(
      'after',
      '\nKeys are printed, values only with --show-values.\n' +
        '\nEnvironment (by default the local stack):\n' +
        '  KAFKA_BROKERS, KAFKA_GROUP_ID,\n' +
        '  CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD\n' +
        '  and the variables that the catalog names\n' +
        '\nExit codes: 0 done, 1 drift found or failed, 2 called or configured wrongly',
    );

  common(command.command('check').argument('[rules...]', 'default: all'))
    .description('Look at all copies once')
    .option('--limit <count>', 'findings to print', parseCount, LIMIT)
    .option(
      '--deadline <seconds>',
      'how long to wait beyond the allowed staleness for what is on its way',
      parseCount,
      DEADLINE_SECONDS,
    )
    .action(
      run(signal, async ({ catalog, warehouse, catchUpWith }, options, names) => {
        const checked: CheckedRule[] = [];
        for (const rule of rulesOf(catalog, names)) {
          checked.push(
            await checkRule({ catalog, warehouse, catchUpWith }, rule, {
              deadlineMs: options.deadline * 1_000,
              signal,
            }),
          );
        }
        const paint = pc.isColorSupported
          ? { good: pc.green, bad: pc.red }
          : { good: String, bad: String };
        print(options, checked, describeCheck(checked, options.limit, paint));
        process.exitCode = checked.every(holds) ? EXIT.ok : EXIT.failed;
      }),
    );

  command
    .command('watch')
    .description('Run the monitor, as `npm start` does, until it is told to stop')
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .addHelpText(
      'after',
      '\nEnvironment: also DRIFT_SWEEP_SECONDS, DRIFT_PAUSE_SECONDS, METRICS_PORT, LOG_LEVEL',
    )
    .action(async ({ config }: { config?: string }) => {
      const catalog = config === undefined ? {} : { TRIBUTARY_CONFIG: config };
      await runDriftMonitor({ ...process.env, ...catalog });
    });

  common(command.command('list').argument('[rules...]', 'default: all'))
    .description('List what the monitor has found; by default what is open')
    .option('--state <state>', `one of ${STATES.join(', ')}`, parseState, 'open')
    .option('--limit <count>', 'most findings to list', parseCount, LIMIT)
    .option('--show-values', 'also both values, as they are at the sources now')
    .action(
      run(signal, async (parts, options, names) => {
        const { state, limit } = options;
        const findings = await parts.store.findings({
          rules: rulesOf(parts.catalog, names).map(({ name }) => name),
          ...(state === 'all' ? {} : { states: [state] }),
          limit: limit + 1,
        });
        const shown = findings.slice(0, limit);
        const values =
          options.showValues === true ? await valuesOfFindings(parts, shown) : undefined;
        print(
          options,
          shown.map((finding) => ({ ...finding, ...values?.(finding) })),
          findings.length === 0
            ? 'nothing found'
            : describeFindings(findings, limit, values ?? (() => undefined)),
        );
      }),
    );

  common(command.command('repair').argument('<rule>'))
    .description('Ask owners to publish their values again, for copies that drifted')
    .option('--keys <keys...>', 'of copies or owners, as they are listed (default: all)')
    .option('--dry-run', 'only say who would be asked')
    .option(
      '--deadline <seconds>',
      'how long copies have to take what is published',
      parseCount,
      DEADLINE_SECONDS,
    )
    .action(
      run(signal, async (parts, options, [name = '']) => {
        const [rule] = rulesOf(parts.catalog, [name]);
        if (rule === undefined) return;
        const findings = await parts.store.findings({ rules: [name], states: ['open'] });
        const repairs = planRepairs(findings, options.keys ?? []);
        if (options.dryRun === true || repairs.length === 0) {
          const owners = repairs.map(({ owner }) => `    ${keyText(owner)}\n`).join('');
          const what =
            repairs.length === 0
              ? 'nothing to repair'
              : `${rule.name}: ${repairs.length} owners would be asked\n${owners}`;
          print(options, repairs, what.trimEnd());
          return;
        }
        const by = userInfo().username;
        const records = await recorded(
          parts.warehouse,
          { operation: 'repair', target: rule.name, askedBy: by, askedVia: 'command' },
          async () => {
            const result = await repairRule({ ...parts, rule }, repairs, {
              by,
              deadlineMs: options.deadline * 1_000,
              signal,
            });
            return {
              result,
              outcome: repairOutcomes(result).join(', '),
              failed: !areHealed(result),
            };
          },
        );
        const lines = repairOutcomes(records).map((line) => `${rule.name}: ${line}`);
        print(options, records, lines.join('\n'));
        process.exitCode = areHealed(records) ? EXIT.ok : EXIT.failed;
      }),
    );

  common(command.command('discover'))
    .description('Propose rules from what the warehouse holds, with the evidence')
    .action(
      run(signal, async ({ catalog, warehouse }, options) => {
        const proposals = await discoverRules(warehouse, catalog, signal);
        print(options, proposals, describeProposals(proposals));
      }),
    );

  common(command.command('mark').argument('<text>', 'e.g. "deployed orders 1.4.2"'))
    .description('Note a moment, so that drift which begins there says so')
    .option('--source <name>', 'the source that it is about (default: all)')
    .action(
      run(signal, async ({ catalog, store }, options, [text = '']) => {
        const { source = '' } = options;
        if (source !== '' && findSource(catalog, source) === undefined) {
          throw new TributaryError('CONFIG_INVALID', `there is no source ${source}`, {
            fix: `Name one of: ${catalog.sources.map(({ name }) => name).join(', ')}`,
          });
        }
        const marker = { source, text, by: userInfo().username };
        await store.writeMarker(marker);
        print(options, marker, 'noted');
      }),
    );
  return command;
}

function common(command: Command): Command {
  return command
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .option('--json', 'as JSON');
}

function run(
  signal: AbortSignal,
  work: (parts: Parts, options: Options, names: readonly string[]) => Promise<void>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    // Commander gives the arguments, then the options, then the command.
    const options = given.at(-2) as Options;
    const names = given.slice(0, -2).flat() as string[];
    const config = loadConfig(pipelineSettings, process.env);
    const catalog = await loadChosenCatalog(options.config);
    const warehouse = connectConfiguredWarehouse(config, 'tributary-drift');
    const catchUpWith = catchUpThroughKafka({
      kafka: createKafka({
        clientId: 'tributary-drift',
        brokers: config.kafkaBrokers,
        log: createLogger('drift', 'silent'),
      }),
      groupId: config.kafkaGroupId,
      deadlineMs: DEADLINE_SECONDS * 1_000,
      signal,
    });
    try {
      const store = createDriftStore(warehouse);
      await work({ catalog, warehouse, store, catchUpWith }, options, names);
    } finally {
      await warehouse.close();
    }
  };
}

/** @throws TributaryError `CONFIG_INVALID` for a name that no rule has, or when there are none */
function rulesOf(catalog: Catalog, names: readonly string[]): readonly DriftRule[] {
  const known = catalog.drift.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (known.length === 0 || unknown !== undefined) {
    throw new TributaryError(
      'CONFIG_INVALID',
      unknown === undefined ? 'the catalog has no rules of drift' : `no rule is called ${unknown}`,
      {
        fix:
          known.length === 0
            ? 'Write some under `drift:`; tributary drift discover proposes them.'
            : `Name one of: ${known.join(', ')}`,
      },
    );
  }
  return catalog.drift.filter(({ name }) => names.length === 0 || names.includes(name));
}

function print(options: Options, json: unknown, text: string): void {
  process.stdout.write(
    options.json === true ? `${JSON.stringify(json, undefined, 2)}\n` : `${text}\n`,
  );
}

function parseState(text: string): Options['state'] {
  const state = STATES.find((one) => one === text);
  if (state !== undefined) return state;
  throw new InvalidArgumentError(`must be one of ${STATES.join(', ')}`);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('must be a whole number above 0');
}
