import type { Kind } from './classify.ts';

/**
 * `open`: confirmed at both sources. `unconfirmed`: a source cannot be asked. `healed`: it is over,
 * or was never so.
 */
export type FindingState = 'open' | 'unconfirmed' | 'healed';

/** Drift of one field of one copy, or of the whole copy: a row of `ops.drift_findings`. */
export interface Finding {
  readonly rule: string;
  /** Primary key of the copy, as a JSON array of texts. */
  readonly copyKey: string;
  /** Column of the copy; empty where the whole row is meant. */
  readonly field: string;
  /** Times are in milliseconds since 1970. */
  readonly openedAt: number;
  readonly state: FindingState;
  readonly kind: Kind;
  readonly ownerKey: string;
  readonly ownerFingerprint: string;
  readonly copyFingerprint: string;
  readonly ownerChangedAt: number | undefined;
  readonly copyChangedAt: number | undefined;
  readonly missedAt: number | undefined;
  /** Low 32 bits of the number of the transaction that was missed; not kept in the warehouse. */
  readonly missedTransaction?: number;
  readonly missedEvent: string;
  readonly note: string;
  readonly seenAt: number;
  readonly healedAt: number | undefined;
}

/** One round of a rule: a row of `ops.drift_rounds`. */
export interface Round {
  readonly rule: string;
  /** `sweep`: all copies were looked at. `changes`: those that were written, or whose owner was. */
  readonly kind: 'sweep' | 'changes';
  readonly lookedAt: number;
  readonly copies: number;
  readonly candidates: number;
  readonly opened: number;
  readonly healed: number;
  readonly open: number;
  readonly unconfirmed: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly oldestAt: number | undefined;
  readonly tookMs: number;
  readonly problem: string;
}
