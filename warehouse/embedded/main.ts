import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { loadConfig, port, secret, Secret } from '#runtime/config.ts';
import { TributaryError, messageCode } from '#runtime/errors.ts';
import { runProcess } from '#runtime/lifecycle.ts';
import { createLogger, LOG_LEVELS } from '#runtime/log.ts';
import { Engine } from './engine.ts';
import { createHttpServer } from './http-server.ts';
import { HttpSessions } from './http-sessions.ts';
import { MAX_SERVER_MEMORY_MIB, THREADS } from './limits.ts';
import { endWithParent, runWithThreads } from './run-with-threads.ts';

const configSchema = z.object({
  clickhouseDataDir: z.string().describe('Folder of all data; made when it is not there.'),
  clickhouseHttpPort: port().default(8123).describe('Port of the HTTP interface, on loopback.'),
  clickhouseMaxMemoryMib: z.coerce
    .number()
    .int()
    .min(256)
    .default(MAX_SERVER_MEMORY_MIB)
    .describe('Memory that the engine keeps itself within, in MiB.'),
  clickhouseWriterUser: z.string().default('default').describe('User who may do everything.'),
  clickhouseWriterPassword: secret().default(new Secret('')).describe('Password of that user.'),
  clickhouseAnalystUser: z.string().default('analyst').describe('User who may only read.'),
  clickhouseAnalystPassword: secret().default(new Secret('')).describe('Password of that user.'),
  uvThreadpoolSize: z.coerce
    .number()
    .default(0)
    .describe(`Threads of the process; below ${THREADS} it starts itself again with as many.`),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least level that is logged.'),
});

/** How long queries under way may take to end when the process is asked to stop. */
const DRAIN_MS = 5_000;

const IDLE_CHECK_MS = 50;
/** How long the engine may take to end what it is still running. */
const CLOSE_MS = 5_000;

async function main(): Promise<never> {
  const config = loadConfig(configSchema, process.env);
  const log = createLogger('warehouse', config.logLevel);
  if (config.uvThreadpoolSize < THREADS) return runWithThreads(THREADS);
  endWithParent();
  return runProcess(async (signal) => {
    const engine = await Engine.open(config.clickhouseDataDir, config.clickhouseMaxMemoryMib);
    // An exit joins all threads, and would wait for a query for as long as that takes. What was
    // acknowledged is on disk, so leaving hard loses nothing.
    process.on('exit', () => {
      if (engine.isBusy) process.kill(process.pid, 'SIGKILL');
    });
    const sessions = new HttpSessions(engine);
    const users = [
      {
        name: config.clickhouseWriterUser,
        password: config.clickhouseWriterPassword,
        isAnalyst: false,
      },
      {
        name: config.clickhouseAnalystUser,
        password: config.clickhouseAnalystPassword,
        isAnalyst: true,
      },
    ];
    const server = createHttpServer({ engine, sessions, users, log });
    server.listen(config.clickhouseHttpPort, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (messageCode(error) !== 'EADDRINUSE') throw error;
      throw new TributaryError(
        'PORT_TAKEN',
        `port ${config.clickhouseHttpPort} of the warehouse is taken`,
        { cause: error },
      );
    }
    const { port } = server.address() as AddressInfo;
    log.info({ port, version: engine.facts.version }, 'warehouse is up');
    if (!signal.aborted) await once(signal, 'abort');
    const closed = once(server, 'close');
    server.close();
    // Connections become idle one by one, as their queries end.
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
    const deadline = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    await closed;
    clearInterval(idle);
    clearTimeout(deadline);
    sessions.close();
    await Promise.race([engine.close(), delay(CLOSE_MS)]);
  }, log);
}

await main();
