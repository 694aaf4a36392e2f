import { describeError } from '#runtime/errors.ts';

/** Longest wait for one answer. */
const REQUEST_TIMEOUT_MS = 5_000;

/** The services of the shop. */
export const SERVICES = ['users', 'catalog', 'inventory', 'orders', 'payments'] as const;

/** Name of a service. */
export type ServiceName = (typeof SERVICES)[number];

/** What a service answered; below 500. */
export interface ShopAnswer {
  readonly status: number;
  /** The parsed body; undefined when there was none. */
  readonly body: unknown;
}

/** A service did not answer, or answered that it cannot now. */
export class ServiceAway extends Error {
  readonly service: ServiceName;

  constructor(service: ServiceName, reason: string, cause?: unknown) {
    super(`${service}: ${reason}`, { cause });
    this.name = 'ServiceAway';
    this.service = service;
  }
}

/** Talks to the services as a shop's frontend would, and counts the writes they accepted. */
export class ShopClient {
  readonly #urls: Readonly<Record<ServiceName, string>>;
  readonly #signal: AbortSignal;
  readonly #writes: Record<ServiceName, number> = {
    users: 0,
    catalog: 0,
    inventory: 0,
    orders: 0,
    payments: 0,
  };

  constructor(urls: Readonly<Record<ServiceName, string>>, signal: AbortSignal) {
    this.#urls = urls;
    this.#signal = signal;
  }

  /** Requests other than GET that were answered 2xx, by service. */
  writes(): Readonly<Record<ServiceName, number>> {
    return { ...this.#writes };
  }

  /** @throws ServiceAway, or the abort reason when the traffic is told to stop */
  async call(
    service: ServiceName,
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<ShopAnswer> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(path, this.#urls[service]), {
        method,
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (error) {
      this.#signal.throwIfAborted();
      throw new ServiceAway(service, describeError(error), error);
    }
    if (response.status >= 500) throw new ServiceAway(service, `answered ${response.status}`);
    if (response.ok && method !== 'GET') this.#writes[service] += 1;
    return { status: response.status, body: text === '' ? undefined : parse(service, text) };
  }
}

function parse(service: ServiceName, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ServiceAway(service, 'answered something that is not JSON', error);
  }
}
