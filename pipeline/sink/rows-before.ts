import type { RowPlace } from '../change/change-event.ts';
import { lsn, type Lsn } from '../change/lsn.ts';
import type { RowBlock } from '../transform/row-block.ts';
import type { RowWork } from './batch.ts';

/** Where the values are that a row had before a change. */
export type Before =
  /** In the block. */
  | { readonly in: 'batch'; readonly row: number }
  /** In the change log: the newest of the key, and before the version, of this row. */
  | { readonly in: 'log'; readonly item: RowWork; readonly place: RowPlace }
  /** In the change log: before the delete that was made at this position. */
  | { readonly in: 'delete'; readonly lsn: Lsn };

interface Added {
  readonly item: RowWork;
  readonly place: RowPlace;
}

/**
 * What the rows of a block say of those that come after them. Keys are compared only from the first
 * row on that lacks a value, which most blocks have none of.
 */
export class RowsBefore {
  readonly #block: RowBlock;
  readonly #added: Added[] = [];
  /** Last row of each key; undefined where the last one could not be completed. */
  #newest: Map<string, number | undefined> | undefined;
  /** What was before each delete, by its position. */
  #deletes = new Map<Lsn, Before | undefined>();

  constructor(block: RowBlock) {
    this.#block = block;
  }

  /** Notes the row that was ended last. */
  add(item: RowWork, place: RowPlace): void {
    this.#added.push({ item, place });
    if (this.#newest !== undefined) this.#learn(this.#added.length - 1);
  }

  /** Forgets the rows from one on. */
  takeBack(rows: number): void {
    this.#added.length = rows;
  }

  /** Notes that the row being made cannot be completed: nor can one after it that lacks values. */
  lose(): void {
    this.#newest?.set(this.#block.keyOf(this.#block.rows), undefined);
  }

  /** Where the values are that the row being made lacks; undefined when nothing tells. */
  of(item: RowWork, place: RowPlace): Before | undefined {
    if (this.#newest === undefined) {
      this.#newest = new Map();
      this.#deletes = new Map();
      for (let row = 0; row < this.#added.length; row += 1) this.#learn(row);
    }
    const { kind, origin } = item.stamp;
    if (kind === 'insert') {
      // A row that was inserted lacks nothing, unless it was another before.
      const position = origin.lsn ?? lsn(0n);
      return this.#deletes.has(position)
        ? this.#deletes.get(position)
        : { in: 'delete', lsn: position };
    }
    return this.#before(this.#block.keyOf(this.#block.rows), item, place);
  }

  #before(key: string, item: RowWork, place: RowPlace): Before | undefined {
    if (this.#newest?.has(key) !== true) return { in: 'log', item, place };
    const row = this.#newest.get(key);
    if (row === undefined || this.#added[row]?.place.isRemoved === true) return undefined;
    return { in: 'batch', row };
  }

  #learn(row: number): void {
    const added = this.#added[row];
    if (added === undefined) return;
    const { item, place } = added;
    const key = this.#block.keyOf(row);
    if (place.isRemoved && item.stamp.origin.lsn !== null) {
      this.#deletes.set(item.stamp.origin.lsn, this.#before(key, item, place));
    }
    this.#newest?.set(key, row);
  }
}
