import type { Express } from 'express';
import { z } from 'zod';
import { createHttpApp } from '#runtime/service/http-app.ts';
import { SERVICE_CONFIG, type ServiceParts } from '#runtime/service/service-main.ts';
import { CategoryRepository } from './category-repository.ts';
import { ProductRepository } from './repository.ts';
import { categoryRoutes } from './routes/categories.ts';
import { productRoutes } from './routes/products.ts';

/** The catalog API. */
export function createCatalogApp({
  database,
  readiness,
  log,
}: Omit<ServiceParts<unknown>, 'config'>): Express {
  return createHttpApp({
    about: { title: 'Catalog', description: 'Products, categories and prices.' },
    routes: [
      ...productRoutes(new ProductRepository(database)),
      ...categoryRoutes(new CategoryRepository(database)),
    ],
    readiness,
    log,
  });
}

/** The catalog service: its settings, tables and API. */
export const catalogService = {
  name: 'catalog',
  config: z.object(SERVICE_CONFIG),
  migrations: new URL('./migrations/', import.meta.url),
  createApp: createCatalogApp,
};
