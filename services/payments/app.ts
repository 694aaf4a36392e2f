import type { Express } from 'express';
import { z } from 'zod';
import { pruneMessages } from '#events/prune-messages.ts';
import { createHttpApp } from '#runtime/service/http-app.ts';
import {
  SERVICE_CONFIG,
  type BackgroundTask,
  type ServiceParts,
} from '#runtime/service/service-main.ts';
import { PaymentRepository } from './repository.ts';
import { paymentRoutes } from './routes/payments.ts';

/** The payments API. */
export function createPaymentsApp({
  database,
  readiness,
  log,
}: Omit<ServiceParts<unknown>, 'config'>): Express {
  return createHttpApp({
    about: { title: 'Payments', description: 'Charges and refunds.' },
    routes: paymentRoutes(new PaymentRepository(database)),
    readiness,
    log,
  });
}

/** The payments service: its settings, tables and API. */
export const paymentsService = {
  name: 'payments',
  config: z.object(SERVICE_CONFIG),
  migrations: new URL('./migrations/', import.meta.url),
  createApp: createPaymentsApp,
  background: ({ database, log }: ServiceParts<unknown>): BackgroundTask[] => [
    async (signal) => pruneMessages(database, { outbox: 'messaging.outbox' }, { log, signal }),
  ],
};
