import { describeError, dispositionOf, renderError } from './errors.ts';
import type { Logger } from './log.ts';

/** Exit codes that scripts can rely on. */
export const EXIT = {
  /** Did what it was asked, or stopped because it was asked. */
  ok: 0,
  /** Stopped to protect data, or the thing checked is not as it should be. */
  failed: 1,
  /** Was called or configured wrongly; nothing was done. */
  usage: 2,
} as const;

/**
 * Runs a long-lived process: `main` gets a signal that aborts on the first SIGTERM or SIGINT and
 * should then drain and return. A second signal ends the process at once.
 *
 * Never returns: exits with a code of {@link EXIT}.
 */
export async function runProcess(
  main: (signal: AbortSignal) => Promise<void>,
  log: Logger,
): Promise<never> {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      log.warn({ signal: name }, 'second signal, leaving without draining');
      process.exit(EXIT.failed);
    }
    log.info({ signal: name }, 'stopping');
    controller.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    await main(controller.signal);
    log.info('stopped');
    process.exit(EXIT.ok);
  } catch (error) {
    if (controller.signal.aborted && dispositionOf(error) === 'stop') process.exit(EXIT.ok);
    log.fatal({ reason: describeError(error), advice: renderError(error) }, 'process failed');
    process.exit(EXIT.failed);
  }
}
