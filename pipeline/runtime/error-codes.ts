/**
 * What the process does about a failure.
 *
 * - `retry`: transient; try again with backoff, offsets stay where they are.
 * - `dead-letter`: this record can never work; keep its bytes aside, go on.
 * - `halt`: going on would lose or corrupt data; stop the table (or the process), touch nothing.
 * - `stop`: somebody asked us to stop; drain and leave.
 */
export type Disposition = 'retry' | 'dead-letter' | 'halt' | 'stop';

/** One entry of the error manual: `pipeline/docs/errors.md` is generated from these. */
export interface ErrorCodeEntry {
  readonly disposition: Disposition;
  /** What happened and why, in one or two sentences. */
  readonly meaning: string;
  /** What a person should do. */
  readonly fix: string;
}

/** Every failure Tributary raises by name. */
export const ERROR_CODES = {
  CONFIG_INVALID: {
    disposition: 'halt',
    meaning: 'An environment variable or option is missing, unknown or has a bad value.',
    fix: 'Correct every setting the message lists; all problems are listed at once.',
  },
  CATALOG_INVALID: {
    disposition: 'halt',
    meaning: 'tributary.yaml has unknown keys, bad values, or two sources of one name.',
    fix: 'Correct each line the message names; editors complete the file through its JSON schema.',
  },
  DASHBOARD_INVALID: {
    disposition: 'halt',
    meaning:
      'A file of dashboards/definitions/ has unknown keys, bad values, or a link to nowhere.',
    fix: 'Correct each line the message names; dashboards/README.md lists what a dashboard has.',
  },
  PREFLIGHT_FAILED: {
    disposition: 'halt',
    meaning: 'A source database is not ready to be captured.',
    fix: 'Run the SQL under each finding as the owner of the database, then try again.',
  },
  CONNECT_UNAVAILABLE: {
    disposition: 'retry',
    meaning: 'Kafka Connect does not answer.',
    fix: 'Start Kafka Connect or correct CONNECT_URL; the request is repeated meanwhile.',
  },
  CONNECT_REFUSED: {
    disposition: 'halt',
    meaning: 'Kafka Connect refused a connector configuration.',
    fix: 'Read the reason in the message and correct the file in connectors/.',
  },
  CONNECTOR_FAILED: {
    disposition: 'halt',
    meaning: 'A connector task is in state FAILED.',
    fix: "Read the task's trace in the message, mend its cause, then run `tributary connectors apply`.",
  },
  BROKER_UNAVAILABLE: {
    disposition: 'retry',
    meaning: 'The Kafka broker does not answer or is electing a leader.',
    fix: 'Nothing, if it is starting; otherwise start Kafka or correct KAFKA_BROKERS.',
  },
  REGISTRY_UNAVAILABLE: {
    disposition: 'retry',
    meaning: 'The schema registry does not answer, or answered with a server error.',
    fix: 'Nothing, if it is starting; otherwise start the registry or correct REGISTRY_URL.',
  },
  SCHEMA_UNKNOWN: {
    disposition: 'dead-letter',
    meaning: 'The registry does not know the schema id that a record carries.',
    fix: 'Check that producer and pipeline use the same registry, then replay the dead letter.',
  },
  RECORD_MALFORMED: {
    disposition: 'dead-letter',
    meaning: 'A record is not in the Confluent wire format, or its Avro body cannot be decoded.',
    fix: 'Look at the dead letter: something other than the connector writes to this topic.',
  },
  ENVELOPE_UNEXPECTED: {
    disposition: 'dead-letter',
    meaning: 'A record decodes, but it is not a Debezium change event of a known kind.',
    fix: 'Check that the connector does not flatten events and that nothing else writes here.',
  },
  RECORD_TOO_LARGE: {
    disposition: 'dead-letter',
    meaning:
      'A row is larger than a Kafka record may be, so the connector sent its key and size alone.',
    fix: 'Raise the limits (pipeline/docs/operations.md, "Rows that are too large"), then write the row again at its source: the dead letter has no value to replay.',
  },
  DEAD_LETTER_FLOOD: {
    disposition: 'halt',
    meaning:
      'So many records of one table could not be applied within a short time that something is wrong with all of them.',
    fix: 'See `tributary dead-letters list`, mend the cause, and restart the pipeline: it goes on where it halted. To set all of them aside, raise DEAD_LETTER_LIMIT.',
  },
  DEAD_LETTER_UNKNOWN: {
    disposition: 'halt',
    meaning: 'There is no such dead letter, or its bytes are no longer in the dead-letter topic.',
    fix: 'Take the place from `tributary dead-letters list --state all`.',
  },
  VALUE_REJECTED: {
    disposition: 'dead-letter',
    meaning: 'ClickHouse refuses a value of this row.',
    fix: 'The reason names the column. Where it names a line for the catalog (text_columns), add that line and restart; else compare the column type in the warehouse with the source (pipeline/docs/types.md).',
  },
  ROW_INCOMPLETE: {
    disposition: 'dead-letter',
    meaning:
      'An update left a large value alone, so it is not in the record, and the warehouse does not hold the row it belongs to.',
    fix: 'The row was never captured: snapshot the table again, then replay the dead letter.',
  },
  DRIFT_RULE_BROKEN: {
    disposition: 'halt',
    meaning: 'A rule of the drift monitor does not fit the tables it is about.',
    fix: 'Correct the rule under `drift:` in tributary.yaml; columns are called as they are in the warehouse.',
  },
  ALERT_FAILED: {
    disposition: 'retry',
    meaning: 'A receiver of alerts does not answer, or refuses what it is told.',
    fix: 'Correct its url under `alerts:` in tributary.yaml; the alert is in ops.drift_alerts.',
  },
  ERASE_REFUSED: {
    disposition: 'halt',
    meaning:
      'A person cannot be erased: the service refused, the catalog does not fit the tables, or records are kept that nothing else has.',
    fix: 'Do what the message says, and erase again; doing it twice does no harm.',
  },
  REPAIR_REFUSED: {
    disposition: 'halt',
    meaning: "A repair could not be asked for, or the owner's service did not do it.",
    fix: 'See the reason; pipeline/docs/drift.md says what the endpoint of a rule has to do.',
  },
  KEY_MISSING: {
    disposition: 'halt',
    meaning:
      'A table has no primary key, and a change does not tell the row before it, so nobody can say which row it was.',
    fix:
      'ALTER TABLE … REPLICA IDENTITY FULL, or add a primary key, and run `tributary resync` for the table; or leave ' +
      'it out of `tables:`. `tributary connectors preflight` names the statement.',
  },
  MASK_REFUSED: {
    disposition: 'halt',
    meaning: 'A column cannot be masked in the way that the catalog says.',
    fix: 'Correct the line under `mask:` in tributary.yaml: a key can only be hashed; an array or a floating-point number only dropped or redacted.',
  },
  KEY_CHANGED: {
    disposition: 'halt',
    meaning:
      'The primary key columns of a table changed, or it has one now, or none any more; rows already in the warehouse use the old key.',
    fix: 'Drop the tables of that name in current and changes, restart the pipeline, and run `tributary resync` for the table; the old change log can be kept under another name.',
  },
  TYPE_CHANGED: {
    disposition: 'halt',
    meaning: 'A column now has a type its warehouse column cannot hold.',
    fix: 'Drop the tables of that name in current and changes, restart the pipeline, and run `tributary resync` for the table; the old change log can be kept under another name.',
  },
  CONTRACT_BROKEN: {
    disposition: 'halt',
    meaning:
      'A change at the source would take a column from analysts that the catalog lists under contract, or turn it into text. The table stands still, its view answers as before.',
    fix: 'Give the column back at the source, say under `renames` which column follows it, or take it off `contract`; then restart the pipeline.',
  },
  VERSION_REGRESSED: {
    disposition: 'halt',
    meaning:
      'The commit position went back within a partition: the database was restored or failed over, or the connector, its slot or the topic was made anew. The table waits, because its newest rows would lose against older ones.',
    fix: 'Run `tributary resync` for the source: it begins a new epoch and loads the tables anew. The pipeline goes on by itself.',
  },
  PARTITIONS_CHANGED: {
    disposition: 'halt',
    meaning:
      'Partitions were added to the topic of a table in use. Keys are in other partitions than before, so the changes of one row are in two of them and no longer in one order. The table waits, its view answers as before.',
    fix: 'Run `tributary resync` for the table: it begins a new epoch and loads the table anew. The pipeline goes on by itself.',
  },
  RESYNC_FAILED: {
    disposition: 'halt',
    meaning:
      'A table could not be loaded anew. The current view is as right as before; changes go on to be applied.',
    fix: 'Mend what the message names, then run `tributary resync` again.',
  },
  FIRST_LOAD_FAILED: {
    disposition: 'halt',
    meaning:
      'The rows that a new source has could not be copied. Nothing captures it yet; what was copied is removed when it is tried again.',
    fix: 'Mend what the message names, then run `tributary connectors apply` or start again. With `first_load: snapshot` in the catalog Debezium reads the rows instead.',
  },
  SINK_UNAVAILABLE: {
    disposition: 'retry',
    meaning: 'ClickHouse does not answer, is overloaded or out of memory for the moment.',
    fix: 'Nothing, if it is starting; otherwise start ClickHouse or correct CLICKHOUSE_URL.',
  },
  SINK_REFUSED: {
    disposition: 'halt',
    meaning: 'ClickHouse refuses a statement for a reason that trying again will not mend.',
    fix: 'Read the ClickHouse error in the message; check rights, disk and table definition.',
  },
  MIGRATION_FAILED: {
    disposition: 'halt',
    meaning: 'A warehouse migration failed or was edited after it had been applied.',
    fix: 'Read the statement in the message; restore the edited file or add a new migration.',
  },
  SOURCE_UNAVAILABLE: {
    disposition: 'retry',
    meaning: "A source's Postgres does not answer.",
    fix: 'Start the database or correct its URL.',
  },
  SOURCE_REFUSED: {
    disposition: 'halt',
    meaning: "A source's Postgres refuses to read a table.",
    fix: 'Read the reason in the message; `tributary connectors sql <source>` prints the rights that the capture role needs.',
  },
  STACK_FAILED: {
    disposition: 'halt',
    meaning: 'A process of the local stack could not be started or kept running.',
    fix: 'Read the end of its log in the message.',
  },
  PORT_TAKEN: {
    disposition: 'halt',
    meaning: 'Another program listens on a port that the local stack needs.',
    fix: 'End that program, or move all ports: TRIBUTARY_PORT_OFFSET=1000.',
  },
  DEADLINE_EXCEEDED: {
    disposition: 'halt',
    meaning: 'Something did not reach the expected state in time.',
    fix: 'The message names the last observed state; look into the log of the part it names.',
  },
  WAREHOUSE_DIFFERS: {
    disposition: 'halt',
    meaning: 'The warehouse does not hold what a service table holds.',
    fix: 'Look at the differing tables in the comparison and at `tributary status`.',
  },
  SERVICE_UNAVAILABLE: {
    disposition: 'retry',
    meaning: 'Another service of the shop does not answer in time, or answered that it is away.',
    fix: 'Nothing, if it is starting; otherwise start it or correct the URL of it in the settings.',
  },
  SERVICE_FAILED: {
    disposition: 'halt',
    meaning: 'Another service of the shop answered with a server error or something unexpected.',
    fix: 'Look into the log of the service that the message names.',
  },
} as const satisfies Record<string, ErrorCodeEntry>;

/** Name of a failure, as it stands in messages, logs, metrics and the error manual. */
export type ErrorCode = keyof typeof ERROR_CODES;
