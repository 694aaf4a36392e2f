import { createInterface } from 'node:readline/promises';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { z } from 'zod';
import { loadConfig, secret, type Secret } from '#runtime/config.ts';
import { renderError, TributaryError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/log.ts';
import { applyConnectors, stateOf } from '../../connectors/apply.ts';
import { createConnectClient, type ConnectClient } from '../../connectors/connect-client.ts';
import { captureNames, type ConnectorConfig } from '../../connectors/connector-config.ts';
import { deleteConnector } from '../../connectors/delete-connector.ts';
import { describePlan, describeReport, NO_PAINT, type Paint } from '../../connectors/describe.ts';
import { desiredConnectors } from '../../connectors/desired-connectors.ts';
import { gatherFacts } from '../../connectors/gather-facts.ts';
import { planConnectors } from '../../connectors/plan.ts';
import { errorsOf, preflight, type PreflightReport } from '../../connectors/preflight.ts';
import { provision, provisionScript } from '../../connectors/provision.ts';
import { renderConnector } from '../../connectors/render.ts';
import { slotStatus } from '../../connectors/slot-status.ts';
import { withDatabase } from '../../connectors/source-connection.ts';
import { findSource, type Catalog, type Source } from '../../pipeline/catalog/catalog.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { loadChosenCatalog } from '../chosen-catalog.ts';
import { loadSources } from '../first-load/load-sources.ts';
import { showProgress } from '../first-load/progress-line.ts';
import { sourcesToCopy } from '../first-load/sources-to-copy.ts';
import { connectConfiguredWarehouse, pipelineSettings } from '../server-settings.ts';

const settings = z.object({
  connectUrl: z.url().default('http://127.0.0.1:18083'),
  /** A source's database as a role that may prepare it. */
  adminUrl: secret().optional(),
});

/** Options of the subcommands; each has those it declares. */
interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly run?: boolean;
  readonly yes?: boolean;
  /** Seconds. */
  readonly deadline?: number;
}

const DEADLINE_SECONDS = 120;

const paint: Paint = pc.isColorSupported
  ? { good: pc.green, bad: pc.red, warn: pc.yellow, dim: pc.dim }
  : NO_PAINT;

/** `tributary connectors …`: Debezium connectors as the catalog wants them. */
export function connectorsCommand(): Command {
  const command = new Command('connectors')
    .description('Plan, apply and check the Debezium connectors of the catalog')
    .addHelpText(
      'after',
      '\nEnvironment:\n  CONNECT_URL  Kafka Connect (default http://127.0.0.1:18083)\n' +
        '  and the variables that the catalog names; where a new source is copied also\n' +
        '  KAFKA_BROKERS, CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD\n' +
        '\nExit codes: 0 as it should be, 1 it differs or failed, 2 called or configured wrongly',
    );

  shared(command.command('plan'))
    .description('Show how the live connectors differ from the catalog; change nothing')
    .action(
      run(async ({ catalog, client, signal }, options) => {
        const live = await client.list(signal);
        const steps = planConnectors(await desiredConnectors(catalog), live);
        print(options, steps, describePlan(steps, paint));
        return steps.some(({ kind }) => kind === 'create' || kind === 'update')
          ? EXIT.failed
          : EXIT.ok;
      }),
    );

  shared(command.command('apply'))
    .description('Make the live connectors what the catalog wants, wait until every task runs')
    .option('--deadline <seconds>', 'how long that may take', parseSeconds, DEADLINE_SECONDS)
    .action(
      run(async ({ catalog, client, signal }, options) => {
        const reports = await preflightAll(catalog.sources, catalog, client, signal);
        const bad = reports.filter((report) => errorsOf(report).length > 0);
        if (bad.length > 0) {
          throw new TributaryError(
            'PREFLIGHT_FAILED',
            bad.map((report) => describeReport(report, paint)).join('\n'),
          );
        }
        const desired = await desiredConnectors(catalog);
        const sources = await sourcesToCopy(catalog.sources, reports, await client.list(signal));
        if (sources.length > 0) {
          await copySources(sources, reports, desired, { catalog, client, signal });
        }
        const steps = await applyConnectors({
          client,
          desired,
          deadlineMs: (options.deadline ?? DEADLINE_SECONDS) * 1_000,
          secrets: secretsOf(catalog),
          signal,
        });
        print(options, steps, `${describePlan(steps, paint)}\nevery task runs`);
        return EXIT.ok;
      }),
    );

  shared(command.command('preflight').argument('[sources...]', 'default: all'))
    .description('Check the source databases; each finding names the SQL that mends it')
    .action(
      run(async ({ catalog, client, signal }, options, names) => {
        const sources =
          names.length === 0 ? catalog.sources : names.map((name) => pick(catalog, name));
        const reports = await preflightAll(sources, catalog, client, signal);
        print(options, reports, reports.map((report) => describeReport(report, paint)).join('\n'));
        return reports.some((report) => errorsOf(report).length > 0) ? EXIT.failed : EXIT.ok;
      }),
    );

  shared(command.command('sql').argument('<source>'), false)
    .description('Print the SQL that prepares a source: role, rights, publication')
    .option('--run', 'run it, as the role of ADMIN_URL')
    .addHelpText(
      'after',
      '\nThe tables are looked up in the database. While the capture role is not there yet, set\n' +
        'ADMIN_URL to the same database as another role.',
    )
    .action(
      run(async ({ catalog, adminUrl }, options, [name = '']) => {
        const source = pick(catalog, name);
        if (options.run === true) {
          if (adminUrl === undefined) {
            throw new TributaryError('CONFIG_INVALID', '--run needs ADMIN_URL', {
              fix: 'Set ADMIN_URL to the database, as its owner or a superuser.',
            });
          }
          await provision(adminUrl, source);
          console.log(`${source.name}: prepared`);
          return EXIT.ok;
        }
        const facts = await withDatabase(source.name, adminUrl ?? source.url, (database) =>
          gatherFacts(database, source.address.user, captureNames(source.name).publication),
        );
        process.stdout.write(provisionScript(source, facts));
        return EXIT.ok;
      }),
    );

  shared(command.command('render').argument('<source>'), false)
    .description('Print the connector that the catalog alone makes of a source')
    .action(
      run(({ catalog }, _, [name = '']) => {
        console.log(JSON.stringify(renderConnector(pick(catalog, name)), undefined, 2));
        return Promise.resolve(EXIT.ok);
      }),
    );

  shared(command.command('status'))
    .description('Show each connector and its slot')
    .action(
      run(async ({ catalog, client, signal }, options) => {
        const live = await client.list(signal);
        const rows = await Promise.all(
          catalog.sources.map(async (source) => ({
            source: source.name,
            state: stateOf(live.get(captureNames(source.name).connector)?.status),
            slot: await slotStatus(source).catch(() => undefined),
          })),
        );
        const lines = rows.map(({ source, state, slot }) => {
          const width = Math.max(...rows.map((row) => row.source.length));
          const seen =
            slot === undefined
              ? 'no slot, or the database does not answer'
              : `slot ${slot.active ? 'active' : 'idle'}, WAL ${slot.walStatus}, ${slot.retainedBytes} bytes retained, ${slot.lagBytes} behind`;
          const colour = state === 'RUNNING' ? paint.good : paint.bad;
          return `${source.padEnd(width)}  ${colour(state)}  ${paint.dim(seen)}`;
        });
        print(options, rows, lines.join('\n'));
        return rows.every(({ state }) => state === 'RUNNING') ? EXIT.ok : EXIT.failed;
      }),
    );

  shared(command.command('delete').argument('<source>'))
    .description('Delete a connector, its offsets and its replication slot')
    .option('-y, --yes', 'do not ask')
    .action(
      run(async ({ catalog, client, signal }, options, [name = '']) => {
        const source = pick(catalog, name);
        if (options.yes !== true && !(await confirmed(source))) return EXIT.usage;
        const done = await deleteConnector(client, source, { deadlineMs: 60_000, signal });
        const gone = [
          done.connector ? 'connector and offsets' : undefined,
          done.slot ? 'slot' : undefined,
        ].filter((part) => part !== undefined);
        print(options, done, `${name}: deleted ${gone.join(', ') || 'nothing, there was nothing'}`);
        return EXIT.ok;
      }),
    );
  return command;
}

/** Needs broker and warehouse, which `apply` otherwise does not. */
async function copySources(
  sources: readonly Source[],
  reports: readonly PreflightReport[],
  desired: readonly ConnectorConfig[],
  { catalog, client, signal }: Pick<Context, 'catalog' | 'client' | 'signal'>,
): Promise<void> {
  const config = loadConfig(pipelineSettings, process.env);
  const warehouse = connectConfiguredWarehouse(config, 'tributary-first-load');
  try {
    await loadSources(sources, reports, desired, {
      catalog,
      connect: client,
      warehouse,
      kafka: createKafka({
        clientId: 'tributary-first-load',
        brokers: config.kafkaBrokers,
        log: createLogger('first-load', 'silent'),
      }),
      signal,
      say: (text) => console.error(text),
      onProgress: showProgress(process.stderr),
    });
  } finally {
    await warehouse.close();
  }
}

function shared(command: Command, json = true): Command {
  command.option('-c, --config <file>', 'the catalog (default: tributary.yaml)');
  return json ? command.option('--json', 'print JSON') : command;
}

interface Context {
  readonly catalog: Catalog;
  readonly client: ConnectClient;
  readonly adminUrl: Secret | undefined;
  readonly signal: AbortSignal;
}

type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Wraps a subcommand: reads catalog and environment, turns errors into messages and exit codes. */
function run(
  work: (context: Context, options: Options, names: readonly string[]) => Promise<ExitCode>,
) {
  return async (...parameters: unknown[]): Promise<void> => {
    const command = parameters.at(-1) as Command;
    const controller = new AbortController();
    const onSignal = () => controller.abort();
    process.once('SIGINT', onSignal);
    process.once('SIGTERM', onSignal);
    try {
      const options = command.opts<Options>();
      const { connectUrl, adminUrl } = loadConfig(settings, process.env);
      const catalog = await loadChosenCatalog(options.config);
      const client = createConnectClient(connectUrl, secretsOf(catalog));
      const context = { catalog, client, adminUrl, signal: controller.signal };
      process.exitCode = await work(context, options, command.args);
    } catch (error) {
      console.error(renderError(error));
      const misused =
        error instanceof TributaryError &&
        ['CONFIG_INVALID', 'CATALOG_INVALID'].includes(error.code);
      process.exitCode = misused ? EXIT.usage : EXIT.failed;
    } finally {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    }
  };
}

async function preflightAll(
  sources: readonly Source[],
  catalog: Catalog,
  client: ConnectClient,
  signal: AbortSignal,
): Promise<PreflightReport[]> {
  // Preflight is for before there is a Connect, too: then nothing is known to read the slots.
  const live = await client.list(signal).catch(() => new Map());
  return Promise.all(
    sources.map((source) =>
      preflight(source, {
        catalogPath: catalog.path,
        connectorExists: live.has(captureNames(source.name).connector),
      }),
    ),
  );
}

function secretsOf({ sources }: Catalog): Secret[] {
  return sources.flatMap(({ url, password }) => [url, password]);
}

function pick(catalog: Catalog, name: string): Source {
  const source = findSource(catalog, name);
  if (source !== undefined) return source;
  const names = catalog.sources.map((known) => known.name).join(', ');
  throw new TributaryError('CONFIG_INVALID', `${catalog.path} has no source "${name}"`, {
    fix: `It has: ${names}.`,
  });
}

async function confirmed(source: Source): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new TributaryError('CONFIG_INVALID', 'nobody is there to ask', { fix: 'Say --yes.' });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(
    `Changes of ${source.name} from now until it is applied again reach the warehouse only by a new snapshot. Delete? [y/N] `,
  );
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

function print(options: Options, data: unknown, text: string): void {
  console.log(options.json === true ? JSON.stringify(data, undefined, 2) : text);
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  throw new InvalidArgumentError('must be seconds, more than 0');
}
