import { count, type Bench } from './bench.ts';
import { measureDrift } from './drift.ts';
import { measureMarts } from './marts.ts';
import { measureShop } from './shop.ts';
import { measureVerify } from './verify.ts';
import type { Figure } from './report.ts';

const ORDER_RATES = [5, 20, 50, 200];

/** Placing orders, with the whole shop and its pipeline running. */
export const SHOP: Bench = {
  peers: [],
  isQuick: false,
  async run(quick, say) {
    const [seconds, warmUp] = quick ? [5, 5] : [20, 60];
    const results = await measureShop(ORDER_RATES, seconds, warmUp, (result) =>
      say(
        `${result.askedRate}/s: ${count(result.achievedRate)}/s answered, p50 ${count(result.p50Ms)} ms, p99 ${count(result.p99Ms)} ms, ${result.failed} failed`,
      ),
    );
    const figures = results.flatMap((result): Figure[] => {
      const what = `${result.askedRate} orders/s asked for`;
      return [
        { what, column: 'answered', unit: '/s', runs: [result.achievedRate] },
        { what, column: 'p50', unit: 'ms', runs: [result.p50Ms] },
        { what, column: 'p99', unit: 'ms', runs: [result.p99Ms] },
        ...(result.lagP99Ms === undefined
          ? []
          : [{ what, column: 'end-to-end lag p99', unit: 'ms' as const, runs: [result.lagP99Ms] }]),
      ];
    });
    return {
      title: 'placing orders, the whole shop and its pipeline running',
      figures,
      ratios: [],
      drawn: 'ms',
      notes: [
        'An order is a saga of reserve, charge and confirm in three services, some 25 changes; at most 16 are under way at a time.',
      ],
    };
  },
};

/** Comparing a table with its source. */
export const VERIFY: Bench = {
  peers: [],
  isQuick: true,
  async run(quick, say) {
    const rows = quick ? 100_000 : 1_000_000;
    const results = await measureVerify(rows, ({ key, equalSeconds, foundSeconds }) =>
      say(
        `key: ${key}: equal after ${equalSeconds.toFixed(1)} s, one changed cell found after ${foundSeconds.toFixed(1)} s`,
      ),
    );
    return {
      title: `\`verify\` of ${count(rows)} rows, 11 columns`,
      figures: results.flatMap(({ key, equalSeconds, foundSeconds }): Figure[] => [
        { what: `key: ${key}`, column: 'equal', unit: 's', runs: [equalSeconds] },
        { what: `key: ${key}`, column: 'one changed cell found', unit: 's', runs: [foundSeconds] },
      ]),
      ratios: [],
      drawn: 's',
      notes: ['No pipeline runs beside it.'],
    };
  },
};

/** Looking for copies that differ from their owners. */
export const DRIFT: Bench = {
  peers: [],
  isQuick: false,
  async run(quick, say) {
    const copies = quick ? 1_000_000 : 10_000_000;
    const results = await measureDrift(copies, ({ what, seconds, peakRssMb }) =>
      say(`${what}: ${seconds.toFixed(2)} s, warehouse at most ${count(peakRssMb)} MB`),
    );
    return {
      title: `drift: a rule with ${count(copies)} copies, five of each owner`,
      figures: results.flatMap(({ what, copies: looked, seconds, peakRssMb }): Figure[] => [
        { what, column: 'looked at', unit: 'rows', runs: [looked] },
        { what, column: 'took', unit: 's', runs: [seconds] },
        { what, column: "warehouse's memory", unit: 'MB', runs: [peakRssMb] },
      ]),
      ratios: [],
      drawn: 's',
      notes: ['Aims: all copies within 60 s and 1 GB, 10,000 changed ones within 1 s.'],
    };
  },
};

/** What every panel is to answer within. */
const PANEL_AIM_MS = 300;

/** The query of every panel over a shop with many orders. */
export const MARTS: Bench = {
  peers: [],
  isQuick: false,
  async run(quick, say) {
    const orders = quick ? 200_000 : 10_000_000;
    const { wholeSeconds, refreshMs, panels } = await measureMarts(orders, say);
    const ranges = [...new Set(panels.map(({ range }) => range))];
    const slowest = panels.toSorted((a, b) => b.ms - a.ms);
    for (const { panel, range, ms } of slowest) say(`${panel}, ${range}: ${count(ms)} ms`);
    const figures = slowest
      .slice(0, 8)
      .flatMap(({ panel }): Figure[] =>
        ranges.flatMap((range) =>
          panels
            .filter((other) => other.panel === panel && other.range === range)
            .map(({ ms }) => ({ what: panel, column: range, unit: 'ms' as const, runs: [ms] })),
        ),
      );
    const within = panels.filter(({ ms }) => ms <= PANEL_AIM_MS).length;
    return {
      title: `the slowest panels over ${count(orders)} orders`,
      figures: [
        ...new Map(figures.map((figure) => [`${figure.what}/${figure.column}`, figure])).values(),
      ],
      ratios: [
        {
          what: `as fast as the ${PANEL_AIM_MS} ms that a panel may take, by the slowest`,
          value: PANEL_AIM_MS / (slowest[0]?.ms ?? Infinity),
          aim: 1,
        },
      ],
      drawn: 'ms',
      notes: [
        `${within} of ${panels.length} panels and ranges answer within ${PANEL_AIM_MS} ms.`,
        `Facts are computed as a whole in ${wholeSeconds.toFixed(0)} s, and follow 100 changed orders in ${(refreshMs / 1_000).toFixed(1)} s.`,
      ],
    };
  },
};
