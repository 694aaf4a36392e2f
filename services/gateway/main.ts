import { loadConfig } from '#runtime/config.ts';
import { renderError } from '#runtime/errors.ts';
import { EXIT, runProcess } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/log.ts';
import { gatewayConfig, startGateway, type GatewayConfig } from './app.ts';

let config: GatewayConfig;
try {
  config = loadConfig(gatewayConfig, process.env);
} catch (error) {
  createLogger('gateway').fatal({ advice: renderError(error) }, 'bad configuration');
  process.exit(EXIT.usage);
}
const log = createLogger('gateway', config.logLevel);
await runProcess(async (signal) => {
  const gateway = await startGateway(config, log);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await gateway.stop();
}, log);
