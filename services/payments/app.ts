import type { Express } from 'express';
import { z } from 'zod';
import { createHttpApp } from '#runtime/service/http-app.ts';
import { createPeer } from '#runtime/service/peer.ts';
import { SERVICE_CONFIG, type ServiceParts } from '#runtime/service/service-main.ts';
import { PaymentRepository } from './repository.ts';
import { paymentRoutes } from './routes/payments.ts';

/** The payments API. */
export function createPaymentsApp({
  config,
  database,
  readiness,
  log,
}: ServiceParts<{ readonly ordersUrl: string }>): Express {
  const orders = createPeer({ name: 'orders', baseUrl: config.ordersUrl, log });
  return createHttpApp({
    routes: paymentRoutes(new PaymentRepository(database), orders),
    readiness,
    log,
  });
}

/** The payments service: its settings, tables and API. */
export const paymentsService = {
  name: 'payments',
  config: z.object({ ...SERVICE_CONFIG, ordersUrl: z.url() }),
  migrations: new URL('./migrations/', import.meta.url),
  createApp: createPaymentsApp,
};
