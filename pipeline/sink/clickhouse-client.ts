import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import type { Secret } from '#runtime/config.ts';

/** A client of the warehouse. */
export type Warehouse = ClickHouseClient;

/** Where the warehouse is. */
export interface WarehouseAddress {
  readonly url: string;
  readonly user: string;
  readonly password: Secret;
}

/** Longest a statement may take, in milliseconds. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Requests side by side; more wait in the client. */
const MAX_OPEN_CONNECTIONS = 8;

/** Opens a client of the warehouse. It connects with its first request. */
export function connectWarehouse(address: WarehouseAddress, application: string): Warehouse {
  return createClient({
    url: address.url,
    username: address.user,
    password: address.password.reveal(),
    application,
    request_timeout: REQUEST_TIMEOUT_MS,
    max_open_connections: MAX_OPEN_CONNECTIONS,
    // Every failure comes back to the caller, who knows whether it is one.
    log: { level: ClickHouseLogLevel.OFF },
  });
}
