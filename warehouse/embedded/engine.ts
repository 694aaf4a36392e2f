import { join } from 'node:path';
import { drainPending } from 'chdb';
import { TributaryError } from '#runtime/errors.ts';
import {
  ANALYST_PROFILE,
  ANALYST_ROLE,
  emptyScratch,
  prepareDataDirectory,
  removeScratch,
  type DataDirectory,
} from './engine-config.ts';
import { LanePool } from './lane-pool.ts';
import { Lane, type Activity, type StatementContext } from './lane.ts';
import { ANALYST_BOUNDS, LANES, MAX_SESSIONS } from './limits.ts';
import { makePipes, ResultPipe } from './result-pipe.ts';
import { quoteText } from './sql-text.ts';

/** Whose rights a lane has: the writer's, the writer's by GET, the analyst's. */
export type Rights = 'writer' | 'reader' | 'analyst';

/** What the engine tells of itself. */
export interface EngineFacts {
  readonly version: string;
  readonly timezone: string;
  /** Names of all settings, old names among them. */
  readonly settings: ReadonlySet<string>;
  readonly tableFunctions: ReadonlySet<string>;
}

const NO_CONTEXT: StatementContext = {
  settings: new Map(),
  params: new Map(),
  database: undefined,
};

/** `clickhouse local`, which the engine takes itself for, allows these; a server does not. */
const LIKE_A_SERVER: readonly (readonly [string, string])[] = [
  ['implicit_select', '0'],
  ['allow_introspection_functions', '0'],
];

/** The ClickHouse engine on one data directory: lanes by purpose, and a lane for control. */
export class Engine {
  readonly facts: EngineFacts;
  readonly directory: DataDirectory;
  readonly lanes: { readonly [purpose in keyof typeof LANES]: LanePool };
  readonly #control: Lane;
  readonly #activity: Activity;
  #controlQueue: Promise<unknown> = Promise.resolve();

  private constructor(
    directory: DataDirectory,
    control: Lane,
    facts: EngineFacts,
    activity: Activity,
  ) {
    this.#activity = activity;
    this.directory = directory;
    this.facts = facts;
    this.#control = control;
    const pool = (purpose: keyof typeof LANES, rights: Rights) =>
      new LanePool(LANES[purpose], (place) => this.openLane(`${purpose}-${place}`, rights));
    this.lanes = {
      insert: pool('insert', 'writer'),
      write: pool('write', 'writer'),
      read: pool('read', 'writer'),
      get: pool('get', 'reader'),
      analyst: pool('analyst', 'analyst'),
    };
  }

  /**
   * Opens the data directory. One engine per process.
   *
   * @throws TributaryError `STACK_FAILED` when a running engine has the directory, or it is damaged
   */
  static async open(path: string, maxMemoryMib: number): Promise<Engine> {
    const directory = await prepareDataDirectory(path, maxMemoryMib);
    const activity = { running: 0 };
    let control: Lane;
    try {
      control = await Lane.open({
        name: 'control',
        dataDir: directory.engine,
        settings: new Map([...LIKE_A_SERVER, ['config-file', directory.config]]),
        setup: '',
        pipe: new ResultPipe(pipePath(directory, 'control')),
        activity,
      });
    } catch (error) {
      throw new TributaryError(
        'STACK_FAILED',
        `the warehouse cannot open its data in ${path}: another process has it in use, or it is damaged`,
        { cause: error, fix: 'The engine tells which on the line before; end the other process.' },
      );
    }
    await emptyScratch(directory);
    const names = [
      ...Object.entries(LANES).flatMap(([purpose, size]) =>
        Array.from({ length: size }, (_, place) => `${purpose}-${place}`),
      ),
      ...Array.from({ length: MAX_SESSIONS }, (_, place) => `session-${place}`),
    ];
    await makePipes(names.map((name) => pipePath(directory, name)));
    return new Engine(directory, control, await readFacts(control), activity);
  }

  /** Whether statements are under way. An orderly exit of the process would wait for them. */
  get isBusy(): boolean {
    return this.#activity.running > 0;
  }

  /** Opens a further lane; `name` must be one that a pipe was made for. */
  async openLane(name: string, rights: Rights): Promise<Lane> {
    const settings = new Map([...LIKE_A_SERVER, ['log_comment', name] as const]);
    if (rights !== 'writer') settings.set('readonly', '2');
    if (rights === 'analyst') {
      for (const [name, { value }] of Object.entries(ANALYST_BOUNDS)) {
        settings.set(name, String(value));
      }
    }
    return Lane.open({
      name,
      dataDir: this.directory.engine,
      settings,
      setup:
        rights === 'analyst' ? `SET ROLE ${ANALYST_ROLE}; SET profile = '${ANALYST_PROFILE}'` : '',
      pipe: new ResultPipe(pipePath(this.directory, name)),
      activity: this.#activity,
    });
  }

  /**
   * Runs a short statement of the server's own.
   *
   * @returns the result as tab-separated text
   */
  async control(sql: string): Promise<string> {
    const result = this.#controlQueue.then(() =>
      this.#control.run(sql, 'TabSeparatedRaw', NO_CONTEXT),
    );
    this.#controlQueue = result.catch(() => undefined);
    return (await result).text();
  }

  /**
   * Ends what a lane is running, soon: the engine looks at it between blocks. The lane stays busy
   * until it has ended.
   */
  async cancel(lane: Lane): Promise<void> {
    // Not SYNC: that would wait for the connection's next query.
    await this.control(`KILL QUERY WHERE Settings['log_comment'] = ${quoteText(lane.name)} ASYNC`);
  }

  /** Closes all idle lanes and waits for the engine to let go of the directory. */
  async close(): Promise<void> {
    for (const pool of Object.values(this.lanes)) pool.close();
    this.#control.close();
    await drainPending();
    await removeScratch(this.directory);
  }
}

function pipePath(directory: DataDirectory, name: string): string {
  return join(directory.scratch, `pipe-${name}`);
}

async function readFacts(control: Lane): Promise<EngineFacts> {
  const column = async (sql: string) => {
    const text = (await control.query(sql, 'TabSeparatedRaw')).text();
    return text.split('\n').filter((line) => line !== '');
  };
  const [version = '', timezone = 'UTC'] = await column(
    'SELECT arrayJoin([version(), timezone()])',
  );
  return {
    version,
    timezone,
    settings: new Set(await column('SELECT name FROM system.settings')),
    tableFunctions: new Set(await column('SELECT lower(name) FROM system.table_functions')),
  };
}
