import type { BenchName } from './bench-names.ts';
import { CLUSTER } from './cluster.ts';
import { COST } from './cost.ts';
import { DRAIN, FRESHNESS } from './stream-benches.ts';
import { FIRST_LOAD } from './first-load-bench.ts';
import { GATE } from './gate.ts';
import type { Bench } from './bench.ts';
import { IDLE } from './idle.ts';
import { DRIFT, MARTS, SHOP, VERIFY } from './query-benches.ts';
import { TABLES } from './tables-bench.ts';

/** What `npm run bench` runs. */
export const BENCHES: Readonly<Record<BenchName, Bench>> = {
  'first-load': FIRST_LOAD,
  freshness: FRESHNESS,
  idle: IDLE,
  drain: DRAIN,
  tables: TABLES,
  cost: COST,
  cluster: CLUSTER,
  gate: GATE,
  shop: SHOP,
  verify: VERIFY,
  drift: DRIFT,
  marts: MARTS,
};
