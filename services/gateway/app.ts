import { z } from 'zod';
import { port } from '#runtime/config.ts';
import { LOG_LEVELS, type Logger } from '#runtime/log.ts';
import { createHttpApp } from '#runtime/service/http-app.ts';
import { serveHttp } from '#runtime/service/http-server.ts';
import { createPeer } from '#runtime/service/peer.ts';
import { LifecycleReadiness } from '#runtime/service/readiness.ts';
import { orderPageRoutes } from './routes/orders.ts';

/** Longest wait for requests that run when the gateway is told to stop. */
const DRAIN_DEADLINE_MS = 10_000;

/** The gateway's settings. It owns no database. */
export const gatewayConfig = z.object({
  port: port(),
  /** Address to listen on; loopback, unless a container needs more. */
  listenHost: z.string().default('127.0.0.1'),
  logLevel: z.enum(LOG_LEVELS).default('info'),
  ordersUrl: z.url(),
  usersUrl: z.url(),
  catalogUrl: z.url(),
});

/** Settings, read. */
export type GatewayConfig = z.output<typeof gatewayConfig>;

/** A gateway that listens. */
export interface RunningGateway {
  readonly port: number;
  /** Lets running requests finish, up to a deadline. */
  stop(): Promise<void>;
}

/** Starts the gateway. Ready as soon as it listens: what its peers lack, its answers mark. */
export async function startGateway(config: GatewayConfig, log: Logger): Promise<RunningGateway> {
  const readiness = new LifecycleReadiness(async () => {});
  const app = createHttpApp({
    about: {
      title: 'Gateway',
      description: 'Orders joined with users and products at the time of asking.',
    },
    routes: orderPageRoutes({
      orders: createPeer({ name: 'orders', baseUrl: config.ordersUrl, log }),
      users: createPeer({ name: 'users', baseUrl: config.usersUrl, log }),
      catalog: createPeer({ name: 'catalog', baseUrl: config.catalogUrl, log }),
    }),
    readiness,
    log,
  });
  const server = await serveHttp(app, config.port, config.listenHost);
  readiness.started();
  log.info({ port: server.port }, 'listening');
  return {
    port: server.port,
    stop: async () => {
      readiness.draining();
      await server.drain(DRAIN_DEADLINE_MS);
    },
  };
}
