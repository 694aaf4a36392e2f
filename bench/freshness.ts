import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import type { BenchStack } from './bench-stack.ts';
import { quantile } from './quantiles.ts';

/** Freshness at one rate of single-row commits. */
export interface FreshnessResult {
  readonly targetRate: number;
  readonly achievedRate: number;
  readonly changes: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const CONNECTIONS = 8;
const TICK_MS = 10;
const POLL_PAUSE_MS = 4;
const ARRIVAL_DEADLINE_MS = 60_000;

/**
 * Commits single rows at a steady rate, and watches when each can be queried.
 *
 * A change's time is from its commit timestamp at the source to the moment an answer of the
 * warehouse that has it in it is here: the query itself, and waiting for the next one, count too. What
 * is asked is the table behind the current view.
 */
export async function measureFreshness(
  bench: BenchStack,
  rate: number,
  seconds: number,
): Promise<FreshnessResult> {
  const pool = new pg.Pool({ connectionString: bench.databaseUrl, max: CONNECTIONS });
  const before = await countRows(bench.warehouse);
  const expected = Math.max(1, Math.round(rate * seconds));
  const watcher = watch(bench.warehouse, before, expected);
  const startedAt = performance.now();
  const commits: Promise<unknown>[] = [];
  let sent = 0;
  while (sent < expected) {
    const due = Math.min(expected, Math.floor(((performance.now() - startedAt) / 1000) * rate) + 1);
    for (; sent < due; sent += 1) commits.push(pool.query(INSERT, [sent]));
    await delay(rate >= 1000 / TICK_MS ? TICK_MS : 1000 / rate / 4);
  }
  await Promise.all(commits);
  const elapsed = (performance.now() - startedAt) / 1000;
  const lags = await watcher;
  await pool.end();
  return {
    targetRate: rate,
    achievedRate: expected / elapsed,
    changes: lags.length,
    p50Ms: quantile(lags, 0.5),
    p95Ms: quantile(lags, 0.95),
    p99Ms: quantile(lags, 0.99),
    maxMs: quantile(lags, 1),
  };
}

/** Table of the freshness bench. */
export const FRESHNESS_TABLE = `
  CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ref uuid NOT NULL DEFAULT gen_random_uuid(),
    number int NOT NULL,
    name text NOT NULL,
    amount numeric(12,2) NOT NULL,
    details jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  )`;

const INSERT = `
  INSERT INTO events (number, name, amount, details)
  VALUES ($1, 'somebody with a name', 12.50, '{"colour": "green", "sizes": [1, 2, 3]}')`;

/** Rows of the table; the engine knows their number without reading any. */
async function countRows(warehouse: Warehouse): Promise<number> {
  const result = await warehouse.query({
    query: 'SELECT toUInt32(count()) AS rows FROM current.bench__events',
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ rows: number }>();
  return row?.rows ?? 0;
}

/**
 * Resolves with the times of the next `expected` rows. While they come only their number is asked for:
 * whatever else were read would be read at the expense of what is measured.
 */
async function watch(warehouse: Warehouse, before: number, expected: number): Promise<number[]> {
  const seenAt: number[] = [];
  let deadline = Date.now() + ARRIVAL_DEADLINE_MS;
  while (seenAt.length < expected) {
    const rows = (await countRows(warehouse)) - before;
    const now = Date.now();
    if (rows > seenAt.length) deadline = now + ARRIVAL_DEADLINE_MS;
    while (seenAt.length < rows) seenAt.push(now);
    if (now > deadline) throw new Error(`only ${rows} of ${expected} changes arrived`);
    await delay(POLL_PAUSE_MS);
  }
  const result = await warehouse.query({
    query: `SELECT toUnixTimestamp64Micro(_committed_at) / 1000
            FROM current.bench__events ORDER BY _offset LIMIT {before:UInt32}, {expected:UInt32}`,
    query_params: { before, expected },
    format: 'JSONCompactEachRow',
  });
  const committedAt = await result.json<[number]>();
  return committedAt.map(([at], place) => (seenAt[place] ?? Infinity) - at);
}
