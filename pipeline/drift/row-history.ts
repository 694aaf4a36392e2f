/** Texts of the columns that a rule compares, in its order; NULL is null. */
export type Texts = readonly (string | null)[];

/** A change of a row, as the change log has it. */
export interface Change {
  /** Commit time at its source, in milliseconds since 1970; of a snapshot row, when it was read. */
  readonly at: number;
  /** Low 32 bits of the number of its transaction; 0 when that is not known. */
  readonly transaction: number;
  /** `snapshot`, `insert`, `update`, `delete` or `truncate`. */
  readonly op: string;
  /** The row after it; undefined when it was deleted. */
  readonly texts: Texts | undefined;
}

/** What is known of a row's past, oldest first. */
export type History = readonly Change[];

/** A time in which a field of a row kept its value. */
export interface Span {
  /** Undefined while there was no row. */
  readonly value: string | null | undefined;
  /** The change that began it. */
  readonly change: Change;
  /** When it began, in milliseconds since 1970; undefined when that was before the history. */
  readonly since: number | undefined;
}

/**
 * The values that a field has had, oldest first.
 *
 * @param valueOf - of the field in a row; values that count as the same have to be equal
 */
export function spansOf(history: History, valueOf: (texts: Texts) => string | null): Span[] {
  const spans: Span[] = [];
  for (const [place, change] of history.entries()) {
    // What a transaction left is what others saw of it.
    const next = history[place + 1];
    if (change.transaction !== 0 && next?.transaction === change.transaction) continue;
    const value = change.texts === undefined ? undefined : valueOf(change.texts);
    const last = spans.at(-1);
    if (last !== undefined && last.value === value) continue;
    // What comes first is where the row began, or else where the log did.
    const isKnown =
      last !== undefined || history.slice(0, place + 1).some(({ op }) => op === 'insert');
    spans.push({ value, change, since: isKnown ? change.at : undefined });
  }
  return spans;
}

/** When the row that is there now came to be; undefined when there is none, or that is not known. */
export function existsSince(history: History): number | undefined {
  const last = spansOf(history, () => null).at(-1);
  return last?.value === undefined ? undefined : last.since;
}

/** The row at the end of a history. */
export function currentRow(history: History): Texts | undefined {
  return history.at(-1)?.texts;
}

export function sameTexts(a: Texts | undefined, b: Texts | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
