import { TributaryError } from './errors.ts';

/** Steps of the pipeline at which a test can have it die, in the order in which they come. */
export const FAILPOINTS = [
  'after-decode',
  'between-ddl',
  'before-insert',
  'between-inserts',
  'after-insert',
  'between-truncate-inserts',
  'before-dead-letter',
  'between-dead-letter-stores',
  'before-commit',
  'after-commit',
] as const;

/** Name of a step at which a test can have the pipeline die. */
export type Failpoint = (typeof FAILPOINTS)[number];

interface Armed {
  readonly name: Failpoint;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  /** How often the step is still to be passed until it happens. */
  passes: number;
}

let armed: Armed | undefined;

/**
 * Has this process kill itself at a step: `after-insert` the first time it gets there,
 * `after-insert@3` the third time. With `stop:` in front it is suspended instead, and goes on
 * from exactly there after SIGCONT.
 *
 * @throws TributaryError `CONFIG_INVALID` when it names no step
 */
export function armFailpoint(text: string): void {
  const [, stop, name, count = '1'] = /^(stop:)?([a-z-]+)(?:@([1-9]\d*))?$/.exec(text) ?? [];
  const known = FAILPOINTS.find((candidate) => candidate === name);
  if (known === undefined) {
    throw new TributaryError(
      'CONFIG_INVALID',
      `TRIBUTARY_FAILPOINT: no such step; there are ${FAILPOINTS.join(', ')}`,
    );
  }
  armed = {
    name: known,
    signal: stop === undefined ? 'SIGKILL' : 'SIGSTOP',
    passes: Number(count),
  };
}

/** Says that a step is reached. Does nothing unless {@link armFailpoint} named it. */
export function failpoint(name: Failpoint): void {
  if (armed?.name !== name) return;
  armed.passes -= 1;
  if (armed.passes === 0) process.kill(process.pid, armed.signal);
}
