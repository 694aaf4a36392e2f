/** What can be killed under a running shop: its parts, and two services' databases. */
export const VICTIMS = [
  'transformer',
  'connect',
  'kafka',
  'registry',
  'warehouse',
  'postgres-orders',
  'postgres-inventory',
] as const;

/** Something bad to do. */
export interface Fault {
  /** Killed with SIGKILL at once; each comes back by itself. */
  readonly victims: readonly (typeof VICTIMS)[number][];
  /** How long to wait afterwards before the next one, in milliseconds. */
  readonly pauseMs: number;
}

const LONGEST_PAUSE_MS = 8_000;

/** Faults without end, the same for the same seed: one process at a time, or two. */
export function* faults(seed: number): Generator<Fault, never> {
  const random = randomOf(seed);
  for (;;) {
    const first = VICTIMS[Math.floor(random() * VICTIMS.length)] ?? 'transformer';
    const second = VICTIMS[Math.floor(random() * VICTIMS.length)] ?? 'transformer';
    const both = random() < 0.3 && second !== first;
    yield {
      victims: both ? [first, second] : [first],
      pauseMs: Math.floor(random() * LONGEST_PAUSE_MS),
    };
  }
}

/** Numbers from 0 to below 1: mulberry32, which is small and good enough to pick victims. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
