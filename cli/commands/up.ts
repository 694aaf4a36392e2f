import { Command, InvalidArgumentError } from 'commander';
import { loadLocalSettings } from '../../local/settings.ts';
import { runUp } from '../up/run-up.ts';

const DEFAULT_RATE = 20;

interface Options {
  readonly config?: string;
  readonly services: boolean;
  readonly reset: boolean;
  readonly once: boolean;
  readonly rate: number;
}

/** `tributary up`: the whole system on this machine. */
export function upCommand(signal: AbortSignal): Command {
  return new Command('up')
    .description('Start everything on this machine: sources, Kafka, Connect, pipeline, warehouse')
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .option('--no-services', 'without the sample shop: only the sources of the catalog')
    .option('--reset', 'begin anew: remove all data of the local stack first', false)
    .option('--once', 'let a bounded amount of traffic through, compare every table, stop', false)
    .option(
      '--rate <actions>',
      "actions of the shop's customers per second",
      parseRate,
      DEFAULT_RATE,
    )
    .addHelpText(
      'after',
      '\nEnvironment:\n' +
        '  TRIBUTARY_STATE_DIR    data, logs and secrets (default .tributary)\n' +
        '  TRIBUTARY_PORT_OFFSET  added to every port (default 0)\n' +
        '  DEAD_LETTER_LIMIT      dead letters of a table that halt it (default 100 ...\n' +
        '  DEAD_LETTER_WINDOW_SECONDS  ... within 60 s)\n' +
        '  and the variables that the catalog names\n' +
        '\nExit codes: 0 stopped as asked or everything equal, 1 failed or different, 2 called or configured wrongly',
    )
    .action(async (options: Options) => {
      const settings = loadLocalSettings(process.env);
      await runUp({
        ...options,
        shop: options.services,
        settings: { ...settings, catalogPath: options.config ?? settings.catalogPath },
        env: process.env,
        out: process.stdout,
        signal,
      });
    });
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (!(rate > 0)) throw new InvalidArgumentError('must be a number above 0');
  return rate;
}
