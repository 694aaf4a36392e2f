import { z } from 'zod';
import { commaList, loadConfig, port, secret, Secret } from '#runtime/config.ts';
import { TributaryError, renderError } from '#runtime/errors.ts';
import { EXIT, runProcess } from '#runtime/lifecycle.ts';
import { createLogger, LOG_LEVELS, type Logger } from '#runtime/log.ts';
import { serveHttp } from '#runtime/service/http-server.ts';
import { loadDefinitions } from '../definition/load-definitions.ts';
import { createApp } from './app.ts';
import { bundlePages } from './bundle.ts';
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
  pipelineHealthUrl: z.url().optional().describe('Health address of the pipeline.'),
  connectUrl: z.url().optional().describe('REST address of Kafka Connect.'),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least level that is logged.'),
});

type Config = z.output<typeof configSchema>;

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
  return config;
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
  const [dashboards, bundle] = await Promise.all([loadDefinitions(), bundlePages()]);
  const app = createApp({
    client,
    sqlClient,
    dashboards,
    bundle,
    hosts: config.dashboardsHosts,
    password: config.dashboardsPassword,
    pipelineHealthUrl: config.pipelineHealthUrl,
    connectUrl: config.connectUrl,
    log,
  });
  const server = await serveHttp(app, config.dashboardsPort, config.dashboardsHost);
  log.info({ port: server.port }, 'listening');
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await server.drain(DRAIN_DEADLINE_MS);
  await Promise.all([client.close(), sqlClient.close()]);
}

await main();
