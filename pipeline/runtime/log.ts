import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** Levels a process can be told to log at. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/**
 * JSON lines on standard output. Messages are constant and lower-case, data goes in fields; a
 * field never holds a row value or a secret.
 *
 * @param name - process name, on every line
 */
export function createLogger(name: string, level: (typeof LOG_LEVELS)[number] = 'info'): Logger {
  return pino({
    name,
    level,
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
