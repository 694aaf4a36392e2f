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
  const began = await lastOffset(bench.warehouse);
  const expected = Math.max(1, Math.round(rate * seconds));
  const watcher = watch(bench.warehouse, began, expected);
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

async function lastOffset(warehouse: Warehouse): Promise<string> {
  const result = await warehouse.query({
    query: 'SELECT toString(max(_offset)) AS last FROM current.bench__events',
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ last: string }>();
  return row?.last ?? '0';
}

async function watch(warehouse: Warehouse, after: string, expected: number): Promise<number[]> {
  const lags: number[] = [];
  let last = after;
  let deadline = Date.now() + ARRIVAL_DEADLINE_MS;
  while (lags.length < expected) {
    const result = await warehouse.query({
      query: `SELECT toString(_offset), toUnixTimestamp64Micro(_committed_at) / 1000
              FROM current.bench__events WHERE _offset > {last:UInt64} ORDER BY _offset`,
      query_params: { last },
      format: 'JSONCompactEachRow',
    });
    const rows = await result.json<[string, number]>();
    const seenAt = Date.now();
    for (const [offset, committedAtMs] of rows) {
      lags.push(seenAt - committedAtMs);
      last = offset;
    }
    if (rows.length > 0) deadline = Date.now() + ARRIVAL_DEADLINE_MS;
    if (Date.now() > deadline)
      throw new Error(`only ${lags.length} of ${expected} changes arrived`);
    await delay(POLL_PAUSE_MS);
  }
  return lags;
}
