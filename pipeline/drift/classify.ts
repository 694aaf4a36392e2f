import type { Normalization } from '../catalog/drift-rule.ts';
import {
  currentRow,
  existsSince,
  sameTexts,
  spansOf,
  type Change,
  type History,
  type Span,
  type Texts,
} from './row-history.ts';

/** What is wrong with a copy. */
export const KINDS = [
  'missed update',
  'written locally',
  'orphan',
  'missing',
  'pipeline',
  'unexplained',
] as const;
export type Kind = (typeof KINDS)[number];

/** A row of one side. */
export interface RowState {
  /** At its source; undefined when there is none. */
  readonly now: Texts | undefined;
  /** In the warehouse. */
  readonly stored: Texts | undefined;
  /** What the change log knows of its past. */
  readonly history: History;
}

/** A copy with its owner, and what a rule says of the two. */
export interface Comparison {
  readonly copy: RowState;
  readonly owner: RowState;
  /** What to make alike before comparing, by field. */
  readonly normalize: readonly (readonly Normalization[])[];
  readonly allowedStalenessMs: number;
  readonly orphansAllowed: boolean;
  /** Whether every owner must have its copy. */
  readonly complete: boolean;
  /** The time at the owner's source when it was read, in milliseconds since 1970. */
  readonly readAt: number;
  /** Since when the sources and the change log are known to hold just these rows, by the same clock. */
  readonly sameSince: number;
}

/** Drift, with what is known of how it came about. */
export interface Drift {
  readonly kind: Kind;
  /** When the owner got its value, in milliseconds since 1970; undefined when that is not known. */
  readonly ownerChangedAt?: number | undefined;
  readonly copyChangedAt?: number | undefined;
  /** The first change of the owner that the copy does not have. */
  readonly missed?: Change | undefined;
  readonly note?: string;
}

/**
 * What is to be said of a field, or of a whole row. `in flight`: the owner changed so lately that a
 * copy may be old. `behind`: the warehouse does not know yet what the sources hold, so that nothing
 * can be said of how it came about.
 */
export type Judgement = 'agrees' | 'in flight' | 'behind' | Drift;

/** What is to be said of a copy. */
export interface Classification {
  /** Of the row as a whole: `orphan` and `missing` are of rows. */
  readonly row: Judgement;
  /** By field, in the order of the rule. */
  readonly fields: readonly Judgement[];
  /** Whether the warehouse holds of both rows what the sources hold. */
  readonly isWarehouseSame: boolean;
}

/** Makes alike what a rule does not tell apart. */
export function normalized(text: string | null, how: readonly Normalization[]): string | null {
  if (text === null) return null;
  return how.reduce((result, step) => {
    if (step === 'trim') return result.replace(/^ +| +$/g, '');
    if (step === 'lower-case') return result.toLowerCase();
    return result.replace(/ +/g, ' ');
  }, text);
}

/** Judges a copy by what both sources hold now and what the warehouse knows of their past. */
export function classify(comparison: Comparison): Classification {
  const { copy, owner, normalize, complete, orphansAllowed } = comparison;
  const agreeing = normalize.map((): Judgement => 'agrees');
  const isWarehouseSame = [copy, owner].every(({ now, stored }) => sameTexts(now, stored));
  const whole = (row: Judgement): Classification => ({ row, fields: agreeing, isWarehouseSame });
  if (copy.now === undefined) {
    return whole(owner.now !== undefined && complete ? missing(comparison) : 'agrees');
  }
  if (owner.now === undefined) return whole(orphansAllowed ? 'agrees' : orphan(comparison));
  const [mine, theirs] = [copy.now, owner.now];
  const fields = normalize.map((how, index): Judgement => {
    const valueOf = (texts: Texts) => normalized(texts[index] ?? null, how);
    return valueOf(mine) === valueOf(theirs) ? 'agrees' : different(comparison, valueOf);
  });
  return { row: 'agrees', fields, isWarehouseSame };
}

function missing(comparison: Comparison): Judgement {
  const { copy, owner } = comparison;
  const waiting = waits(comparison, existsSince(owner.history));
  if (waiting !== undefined) return waiting;
  const gone = spansOf(copy.history, () => null).at(-1);
  const deletedAt = gone !== undefined && gone.value === undefined ? gone.since : undefined;
  const ownerChangedAt = existsSince(owner.history);
  const missed = deletedAt === undefined ? beginOf(owner.history) : undefined;
  return {
    kind: 'missing',
    ownerChangedAt,
    copyChangedAt: deletedAt,
    missed,
    ...(deletedAt === undefined ? {} : { note: 'the copy was deleted' }),
  };
}

function orphan(comparison: Comparison): Judgement {
  const { copy, owner } = comparison;
  const last = owner.history.at(-1);
  const waiting = waits(comparison, last?.at);
  if (waiting !== undefined) return waiting;
  return {
    kind: 'orphan',
    ownerChangedAt: last?.at,
    copyChangedAt: copy.history.at(-1)?.at,
    missed: last,
    ...(last === undefined ? { note: 'no such owner is known' } : {}),
  };
}

/** The change that made the row that is there now; undefined when it was there before the history. */
function beginOf(history: History): Change | undefined {
  const last = spansOf(history, () => null).at(-1);
  return last?.since === undefined ? undefined : last.change;
}

function different(comparison: Comparison, valueOf: (texts: Texts) => string | null): Judgement {
  const { copy, owner, allowedStalenessMs } = comparison;
  const ours = spansOf(copy.history, valueOf);
  const theirs = spansOf(owner.history, valueOf);
  const [mine, current] = [ours.at(-1), theirs.at(-1)];
  const waiting = waits(comparison, current?.since);
  if (waiting !== undefined) return waiting;
  if (mine === undefined || current === undefined || !knows(comparison)) {
    return { kind: 'unexplained', note: 'the warehouse does not hold what the sources hold' };
  }
  const known = { ownerChangedAt: current.since, copyChangedAt: mine.since };
  // What an owner was before its log began may still have been on its way then.
  const begin = theirs[0]?.since === undefined ? (owner.history[0]?.at ?? 0) : undefined;
  const isOld = ({ since }: Span) =>
    begin !== undefined && (since === undefined || since <= begin + allowedStalenessMs);
  const recent = ours.filter((span) => !isOld(span));
  // A copy that was never filled in missed whatever told of the owner.
  if (ours.every(({ value }) => value === null)) {
    return {
      kind: 'missed update',
      ...known,
      missed: begin === undefined ? theirs[0]?.change : undefined,
    };
  }
  const had = lastWith(theirs, mine);
  if (had !== undefined && follows(recent, theirs)) {
    return { kind: 'missed update', ...known, missed: theirs[had + 1]?.change };
  }
  // It took the value of an owner who has not changed since, and gave it up.
  const knew = theirs.length === 1 && ours.some(({ value }) => value === current.value);
  if (had !== undefined || recent.length > 0 || knew) return { kind: 'written locally', ...known };
  return { kind: 'unexplained', ...known, note: 'it began before the change log' };
}

/** Whether a copy had no value that its owner had not had before, in the owner's order. */
function follows(ours: readonly Span[], theirs: readonly Span[]): boolean {
  let place = 0;
  return ours.every(({ value }, index) => {
    // Not filled in yet, or made anew.
    if ((value === null || value === undefined) && index < ours.length - 1) return true;
    while (place < theirs.length && theirs[place]?.value !== value) place += 1;
    place += 1;
    return place <= theirs.length;
  });
}

/** Place of the span that a copy is still in: the newest with its value, before it took it if it can be. */
function lastWith(theirs: readonly Span[], { value, since }: Span): number | undefined {
  const places = theirs.flatMap((span, place) => (span.value === value ? [place] : []));
  const before = places.filter(
    (place) => since === undefined || (theirs[place]?.since ?? 0) <= since,
  );
  return before.at(-1) ?? places[0];
}

/**
 * Whether there is reason to look again before calling it drift.
 *
 * @param ownerChangedAt - when the owner became what it is; undefined: before the history
 */
function waits(
  comparison: Comparison,
  ownerChangedAt: number | undefined,
): 'in flight' | 'behind' | undefined {
  const { copy, readAt, sameSince, allowedStalenessMs } = comparison;
  const isYoung = (at: number | undefined) => at !== undefined && readAt - at < allowedStalenessMs;
  if (knows(comparison)) {
    // A copy that has just been made is given the same time as one whose owner has just changed.
    return isYoung(ownerChangedAt) || isYoung(existsSince(copy.history)) ? 'in flight' : undefined;
  }
  // Whatever the log has not heard of happened before the sources were seen so.
  return isYoung(sameSince) ? 'behind' : undefined;
}

/** Whether the warehouse knows both rows as they are. */
function knows({ copy, owner }: Comparison): boolean {
  return [copy, owner].every(({ now, history }) => sameTexts(now, currentRow(history)));
}
