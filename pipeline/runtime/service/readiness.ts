import { unavailable } from './problem.ts';

/** Whether a service can do its work. */
export interface Readiness {
  /** Resolves when requests can be answered; rejects with a problem or the reason when not. */
  check(): Promise<void>;
}

/** Follows a service from its start to its end: `starting`, `running`, `draining`. */
export class LifecycleReadiness implements Readiness {
  readonly #ping: () => Promise<unknown>;
  #phase: 'starting' | 'running' | 'draining' = 'starting';

  /** @param ping - rejects when the database does not answer */
  constructor(ping: () => Promise<unknown>) {
    this.#ping = ping;
  }

  /** Migrations are applied: from now on requests are answered. */
  started(): void {
    this.#phase = 'running';
  }

  /** Asked to stop: requests that run are finished, new ones should go elsewhere. */
  draining(): void {
    this.#phase = 'draining';
  }

  /** @throws Problem `service-unavailable` while the tables may not be there yet */
  requireStarted(): void {
    if (this.#phase === 'starting') {
      throw unavailable('service-unavailable', 'The service is starting; try again.');
    }
  }

  async check(): Promise<void> {
    this.requireStarted();
    if (this.#phase === 'draining') {
      throw unavailable('service-unavailable', 'The service is stopping.');
    }
    await this.#ping();
  }
}
