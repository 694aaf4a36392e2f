import type { Express } from 'express';
import { z } from 'zod';
import { consumeEvents } from '#events/consume-events.ts';
import { pruneMessages } from '#events/prune-messages.ts';
import { commaList } from '#runtime/config.ts';
import { createHttpApp } from '#runtime/service/http-app.ts';
import {
  SERVICE_CONFIG,
  type BackgroundTask,
  type ServiceParts,
} from '#runtime/service/service-main.ts';
import { orderWork, type OrdersConfig } from './order-work.ts';
import { orderEventRoutes } from './routes/order-events.ts';
import { orderRoutes } from './routes/orders.ts';
import { sagaRoutes } from './routes/sagas.ts';
import { SUBSCRIPTIONS } from './subscriptions.ts';

/** The orders API. */
export function createOrdersApp(parts: ServiceParts<OrdersConfig>): Express {
  const work = orderWork(parts);
  const { readiness, log, config } = parts;
  return createHttpApp({
    about: { title: 'Orders', description: 'Orders, their lines and their sagas.' },
    routes: [
      ...orderRoutes(work, config.orderDeadlineSeconds),
      ...orderEventRoutes(work),
      ...sagaRoutes(work),
    ],
    readiness,
    log,
  });
}

/** Sagas that wait are taken up; events of other services are applied. */
export function ordersBackground(parts: ServiceParts<OrdersConfig>): BackgroundTask[] {
  const { config, database, log } = parts;
  const { runner } = orderWork(parts);
  const messages = { outbox: 'messaging.outbox', inbox: 'messaging.inbox' };
  const tasks: BackgroundTask[] = [
    async (signal) => runner.work(signal),
    async (signal) => pruneMessages(database, messages, { log, signal }),
  ];
  if (config.kafkaBrokers.length === 0) {
    log.warn('no KAFKA_BROKERS: events of other services are not read');
    return tasks;
  }
  return [
    ...tasks,
    async (signal) =>
      consumeEvents({
        broker: { brokers: config.kafkaBrokers, registryUrl: config.registryUrl },
        groupId: 'orders',
        database,
        schema: 'messaging',
        subscriptions: SUBSCRIPTIONS,
        log,
        signal,
      }),
  ];
}

/** The orders service: its settings, tables and API. */
export const ordersService = {
  name: 'orders',
  config: z.object({
    ...SERVICE_CONFIG,
    usersUrl: z.url(),
    catalogUrl: z.url(),
    inventoryUrl: z.url(),
    paymentsUrl: z.url(),
    kafkaBrokers: commaList().default([]),
    /** Registry with the Confluent API. */
    registryUrl: z.url().default('http://127.0.0.1:18081/apis/ccompat/v7'),
    /** How long stock and money of an order may take; after it the order is cancelled. */
    orderDeadlineSeconds: z.coerce.number().positive().default(600),
    /** How long after a kill somebody else takes a saga over; twice as long as a step may take. */
    sagaLeaseSeconds: z.coerce.number().positive().default(16),
  }),
  migrations: new URL('./migrations/', import.meta.url),
  createApp: createOrdersApp,
  background: ordersBackground,
};
