import type { Express } from 'express';
import { z } from 'zod';
import type { EventBroker } from '#events/consume-events.ts';
import { commaList } from '#runtime/config.ts';
import { createHttpApp } from '#runtime/service/http-app.ts';
import {
  SERVICE_CONFIG,
  type BackgroundTask,
  type ServiceParts,
} from '#runtime/service/service-main.ts';
import { followTopics } from './follow-topics.ts';
import { Freshness } from './freshness.ts';
import { Generations } from './generations.ts';
import { historyRoutes } from './routes/orders.ts';

interface HistoryConfig {
  readonly kafkaBrokers: EventBroker['brokers'];
  readonly registryUrl: string;
}

/** The order-history service: its settings, tables and API. */
export function orderHistoryService() {
  const freshness = new Freshness();
  return {
    name: 'order-history',
    config: z.object({
      ...SERVICE_CONFIG,
      kafkaBrokers: commaList(),
      /** Registry with the Confluent API. */
      registryUrl: z.url(),
    }),
    migrations: new URL('./migrations/', import.meta.url),
    createApp: ({ database, readiness, log }: ServiceParts<HistoryConfig>): Express =>
      createHttpApp({
        about: {
          title: 'Order history',
          description: 'Orders with buyers and payments, joined beforehand from events alone.',
        },
        routes: historyRoutes({ database, generations: new Generations(database), freshness }),
        readiness,
        log,
      }),
    background: ({ config, database, log }: ServiceParts<HistoryConfig>): BackgroundTask[] => [
      async (signal) =>
        followTopics({
          broker: { brokers: config.kafkaBrokers, registryUrl: config.registryUrl },
          database,
          generations: new Generations(database),
          freshness,
          log,
          signal,
        }),
    ],
  };
}
