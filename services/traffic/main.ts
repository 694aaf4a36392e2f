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
import { PROFILE_NAMES, PROFILES } from './profiles.ts';
import { seedShop } from './seed-shop.ts';
import { ServiceAway, SERVICES, ShopClient } from './shop-client.ts';
import { Shopper } from './shopper.ts';
import { describeStatistics, Statistics } from './statistics.ts';

const REPORT_INTERVAL_MS = 5_000;
/** On a terminal one line is written again and again instead. */
const LIVE_INTERVAL_MS = 500;
const CLEAR_LINE = '\r\u001b[2K';

const schema = z.object({
  usersUrl: z.url(),
  catalogUrl: z.url(),
  inventoryUrl: z.url(),
  ordersUrl: z.url(),
  paymentsUrl: z.url(),
  /** What the customers are like. */
  trafficProfile: z.enum(PROFILE_NAMES).default('calm'),
  /** Actions a second; the profile has one of its own. */
  trafficRate: z.coerce.number().positive().max(5_000).optional(),
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
  const profile = PROFILES[config.trafficProfile];
  const plan = planActions(config.trafficSeed, profile);
  const statistics = new Statistics();
  const isWatched = process.stdout.isTTY;
  const report = (message: 'traffic' | 'traffic ended') => {
    if (isWatched) {
      const end = message === 'traffic ended' ? '\n' : '';
      process.stdout.write(`${CLEAR_LINE}${describeStatistics(statistics)}${end}`);
      return;
    }
    const { done, refused, away: failed } = statistics.counts();
    log.info({ done, refused, failed, writes: client.writes() }, message);
  };
  const interval = isWatched ? LIVE_INTERVAL_MS : REPORT_INTERVAL_MS;
  const timer = setInterval(() => report('traffic'), interval);
  try {
    await runAtPace(
      { rate: config.trafficRate ?? profile.rate, limit: config.trafficActions, signal },
      async () => {
        const action = plan.next().value;
        const began = performance.now();
        const outcome = await shopper.perform(action);
        statistics.note(action, outcome, performance.now() - began);
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
