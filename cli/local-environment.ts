import { existsSync } from 'node:fs';
import { Secret } from '#runtime/config.ts';
import { connectWarehouse, type Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import { peerUrls } from '../local/node-processes.ts';
import { shopDatabases } from '../local/stack.ts';
import { portOf, statePath, type LocalSettings } from '../local/settings.ts';

/** Variable that holds the capture URL of a service of the shop, as tributary.yaml names it. */
export function captureVariable(service: string): string {
  return `${service.toUpperCase()}_CAPTURE_URL`;
}

/** Where the parts of the local stack are, as the environment variables that commands read. */
export function localAddresses(settings: LocalSettings): Record<string, string> {
  const at = (name: Parameters<typeof portOf>[1]) => `127.0.0.1:${portOf(settings, name)}`;
  return {
    CONNECT_URL: `http://${at('connect')}`,
    KAFKA_BROKERS: at('kafka'),
    REGISTRY_URL: `http://${at('registry')}/apis/ccompat/v7`,
    CLICKHOUSE_URL: `http://${at('warehouse')}`,
  };
}

/**
 * Capture URLs of the shop's databases, and URLs of its services, as the environment variables the
 * catalog names.
 */
export async function shopSourceUrls(settings: LocalSettings): Promise<Record<string, string>> {
  const databases = await shopDatabases(settings);
  return {
    ...peerUrls(settings),
    ...Object.fromEntries(
      [...databases].map(([service, { captureUrl }]) => [
        captureVariable(service),
        captureUrl.reveal(),
      ]),
    ),
  };
}

/** URLs of the shop's databases as their superuser, by service. */
export async function shopAdminUrls(settings: LocalSettings): Promise<Map<string, Secret>> {
  const databases = await shopDatabases(settings);
  return new Map([...databases].map(([service, { ownAdminUrl }]) => [service, ownAdminUrl]));
}

/** Connects to the warehouse of the local stack. */
export function connectLocalWarehouse(settings: LocalSettings, application: string): Warehouse {
  const url = localAddresses(settings)['CLICKHOUSE_URL'] ?? '';
  return connectWarehouse({ url, user: 'default', password: new Secret('') }, application);
}

/**
 * What commands need to find a local stack that was started before, for variables that are not
 * set: so that `tributary status` beside `npm start` needs no settings.
 */
export async function localDefaults(settings: LocalSettings): Promise<Record<string, string>> {
  const hasShop = existsSync(statePath(settings, 'secrets', 'users-tributary_capture.password'));
  return { ...localAddresses(settings), ...(hasShop ? await shopSourceUrls(settings) : {}) };
}
