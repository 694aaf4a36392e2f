import { resolve } from 'node:path';
import { z } from 'zod';
import { loadConfig } from '#runtime/config.ts';

/** The sample shop's services, in the order in which they are shown. */
export const SHOP_SERVICES = ['users', 'catalog', 'inventory', 'orders', 'payments'] as const;

/** Name of one of the sample shop's services. */
export type ShopService = (typeof SHOP_SERVICES)[number];

/** The shop's read model: a service with a database that holds nothing of its own to capture. */
export const READ_MODEL = 'order-history';

/** A service with a database. */
export type ShopDatabase = ShopService | typeof READ_MODEL;

/** All services with a database. */
export const SHOP_DATABASES: readonly ShopDatabase[] = [...SHOP_SERVICES, READ_MODEL];

/** Root of the checkout. */
export const ROOT = resolve(import.meta.dirname, '..');

/** Default ports. `TRIBUTARY_PORT_OFFSET` moves them all. */
const PORTS = {
  'postgres-users': 15431,
  'postgres-catalog': 15432,
  'postgres-inventory': 15433,
  'postgres-orders': 15434,
  'postgres-payments': 15435,
  'postgres-order-history': 15436,
  kafka: 19092,
  'kafka-controller': 19093,
  registry: 18081,
  connect: 18083,
  warehouse: 8123,
  'service-users': 13001,
  'service-catalog': 13002,
  'service-inventory': 13003,
  'service-orders': 13004,
  'service-payments': 13005,
  'service-gateway': 13006,
  'service-order-history': 13007,
  transformer: 19464,
  dashboards: 13080,
  'drift-monitor': 19465,
} as const;

/** What listens on a port. */
export type PortName = keyof typeof PORTS;

const HIGHEST_OFFSET = 65_535 - Math.max(...Object.values(PORTS));

const settingsSchema = z.object({
  tributaryStateDir: z
    .string()
    .default(resolve(ROOT, '.tributary'))
    .describe('Folder of data, logs and secrets.'),
  tributaryPortOffset: z.coerce
    .number()
    .int()
    .min(0)
    .max(HIGHEST_OFFSET)
    .default(0)
    .describe('Added to every port of the local stack.'),
  tributaryConfig: z
    .string()
    .default(resolve(ROOT, 'tributary.yaml'))
    .describe('Path of the catalog.'),
  tributaryMaskKey: z.string().optional().describe('Key of `mask: hash`, which the catalog reads.'),
});

/** Where the local stack lives and listens. */
export interface LocalSettings {
  /** Absolute. */
  readonly stateDir: string;
  readonly catalogPath: string;
  readonly portOffset: number;
  /** Of our environment, what child processes get: search path, home, and options of every JVM. */
  readonly baseEnv: Readonly<Record<string, string>>;
}

/**
 * Reads the local stack's settings.
 *
 * @throws TributaryError `CONFIG_INVALID`, also for unknown variables that begin with TRIBUTARY_
 */
export function loadLocalSettings(env: NodeJS.ProcessEnv): LocalSettings {
  const settings = loadConfig(settingsSchema, env, 'TRIBUTARY_');
  return {
    stateDir: resolve(settings.tributaryStateDir),
    catalogPath: settings.tributaryConfig,
    portOffset: settings.tributaryPortOffset,
    baseEnv: Object.fromEntries(
      ['PATH', 'HOME', 'JAVA_HOME', 'JAVA_TOOL_OPTIONS'].flatMap((name) => {
        const value = env[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
  };
}

/** Port that a part of the stack listens on. */
export function portOf(settings: LocalSettings, name: PortName): number {
  return PORTS[name] + settings.portOffset;
}

/** A path in the state folder. */
export function statePath(settings: LocalSettings, ...parts: string[]): string {
  return resolve(settings.stateDir, ...parts);
}

/** Folder of the jars, shared by all state folders of this checkout. */
export function jarsDir(): string {
  return resolve(ROOT, '.tributary', 'jars');
}
