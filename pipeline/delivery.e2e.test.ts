import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import avro from 'avsc';
import type { Kafka, Producer } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { FAILPOINTS } from '#runtime/failpoint.ts';
import { createLogger } from '#runtime/log.ts';
import { kafkaProcess } from '../local/kafka.ts';
import { transformerProcess, warehouseProcess } from '../local/node-processes.ts';
import type { ProcessSpec } from '../local/process-spec.ts';
import { registryProcess } from '../local/registry.ts';
import { RunRecords } from '../local/run-records.ts';
import { loadLocalSettings, portOf, statePath } from '../local/settings.ts';
import { SupervisedProcess } from '../local/supervised-process.ts';
import { UNAVAILABLE } from './change/row-image.ts';
import type { AvroSchema } from './avro/avro-schema.ts';
import { connectWarehouse, type Warehouse } from './sink/clickhouse-client.ts';
import { createKafka } from './source/kafka-client.ts';
import { createKafkaSource } from './source/kafka-source.ts';
import { startPostgres, type PostgresServer } from './testing/postgres-server.ts';
import { encodeChange, envelopeSchema, type SampleColumn } from './testing/sample-envelope.ts';
import { testPlace } from '../cli/testing/run-cli.ts';

/*
 * The pipeline's process against a real broker, registry and warehouse: killed at every step that
 * makes something durable, and several of them in one group, joining, leaving, killed and suspended
 * in the middle of a batch. The records are written by the test, so that it knows what must be there.
 */

const settings = loadLocalSettings((await testPlace('delivery', 9_500)).env);
const records = new RunRecords(statePath(settings, 'run'));
const at = (name: Parameters<typeof portOf>[1]) => `127.0.0.1:${portOf(settings, name)}`;
const COLUMNS: readonly SampleColumn[] = [
  { name: 'id', type: 'long' },
  { name: 'n', type: 'long' },
  { name: 'big', type: ['null', 'string'] },
];
const KEY: AvroSchema = { type: 'record', name: 'Key', fields: [{ name: 'id', type: 'long' }] };
const VALUE = envelopeSchema('items', COLUMNS);
const run = promisify(execFile);
const DEADLINE_MS = 90_000;

let kafka: Kafka;
let producer: Producer | undefined;
let warehouse: Warehouse | undefined;
/** Asked for the numbers of columns; nothing is captured from it. */
let database: PostgresServer;
let databaseUrl: string;
let keyId: number;
let valueId: number;
const servers: SupervisedProcess[] = [];
const lives: Life[] = [];

beforeAll(async () => {
  mkdirSync(statePath(settings, 'logs'), { recursive: true });
  await records.takeOwnership();
  database = await startPostgres();
  databaseUrl = (await database.createDatabase('items')).adminUrl;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('CREATE TABLE items (id bigint PRIMARY KEY, n bigint NOT NULL, big text)');
  await client.end();
  await Promise.all(
    [kafkaProcess(settings), registryProcess(settings), warehouseProcess(settings)].map(
      async (spec) => {
        const server = new SupervisedProcess(await spec, records, () => undefined);
        servers.push(server);
        await server.start();
      },
    ),
  );
  kafka = createKafka({
    clientId: 'test',
    brokers: [at('kafka')],
    log: createLogger('t', 'silent'),
  });
  producer = kafka.producer();
  await producer.connect();
  warehouse = connectWarehouse(
    { url: `http://${at('warehouse')}`, user: 'default', password: new Secret('') },
    'test',
  );
  keyId = await register('items-key', KEY);
  valueId = await register('items-value', VALUE);
});

afterAll(async () => {
  await producer?.disconnect();
  await warehouse?.close();
  await Promise.all(lives.map((life) => life.end('SIGKILL')));
  // The broker, which came first, last.
  for (const server of servers.reverse()) await server.stop();
  await database[Symbol.asyncDispose]();
  await records.releaseOwnership();
});

/** One life of a pipeline process, which nobody starts again. */
class Life {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  static async start(spec: ProcessSpec): Promise<Life> {
    const log = openSync(spec.logFile, 'a');
    const child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      // Of its own group, as its record says, by which the next run ends what this one leaves.
      detached: true,
      stdio: ['ignore', log, log],
    });
    const life = new Life(child);
    lives.push(life);
    closeSync(log);
    await once(child, 'spawn');
    if (child.pid !== undefined) await records.add(spec.name, child.pid);
    return life;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with what ended it. */
  async exit(): Promise<NodeJS.Signals | number | null> {
    await this.#exited;
    return this.#child.signalCode ?? this.#child.exitCode;
  }

  /** Resolves once the process has suspended itself. */
  async isSuspended(): Promise<void> {
    await until(
      async () => (await run('ps', ['-o', 'stat=', '-p', String(this.#child.pid)])).stdout,
      (state) => state.startsWith('T'),
    );
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal);
    await this.exit();
  }
}

async function register(subject: string, schema: AvroSchema): Promise<number> {
  const response = await fetch(
    `http://${at('registry')}/apis/ccompat/v7/subjects/${subject}/versions`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ schema: JSON.stringify(schema) }),
    },
  );
  return ((await response.json()) as { id: number }).id;
}

/** Waits until something is so. @throws Error with what it is instead */
async function until<T>(read: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await read();
    if (isSo(value)) return value;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(value)}`);
    await delay(100);
  }
}

/** A source with one table, its topic, and what the warehouse must hold of it. */
class Source {
  readonly name: string;
  readonly topic: string;
  /** Rows as they are now: `n` and the length of `big`. */
  readonly rows = new Map<number, { n: number; big: string }>();
  /** Changes that the change log must hold. */
  changes = 0;
  bad = 0;
  #commit = 1_000;
  #lives = 0;

  constructor(name: string) {
    this.name = name;
    this.topic = `${name}.public.items`;
  }

  async create(partitions: number): Promise<void> {
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic: this.topic, numPartitions: partitions }],
    });
    await admin.disconnect();
    await writeFile(
      this.#catalog(),
      `sources:\n  - name: ${this.name}\n    url: ${databaseUrl}\n    tables: [public.items]\n`,
    );
  }

  /** Starts a pipeline process of this source's group. */
  async start(env: Record<string, string> = {}): Promise<Life> {
    this.#lives += 1;
    const name = `${this.name}-${this.#lives}`;
    const spec = transformerProcess(settings, {});
    return Life.start({
      ...spec,
      name,
      logFile: statePath(settings, 'logs', `${name}.log`),
      env: {
        ...spec.env,
        TRIBUTARY_CONFIG: this.#catalog(),
        KAFKA_GROUP_ID: this.name,
        METRICS_PORT: String(portOf(settings, 'transformer') + lives.length),
        MAX_BATCH_ROWS: '20',
        ...env,
      },
    });
  }

  /** Changes of some keys, each one transaction; of three updates of a row two leave `big` alone. */
  async write(count: number): Promise<void> {
    const messages = Array.from({ length: count }, () => {
      const id = this.changes % 13;
      const n = this.changes;
      const before = this.rows.get(id);
      const keepsBig = before !== undefined && n % 3 !== 0;
      const big = keepsBig ? before.big : `text ${n}`;
      this.rows.set(id, { n, big });
      this.changes += 1;
      return this.#message(id, {
        op: before === undefined ? 'c' : 'u',
        after: { id, n, big: keepsBig ? UNAVAILABLE : big },
      });
    });
    await this.#send(messages);
  }

  /** A record that can never be applied. */
  async writeBad(): Promise<void> {
    this.bad += 1;
    await this.#send([{ key: null, value: Buffer.from('no record at all') }]);
  }

  async truncate(): Promise<void> {
    this.changes += this.rows.size;
    this.rows.clear();
    this.#commit += 10;
    const value = encodeChange(VALUE, valueId, 'items', {
      op: 't',
      sequence: `["${this.#commit}","1"]`,
    });
    await this.#send([{ key: null, value }]);
  }

  /** Waits until the warehouse has all, and tells the rows of the change log unmerged. */
  async arrives(): Promise<{ stored: number }> {
    const wanted = [...this.rows]
      .sort(([a], [b]) => a - b)
      .map(([id, { n, big }]) => `${id} ${n} ${big}`);
    await until(
      async () => ({
        rows: await this.#column(
          `SELECT concat(toString(id), ' ', toString(n), ' ', big) AS v FROM ${this.name}.items ORDER BY id`,
        ),
        changes: await this.#column(
          `SELECT toString(count()) AS v FROM changes.${this.name}__items FINAL`,
        ),
      }),
      ({ rows, changes }) =>
        JSON.stringify(rows) === JSON.stringify(wanted) && changes[0] === String(this.changes),
    );
    const [stored] = await this.#column(
      `SELECT toString(count()) AS v FROM changes.${this.name}__items`,
    );
    return { stored: Number(stored) };
  }

  /** Waits until 200 more changes than now are stored. */
  async progress(): Promise<void> {
    const count = async () => {
      const [n] = await this.#column(
        `SELECT toString(count()) AS v FROM changes.${this.name}__items FINAL`,
      );
      return Number(n);
    };
    const before = await count();
    await until(count, (now) => now >= before + 200);
  }

  /** Values that the history has of left-alone texts, which must be those of the row before. */
  async wrongTexts(): Promise<string[]> {
    return this.#column(
      `SELECT toString(n) AS v FROM (
         SELECT n, big, _op, lagInFrame(big) OVER (PARTITION BY id ORDER BY _version) AS before,
           row_number() OVER (PARTITION BY id ORDER BY _version) AS place
         FROM changes.${this.name}__items FINAL WHERE _op != 'truncate')
       WHERE place > 1 AND big != if(_op != 'update' OR n % 3 = 0, concat('text ', toString(n)), before)`,
    );
  }

  async letters(): Promise<number> {
    const [count] = await this.#column(
      `SELECT toString(uniqExact(topic, partition, offset)) AS v FROM ops.dead_letters WHERE topic = '${this.topic}'`,
    );
    return Number(count);
  }

  #catalog(): string {
    return statePath(settings, `${this.name}.yaml`);
  }

  #message(id: number, change: { op: 'c' | 'u'; after: Record<string, unknown> }) {
    this.#commit += 10;
    const key = Buffer.alloc(5);
    key.writeUInt32BE(keyId, 1);
    const body = avro.Type.forSchema(KEY as avro.Schema, { registry: {} }).toBuffer({ id });
    return {
      key: Buffer.concat([key, body]),
      value: encodeChange(VALUE, valueId, 'items', {
        ...change,
        sequence: `["${this.#commit}","1"]`,
      }),
    };
  }

  async #send(messages: { key: Buffer | null; value: Buffer }[]): Promise<void> {
    await producer?.send({ topic: this.topic, messages });
  }

  async #column(query: string): Promise<string[]> {
    try {
      const result = await warehouse?.query({ query, format: 'JSONEachRow' });
      return ((await result?.json<{ v: string }>()) ?? []).map(({ v }) => v);
    } catch (error) {
      return [String(error)];
    }
  }
}

test.concurrent.for(FAILPOINTS.map((name) => [name] as const))(
  'killed at %s, all is there once afterwards',
  async ([name], { expect }) => {
    const source = new Source(`at_${name.replaceAll('-', '_')}`);
    await source.create(1);
    const first = await source.start({
      TRIBUTARY_FAILPOINT: name === 'between-ddl' ? `${name}@2` : name,
    });
    await source.write(100);
    if (name.includes('dead-letter')) await source.writeBad();
    if (name.includes('truncate')) await source.truncate();
    await source.write(30);
    expect(await first.exit()).toBe('SIGKILL');
    await source.start();
    await source.write(30);
    const { stored } = await source.arrives();
    // Nothing twice, merged or not; only a truncation is repeated, to the same rows and versions.
    if (!name.includes('truncate')) expect(stored).toBe(source.changes);
    expect(await source.wrongTexts()).toEqual([]);
    expect(await source.letters()).toBe(source.bad);
  },
);

test.concurrent(
  'processes join, leave, are killed, and one comes back to a batch that another has stored',
  async ({ expect }) => {
    const source = new Source('many');
    await source.create(4);
    const hung = await source.start({ TRIBUTARY_FAILPOINT: 'stop:between-inserts@2' });
    await source.write(300);
    await hung.isSuspended();
    // The group misses it, and another reads its partitions from what the change log holds.
    const [second, third] = await Promise.all([source.start(), source.start()]);
    await source.write(100);
    await source.arrives();
    const writing = new AbortController();
    const written = (async () => {
      while (!writing.signal.aborted) {
        await source.write(20);
        await delay(50);
      }
    })();
    // It goes on with its batch, whose partitions are no longer its own.
    hung.signal('SIGCONT');
    await source.start();
    await source.progress();
    await second.end('SIGKILL');
    await source.progress();
    await third.end('SIGTERM');
    await source.progress();
    writing.abort();
    await written;
    await source.arrives();
    expect(await source.wrongTexts()).toEqual([]);
  },
);

test.concurrent(
  'a consumer that the client library gave up begins anew where it was',
  async ({ expect }) => {
    const source = new Source('given_up');
    await source.create(1);
    await source.write(3);
    const stop = new AbortController();
    const offsets: string[] = [];
    const reader = createKafkaSource({
      kafka,
      groupId: 'given-up',
      isWanted: (topic) => topic === source.topic,
      log: createLogger('t', 'silent'),
      topicRefreshMs: 100,
      commitIntervalMs: 100,
      maxWaitMs: 100,
      maxBytesPerPartition: 1_024,
    });
    const running = reader.run(
      {
        onAssigned: () => undefined,
        // The library comes back by itself only from errors that it calls retriable.
        onRecords: async ({ records }) => {
          offsets.push(...records.map(({ offset }) => String(offset)));
          if (offsets.length === records.length)
            throw new TypeError('of no kind the library knows');
        },
      },
      stop.signal,
    );
    await expect.poll(() => offsets.join(), { timeout: DEADLINE_MS }).toBe('0,1,2,0,1,2');
    stop.abort();
    await running;
    await reader.close();
  },
);
