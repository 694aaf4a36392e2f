import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Command } from 'commander';
import { EXIT } from '#runtime/lifecycle.ts';
import { trafficProcess } from '../../local/node-processes.ts';
import { loadLocalSettings } from '../../local/settings.ts';
import type { ProfileName } from '../../services/traffic/profiles.ts';
import { parseRate, parseSeed, profileOption } from './up.ts';

interface Options {
  readonly profile: ProfileName;
  readonly rate?: number;
  readonly seed: number;
}

/** `tributary traffic`: more customers in the shop that runs, watched. */
export function trafficCommand(signal: AbortSignal): Command {
  return new Command('traffic')
    .description('Send more customers into the shop that `up` runs, and watch how they fare')
    .addOption(profileOption('--profile'))
    .option(
      '--rate <actions>',
      'their actions per second (default: as the profile has it)',
      parseRate,
    )
    .option('--seed <number>', 'the same seed plans the same actions', parseSeed, 2)
    .addHelpText('after', '\nExit codes: 0 stopped as asked, 1 failed, 2 called wrongly')
    .action(async ({ profile, rate, seed }: Options) => {
      const { command, args, env, cwd } = trafficProcess(loadLocalSettings(process.env), {
        profile,
        rate,
        actions: 0,
        seed,
      });
      // On a terminal the line says it all.
      const quiet = process.stdout.isTTY ? { LOG_LEVEL: 'warn' } : {};
      const child = spawn(command, [...args], { env: { ...env, ...quiet }, cwd, stdio: 'inherit' });
      signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
      const [code] = (await once(child, 'exit')) as [number | null];
      if (code !== 0) process.exitCode = code ?? EXIT.failed;
    });
}
