import type { Express } from 'express';
import { z } from 'zod';
import { createHttpApp } from '#runtime/service/http-app.ts';
import { createPeer } from '#runtime/service/peer.ts';
import { SERVICE_CONFIG, type ServiceParts } from '#runtime/service/service-main.ts';
import { OrderRepository } from './repository.ts';
import { orderEventRoutes } from './routes/order-events.ts';
import { orderRoutes } from './routes/orders.ts';

/** Addresses of the services that orders asks. */
export interface OrderUrls {
  readonly usersUrl: string;
  readonly catalogUrl: string;
  readonly inventoryUrl: string;
}

/** The orders API. */
export function createOrdersApp({
  config,
  database,
  readiness,
  log,
}: ServiceParts<OrderUrls>): Express {
  const orders = new OrderRepository(database);
  const peers = {
    users: createPeer({ name: 'users', baseUrl: config.usersUrl, log }),
    catalog: createPeer({ name: 'catalog', baseUrl: config.catalogUrl, log }),
    inventory: createPeer({ name: 'inventory', baseUrl: config.inventoryUrl, log }),
  };
  return createHttpApp({
    routes: [...orderRoutes(orders, peers), ...orderEventRoutes(orders, peers)],
    readiness,
    log,
  });
}

/** The orders service: its settings, tables and API. */
export const ordersService = {
  name: 'orders',
  config: z.object({
    ...SERVICE_CONFIG,
    usersUrl: z.url(),
    catalogUrl: z.url(),
    inventoryUrl: z.url(),
  }),
  migrations: new URL('./migrations/', import.meta.url),
  createApp: createOrdersApp,
};
