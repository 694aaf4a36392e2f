import type { ChangeStamp } from '../change/change-stamp.ts';
import { packVersion, writeVersion } from '../change/version.ts';
import type { Column } from '../columnar/column.ts';
import { FixedColumn } from '../columnar/fixed-column.ts';
import { rejectShape } from '../columnar/fixed-values.ts';
import { TextColumn } from '../columnar/text-column.ts';
import type { Cell } from './column-type.ts';
import { OWN_COLUMNS } from './table-plan.ts';
import { outOfRange, TIMESTAMP_BOUNDS, timestampText } from './temporal-text.ts';

/** Cells of `OWN_COLUMNS`, for SQL. @throws TributaryError `VALUE_REJECTED` for an impossible time */
export function ownCells({ version, kind, origin, partition, offset }: ChangeStamp): Cell[] {
  return [
    packVersion(version).toString(),
    kind === 'delete' || kind === 'truncate' ? 1 : 0,
    kind,
    timestampText(origin.committedAtMicros),
    (origin.lsn ?? 0n).toString(),
    partition,
    offset.toString(),
    origin.transaction ?? 0,
  ];
}

const OPERATIONS: Readonly<Record<ChangeStamp['kind'], Buffer>> = {
  snapshot: Buffer.from('snapshot'),
  insert: Buffer.from('insert'),
  update: Buffer.from('update'),
  delete: Buffer.from('delete'),
  truncate: Buffer.from('truncate'),
};

/** `OWN_COLUMNS` of many rows. */
export class OwnColumns {
  readonly #version = fixed(0, 16);
  readonly #deleted = fixed(1, 1);
  readonly #op = new TextColumn();
  readonly #committedAt = fixed(3, 8);
  readonly #lsn = fixed(4, 8);
  readonly #partition = fixed(5, 4);
  readonly #offset = fixed(6, 8);
  readonly #transaction = fixed(7, 4);

  /** All of them, in the order of `OWN_COLUMNS`. */
  get all(): readonly Column[] {
    return [
      this.#version,
      this.#deleted,
      this.#op,
      this.#committedAt,
      this.#lsn,
      this.#partition,
      this.#offset,
      this.#transaction,
    ];
  }

  /**
   * Adds a row.
   *
   * @param isRemoved - whether the change took the row away
   * @throws TributaryError `VALUE_REJECTED` for an impossible time; nothing is added then
   */
  append({ version, kind, origin, partition, offset }: ChangeStamp, isRemoved: boolean): void {
    const { committedAtMicros } = origin;
    if (committedAtMicros < TIMESTAMP_BOUNDS.first || committedAtMicros >= TIMESTAMP_BOUNDS.end) {
      throw outOfRange('DateTime64');
    }
    const versionAt = this.#version.grow();
    writeVersion(this.#version.view, versionAt, version);
    const deletedAt = this.#deleted.grow();
    this.#deleted.buffer[deletedAt] = isRemoved ? 1 : 0;
    const op = OPERATIONS[kind];
    this.#op.appendBytes(op, 0, op.length);
    const committedAt = this.#committedAt.grow();
    this.#committedAt.view.setBigInt64(committedAt, committedAtMicros, true);
    const lsnAt = this.#lsn.grow();
    this.#lsn.view.setBigUint64(lsnAt, origin.lsn ?? 0n, true);
    const partitionAt = this.#partition.grow();
    this.#partition.view.setUint32(partitionAt, partition, true);
    const offsetAt = this.#offset.grow();
    this.#offset.view.setBigUint64(offsetAt, offset, true);
    const transactionAt = this.#transaction.grow();
    this.#transaction.view.setUint32(transactionAt, origin.transaction ?? 0, true);
  }
}

function fixed(index: number, width: number): FixedColumn {
  const type = OWN_COLUMNS[index]?.clickhouse ?? '';
  return new FixedColumn(type, width, () => {
    throw rejectShape(type);
  });
}
