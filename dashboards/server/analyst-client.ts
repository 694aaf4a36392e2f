import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import type { Secret } from '#runtime/config.ts';

/** Longest that nothing may come of an answer: an analyst's query may run for 60 s. */
const REQUEST_TIMEOUT_MS = 70_000;

/**
 * Opens a client of the warehouse for somebody who only reads. It connects with its first request.
 *
 * @param connections - requests side by side; more wait in the client
 */
export function connectAnalyst(
  address: { readonly url: string; readonly user: string; readonly password: Secret },
  connections: number,
): ClickHouseClient {
  return createClient({
    url: address.url,
    username: address.user,
    password: address.password.reveal(),
    application: 'tributary-dashboards',
    request_timeout: REQUEST_TIMEOUT_MS,
    max_open_connections: connections,
    // Every failure comes back to the caller, who knows whether it is one.
    log: { level: ClickHouseLogLevel.OFF },
  });
}
