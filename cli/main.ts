import { Command, CommanderError } from 'commander';
import { renderError, TributaryError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';
import { loadLocalSettings } from '../local/settings.ts';
import { auditCommand } from './commands/audit.ts';
import { connectorsCommand } from './commands/connectors.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { driftCommand } from './commands/drift.ts';
import { eraseCommand } from './commands/erase.ts';
import { firstLoadCommand } from './commands/first-load.ts';
import { resyncCommand } from './commands/resync.ts';
import { statusCommand } from './commands/status.ts';
import { trafficCommand } from './commands/traffic.ts';
import { upCommand } from './commands/up.ts';
import { verifyCommand } from './commands/verify.ts';
import { localDefaults } from './local-environment.ts';

/** A terminal and a parent may both pass on one Ctrl-C; within this time they are one. */
const SAME_SIGNAL_MS = 1_000;
const PARENT_CHECK_MS = 500;

/** Failures of whoever called us, before anything was done. */
const USAGE_CODES = new Set(['CONFIG_INVALID', 'CATALOG_INVALID', 'PORT_TAKEN']);

/** npm that is ended does not tell what it has started. */
function whenParentEnds(act: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    act();
  }, PARENT_CHECK_MS);
  timer.unref();
}

/** Aborts on the first SIGINT, SIGTERM or SIGHUP; a second one, later, ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let firstAt = 0;
  const onSignal = () => {
    if (!controller.signal.aborted) {
      firstAt = Date.now();
      controller.abort();
    } else if (Date.now() - firstAt > SAME_SIGNAL_MS) {
      process.exit(EXIT.failed);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // The terminal was closed.
  process.on('SIGHUP', onSignal);
  if (process.env['npm_lifecycle_event'] !== undefined) whenParentEnds(() => controller.abort());
  return controller.signal;
}

async function main(): Promise<number> {
  const program = new Command('tributary')
    .description("Every committed change of every service's own Postgres, in one ClickHouse")
    .exitOverride()
    .showHelpAfterError()
    .configureHelp({ showGlobalOptions: true });
  const stop = stopSignal();
  program.addCommand(upCommand(stop));
  program.addCommand(statusCommand());
  program.addCommand(verifyCommand(stop));
  program.addCommand(auditCommand());
  program.addCommand(trafficCommand(stop));
  program.addCommand(resyncCommand(stop));
  program.addCommand(firstLoadCommand());
  program.addCommand(connectorsCommand());
  program.addCommand(deadLettersCommand());
  program.addCommand(driftCommand(stop));
  program.addCommand(eraseCommand(stop));
  for (const command of program.commands) command.exitOverride();
  try {
    for (const [name, value] of Object.entries(
      await localDefaults(loadLocalSettings(process.env)),
    )) {
      process.env[name] ??= value;
    }
    await program.parseAsync();
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    process.stderr.write(`${renderError(error)}\n`);
    return error instanceof TributaryError && USAGE_CODES.has(error.code)
      ? EXIT.usage
      : EXIT.failed;
  }
}

process.exit(await main());
