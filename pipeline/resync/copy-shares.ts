import type pg from 'pg';
import type { CopyPace } from './copy-pace.ts';
import { copyPieces, countRows } from './source-copy.ts';
import { READERS } from './table-reads.ts';

/** Connections that all see the same of a source. */
export interface CopyReaders {
  readonly first: pg.Client;
  /** Opens another one; before any of them reads. */
  openReader(): Promise<pg.Client>;
}

/** Rows that are read in one go, and where they go. */
export interface CopyShare {
  readonly select: string;
  /** @param piece - tab-separated values, whole rows */
  readonly store: (piece: Buffer) => Promise<void>;
}

/**
 * Copies shares side by side. While a reader's piece is stored, its next one is read.
 *
 * @param onStored - told of every piece, and of the end of every share
 * @throws what the first share that failed made of its failure, or the abort reason
 */
export async function copyShares<Share extends CopyShare>(
  readers: CopyReaders,
  shares: readonly Share[],
  parts: {
    readonly pace: CopyPace;
    readonly signal: AbortSignal;
    readonly onStored: (share: Share, rows: number, isDone: boolean) => void;
    readonly explain: (share: Share, error: unknown) => Error;
  },
): Promise<void> {
  const { pace, onStored, explain } = parts;
  const queue = [...shares];
  const failed = new AbortController();
  const signal = AbortSignal.any([parts.signal, failed.signal]);
  const copy = async (reader: pg.Client, share: Share) => {
    let storing = Promise.resolve();
    try {
      for await (const piece of copyPieces(reader, share.select, { pace, signal })) {
        await storing;
        storing = share.store(piece).then(() => onStored(share, countRows(piece), false));
        // It is waited for below, or before the next one.
        storing.catch(() => undefined);
      }
      await storing;
    } finally {
      // Whatever failed: nothing is written any more when this is over.
      await storing.catch(() => undefined);
    }
    onStored(share, 0, true);
  };
  const work = async (reader: pg.Client) => {
    for (let share = queue.shift(); share !== undefined; share = queue.shift()) {
      signal.throwIfAborted();
      try {
        await copy(reader, share);
      } catch (error) {
        failed.abort(explain(share, error));
        throw error;
      }
    }
  };
  const connections = [readers.first];
  while (connections.length < Math.min(READERS, shares.length)) {
    connections.push(await readers.openReader());
  }
  const outcomes = await Promise.allSettled(connections.map(work));
  parts.signal.throwIfAborted();
  failed.signal.throwIfAborted();
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
