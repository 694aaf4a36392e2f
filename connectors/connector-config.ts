import { z } from 'zod';

/** A connector as Kafka Connect's `POST /connectors` takes it. */
export interface ConnectorConfig {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
}

/** Shape of a file in `connectors/`. */
export const connectorConfig = z.strictObject({
  name: z.string().min(1),
  config: z.record(z.string(), z.string()),
});

/** Names that a source's capture goes by, everywhere. */
export interface CaptureNames {
  /** Connector in Kafka Connect. */
  readonly connector: string;
  /** Replication slot in the source database. */
  readonly slot: string;
  /** Publication in the source database. */
  readonly publication: string;
  /** Java properties file with `host`, `port`, `user`, `password` and `dbname`, from the worker's directory. */
  readonly secretsFile: string;
}

/** The names of a source's connector, slot and publication. */
export function captureNames(source: string): CaptureNames {
  return {
    connector: `tributary-${source}`,
    slot: `tributary_${source}`,
    publication: `tributary_${source}`,
    secretsFile: `secrets/${source}.properties`,
  };
}
