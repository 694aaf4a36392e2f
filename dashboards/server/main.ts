import { z } from 'zod';
import { commaList, loadConfig, port, secret, Secret } from '#runtime/config.ts';
import { TributaryError, renderError } from '#runtime/errors.ts';
import { EXIT, runProcess } from '#runtime/lifecycle.ts';
import { createLogger, LOG_LEVELS, type Logger } from '#runtime/log.ts';
import { serveHttp } from '#runtime/service/http-server.ts';
import { loadCatalog } from '../../pipeline/catalog/load-catalog.ts';
import { openOperator } from '../../pipeline/operations/operator.ts';
import { loadDefinitions } from '../definition/load-definitions.ts';
import { createApp } from './app.ts';
import { bundlePages } from './bundle.ts';
import type { OperatorAccess } from './operation-routes.ts';
import { isLoopback } from './same-origin.ts';
import { connectAnalyst } from './analyst-client.ts';

const configSchema = z.object({
  dashboardsPort: port().default(13080).describe('Port of the pages.'),
  dashboardsHost: z.string().default('127.0.0.1').describe('Address to listen on.'),
  dashboardsHosts: commaList()
    .default([])
    .describe('Names beside localhost under which the pages may be opened.'),
  dashboardsPassword: secret()
    .optional()
    .describe('Asked for when it is set; without one the pages are on loopback alone.'),
  clickhouseUrl: z.url().default('http://127.0.0.1:8123').describe('HTTP interface of ClickHouse.'),
  clickhouseAnalystUser: z.string().default('analyst').describe('User who may only read.'),
  clickhouseAnalystPassword: secret().default(new Secret('')).describe('Password of that user.'),
  clickhouseStewardUser: z
    .string()
    .optional()
    .describe('User of the panels, who may also read all of ops; the analyst when not set.'),
  clickhouseStewardPassword: secret().default(new Secret('')).describe('Password of that user.'),
  operatorToken: secret()
    .optional()
    .describe('Lets its holder operate the pipeline on the page of operations.'),
  clickhouseUser: z.string().default('default').describe('User of operations, who writes.'),
  clickhousePassword: secret().default(new Secret('')).describe('Password of that user.'),
  kafkaBrokers: commaList().optional().describe('Brokers, host:port, for operations.'),
  kafkaGroupId: z.string().default('tributary').describe('Consumer group of the pipeline.'),
  tributaryConfig: z.string().default('tributary.yaml').describe('Path of the catalog.'),
  pipelineHealthUrl: z.url().optional().describe('Health address of the pipeline.'),
  connectUrl: z.url().optional().describe('REST address of Kafka Connect.'),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least level that is logged.'),
});

type Config = z.output<typeof configSchema>;

/** An operator token: one that can be guessed is worse than none. */
const TOKEN = /^[!-~]{16,}$/;
/** Longest wait for answers that are under way when the process is told to stop. */
const DRAIN_DEADLINE_MS = 2_000;
/** Connections of panels; with those of the SQL page as many as an analyst has. */
const PANEL_CONNECTIONS = 3;
const SQL_CONNECTIONS = 2;

async function main(): Promise<never> {
  let config: Config;
  try {
    config = readConfig(process.env);
  } catch (error) {
    createLogger('dashboards').fatal({ advice: renderError(error) }, 'bad configuration');
    return process.exit(EXIT.usage);
  }
  const log = createLogger('dashboards', config.logLevel);
  return runProcess(async (signal) => serve(config, log, signal), log);
}

/** @throws TributaryError `CONFIG_INVALID` */
function readConfig(env: NodeJS.ProcessEnv): Config {
  const config = loadConfig(configSchema, env);
  if (!isLoopback(config.dashboardsHost) && config.dashboardsPassword === undefined) {
    throw new TributaryError(
      'CONFIG_INVALID',
      `bad configuration:\n  DASHBOARDS_PASSWORD: is not set, and ${config.dashboardsHost} can be reached from outside`,
    );
  }
  if (config.operatorToken !== undefined && !TOKEN.test(config.operatorToken.reveal())) {
    throw new TributaryError(
      'CONFIG_INVALID',
      'bad configuration:\n  OPERATOR_TOKEN: must be 16 characters or more of ASCII, without spaces',
    );
  }
  return config;
}

/** @throws TributaryError `CONFIG_INVALID`, `CATALOG_INVALID` */
async function openAccess(config: Config, log: Logger): Promise<OperatorAccess | undefined> {
  if (config.operatorToken === undefined) return undefined;
  if (config.kafkaBrokers === undefined) {
    throw new TributaryError(
      'CONFIG_INVALID',
      'bad configuration:\n  KAFKA_BROKERS: is not set, and OPERATOR_TOKEN is',
    );
  }
  const operator = openOperator({
    catalog: await loadCatalog(config.tributaryConfig, process.env),
    warehouse: {
      url: config.clickhouseUrl,
      user: config.clickhouseUser,
      password: config.clickhousePassword,
    },
    kafkaBrokers: config.kafkaBrokers,
    kafkaGroupId: config.kafkaGroupId,
    log,
  });
  return { token: config.operatorToken, operator };
}

async function serve(config: Config, log: Logger, signal: AbortSignal): Promise<void> {
  const address = {
    url: config.clickhouseUrl,
    user: config.clickhouseAnalystUser,
    password: config.clickhouseAnalystPassword,
  };
  const panels =
    config.clickhouseStewardUser === undefined
      ? address
      : {
          ...address,
          user: config.clickhouseStewardUser,
          password: config.clickhouseStewardPassword,
        };
  const client = connectAnalyst(panels, PANEL_CONNECTIONS);
  const sqlClient = connectAnalyst(address, SQL_CONNECTIONS);
  const [dashboards, bundle, access] = await Promise.all([
    loadDefinitions(),
    bundlePages(),
    openAccess(config, log),
  ]);
  const app = createApp({
    client,
    sqlClient,
    dashboards,
    bundle,
    hosts: config.dashboardsHosts,
    password: config.dashboardsPassword,
    pipelineHealthUrl: config.pipelineHealthUrl,
    connectUrl: config.connectUrl,
    access,
    log,
  });
  const server = await serveHttp(app, config.dashboardsPort, config.dashboardsHost);
  log.info({ port: server.port }, 'listening');
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await server.drain(DRAIN_DEADLINE_MS);
  await Promise.all([client.close(), sqlClient.close(), access?.operator.close()]);
}

await main();
