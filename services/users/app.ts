import type { Express } from 'express';
import { z } from 'zod';
import { pruneMessages } from '#events/prune-messages.ts';
import { createHttpApp } from '#runtime/service/http-app.ts';
import {
  SERVICE_CONFIG,
  type BackgroundTask,
  type ServiceParts,
} from '#runtime/service/service-main.ts';
import { UserRepository } from './repository.ts';
import { addressRoutes } from './routes/addresses.ts';
import { userRoutes } from './routes/users.ts';
import { EMAIL_COLUMNS, type EmailColumn } from './user.ts';

/** The users API. */
export function createUsersApp({
  config: { emailColumn },
  database,
  readiness,
  log,
}: ServiceParts<{ readonly emailColumn: EmailColumn }>): Express {
  const users = new UserRepository(database, emailColumn);
  return createHttpApp({
    about: {
      title: 'Users',
      description: 'Accounts and addresses. Owns names and email addresses.',
    },
    routes: [...userRoutes(users, emailColumn), ...addressRoutes(users)],
    readiness,
    log,
  });
}

/** The users service: its settings, tables and API. */
export const usersService = {
  name: 'users',
  config: z.object({
    ...SERVICE_CONFIG,
    /** Where addresses are; `primary_email` once rename-email.ts has expanded the table. */
    emailColumn: z.enum(EMAIL_COLUMNS).default('email'),
  }),
  migrations: new URL('./migrations/', import.meta.url),
  createApp: createUsersApp,
  background: ({ database, log }: ServiceParts<unknown>): BackgroundTask[] => [
    async (signal) => pruneMessages(database, { outbox: 'messaging.outbox' }, { log, signal }),
  ],
};
