import { Command, InvalidArgumentError, Option } from 'commander';
import { loadLocalSettings } from '../../local/settings.ts';
import { PROFILE_NAMES, type ProfileName } from '../../services/traffic/profiles.ts';
import { runUp } from '../up/run-up.ts';

const SEED = 1;

interface Options {
  readonly config?: string;
  readonly services: boolean;
  readonly reset: boolean;
  readonly once: boolean;
  readonly traffic: ProfileName;
  readonly rate?: number;
  readonly seed: number;
}

/** `tributary up`: the whole system on this machine. */
export function upCommand(signal: AbortSignal): Command {
  return new Command('up')
    .description('Start everything on this machine: sources, Kafka, Connect, pipeline, warehouse')
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .option('--no-services', 'without the sample shop: only the sources of the catalog')
    .option('--reset', 'begin anew: remove all data of the local stack first', false)
    .option('--once', 'let a bounded amount of traffic through, compare every table, stop', false)
    .addOption(profileOption('--traffic'))
    .option(
      '--rate <actions>',
      'their actions per second (default: as the profile has it)',
      parseRate,
    )
    .option('--seed <number>', 'the same seed plans the same actions', parseSeed, SEED)
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
        rate: options.rate,
        shop: options.services,
        settings: { ...settings, catalogPath: options.config ?? settings.catalogPath },
        env: process.env,
        out: process.stdout,
        signal,
      });
    });
}

/** The option that chooses a profile of customers. */
export function profileOption(name: '--traffic' | '--profile'): Option {
  return new Option(`${name} <profile>`, "what the shop's customers are like")
    .choices(PROFILE_NAMES)
    .default('calm');
}

/** @throws InvalidArgumentError */
export function parseSeed(text: string): number {
  const seed = Number(text);
  if (!Number.isInteger(seed) || seed < 0) throw new InvalidArgumentError('must be a whole number');
  return seed;
}

/** @throws InvalidArgumentError */
export function parseRate(text: string): number {
  const rate = Number(text);
  if (!(rate > 0)) throw new InvalidArgumentError('must be a number above 0');
  return rate;
}
