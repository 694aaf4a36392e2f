import { Session, type ChdbResult } from 'chdb';
import { toClickHouseException } from './clickhouse-exception.ts';
import type { ResultPipe } from './result-pipe.ts';
import { quoteName, quoteText } from './sql-text.ts';

/** What holds for one statement and for none after it. */
export interface StatementContext {
  /** Settings by name; the names must be known to the engine. */
  readonly settings: ReadonlyMap<string, string>;
  /** Query parameters by plain names, values as the HTTP interface takes them. */
  readonly params: ReadonlyMap<string, string>;
  /** Database of unqualified names; undefined for the lane's own. */
  readonly database: string | undefined;
}

/** How a lane's connections to the engine are made. */
export interface LaneOptions {
  /** Unique among all lanes; the engine knows the lane's query by it (`log_comment`). */
  readonly name: string;
  readonly dataDir: string;
  /** Settings that the lane always has. */
  readonly settings: ReadonlyMap<string, string>;
  /** Statements that complete a new connection, e.g. to lay rights down. */
  readonly setup: string;
  readonly pipe: ResultPipe;
  /** Where the lane counts its statements under way. */
  readonly activity: Activity;
}

/** Statements that the engine is working on now. */
export interface Activity {
  running: number;
}

const HOME_DATABASE = 'default';
/** In place of a value: the last attempt to set it failed, so only setting it again makes it sure. */
const UNSURE = Symbol('unsure');

/**
 * One connection to the engine. It runs one statement at a time, on a thread of libuv's pool.
 *
 * Settings and database are laid down before a statement and differ from the lane's own until the
 * next statement, which first takes back whatever it does not want itself: nothing leaks.
 */
export class Lane {
  readonly name: string;
  readonly pipe: ResultPipe;
  readonly #options: LaneOptions;
  #session: Session;
  #differing = new Map<string, string | typeof UNSURE>();
  #database: string | typeof UNSURE = HOME_DATABASE;

  private constructor(options: LaneOptions, session: Session) {
    this.name = options.name;
    this.pipe = options.pipe;
    this.#options = options;
    this.#session = session;
  }

  /** @throws ClickHouseException when the engine refuses the connection or its setup */
  static async open(options: LaneOptions): Promise<Lane> {
    return new Lane(options, await connect(options));
  }

  /**
   * Runs one statement in its context.
   *
   * @param format - of a result whose statement names none
   * @throws ClickHouseException
   */
  async run(sql: string, format: string, context: StatementContext): Promise<ChdbResult> {
    const prefix = this.#prefix(context);
    try {
      const result = await this.query(prefix + sql, format);
      this.#settle(context);
      return result;
    } catch (error) {
      if (prefix !== '') this.#doubt(context);
      throw error;
    }
  }

  /**
   * Runs one statement in its context on a lane whose user goes on using it: what the user has set
   * before is there again afterwards.
   *
   * @throws ClickHouseException
   */
  async runKeeping(sql: string, format: string, context: StatementContext): Promise<ChdbResult> {
    const restore = await this.#restoring(context);
    const { settings, params, database } = context;
    const assignments = [
      ...[...settings].map(([name, value]) => `${name} = ${quoteText(value)}`),
      ...[...params].map(([name, value]) => `param_${name} = ${quoteText(value)}`),
    ];
    const use = database === undefined ? '' : `USE ${quoteName(database)}; `;
    const set = assignments.length === 0 ? '' : `SET ${assignments.join(', ')}; `;
    try {
      return await this.query(use + set + sql, format);
    } finally {
      if (restore !== '') await this.query(restore);
    }
  }

  /** Runs statements as they are; what they set stays. @throws ClickHouseException */
  async query(sql: string, format = 'TabSeparated'): Promise<ChdbResult> {
    const { activity } = this.#options;
    activity.running += 1;
    try {
      return await this.#session.queryAsync(sql, { format });
    } catch (error) {
      // The engine keeps a failed query, with all its memory, until the connection's next one.
      await this.#session.queryAsync('SELECT 1').catch(() => undefined);
      throw toClickHouseException(error);
    } finally {
      activity.running -= 1;
    }
  }

  /** Forgets everything that statements have set or created for the session: a new connection. */
  async renew(): Promise<void> {
    this.#session.close();
    this.#session = await connect(this.#options);
    this.#differing.clear();
    this.#database = HOME_DATABASE;
  }

  close(): void {
    this.#session.close();
  }

  #prefix({ settings, params, database = HOME_DATABASE }: StatementContext): string {
    const assignments: string[] = [];
    for (const name of this.#differing.keys()) {
      if (!settings.has(name)) assignments.push(`${name} = ${this.#own(name)}`);
    }
    for (const [name, value] of settings) {
      if (this.#differing.get(name) !== value) assignments.push(`${name} = ${quoteText(value)}`);
    }
    for (const [name, value] of params) assignments.push(`param_${name} = ${quoteText(value)}`);
    const use = this.#database === database ? '' : `USE ${quoteName(database)}; `;
    return use + (assignments.length === 0 ? '' : `SET ${assignments.join(', ')}; `);
  }

  /** Statements that bring back what the context is about to change. */
  async #restoring({ settings, database }: StatementContext): Promise<string> {
    const statements: string[] = [];
    if (settings.size > 0) {
      const names = [...settings.keys()].map(quoteText).join(', ');
      const now = await this.query(
        `SELECT name, value, changed FROM system.settings WHERE name IN (${names})`,
        'JSONCompactEachRow',
      );
      const assignments = now
        .text()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as [string, string, number])
        .map(
          ([name, value, changed]) => `${name} = ${changed === 1 ? quoteText(value) : 'DEFAULT'}`,
        );
      if (assignments.length > 0) statements.push(`SET ${assignments.join(', ')}`);
    }
    if (database !== undefined) {
      const now = await this.query('SELECT currentDatabase()', 'TabSeparatedRaw');
      statements.push(`USE ${quoteName(now.text().trimEnd())}`);
    }
    return statements.join('; ');
  }

  #own(name: string): string {
    const value = this.#options.settings.get(name);
    return value === undefined ? 'DEFAULT' : quoteText(value);
  }

  #settle({ settings, database = HOME_DATABASE }: StatementContext): void {
    this.#differing = new Map(settings);
    this.#database = database;
  }

  #doubt({ settings, database = HOME_DATABASE }: StatementContext): void {
    for (const name of [...this.#differing.keys(), ...settings.keys()]) {
      this.#differing.set(name, UNSURE);
    }
    if (this.#database !== database) this.#database = UNSURE;
  }
}

async function connect(options: LaneOptions): Promise<Session> {
  try {
    const session = new Session(options.dataDir, {
      connectionArgs: [...options.settings].map(([name, value]) => `--${name}=${value}`),
    });
    if (options.setup !== '') await session.queryAsync(options.setup);
    return session;
  } catch (error) {
    throw toClickHouseException(error);
  }
}
