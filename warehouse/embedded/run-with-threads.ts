import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Runs this same process again as a child with more threads, and stays to pass on signals and the
 * exit code. libuv reads the number of its threads from the environment, once, before any of our
 * code runs; whoever starts the process with `UV_THREADPOOL_SIZE` saves this second process.
 *
 * The child ends when this process does, also by kill -9: the channel between them breaks.
 */
export async function runWithThreads(threads: number): Promise<never> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...process.env, UV_THREADPOOL_SIZE: String(threads) },
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exit(code ?? 1);
}

/** Ends this process when the one that started it through {@link runWithThreads} is gone. */
export function endWithParent(): void {
  if (process.channel === undefined) return;
  // Not exit(): that waits for the engine's queries, and nobody is left to wait for them.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  // Listening must not keep the process alive by itself.
  process.channel.unref();
}
