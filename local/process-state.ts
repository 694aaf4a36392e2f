/**
 * States of a supervised process:
 *
 * - `stopped`: not running, not wanted
 * - `starting`: launched, not healthy yet
 * - `running`: healthy
 * - `restarting`: ended unexpectedly, about to be launched again
 * - `stopping`: told to end
 * - `finished`: ended by itself, as it may
 * - `failed`: could not be started, or ended unexpectedly too often; given up
 */
export type ProcessState =
  'stopped' | 'starting' | 'running' | 'restarting' | 'stopping' | 'finished' | 'failed';

/** What may follow what. */
const NEXT: Readonly<Record<ProcessState, readonly ProcessState[]>> = {
  stopped: ['starting'],
  starting: ['running', 'restarting', 'finished', 'failed', 'stopping'],
  running: ['restarting', 'finished', 'stopping'],
  restarting: ['starting', 'failed', 'stopping'],
  stopping: ['stopped'],
  finished: ['starting', 'stopping'],
  failed: ['starting', 'stopping'],
};

/** The state after a step. @throws Error on a step that makes no sense, which is a mistake of ours */
export function nextState(from: ProcessState, to: ProcessState): ProcessState {
  if (!NEXT[from].includes(to)) throw new Error(`a process cannot go from ${from} to ${to}`);
  return to;
}
