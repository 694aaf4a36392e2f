import { ClickHouseException } from './clickhouse-exception.ts';
import type { Engine, Rights } from './engine.ts';
import type { Lane } from './lane.ts';
import { MAX_SESSIONS } from './limits.ts';
import type { SessionRequest } from './query-request.ts';

interface HttpSession {
  readonly key: string;
  readonly place: number;
  readonly lane: Lane;
  isBusy: boolean;
  expiry: NodeJS.Timeout | undefined;
}

/** Named sessions: a lane that a client comes back to, with its settings and temporary tables. */
export class HttpSessions {
  readonly #engine: Engine;
  readonly #sessions = new Map<string, HttpSession | 'opening'>();
  readonly #places = Array.from({ length: MAX_SESSIONS }, (_, place) => place);

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Runs `work` in a session of this user, making it when it is not there.
   *
   * @throws ClickHouseException `SESSION_NOT_FOUND`, `SESSION_IS_LOCKED`, and when too many are open
   */
  async use<T>(
    user: string,
    rights: Rights,
    request: SessionRequest,
    work: (lane: Lane) => Promise<T>,
  ): Promise<T> {
    const session = await this.#take(user, rights, request);
    clearTimeout(session.expiry);
    session.isBusy = true;
    try {
      return await work(session.lane);
    } finally {
      session.isBusy = false;
      if (request.closes) this.#end(session);
      else {
        session.expiry = setTimeout(() => this.#end(session), request.timeoutSeconds * 1_000);
        session.expiry.unref();
      }
    }
  }

  close(): void {
    for (const session of this.#sessions.values()) {
      if (session !== 'opening') this.#end(session);
    }
  }

  async #take(user: string, rights: Rights, request: SessionRequest): Promise<HttpSession> {
    const key = JSON.stringify([user, request.id]);
    const known = this.#sessions.get(key);
    if (known === 'opening' || known?.isBusy === true) {
      throw new ClickHouseException(
        373,
        'SESSION_IS_LOCKED',
        `Session ${request.id} is locked by a concurrent client`,
      );
    }
    if (known !== undefined) return known;
    if (request.mustExist) {
      throw new ClickHouseException(372, 'SESSION_NOT_FOUND', `Session ${request.id} not found`);
    }
    const place = this.#places.pop();
    if (place === undefined) {
      throw new ClickHouseException(
        202,
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Too many sessions: the embedded warehouse keeps at most ${MAX_SESSIONS} at once`,
      );
    }
    this.#sessions.set(key, 'opening');
    try {
      const lane = await this.#engine.openLane(`session-${place}`, rights);
      const session = { key, place, lane, isBusy: false, expiry: undefined };
      this.#sessions.set(key, session);
      return session;
    } catch (error) {
      this.#sessions.delete(key);
      this.#places.push(place);
      throw error;
    }
  }

  #end(session: HttpSession): void {
    clearTimeout(session.expiry);
    session.lane.close();
    this.#sessions.delete(session.key);
    this.#places.push(session.place);
  }
}
