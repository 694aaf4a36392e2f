import type { Express } from 'express';
import { z } from 'zod';
import { loadConfig, port, secret } from '#runtime/config.ts';
import { describeError, isAbort, renderError } from '#runtime/errors.ts';
import { EXIT, runProcess } from '#runtime/lifecycle.ts';
import { createLogger, LOG_LEVELS, type Logger } from '#runtime/log.ts';
import { openDatabase, type Database } from './database.ts';
import { serveHttp } from './http-server.ts';
import { applyMigrations } from './migrations.ts';
import { LifecycleReadiness, type Readiness } from './readiness.ts';

/** Longest wait for requests that run when the service is told to stop. */
const DRAIN_DEADLINE_MS = 10_000;

/** Settings every service has. */
export const SERVICE_CONFIG = {
  port: port(),
  /** Address to listen on; loopback, unless a container needs more. */
  listenHost: z.string().default('127.0.0.1'),
  /** The service's own role on its own database. */
  databaseUrl: secret(),
  logLevel: z.enum(LOG_LEVELS).default('info'),
};

type ServiceConfig = z.output<z.ZodObject<typeof SERVICE_CONFIG>>;

/** What an app factory gets to wire its routes with. */
export interface ServiceParts<Config> {
  readonly config: Config;
  readonly database: Database;
  readonly readiness: Readiness;
  readonly log: Logger;
}

/** A service, as its main describes it. */
export interface ServiceDefinition<Config extends ServiceConfig> {
  readonly name: string;
  /** Folder of its `NNN_name.sql` files. */
  readonly migrations: URL;
  createApp(parts: ServiceParts<Config>): Express;
  /**
   * What it does beside answering requests: each runs once the migrations are applied and returns
   * when its signal aborts. One that fails ends the service.
   */
  background?(parts: ServiceParts<Config>): readonly BackgroundTask[];
}

/** Work that goes on until the signal aborts. */
export type BackgroundTask = (signal: AbortSignal) => Promise<void>;

/** Reads the configuration, runs the service until a signal, and exits with a code of EXIT. */
export async function serviceMain<Shape extends z.ZodRawShape & typeof SERVICE_CONFIG>(
  definition: ServiceDefinition<z.output<z.ZodObject<Shape>> & ServiceConfig> & {
    readonly config: z.ZodObject<Shape>;
  },
  env: NodeJS.ProcessEnv,
): Promise<never> {
  let config: z.output<z.ZodObject<Shape>> & ServiceConfig;
  try {
    config = loadConfig(definition.config, env) as z.output<z.ZodObject<Shape>> & ServiceConfig;
  } catch (error) {
    createLogger(definition.name).fatal({ advice: renderError(error) }, 'bad configuration');
    return process.exit(EXIT.usage);
  }
  const log = createLogger(definition.name, config.logLevel);
  return runProcess(async (signal) => runService(definition, config, { signal, log }), log);
}

/** A service that listens. */
export interface RunningService {
  readonly port: number;
  /** Resolves once the migrations are applied; rejects when they cannot be. */
  readonly ready: Promise<void>;
  /** Resolves when the work in the background has ended; rejects when a part of it failed. */
  readonly finished: Promise<void>;
  /** Lets running requests finish (up to a deadline), then closes everything. */
  stop(): Promise<void>;
}

/**
 * Listens and begins to apply the migrations. Requests that come before they are applied are
 * answered 503.
 */
export async function startService<Config extends ServiceConfig>(
  definition: ServiceDefinition<Config>,
  config: Config,
  log: Logger,
): Promise<RunningService> {
  const stopping = new AbortController();
  const database = openDatabase({
    url: config.databaseUrl,
    applicationName: definition.name,
    log,
  });
  const readiness = new LifecycleReadiness(async () => database.query('SELECT 1 AS answer'));
  const guarded: Database = {
    close: async () => database.close(),
    query: async (text, values) => {
      readiness.requireStarted();
      return database.query(text, values);
    },
    transaction: async (work) => {
      readiness.requireStarted();
      return database.transaction(work);
    },
  };
  const app = definition.createApp({ config, database: guarded, readiness, log });
  const server = await serveHttp(app, config.port, config.listenHost);
  log.info({ port: server.port }, 'listening');
  const migrated = applyMigrations({
    url: config.databaseUrl,
    folder: definition.migrations,
    log,
    signal: stopping.signal,
  });
  const ready = migrated.then(() => {
    readiness.started();
    log.info('ready');
  });
  const finished = ready.then(async () => {
    const parts = { config, database, readiness, log };
    const tasks = definition.background?.(parts) ?? [];
    await Promise.all([
      aborted(stopping.signal),
      ...tasks.map(async (task) => task(stopping.signal)),
    ]);
  });
  // Told by whoever waits for it; without a listener it would end the process.
  finished.catch(() => {});
  return {
    port: server.port,
    ready,
    finished,
    stop: async () => {
      readiness.draining();
      stopping.abort();
      await server.drain(DRAIN_DEADLINE_MS);
      await finished.catch((error: unknown) => {
        if (!isAbort(error)) log.warn({ reason: describeError(error) }, 'ended with a failure');
      });
      await database.close().catch((error: unknown) => {
        log.warn({ reason: describeError(error) }, 'database did not close cleanly');
      });
    },
  };
}

async function runService<Config extends ServiceConfig>(
  definition: ServiceDefinition<Config>,
  config: Config,
  { signal, log }: { signal: AbortSignal; log: Logger },
): Promise<void> {
  const service = await startService(definition, config, log);
  try {
    await Promise.race([service.finished, aborted(signal)]);
  } finally {
    await service.stop();
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
