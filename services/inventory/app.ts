import type { Express } from 'express';
import { z } from 'zod';
import { createHttpApp } from '#runtime/service/http-app.ts';
import { SERVICE_CONFIG, type ServiceParts } from '#runtime/service/service-main.ts';
import { StockRepository } from './repository.ts';
import { ReservationRepository } from './reservation-repository.ts';
import { reservationRoutes } from './routes/reservations.ts';
import { stockRoutes } from './routes/stock.ts';
import { warehouseRoutes } from './routes/warehouses.ts';

/** The inventory API. */
export function createInventoryApp({
  database,
  readiness,
  log,
}: Omit<ServiceParts<unknown>, 'config'>): Express {
  const stock = new StockRepository(database);
  return createHttpApp({
    about: { title: 'Inventory', description: 'Warehouses, stock, and what is held for orders.' },
    routes: [
      ...stockRoutes(stock),
      ...warehouseRoutes(stock),
      ...reservationRoutes(new ReservationRepository(database)),
    ],
    readiness,
    log,
  });
}

/** The inventory service: its settings, tables and API. */
export const inventoryService = {
  name: 'inventory',
  config: z.object(SERVICE_CONFIG),
  migrations: new URL('./migrations/', import.meta.url),
  createApp: createInventoryApp,
};
