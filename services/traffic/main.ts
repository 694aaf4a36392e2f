import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { loadConfig } from '#runtime/config.ts';
import { renderError, TributaryError } from '#runtime/errors.ts';
import { EXIT, runProcess } from '#runtime/lifecycle.ts';
import { createLogger, LOG_LEVELS, type Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { readKnownShop, type KnownShop } from './known-shop.ts';
import { runAtPace } from './pacer.ts';
import { planActions } from './planner.ts';
import { seedShop } from './seed-shop.ts';
import { ServiceAway, SERVICES, ShopClient } from './shop-client.ts';
import { Shopper, type Outcome } from './shopper.ts';

const REPORT_INTERVAL_MS = 5_000;

const schema = z.object({
  usersUrl: z.url(),
  catalogUrl: z.url(),
  inventoryUrl: z.url(),
  ordersUrl: z.url(),
  paymentsUrl: z.url(),
  /** Actions a second. */
  trafficRate: z.coerce.number().positive().max(5_000).default(20),
  /** Stop after this many actions; 0 goes on until told to stop. */
  trafficActions: z.coerce.number().int().min(0).default(0),
  /** The same seed plans the same actions. */
  trafficSeed: z.coerce.number().int().min(0).max(4_294_967_295).default(1),
  logLevel: z.enum(LOG_LEVELS).default('info'),
});

type Config = z.output<typeof schema>;

async function run(config: Config, log: Logger, signal: AbortSignal): Promise<void> {
  const client = new ShopClient(
    {
      users: config.usersUrl,
      catalog: config.catalogUrl,
      inventory: config.inventoryUrl,
      orders: config.ordersUrl,
      payments: config.paymentsUrl,
    },
    signal,
  );
  const known = await prepareShop(client, log, signal);
  log.info({ users: known.users.size, products: known.products.size }, 'shop is open');
  const shopper = new Shopper(client, known, randomBytes(4).toString('hex'));
  const plan = planActions(config.trafficSeed);
  const counts: Record<Outcome, number> = { done: 0, refused: 0, away: 0, skipped: 0 };
  const report = (message: 'traffic' | 'traffic ended') => {
    const { done, refused, away: failed } = counts;
    log.info({ done, refused, failed, writes: client.writes() }, message);
  };
  const timer = setInterval(() => report('traffic'), REPORT_INTERVAL_MS);
  try {
    await runAtPace(
      { rate: config.trafficRate, limit: config.trafficActions, signal },
      async () => {
        const outcome = await shopper.perform(plan.next().value);
        counts[outcome] += 1;
        return outcome;
      },
    );
  } finally {
    clearInterval(timer);
    report('traffic ended');
  }
}

/** Waits until every service is ready, adds what the shop lacks, and learns what is there. */
async function prepareShop(
  client: ShopClient,
  log: Logger,
  signal: AbortSignal,
): Promise<KnownShop> {
  const attempt = async () => {
    try {
      for (const service of SERVICES) await client.call(service, 'GET', '/health/ready');
      await seedShop(client);
      return await readKnownShop(client);
    } catch (error) {
      if (!(error instanceof ServiceAway)) throw error;
      throw new TributaryError('SERVICE_UNAVAILABLE', error.message, { cause: error });
    }
  };
  return retry(attempt, { policy: UNTIL_STOPPED, signal, log, what: 'open the shop' });
}

let config: Config;
try {
  config = loadConfig(schema, process.env, 'TRAFFIC_');
} catch (error) {
  createLogger('traffic').fatal({ advice: renderError(error) }, 'bad configuration');
  process.exit(EXIT.usage);
}
const log = createLogger('traffic', config.logLevel);
await runProcess(async (signal) => run(config, log, signal), log);
