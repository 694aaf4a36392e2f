import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { describeError } from '#runtime/errors.ts';
import { agrees } from '../../pipeline/verify/verify-table.ts';
import { describeComparisons } from '../up/compare-sources.ts';
import { faults } from './fault-plan.ts';
import { ShopStack } from './shop-stack.ts';

/*
 * npm run soak -- --minutes 10 --seed 4711
 *
 * Kills parts of the running shop at random, under traffic, and compares every row of every table
 * again and again. The same seed kills the same in the same order. Exits 1 at the first difference,
 * and leaves its state for whoever has to find out why.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(seed)) {
  console.error('--minutes takes a number above 0, --seed a whole number');
  process.exit(2);
}

/** Faults between two comparisons. */
const FAULTS_PER_ROUND = 5;
/** How long a killed process may take until it is healthy again, in milliseconds. */
const HEALTHY_MS = 180_000;
const PORT_OFFSET = 10_500;
/** The supervisor gives a process up that ends more than 5 times a minute. */
const KILLS_PER_MINUTE = 4;

console.log(`soak: ${minutes} minutes, seed ${seed}`);
const stop = new AbortController();
// Every wait of the whole run listens to it.
setMaxListeners(0, stop.signal);
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
const shop = await ShopStack.start('soak', PORT_OFFSET, {
  seed,
  signal: stop.signal,
  onFailure: (error) => {
    console.error(`a process was given up: ${describeError(error)}`);
    process.exitCode = 1;
    stop.abort();
  },
});
const kills = new Map<string, number[]>();
let rounds = 0;
try {
  const end = Date.now() + minutes * 60_000;
  const plan = faults(seed);
  while (Date.now() < end) {
    for (let count = 0; count < FAULTS_PER_ROUND; count += 1) {
      const { victims, pauseMs } = plan.next().value;
      console.log(`  kill ${victims.join(' and ')}, then ${(pauseMs / 1_000).toFixed(1)} s`);
      for (const victim of victims) await untilItMayDie(victim);
      await Promise.all(victims.map(async (victim) => shop.stack.process(victim).kill()));
      await delay(pauseMs, undefined, { signal: stop.signal });
      await Promise.race([
        Promise.all(victims.map(async (victim) => shop.stack.process(victim).healthy())),
        delay(HEALTHY_MS, undefined, { signal: stop.signal, ref: false }).then(() => {
          throw new Error(`${victims.join(' and ')} not healthy after ${HEALTHY_MS / 1_000} s`);
        }),
      ]);
    }
    await shop.trafficGoesOn();
    const began = Date.now();
    const comparisons = await shop.whileTrafficRests(async () => shop.compare());
    rounds += 1;
    const rows = comparisons.reduce((sum, { sourceRows }) => sum + sourceRows, 0);
    if (!comparisons.every(agrees)) {
      console.error(
        `\nround ${rounds} (seed ${seed}) differs:\n${describeComparisons(comparisons)}`,
      );
      process.exitCode = 1;
      break;
    }
    console.log(
      `round ${rounds}: ${comparisons.length} tables, ${rows} rows, equal ${((Date.now() - began) / 1_000).toFixed(1)} s after traffic rested`,
    );
  }
} catch (error) {
  if (!stop.signal.aborted) console.error(describeError(error));
  process.exitCode = 1;
} finally {
  await shop.stop();
}
const killed = [...kills].sort(([a], [b]) => (a < b ? -1 : 1));
console.log(`killed ${killed.map(([name, { length }]) => `${name} ${length} x`).join(', ')}`);
if (process.exitCode === undefined) console.log(`${rounds} rounds, no difference`);

/** Waits until a process was not killed too often lately, and counts the kill that follows. */
async function untilItMayDie(victim: string): Promise<void> {
  const times = kills.get(victim) ?? [];
  const nth = times.at(-KILLS_PER_MINUTE);
  if (nth !== undefined) {
    await delay(Math.max(0, nth + 60_000 - Date.now()), undefined, { signal: stop.signal });
  }
  kills.set(victim, [...times, Date.now()]);
}
