import { setTimeout as delay } from 'node:timers/promises';
import { describeError, isAbort, messageCode } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import type { Alerting } from './alerting.ts';
import { shareDrifted } from './thresholds.ts';
import { KINDS } from './classify.ts';
import type { Round } from './finding.ts';
import type { DriftMetrics } from './metrics.ts';
import type { RuleWatch } from './rule-watch.ts';
import type { DriftStore } from './store.ts';

/** A round in which nothing happened is written at most so often. */
export const QUIET_EVERY_MS = 60_000;

/** What the monitor stands on. */
export interface MonitorParts {
  readonly watches: readonly RuleWatch[];
  /** All copies of a rule are looked at so often; between that, those that were written. */
  readonly sweepEveryMs: number;
  /** Between two rounds. */
  readonly pauseMs: number;
  readonly store: DriftStore;
  readonly alerting: Alerting;
  readonly metrics: DriftMetrics;
  readonly log: Logger;
}

/** Looks at all rules in turn, again and again, until it is told to stop. */
export async function runMonitor(parts: MonitorParts, signal: AbortSignal): Promise<void> {
  const memory: Memory = { sweptAt: new Map(), writtenAt: new Map(), problems: new Map() };
  while (!signal.aborted) {
    for (const watch of parts.watches) {
      if (signal.aborted) return;
      await turn(parts, watch, memory, signal);
    }
    await parts.alerting.deliver();
    try {
      await delay(parts.pauseMs, undefined, { signal });
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }
}

/** What is remembered between two rounds, by rule. */
interface Memory {
  /** Times in milliseconds since 1970. */
  readonly sweptAt: Map<string, number>;
  readonly writtenAt: Map<string, number>;
  /** Why the round before failed. */
  readonly problems: Map<string, string>;
}

async function turn(
  { sweepEveryMs, store, alerting, metrics, log }: MonitorParts,
  watch: RuleWatch,
  memory: Memory,
  signal: AbortSignal,
): Promise<void> {
  const { rule } = watch;
  const lookedAt = Date.now();
  const isSweep = lookedAt - (memory.sweptAt.get(rule.name) ?? 0) >= sweepEveryMs;
  let round: Round;
  try {
    const result = await watch.round(isSweep ? 'sweep' : 'changes');
    ({ round } = result);
    if (round.kind === 'sweep') memory.sweptAt.set(rule.name, lookedAt);
    // What was found is not found again as new, so it has to be written, however long that takes.
    await retry(() => store.writeFindings(result.changed), {
      policy: UNTIL_STOPPED,
      signal,
      log,
      what: 'writing findings of drift',
    });
    await alerting.update(rule, {
      open: watch.open.filter(({ state }) => state === 'open'),
      copies: watch.copies,
    });
    metrics.rounds.inc({ rule: rule.name, result: 'done' });
    memory.problems.delete(rule.name);
  } catch (error) {
    if (isAbort(error)) return;
    const reason = describeError(error);
    // A rule may have to wait for its tables: that is said once.
    const level = memory.problems.get(rule.name) === reason ? 'debug' : 'warn';
    log[level]({ rule: rule.name, code: messageCode(error), reason }, 'rule not looked at');
    memory.problems.set(rule.name, reason);
    metrics.rounds.inc({ rule: rule.name, result: 'failed' });
    round = failedRound(rule.name, isSweep ? 'sweep' : 'changes', lookedAt, reason);
  }
  measure(metrics, watch, round);
  const isQuiet =
    round.kind === 'changes' && round.opened + round.healed + round.open + round.waiting === 0;
  if (isQuiet && lookedAt - (memory.writtenAt.get(rule.name) ?? 0) < QUIET_EVERY_MS) return;
  try {
    await store.writeRounds([round]);
    memory.writtenAt.set(rule.name, lookedAt);
  } catch (error) {
    log.warn({ rule: rule.name, reason: describeError(error) }, 'round not written');
  }
}

function failedRound(rule: string, kind: Round['kind'], lookedAt: number, problem: string): Round {
  const nothing = { copies: 0, candidates: 0, opened: 0, healed: 0, open: 0 };
  const unknown = { unconfirmed: 0, inFlight: 0, waiting: 0, oldestAt: undefined };
  const tookMs = Date.now() - lookedAt;
  return { rule, kind, lookedAt, ...nothing, ...unknown, tookMs, problem };
}

function measure(metrics: DriftMetrics, watch: RuleWatch, round: Round): void {
  const rule = watch.rule.name;
  if (round.problem !== '') return;
  const open = watch.open.filter(({ state }) => state === 'open');
  metrics.copies.set({ rule }, watch.copies);
  for (const kind of KINDS) {
    metrics.open.set({ rule, kind }, open.filter((finding) => finding.kind === kind).length);
  }
  metrics.share.set({ rule }, shareDrifted({ open, copies: watch.copies }));
  metrics.unconfirmed.set({ rule }, round.unconfirmed);
  if (round.oldestAt === undefined) metrics.oldest.remove({ rule });
  else metrics.oldest.set({ rule }, round.oldestAt / 1_000);
  metrics.duration.observe({ rule, kind: round.kind }, round.tookMs / 1_000);
  metrics.lastRound.set({ rule }, round.lookedAt / 1_000);
}
