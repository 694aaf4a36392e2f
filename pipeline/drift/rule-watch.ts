import { keyId, type Key } from '../verify/key-range.ts';
import type { DriftRule } from '../catalog/drift-rule.ts';
import type { Drift, Judgement } from './classify.ts';
import { digest, examine, type Examined, type Examiner } from './examine.ts';
import {
  countCopies,
  findCandidates,
  isEmptyWindow,
  readPositions,
  type Candidate,
  type ChangedSides,
  type Positions,
} from './find-candidates.ts';
import type { Finding, Round } from './finding.ts';
import { nameEvents } from './name-events.ts';
import { settledDifferences, type CatchUpWith } from './settled-differences.ts';
import { readSides, type WarehouseSides } from './warehouse-side.ts';

/** Findings of a rule that are kept at once; more are counted as too many. */
const MOST_FINDINGS = 10_000;
/** Open findings looked at again in a round: services answer for few rows at a time. */
const REVISITED = 400;
const PATIENCE_MS = 30_000;
/** `seen_at` of a finding is written at most so often. */
const SEEN_EVERY_MS = 60_000;

/** What a watch needs beside its rule. */
export type WatchParts = Pick<Examiner, 'catalog' | 'warehouse'> & {
  readonly rule: DriftRule;
  /** Makes sure that the warehouse holds what its sources do. */
  readonly catchUpWith: CatchUpWith | undefined;
  /** How long the warehouse may differ from a source before the two are compared for certain. */
  readonly patienceMs?: number;
};

/** A copy of which nothing certain can be said yet. */
interface Pending {
  readonly candidate: Candidate;
  readonly why: 'in flight' | 'behind' | 'warehouse differs';
}

/** What a round brought. */
export interface RoundResult {
  readonly round: Round;
  /** Findings that began, ended or changed. */
  readonly changed: readonly Finding[];
  /** Whether there are more copies that differ than are kept. */
  readonly cut: boolean;
}

/** Watches the copies of one rule, round by round. */
export class RuleWatch {
  readonly #parts: WatchParts;
  readonly #pending = new Map<string, Pending>();
  /** By key of the copy, then by field. */
  readonly #findings = new Map<string, Map<string, Finding>>();
  readonly #seen = new Map<string, { state: string; since: number }>();
  readonly #visitedAt = new Map<string, number>();
  /** Up to where both sides were looked at; undefined before the first sweep. */
  #looked: { owner: Positions; copy: Positions } | undefined;
  #copies = 0;

  /** @param open - findings that a process before this one has left open */
  constructor(parts: WatchParts, open: readonly Finding[] = []) {
    this.#parts = parts;
    for (const finding of open) this.#put(finding);
  }

  get rule(): DriftRule {
    return this.#parts.rule;
  }

  get open(): readonly Finding[] {
    return [...this.#findings.values()].flatMap((fields) => [...fields.values()]);
  }

  /** Copies that the rule is about, as of the last sweep. */
  get copies(): number {
    return this.#copies;
  }

  /** Copies of which nothing certain can be said yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Looks for drift in the warehouse, confirms it at the sources, and looks at what was found before.
   *
   * @throws TributaryError what the reads throw; nothing is forgotten then
   */
  async round(kind: Round['kind']): Promise<RoundResult> {
    const lookedAt = Date.now();
    const began = performance.now();
    const { rule, warehouse } = this.#parts;
    const sides = await readSides(warehouse, rule);
    const upTo = {
      owner: await readPositions(warehouse, sides.owner),
      copy: await readPositions(warehouse, sides.copy),
    };
    const after = kind === 'sweep' ? undefined : this.#looked;
    const found =
      after === undefined
        ? await this.#sweep(sides)
        : await this.#findChanged(sides, {
            owner: { after: after.owner, upTo: upTo.owner },
            copy: { after: after.copy, upTo: upTo.copy },
          });
    const examiner = { ...this.#parts, sides, seen: this.#seen };
    const examined = await examine(examiner, this.#toExamine(found.candidates));
    const differing = await this.#settle(sides, examined);
    const tally = { opened: 0, healed: 0 };
    const changed: Finding[] = [];
    for (const one of examined) {
      const news = this.#apply(one, differing.has(keyId(one.copy)), lookedAt);
      for (const finding of news) {
        if (finding.state === 'healed') tally.healed += 1;
        else if (finding.openedAt === lookedAt) tally.opened += 1;
        changed.push(finding);
      }
    }
    const named = await nameEvents(examiner, changed);
    for (const finding of named) if (finding.state !== 'healed') this.#put(finding);
    // Only now: what was not looked at because something failed is looked at again.
    this.#looked = upTo;
    return {
      changed: named,
      cut: found.cut || this.open.length >= MOST_FINDINGS,
      round: {
        rule: rule.name,
        kind: after === undefined ? 'sweep' : 'changes',
        lookedAt,
        copies: this.#copies,
        candidates: found.candidates.length,
        ...tally,
        ...this.#standing(),
        tookMs: performance.now() - began,
        problem: '',
      },
    };
  }

  #standing(): Pick<Round, 'open' | 'unconfirmed' | 'inFlight' | 'waiting' | 'oldestAt'> {
    const open = this.open.filter(({ state }) => state === 'open');
    const waiting = [...this.#pending.values()];
    return {
      open: open.length,
      unconfirmed: this.open.length - open.length,
      inFlight: waiting.filter(({ why }) => why === 'in flight').length,
      waiting: waiting.length,
      oldestAt: open.reduce<number | undefined>(
        (oldest, { openedAt }) => Math.min(oldest ?? openedAt, openedAt),
        undefined,
      ),
    };
  }

  async #sweep(sides: WarehouseSides): Promise<{ candidates: readonly Candidate[]; cut: boolean }> {
    const { rule, warehouse } = this.#parts;
    this.#copies = await countCopies(warehouse, rule, sides);
    return findCandidates(warehouse, rule, sides, { limit: MOST_FINDINGS });
  }

  async #findChanged(
    sides: WarehouseSides,
    changed: ChangedSides,
  ): Promise<{ candidates: readonly Candidate[]; cut: boolean }> {
    if (isEmptyWindow(changed.owner) && isEmptyWindow(changed.copy)) {
      return { candidates: [], cut: false };
    }
    const { rule, warehouse } = this.#parts;
    return findCandidates(warehouse, rule, sides, { changed, limit: MOST_FINDINGS });
  }

  /** What was found, what is pending, and the open findings that were looked at longest ago. */
  #toExamine(found: readonly Candidate[]): Candidate[] {
    const wanted = new Map(found.map((candidate) => [keyId(candidate.copy), candidate]));
    for (const [id, { candidate }] of this.#pending) {
      if (!wanted.has(id)) wanted.set(id, candidate);
    }
    const longestAgo = [...this.#findings.keys()]
      .filter((id) => !wanted.has(id))
      .sort((a, b) => (this.#visitedAt.get(a) ?? 0) - (this.#visitedAt.get(b) ?? 0))
      .slice(0, REVISITED);
    for (const id of longestAgo) {
      const [finding] = this.#findings.get(id)?.values() ?? [];
      if (finding === undefined) continue;
      wanted.set(id, {
        copy: JSON.parse(finding.copyKey) as Key,
        owner: JSON.parse(finding.ownerKey) as Key,
      });
    }
    return [...wanted.values()];
  }

  /** Copies of which the warehouse is known for certain to hold something else than their source. */
  async #settle(
    sides: WarehouseSides,
    examined: readonly Examined[],
  ): Promise<ReadonlySet<string>> {
    const { catchUpWith, patienceMs = PATIENCE_MS } = this.#parts;
    const patient = examined.filter((one) => {
      const seen = this.#seen.get(keyId(one.copy));
      const isOld = seen?.state === one.state && one.readAt - seen.since >= patienceMs;
      return isOld && differsInWarehouse(one) && !this.#isPipeline(keyId(one.copy));
    });
    if (patient.length === 0 || catchUpWith === undefined) return new Set();
    const differing = await settledDifferences({ ...this.#parts, sides }, patient, catchUpWith);
    // Those that could not be decided are given the same time again.
    for (const { copy, state, readAt } of patient) {
      this.#seen.set(keyId(copy), { state, since: readAt });
    }
    return differing;
  }

  #isPipeline(id: string): boolean {
    return this.#findings.get(id)?.get('')?.kind === 'pipeline';
  }

  /** Takes in what was said of a copy. @returns findings that began, ended or changed */
  #apply(one: Examined, isOtherForCertain: boolean, now: number): Finding[] {
    const id = keyId(one.copy);
    const isPipeline = isOtherForCertain || (this.#isPipeline(id) && differsInWarehouse(one));
    this.#visitedAt.set(id, now);
    const { row, fields } = one.classification;
    const judged = new Map<string, Judgement>([
      ['', isPipeline ? { kind: 'pipeline', note: 'compare the two with tributary verify' } : row],
      ...this.rule.fields.map(({ copy }, index): [string, Judgement] => [
        copy,
        fields[index] ?? 'agrees',
      ]),
    ]);
    const why = waitingFor([...judged.values()], differsInWarehouse(one) && !isPipeline);
    if (why === undefined) this.#pending.delete(id);
    else this.#pending.set(id, { candidate: { copy: one.copy, owner: one.owner }, why });
    const seen = this.#seen.get(id);
    if (seen?.state !== one.state) {
      this.#seen.set(id, { state: one.state, since: one.readAt });
    }
    const changed: Finding[] = [];
    for (const [field, judgement] of judged) {
      const before = this.#findings.get(id)?.get(field);
      const after = this.#judge(before, one, field, judgement, now);
      if (after === undefined || after === before) continue;
      if (after.state === 'healed') this.#remove(id, field);
      else this.#put(after);
      changed.push(after);
    }
    if (!this.#pending.has(id) && !this.#findings.has(id)) {
      this.#seen.delete(id);
      this.#visitedAt.delete(id);
    }
    return changed;
  }

  #judge(
    before: Finding | undefined,
    one: Examined,
    field: string,
    judgement: Judgement,
    now: number,
  ): Finding | undefined {
    if (judgement === 'in flight' || judgement === 'behind') return before;
    if (judgement === 'agrees') {
      if (before === undefined || one.unconfirmed !== undefined) return before;
      const note = before.state === 'unconfirmed' ? 'the sources did not confirm it' : before.note;
      return { ...before, state: 'healed', note, seenAt: now, healedAt: now };
    }
    // What was confirmed once stays so while a source cannot be asked.
    if (one.unconfirmed !== undefined && before?.state === 'open') return before;
    if (before === undefined && this.open.length >= MOST_FINDINGS) return undefined;
    const after = this.#finding(one, field, judgement, before?.openedAt ?? now, now);
    if (before === undefined) return after;
    const isNews =
      after.state !== before.state ||
      after.kind !== before.kind ||
      after.ownerFingerprint !== before.ownerFingerprint ||
      after.copyFingerprint !== before.copyFingerprint ||
      now - before.seenAt >= SEEN_EVERY_MS;
    return isNews ? { ...after, missedEvent: before.missedEvent } : before;
  }

  #finding(one: Examined, field: string, drift: Drift, openedAt: number, now: number): Finding {
    const place = this.rule.fields.findIndex(({ copy }) => copy === field);
    const fingerprint = (texts: Examined['texts']['owner']) => {
      if (texts === undefined) return 'no row';
      const text = place === -1 ? JSON.stringify(texts) : (texts[place] ?? null);
      return text === null ? 'NULL' : digest(text);
    };
    return {
      rule: this.rule.name,
      copyKey: keyId(one.copy),
      field,
      openedAt,
      state: one.unconfirmed === undefined ? 'open' : 'unconfirmed',
      kind: drift.kind,
      ownerKey: keyId(one.owner),
      ownerFingerprint: fingerprint(one.texts.owner),
      copyFingerprint: fingerprint(one.texts.copy),
      ownerChangedAt: drift.ownerChangedAt,
      copyChangedAt: drift.copyChangedAt,
      missedAt: drift.missed?.at,
      missedTransaction: drift.missed?.transaction ?? 0,
      missedEvent: '',
      note: one.unconfirmed ?? drift.note ?? '',
      seenAt: now,
      healedAt: undefined,
    };
  }

  #put(finding: Finding): void {
    const fields = this.#findings.get(finding.copyKey) ?? new Map<string, Finding>();
    this.#findings.set(finding.copyKey, fields.set(finding.field, finding));
  }

  #remove(id: string, field: string): void {
    const fields = this.#findings.get(id);
    fields?.delete(field);
    if (fields?.size === 0) this.#findings.delete(id);
  }
}

/** Whether the sources agree with each other, and the warehouse does not with them. */
function differsInWarehouse({ classification, unconfirmed }: Examined): boolean {
  const { row, fields, isWarehouseSame } = classification;
  return (
    unconfirmed === undefined && !isWarehouseSame && [row, ...fields].every((j) => j === 'agrees')
  );
}

function waitingFor(
  judgements: readonly Judgement[],
  isWarehouseOther: boolean,
): Pending['why'] | undefined {
  if (judgements.includes('behind')) return 'behind';
  if (judgements.includes('in flight')) return 'in flight';
  return isWarehouseOther ? 'warehouse differs' : undefined;
}
