import { lsn, type Lsn } from './lsn.ts';
import { offset, type Offset } from './offset.ts';

/**
 * Generation of a source's history. Positions are comparable only within one epoch; a restored
 * database, a recreated slot or a recreated topic begins the next one, whose rows win over all
 * older ones.
 */
export type Epoch = number & { readonly __brand: 'Epoch' };

/** The epoch of a source that was never resynchronized. */
export const FIRST_EPOCH = 0 as Epoch;

/**
 * Where a change stands in its source's commit order.
 *
 * `commitLsn` is the first part of Debezium's `source.sequence`: the last commit position the
 * connector had seen. It never falls in stream order, while the change's own LSN does: changes of
 * concurrent transactions interleave in the log. Snapshot rows have none (0), so that whatever is
 * streamed later wins over them. The offset breaks ties; it counts up in the order in which the
 * connector sent the changes of one key, because one key stays in one partition.
 */
export interface ChangeVersion {
  readonly epoch: Epoch;
  readonly commitLsn: Lsn;
  readonly offset: Offset;
}

const EPOCH_BITS = 16n;
const LSN_BITS = 64n;
const OFFSET_BITS = 48n;
const OFFSET_LIMIT = 1n << OFFSET_BITS;
const EPOCH_LIMIT = 1 << Number(EPOCH_BITS);

/** Negative when `a` was committed before `b`, positive when after, 0 when they are one change. */
export function compareVersions(a: ChangeVersion, b: ChangeVersion): number {
  if (a.epoch !== b.epoch) return a.epoch - b.epoch;
  if (a.commitLsn !== b.commitLsn) return a.commitLsn < b.commitLsn ? -1 : 1;
  if (a.offset !== b.offset) return a.offset < b.offset ? -1 : 1;
  return 0;
}

/**
 * The version as one UInt128, the version column of `ReplacingMergeTree`: epoch (16 bits), commit
 * LSN (64), offset (48). Packed versions compare as {@link compareVersions} does.
 *
 * @throws RangeError when epoch or offset do not fit their bits
 */
export function packVersion(version: ChangeVersion): bigint {
  if (version.epoch < 0 || version.epoch >= EPOCH_LIMIT) throw new RangeError('epoch has 16 bits');
  if (version.offset >= OFFSET_LIMIT) throw new RangeError('offset has 48 bits');
  return (
    (((BigInt(version.epoch) << LSN_BITS) | version.commitLsn) << OFFSET_BITS) | version.offset
  );
}

/**
 * Writes what {@link packVersion} gives, as 16 bytes, the lowest first.
 *
 * @throws RangeError when epoch or offset do not fit their bits
 */
export function writeVersion(bytes: DataView, at: number, version: ChangeVersion): void {
  if (version.epoch < 0 || version.epoch >= EPOCH_LIMIT) throw new RangeError('epoch has 16 bits');
  if (version.offset >= OFFSET_LIMIT) throw new RangeError('offset has 48 bits');
  // Its two highest bytes are nought, and written over.
  bytes.setBigUint64(at, version.offset, true);
  bytes.setBigUint64(at + 6, version.commitLsn, true);
  bytes.setUint16(at + 14, version.epoch, true);
}

/**
 * The lowest version of an epoch: that of rows which a copy of the table read. Whatever the epoch
 * streams is newer.
 */
export function firstVersion(epoch: Epoch): bigint {
  return packVersion({ epoch, commitLsn: lsn(0n), offset: offset(0n) });
}

/** SQL of ClickHouse: the commit LSN in a packed `_version`. */
export const COMMIT_LSN_OF_VERSION = `toUInt64(bitShiftRight(_version, ${OFFSET_BITS}))`;
