import { Kafka, logLevel, type KafkaConfig, type logCreator } from 'kafkajs';
import { describeError, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';

export type { Kafka } from 'kafkajs';

/** The client library logs at our levels, its errors one lower: it retries them by itself. */
const logCreatorOf =
  (log: Logger): logCreator =>
  () =>
  ({ level, log: entry }) => {
    const fields = { library: 'kafkajs', detail: entry.message };
    if (level === logLevel.ERROR) log.warn(fields, 'kafka client reports a failure');
    else if (level === logLevel.WARN) log.debug(fields, 'kafka client warns');
  };

/** A client of the brokers that never gives up by itself; callers decide by signal. */
export function createKafka(options: {
  clientId: string;
  brokers: readonly string[];
  log: Logger;
}): Kafka {
  const config: KafkaConfig = {
    clientId: options.clientId,
    brokers: [...options.brokers],
    logCreator: logCreatorOf(options.log),
    logLevel: logLevel.WARN,
    connectionTimeout: 5_000,
    requestTimeout: 30_000,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 },
  };
  return new Kafka(config);
}

/** Names a failure of the Kafka client. */
export function brokerError(error: unknown, doing: string): TributaryError {
  if (error instanceof TributaryError) return error;
  return new TributaryError('BROKER_UNAVAILABLE', `${doing}: ${describeError(error)}`, {
    cause: error,
  });
}
