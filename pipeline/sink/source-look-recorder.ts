import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import type { SlotLook } from '../../connectors/watch-slots.ts';

/** What others than a source's database know of it, by the source's name. */
export interface LookedUp {
  /** States as Kafka Connect names them. */
  readonly connectors: ReadonlyMap<string, string>;
  /** Records that the pipeline has not committed. */
  readonly consumerLag: ReadonlyMap<string, bigint>;
}

/**
 * Writes how sources stand to `ops.source_looks`, for who looks at it over time.
 *
 * Best effort: what cannot be written is dropped, since the next look comes in seconds.
 */
export class SourceLookRecorder {
  readonly #client: ClickHouseClient;
  readonly #process: string;
  readonly #log: Logger;
  #looks = new Map<string, { readonly look: SlotLook; readonly at: number }>();

  constructor(client: ClickHouseClient, process: string, log: Logger) {
    this.#client = client;
    this.#process = process;
    this.#log = log;
  }

  /** Takes note of a look, with the next record. */
  note(source: string, look: SlotLook): void {
    this.#looks.set(source, { look, at: Date.now() });
  }

  /**
   * Writes what was noted, every `intervalMs` until `signal` aborts. Never throws.
   *
   * @param lookUp - asks the others; one that does not answer has no entries
   */
  async run(
    intervalMs: number,
    lookUp: () => Promise<LookedUp>,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
      const looks = this.#looks;
      this.#looks = new Map();
      if (looks.size === 0 || signal.aborted) continue;
      try {
        const { connectors, consumerLag } = await lookUp();
        await this.#client.insert({
          table: 'ops.source_looks',
          format: 'JSONEachRow',
          values: [...looks].map(([source, { look, at }]) => ({
            looked_at: new Date(at).toISOString().replace('T', ' ').replace('Z', ''),
            process: this.#process,
            source,
            connector_state: connectors.get(source) ?? '',
            consumer_lag: consumerLag.get(source)?.toString() ?? null,
            ...columnsOf(look),
          })),
        });
      } catch (error) {
        this.#log.debug({ reason: describeError(error) }, 'looks at sources not written');
      }
    }
  }
}

function columnsOf(look: SlotLook): Record<string, string | number | boolean | null> {
  if ('unknown' in look) return { problem: look.unknown.split('\n')[0] ?? '' };
  const { slot } = look;
  return {
    slot_active: slot?.active ?? null,
    wal_status: slot?.walStatus ?? '',
    retained_bytes: slot?.retainedBytes ?? null,
    safe_bytes: slot?.safeBytes ?? null,
    replication_lag_bytes: slot?.lagBytes ?? null,
  };
}
