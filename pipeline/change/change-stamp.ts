import type { ChangeEvent, ChangeOrigin } from './change-event.ts';
import { lsn, type Lsn } from './lsn.ts';
import type { Offset } from './offset.ts';
import type { ChangeVersion, Epoch } from './version.ts';

/** Where a record stands in Kafka. */
export interface Position {
  readonly partition: number;
  readonly offset: Offset;
  /** Of a replayed record the offset it had at first, which decides its version. */
  readonly firstOffset?: Offset | undefined;
}

/** What a change was, and where it stands in the commit order: what we add to each row. */
export interface ChangeStamp {
  readonly version: ChangeVersion;
  readonly kind: ChangeEvent['kind'];
  readonly origin: ChangeOrigin;
  readonly partition: number;
  readonly offset: Offset;
}

/** The stamp of a change. */
export function stampOf(
  { kind, origin }: ChangeEvent,
  { partition, offset, firstOffset }: Position,
  epoch: Epoch,
): ChangeStamp {
  const version = { epoch, commitLsn: origin.commitLsn ?? NO_LSN, offset: firstOffset ?? offset };
  return { version, kind, origin, partition, offset };
}

const NO_LSN: Lsn = lsn(0n);
