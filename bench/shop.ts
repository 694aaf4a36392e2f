import { ShopStack } from '../cli/testing/shop-stack.ts';
import { readFreshness } from '../pipeline/sink/warehouse-status.ts';
import { readKnownShop } from '../services/traffic/known-shop.ts';
import { runAtPace } from '../services/traffic/pacer.ts';
import { planActions } from '../services/traffic/planner.ts';
import { PROFILES } from '../services/traffic/profiles.ts';
import { ShopClient } from '../services/traffic/shop-client.ts';
import { Shopper } from '../services/traffic/shopper.ts';
import { quantile } from './quantiles.ts';

/** How long placing orders took with everything running. */
export interface ShopResult {
  readonly askedRate: number;
  /** Orders a second that were answered. */
  readonly achievedRate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  /** Commit to queryable meanwhile, the slowest source. */
  readonly lagP99Ms: number | undefined;
}

/** Only orders, each of one to four lines, spread over all products. */
const ONLY_ORDERS = {
  ...PROFILES.busy,
  weights: {
    ...Object.fromEntries(Object.keys(PROFILES.busy.weights).map((kind) => [kind, 0])),
    'place-order': 1,
  } as typeof PROFILES.busy.weights,
};

/** Has customers place orders at each rate, in the whole running shop, for some seconds. */
export async function measureShop(
  rates: readonly number[],
  seconds: number,
  warmUpSeconds: number,
  onResult: (result: ShopResult) => void,
): Promise<ShopResult[]> {
  const shop = await ShopStack.start('bench-shop', 5_000, {
    seed: 1,
  });
  try {
    const { signal } = new AbortController();
    const urls = (['users', 'catalog', 'inventory', 'orders', 'payments'] as const).map(
      (service) => [service, shop.serviceUrl(service)] as const,
    );
    const client = new ShopClient(
      Object.fromEntries(urls) as ConstructorParameters<typeof ShopClient>[0],
      signal,
    );
    // Opens the shop and lets everything warm up.
    await shop.trafficGoesOn();
    const results: ShopResult[] = [];
    await shop.whileTrafficRests(async () => {
      const shopper = new Shopper(client, await readKnownShop(client), 'bench');
      const plan = planActions(1, ONLY_ORDERS);
      const run = async (rate: number, duration: number): Promise<ShopResult> => {
        const took: number[] = [];
        let failed = 0;
        const stop = AbortSignal.timeout(duration * 1_000);
        await runAtPace({ rate, limit: 0, signal: stop }, async () => {
          const began = performance.now();
          const outcome = await shopper.perform(plan.next().value);
          if (outcome === 'done' || outcome === 'refused') took.push(performance.now() - began);
          else failed += 1;
          return outcome;
        });
        const sources = shop.catalog.sources.map(({ name }) => name);
        const freshness = await readFreshness(shop.warehouse, sources, duration);
        const lags = [...freshness.values()].flatMap(({ lagP99Ms }) => lagP99Ms ?? []);
        return {
          askedRate: rate,
          achievedRate: took.length / duration,
          p50Ms: quantile(took, 0.5),
          p99Ms: quantile(took, 0.99),
          failed,
          lagP99Ms: lags.length === 0 ? undefined : Math.max(...lags),
        };
      };
      await run(50, warmUpSeconds);
      for (const rate of rates) {
        const result = await run(rate, seconds);
        onResult(result);
        results.push(result);
      }
    });
    return results;
  } finally {
    await shop.stop();
  }
}
