import type { ClickHouseClient } from '@clickhouse/client';
import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';

/** What became queryable since the last record, of one table. */
interface Interval {
  readonly source: string;
  readonly table: string;
  readonly lagsMs: number[];
  changes: number;
  lastCommittedAtMicros: bigint;
}

/**
 * Writes the measured end-to-end lag of every table to `ops.freshness`, so that anybody can query
 * it, whichever process did the work.
 *
 * Best effort: a record that cannot be written is dropped, since the next one comes in a second.
 */
export class FreshnessRecorder {
  readonly #client: ClickHouseClient;
  readonly #process: string;
  readonly #log: Logger;
  #intervals = new Map<string, Interval>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(client: ClickHouseClient, process: string, log: Logger) {
    this.#client = client;
    this.#process = process;
    this.#log = log;
  }

  /** Begins to write, every `intervalMs` in which something happened. */
  start(intervalMs: number): void {
    this.#timer = setInterval(() => {
      this.#writing = this.#writing.then(() => this.#write());
    }, intervalMs);
  }

  /**
   * Takes note of stored changes.
   *
   * @param lagsMs - of the streamed ones among them: from commit until ClickHouse acknowledged, in milliseconds
   * @param lastCommittedAtMicros - the last of their commits, in microseconds since 1970; 0 without any
   */
  observe(
    source: string,
    table: string,
    changes: number,
    lagsMs: readonly number[],
    lastCommittedAtMicros: bigint,
  ): void {
    const id = `${source}.${table}`;
    let interval = this.#intervals.get(id);
    if (interval === undefined) {
      interval = { source, table, lagsMs: [], changes: 0, lastCommittedAtMicros: 0n };
      this.#intervals.set(id, interval);
    }
    interval.changes += changes;
    for (const lag of lagsMs) interval.lagsMs.push(lag);
    if (lastCommittedAtMicros > interval.lastCommittedAtMicros) {
      interval.lastCommittedAtMicros = lastCommittedAtMicros;
    }
  }

  /** Writes what is left and stops. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    const intervals = [...this.#intervals.values()].filter(
      (interval) => interval.lagsMs.length > 0,
    );
    this.#intervals = new Map();
    if (intervals.length === 0) return;
    const observedAtMs = Date.now();
    try {
      await this.#client.insert({
        table: 'ops.freshness',
        format: 'JSONEachRow',
        values: intervals.map(({ source, table, lagsMs, changes, lastCommittedAtMicros }) => {
          const sorted = lagsMs.sort((a, b) => a - b);
          return {
            observed_at: isoMillis(observedAtMs),
            process: this.#process,
            source,
            table_name: table,
            changes,
            lag_p50_ms: quantile(sorted, 0.5),
            lag_p99_ms: quantile(sorted, 0.99),
            lag_max_ms: quantile(sorted, 1),
            last_committed_at: isoMillis(Number(lastCommittedAtMicros / 1000n)),
          };
        }),
        clickhouse_settings: { date_time_input_format: 'best_effort' },
      });
    } catch (error) {
      this.#log.debug({ reason: describeError(error) }, 'freshness not recorded');
    }
  }
}

function isoMillis(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

/** Value at rank `q` of sorted values: the smallest that at least `q` of them do not exceed. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
