import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import type { AlertTarget, DriftRule } from '../catalog/drift-rule.ts';
import { isAlarming, summarize, type Standing } from './thresholds.ts';
import { findBurst } from './find-burst.ts';
import { sendAlert } from './send-alert.ts';
import type { DriftStore, StandingAlert } from './store.ts';

/** A message that a receiver has not taken yet. */
interface Message {
  readonly target: AlertTarget;
  readonly alert: StandingAlert;
  readonly healedAt: number | undefined;
}

/** How long an alert waits while more and more is found. */
const LONGEST_GROWTH_MS = 60_000;
/** Messages kept for a receiver that does not answer. */
const MOST_WAITING = 1_000;

/**
 * Raises an alert when a rule's thresholds are passed, and again says when it is over: each once,
 * also across restarts, because what stands is kept in the warehouse.
 */
export class Alerting {
  readonly #store: DriftStore;
  readonly #targets: readonly AlertTarget[];
  readonly #circumstances: (rule: DriftRule, at: number) => Promise<string[]>;
  readonly #log: Logger;
  readonly #standing: Map<string, StandingAlert>;
  /** Rules whose thresholds are passed, and how much was found when that was last looked at. */
  readonly #growing = new Map<string, { since: number; findings: number }>();
  #messages: Message[] = [];

  constructor(parts: {
    readonly store: DriftStore;
    readonly targets: readonly AlertTarget[];
    /** What else happened around a moment. */
    readonly circumstances: (rule: DriftRule, at: number) => Promise<string[]>;
    readonly log: Logger;
    readonly standing: readonly StandingAlert[];
  }) {
    this.#store = parts.store;
    this.#targets = parts.targets;
    this.#circumstances = parts.circumstances;
    this.#log = parts.log;
    this.#standing = new Map(parts.standing.map((alert) => [alert.rule, alert]));
  }

  /**
   * Compares how a rule stands with what was told of it.
   *
   * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`: nothing is told then
   */
  async update(rule: DriftRule, standing: Standing): Promise<void> {
    const alert = this.#standing.get(rule.name);
    const isOver = standing.open.length === 0;
    if (!isAlarming(rule, standing)) this.#growing.delete(rule.name);
    else if (alert === undefined && !this.#grows(rule, standing)) {
      await this.#raise(rule, standing);
    }
    // Between none and the threshold it stands, so that nobody is told to and fro.
    if (alert !== undefined && isOver) await this.#heal(alert);
  }

  /** Tells receivers what they have not taken yet. */
  async deliver(): Promise<void> {
    const messages = this.#messages;
    this.#messages = [];
    const failed = new Set<AlertTarget>();
    for (const message of messages) {
      // Those of one receiver stay in order.
      if (!failed.has(message.target)) {
        try {
          await sendAlert(message.target, message.alert, message.healedAt);
          continue;
        } catch (error) {
          failed.add(message.target);
          this.#log.error(
            { rule: message.alert.rule, reason: describeError(error) },
            'alert not delivered; it is tried again',
          );
        }
      }
      this.#messages.push(message);
    }
    this.#messages.splice(0, this.#messages.length - MOST_WAITING);
  }

  /** Whether more is found with each look: an alert waits for the end of that, but not for long. */
  #grows({ name }: DriftRule, { open }: Standing): boolean {
    const before = this.#growing.get(name);
    const since = before?.since ?? Date.now();
    this.#growing.set(name, { since, findings: open.length });
    return open.length > (before?.findings ?? 0) && Date.now() - since < LONGEST_GROWTH_MS;
  }

  async #raise(rule: DriftRule, standing: Standing): Promise<void> {
    const burst = findBurst(standing.open);
    const alert = {
      rule: rule.name,
      raisedAt: Date.now(),
      summary: summarize(rule, standing, burst),
      circumstances: burst === undefined ? [] : await this.#circumstances(rule, burst.at),
    };
    await this.#store.writeAlert(alert, undefined);
    this.#standing.set(rule.name, alert);
    const { summary, circumstances } = alert;
    this.#log.warn({ rule: rule.name, summary, circumstances }, 'drift');
    this.#tell(alert, undefined);
  }

  async #heal(alert: StandingAlert): Promise<void> {
    const healedAt = Date.now();
    await this.#store.writeAlert(alert, healedAt);
    this.#standing.delete(alert.rule);
    this.#log.info({ rule: alert.rule }, 'drift is over');
    this.#tell(alert, healedAt);
  }

  #tell(alert: StandingAlert, healedAt: number | undefined): void {
    for (const target of this.#targets) this.#messages.push({ target, alert, healedAt });
  }
}
