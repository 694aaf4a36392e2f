import { describeError } from '#runtime/errors.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { readFreshness } from '../../pipeline/sink/warehouse-status.ts';

const INTERVAL_MS = 1_000;
/** Seconds that the line speaks of: short, so that it is alive. */
const WINDOW_SECONDS = 3;
const CLEAR_LINE = '\r\u001b[2K';

/**
 * Prints one line that says how much flows and how fresh it is: again and again in place on a
 * terminal, every ten seconds elsewhere.
 */
export class LiveLine {
  readonly #client: Warehouse;
  readonly #sources: readonly string[];
  readonly #out: NodeJS.WriteStream;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;
  #busy = false;

  constructor(client: Warehouse, sources: readonly string[], out: NodeJS.WriteStream) {
    this.#client = client;
    this.#sources = sources;
    this.#out = out;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#tick(), INTERVAL_MS);
  }

  /** Prints something that stays, above the line. */
  say(text: string): void {
    this.#out.write(`${this.#out.isTTY && this.#timer !== undefined ? CLEAR_LINE : ''}${text}\n`);
  }

  /** Ends the line, so that what is printed next begins on its own. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#timer !== undefined && this.#out.isTTY) this.#out.write('\n');
    this.#timer = undefined;
  }

  async #tick(): Promise<void> {
    this.#ticks += 1;
    if (this.#busy || (!this.#out.isTTY && this.#ticks % 10 !== 1)) return;
    this.#busy = true;
    try {
      const text = await this.#text();
      if (this.#timer === undefined) return;
      this.#out.write(this.#out.isTTY ? `${CLEAR_LINE}${text}` : `${text}\n`);
    } finally {
      this.#busy = false;
    }
  }

  async #text(): Promise<string> {
    try {
      const freshness = [
        ...(await readFreshness(this.#client, this.#sources, WINDOW_SECONDS)).values(),
      ];
      const rate = freshness.reduce((sum, { changesPerSecond }) => sum + changesPerSecond, 0);
      const rows = freshness.reduce((sum, source) => sum + source.rows, 0n);
      const active = freshness.filter(({ lagP50Ms }) => lagP50Ms !== undefined);
      // Over sources: the median of the busiest, and the worst tail.
      const busiest = active.sort((a, b) => b.changesPerSecond - a.changesPerSecond)[0];
      const p99 = Math.max(0, ...active.map(({ lagP99Ms }) => lagP99Ms ?? 0));
      const lag =
        busiest === undefined
          ? 'idle'
          : `end-to-end lag p50 ${milliseconds(busiest.lagP50Ms ?? 0)}, p99 ${milliseconds(p99)}`;
      return `  ${rate.toFixed(0).padStart(6)} changes/s   ${lag}   ${rows.toLocaleString('en-US')} rows`;
    } catch (error) {
      return `  the warehouse does not answer: ${describeError(error).split('\n')[0] ?? ''}`;
    }
  }
}

function milliseconds(value: number): string {
  return value < 10_000 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(1)} s`;
}
