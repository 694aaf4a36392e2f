import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { testPlace } from '../testing/run-cli.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { kafkaProcess } from '../../local/kafka.ts';
import { RunRecords } from '../../local/run-records.ts';
import { loadLocalSettings, portOf, statePath } from '../../local/settings.ts';
import { SupervisedProcess } from '../../local/supervised-process.ts';

const TOPIC = 'records';

test('a transaction that the killed broker has forgotten is aborted, so that what comes after it can be read', async () => {
  const settings = loadLocalSettings((await testPlace('hanging-transactions', 11_000)).env);
  mkdirSync(statePath(settings, 'run'), { recursive: true });
  const broker = new SupervisedProcess(
    await kafkaProcess(settings),
    new RunRecords(statePath(settings, 'run')),
    (error) => {
      throw error;
    },
  );
  const kafka = createKafka({
    clientId: 'test',
    brokers: [`127.0.0.1:${portOf(settings, 'kafka')}`],
    log: createLogger('test', 'silent'),
  });
  await broker.start();
  try {
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: TOPIC }], waitForLeaders: true });
    await admin.disconnect();
    const forgetful = kafka.producer({
      transactionalId: 'forgotten',
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await forgetful.connect();
    const transaction = await forgetful.transaction();
    await transaction.send({ topic: TOPIC, messages: [{ value: 'never ended' }] });
    await broker.kill({ restart: false });
    await forgetful.disconnect();
    // What the coordinator knew.
    const data = statePath(settings, 'kafka', 'data');
    for (const name of readdirSync(data).filter((log) => log.startsWith('__transaction_state'))) {
      rmSync(join(data, name), { recursive: true });
    }
    await broker.start();

    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: TOPIC, messages: [{ value: 'after it' }] });
    await producer.disconnect();
    const consumer = kafka.consumer({ groupId: 'test', maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
    const read: string[] = [];
    await consumer.run({
      eachMessage: async ({ message }) => {
        read.push(message.value?.toString() ?? '');
        return Promise.resolve();
      },
    });
    await expect.poll(() => read, { timeout: 60_000 }).toEqual(['after it']);
    await consumer.disconnect();
    await expect
      .poll(() => readFileSync(broker.spec.logFile, 'utf8'), { timeout: 60_000 })
      .toContain(`${TOPIC}-0 from offset 0: over for its coordinator and still open, aborted`);
  } finally {
    await broker.stop();
  }
});
