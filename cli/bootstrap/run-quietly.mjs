/*
 * Other people's programs, quiet unless they fail. Plain Node without dependencies.
 */
import { spawn } from 'node:child_process';

const LINES_OF_A_FAILURE = 25;
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** We were told to stop while a command ran. */
export class Stopped extends Error {}

/**
 * Runs a command; what it prints is shown only when it fails. A signal to stop is passed on and the
 * command waited for: npm takes back what it had begun, and nobody may install again meanwhile.
 *
 * @throws Error with the end of its output; Stopped
 */
export async function runQuietly(command, args, cwd) {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk) => {
    output += chunk;
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let stopping = false;
  const stop = (signal) => {
    stopping = true;
    child.kill(signal);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  let code;
  try {
    code = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, stop);
  }
  if (stopping) throw new Stopped();
  if (code === 0) return;
  const end = output.trim().split('\n').slice(-LINES_OF_A_FAILURE).join('\n  ');
  throw new Error(`${command} failed. It said:\n  ${end}`);
}
