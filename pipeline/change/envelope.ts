import { TributaryError } from '#runtime/errors.ts';
import type { ChangeEvent, ChangeOrigin } from './change-event.ts';
import { lsn, parseDecimalLsn, type Lsn } from './lsn.ts';
import type { Columns } from './row-image.ts';
import { transactionId } from './transaction-snapshot.ts';

/** The parts of a decoded Debezium envelope that the pipeline reads. */
export interface Envelope {
  readonly op: string;
  readonly before: Columns | null;
  readonly after: Columns | null;
  readonly source: {
    readonly schema: string;
    readonly table: string;
    readonly sequence: string | null;
    readonly txId: bigint | null;
    readonly lsn: bigint | null;
    readonly ts_us: bigint | null;
  };
}

/** Fields of the envelope's `source` block that {@link Envelope} needs. */
export const SOURCE_FIELDS: ReadonlySet<string> = new Set([
  'schema',
  'table',
  'sequence',
  'txId',
  'lsn',
  'ts_us',
]);

/** Fields of the envelope that {@link Envelope} needs. */
export const ENVELOPE_FIELDS: ReadonlySet<string> = new Set(['op', 'before', 'after', 'source']);

/**
 * Understands a decoded Debezium envelope.
 *
 * @param keyColumns - columns of the record's key; of a delete's `before` only these are real, the
 * rest are placeholders unless the table has REPLICA IDENTITY FULL. None of a table without a key.
 * @throws TributaryError `ENVELOPE_UNEXPECTED`; `KEY_MISSING` when there is neither key nor row before
 */
export function readEnvelope(envelope: Envelope, keyColumns: readonly string[]): ChangeEvent {
  const origin = originOf(envelope);
  switch (envelope.op) {
    case 'r':
      return { kind: 'snapshot', origin, columns: rowOf(envelope.after) };
    case 'c':
      return { kind: 'insert', origin, columns: rowOf(envelope.after) };
    case 'u':
      return keyColumns.length > 0
        ? { kind: 'update', origin, columns: rowOf(envelope.after) }
        : { kind: 'update', origin, columns: rowOf(envelope.after), before: wholeOf(envelope) };
    case 'd':
      return keyColumns.length > 0
        ? { kind: 'delete', origin, columns: keyOf(envelope.before, keyColumns) }
        : { kind: 'delete', origin, columns: wholeOf(envelope) };
    case 't':
      return { kind: 'truncate', origin };
    default:
      throw new TributaryError('ENVELOPE_UNEXPECTED', `the envelope has an unknown operation`);
  }
}

function originOf({ source }: Envelope): ChangeOrigin {
  // The schema is whatever the producer registered: it need not be Debezium's.
  const { schema, table, sequence, txId, lsn: position, ts_us: micros } = source ?? {};
  if (typeof schema !== 'string' || typeof table !== 'string') throw unexpected('no table');
  if (![txId, position, micros].every((value) => value === null || typeof value === 'bigint')) {
    throw unexpected('a position or transaction that is no long');
  }
  try {
    return {
      schema,
      table,
      commitLsn: commitLsnOf(sequence ?? null),
      transaction: txId === null ? null : transactionId(txId),
      lsn: position === null ? null : lsn(position),
      committedAtMicros: micros ?? 0n,
    };
  } catch (error) {
    if (error instanceof RangeError) throw unexpected('a position outside of 64 bits');
    throw error;
  }
}

function unexpected(what: string): TributaryError {
  return new TributaryError('ENVELOPE_UNEXPECTED', `the envelope has ${what}`);
}

const SEQUENCE = /^\[(?:null|"(\d+)"),(?:null|"\d+")\]$/;

/**
 * First part of `source.sequence`, `["<last commit>","<own position>"]`.
 *
 * Kept in this one place: what Debezium puts there may change with its version, which is pinned.
 *
 * @throws TributaryError `ENVELOPE_UNEXPECTED` when it has another shape
 */
export function commitLsnOf(sequence: string | null): Lsn | null {
  if (sequence === null) return null;
  const match = SEQUENCE.exec(sequence);
  if (match === null) {
    throw new TributaryError(
      'ENVELOPE_UNEXPECTED',
      'source.sequence does not have the known shape',
    );
  }
  return match[1] === undefined ? null : parseDecimalLsn(match[1]);
}

function rowOf(columns: Columns | null): Columns {
  if (columns !== null) return columns;
  throw new TributaryError('ENVELOPE_UNEXPECTED', 'the envelope has no row after the change');
}

/** The row before a change, which REPLICA IDENTITY FULL has whole. */
function wholeOf({ before, source }: Envelope): Columns {
  if (before !== null) return before;
  throw new TributaryError(
    'KEY_MISSING',
    `${source.schema}.${source.table} has no primary key, and its changes do not tell the row before them`,
  );
}

function keyOf(columns: Columns | null, keyColumns: readonly string[]): Columns {
  if (columns === null) {
    throw new TributaryError('ENVELOPE_UNEXPECTED', 'the envelope of a delete has no key');
  }
  return Object.fromEntries(keyColumns.map((name) => [name, columns[name] ?? null]));
}
