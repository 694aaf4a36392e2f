import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { describeError, isAbort } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { Problem } from '#runtime/service/problem.ts';
import type { Order } from '../order.ts';
import { UnexpectedAnswer, type SagaDefinition, type StepOutcome } from './order-sagas.ts';
import type { SagaKind, SagaRow } from './saga.ts';
import type { Claim, SagaRepository } from './saga-repository.ts';

const POLL_MS = 500;
/** Sagas that one process works on side by side. */
const AT_ONCE = 8;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 15_000;

/** Carries sagas out. Any number of processes may: a saga is worked on by one at a time. */
export class SagaRunner {
  readonly #sagas: SagaRepository;
  readonly #definitions: Readonly<Record<SagaKind, SagaDefinition>>;
  readonly #findOrder: (id: string) => Promise<Order | undefined>;
  readonly #stepTimeoutMs: number;
  readonly #log: Logger;

  constructor(parts: {
    sagas: SagaRepository;
    definitions: Readonly<Record<SagaKind, SagaDefinition>>;
    findOrder: (id: string) => Promise<Order | undefined>;
    leaseSeconds: number;
    log: Logger;
  }) {
    this.#sagas = parts.sagas;
    this.#definitions = parts.definitions;
    this.#findOrder = parts.findOrder;
    // A step has ended long before somebody else may take the saga over.
    this.#stepTimeoutMs = parts.leaseSeconds * 500;
    this.#log = parts.log;
  }

  /** Looks for sagas that are due, again and again, until `signal` aborts. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let claims: Claim[] = [];
      try {
        claims = await this.#sagas.claimDue(randomUUID(), AT_ONCE);
        await Promise.all(claims.map(async (claim) => this.run(claim, signal)));
      } catch (error) {
        if (!signal.aborted) this.#log.warn({ reason: describeError(error) }, 'sagas wait');
      }
      if (claims.length < AT_ONCE) {
        await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Takes an order's saga up at once, unless somebody works on it; see {@link run}. */
  async runOf(orderId: string, kind: SagaKind, signal: AbortSignal): Promise<void> {
    const claim = await this.#sagas.claimOf(orderId, kind, randomUUID());
    if (claim !== undefined) await this.run(claim, signal);
  }

  /**
   * Carries a saga on until it has ended, has to wait for a service, is stuck, or was taken over.
   *
   * @throws what the database throws: the saga is then taken up again when its lease has ended
   */
  async run(claim: Claim, signal: AbortSignal): Promise<void> {
    let now = await this.#sagas.advance(claim);
    while (now !== undefined) {
      const { saga, next } = now;
      let outcome: StepOutcome;
      try {
        outcome = await this.#perform(saga, next, signal);
      } catch (error) {
        await this.#putDown(claim, saga, next, error);
        return;
      }
      now = await this.#sagas.advance(claim, { ...next, outcome });
    }
  }

  async #perform(
    saga: SagaRow,
    { step: name, direction }: { step: string; direction: 'do' | 'undo' },
    signal: AbortSignal,
  ): Promise<StepOutcome> {
    const step = this.#definitions[saga.kind].steps.find((each) => each.name === name);
    const order = await this.#findOrder(saga.order_id);
    if (step === undefined || order === undefined) {
      throw new UnexpectedAnswer(`there is no step ${name}, or no order`);
    }
    const context = {
      order,
      saga,
      signal: AbortSignal.any([signal, AbortSignal.timeout(this.#stepTimeoutMs)]),
    };
    if (direction === 'do') return step.perform(context);
    await step.compensate(context);
    return { state: 'done' };
  }

  async #putDown(
    claim: Claim,
    saga: SagaRow,
    { step, direction }: { step: string; direction: 'do' | 'undo' },
    error: unknown,
  ): Promise<void> {
    const fields = { saga: saga.id, step, direction, reason: describeError(error) };
    if (isAway(error)) {
      const longest = Math.min(FIRST_DELAY_MS * 2 ** saga.attempts, LONGEST_DELAY_MS);
      this.#log.info(fields, 'a saga waits for a service');
      await this.#sagas.putDown(claim, {
        retryInMs: Math.round(longest * (0.5 + Math.random() / 2)),
      });
      return;
    }
    this.#log.error(fields, 'a saga is stuck: see GET /sagas?overdue=true');
    await this.#sagas.putDown(claim, { stuck: `${step}: ${describeError(error)}` });
  }
}

/** The other service, or we, are stopping or too slow: another time. */
function isAway(error: unknown): boolean {
  return (
    isAbort(error) ||
    (error instanceof Error && error.name === 'TimeoutError') ||
    (error instanceof Problem && error.status === 503)
  );
}
