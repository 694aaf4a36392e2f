import { TributaryError } from '#runtime/errors.ts';
import type { ChangeEvent, ChangeOrigin, RowPlace } from './change-event.ts';
import { lsn, parseDecimalLsn, type Lsn } from './lsn.ts';
import { transactionId } from './transaction-snapshot.ts';

/** The parts of a Debezium envelope that the pipeline reads. */
export interface Envelope {
  readonly op: string;
  /** Where the rows before and after the change begin in the record's bytes; null without one. */
  readonly before: number | null;
  readonly after: number | null;
  readonly source: {
    readonly schema: string;
    readonly table: string;
    readonly sequence: string | null;
    readonly txId: bigint | null;
    readonly lsn: bigint | null;
    readonly ts_us: bigint | null;
  };
}

/**
 * Understands a Debezium envelope. Of the row before a delete only the key's columns are real, the rest
 * are placeholders unless the table has REPLICA IDENTITY FULL.
 *
 * @param isKeyless - whether nothing tells the rows of the table apart: then REPLICA IDENTITY FULL tells
 * the row before a change
 * @throws TributaryError `ENVELOPE_UNEXPECTED`; `KEY_MISSING` when there is neither key nor row before
 */
export function readEnvelope(envelope: Envelope, isKeyless = false): ChangeEvent {
  const origin = originOf(envelope);
  switch (envelope.op) {
    case 'r':
      return { kind: 'snapshot', origin, rows: [rowAfter(envelope)] };
    case 'c':
      return { kind: 'insert', origin, rows: [rowAfter(envelope)] };
    case 'u':
      return {
        kind: 'update',
        origin,
        rows: isKeyless ? [wholeBefore(envelope), rowAfter(envelope)] : [rowAfter(envelope)],
      };
    case 'd':
      return {
        kind: 'delete',
        origin,
        rows: [isKeyless ? wholeBefore(envelope) : keyBefore(envelope)],
      };
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
  if (!isLongOrNull(txId) || !isLongOrNull(position) || !isLongOrNull(micros)) {
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

function isLongOrNull(value: unknown): boolean {
  return value === null || typeof value === 'bigint';
}

function unexpected(what: string): TributaryError {
  return new TributaryError('ENVELOPE_UNEXPECTED', `the envelope has ${what}`);
}

/** Changes of a transaction, which come one after the other, have the same. */
let lastCommit = { text: '', lsn: lsn(0n) };

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
  const [, text] = match;
  if (text === undefined) return null;
  if (text !== lastCommit.text) lastCommit = { text, lsn: parseDecimalLsn(text) };
  return lastCommit.lsn;
}

function rowAfter({ after }: Envelope): RowPlace {
  if (after !== null) return { at: after, isKeyOnly: false, isRemoved: false };
  throw unexpected('no row after the change');
}

function keyBefore({ before }: Envelope): RowPlace {
  if (before !== null) return { at: before, isKeyOnly: true, isRemoved: true };
  throw unexpected('no key, although it is of a delete');
}

/** The row before a change, which REPLICA IDENTITY FULL has whole. */
function wholeBefore({ before, source }: Envelope): RowPlace {
  if (before !== null) return { at: before, isKeyOnly: false, isRemoved: true };
  throw new TributaryError(
    'KEY_MISSING',
    `${source.schema}.${source.table} has no primary key, and its changes do not tell the row before them`,
  );
}
