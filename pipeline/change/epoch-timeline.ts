import type { Offset } from './offset.ts';
import { sees, type TransactionId, type TransactionSnapshot } from './transaction-snapshot.ts';
import { FIRST_EPOCH, type Epoch } from './version.ts';

/** Where an epoch of a topic begins. */
export interface EpochStart {
  readonly epoch: Epoch;
  /** By partition the first offset that can be of the epoch; 0 of a partition that came later. */
  readonly from: ReadonlyMap<number, Offset>;
  /**
   * Of an epoch that began with a copy of the table: what the copy saw. Changes it saw are older
   * than the copy and belong to the epoch before; the others are newer. Undefined when positions
   * began anew: then offsets alone decide.
   */
  readonly snapshot: TransactionSnapshot | undefined;
  /**
   * By partition the offset from which on everything is of the epoch, once that is known: numbers of
   * transactions go round, offsets do not.
   */
  readonly until: ReadonlyMap<number, Offset> | undefined;
}

/** What decides a record's epoch. */
export interface EpochPlace {
  readonly partition: number;
  readonly offset: Offset;
  /** Null where the connector tells none. */
  readonly transaction: TransactionId | null;
  /** Whether a snapshot of the connector read the row: it is older than any later copy. */
  readonly isSnapshot: boolean;
}

/** The epochs of one topic. */
export class EpochTimeline {
  /** Newest first. */
  readonly #starts: readonly EpochStart[];

  constructor(starts: readonly EpochStart[]) {
    this.#starts = starts.toSorted((a, b) => b.epoch - a.epoch);
  }

  /** The epoch that began last. */
  get newest(): Epoch {
    return this.#starts[0]?.epoch ?? FIRST_EPOCH;
  }

  /** The epoch in which positions last began anew; those of different such epochs do not compare. */
  get base(): Epoch {
    return this.#starts.find(({ snapshot }) => snapshot === undefined)?.epoch ?? FIRST_EPOCH;
  }

  /** Like {@link base}, as of a record. */
  baseAt(partition: number, offset: Offset): Epoch {
    return (
      this.#starts.find(
        (start) => start.snapshot === undefined && offset >= first(start.from, partition),
      )?.epoch ?? FIRST_EPOCH
    );
  }

  epochOf(place: EpochPlace): Epoch {
    for (const start of this.#starts) {
      if (place.offset >= first(start.from, place.partition) && isOf(start, place)) {
        return start.epoch;
      }
    }
    return FIRST_EPOCH;
  }
}

function isOf(
  { snapshot, until }: EpochStart,
  { partition, offset, transaction, isSnapshot }: EpochPlace,
): boolean {
  if (snapshot === undefined) return true;
  if (until !== undefined && offset >= first(until, partition)) return true;
  return !isSnapshot && transaction !== null && !sees(snapshot, transaction);
}

function first(offsets: ReadonlyMap<number, Offset>, partition: number): Offset {
  return offsets.get(partition) ?? (0n as Offset);
}
