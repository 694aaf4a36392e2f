import { HttpProblem } from './http-problem.ts';
import { TurnstileFull, type Turnstile } from './turnstile.ts';

/** Waits for a turn. @returns what gives it back @throws HttpProblem 429; the abort reason */
export async function enterTurnstile(
  turnstile: Turnstile,
  signal: AbortSignal,
): Promise<() => void> {
  try {
    return await turnstile.enter(signal);
  } catch (error) {
    if (!(error instanceof TurnstileFull)) throw error;
    throw new HttpProblem(429, 'Too many queries wait already. Try again soon.', {
      headers: { 'Retry-After': '2' },
    });
  }
}
