import type { Action } from './planner.ts';
import type { Outcome } from './shopper.ts';

const WINDOW_MS = 10_000;

interface Sample {
  readonly at: number;
  readonly tookMs: number;
}

/** How the traffic goes: everything since the start, and the last ten seconds. */
export class Statistics {
  readonly #now: () => number;
  readonly #counts: Record<Outcome, number> = { done: 0, refused: 0, away: 0, skipped: 0 };
  #answered: Sample[] = [];
  #placed: Sample[] = [];

  /** @param now - in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Notes an action that has ended. */
  note(action: Action, outcome: Outcome, tookMs: number): void {
    this.#counts[outcome] += 1;
    if (outcome !== 'done' && outcome !== 'refused') return;
    const sample = { at: this.#now(), tookMs };
    this.#answered.push(sample);
    if (action.kind === 'place-order') this.#placed.push(sample);
  }

  counts(): Readonly<Record<Outcome, number>> {
    return { ...this.#counts };
  }

  /** Rates per second and quantiles in milliseconds, of the last ten seconds. */
  recent(): { actions: number; orders: number; p50: number; p99: number } {
    const since = this.#now() - WINDOW_MS;
    const isRecent = ({ at }: Sample) => at >= since;
    this.#answered = this.#answered.filter(isRecent);
    this.#placed = this.#placed.filter(isRecent);
    const times = this.#placed.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
    const quantile = (share: number) =>
      times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
    return {
      actions: this.#answered.length / (WINDOW_MS / 1_000),
      orders: times.length / (WINDOW_MS / 1_000),
      p50: quantile(0.5),
      p99: quantile(0.99),
    };
  }
}

/** One line that says how it goes. */
export function describeStatistics(statistics: Statistics): string {
  const { done, refused, away } = statistics.counts();
  const { actions, orders, p50, p99 } = statistics.recent();
  return [
    `${actions.toFixed(1)} actions/s`,
    `${orders.toFixed(1)} orders/s placed in p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`,
    `${done.toLocaleString('en-US')} done`,
    `${refused.toLocaleString('en-US')} refused`,
    `${away.toLocaleString('en-US')} failed`,
  ].join('   ');
}
