import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';
import type { Kind } from './classify.ts';
import type { Finding, FindingState, Round } from './finding.ts';

/** An alert of a rule: a row of `ops.drift_alerts`. Times are in milliseconds since 1970. */
export interface StandingAlert {
  readonly rule: string;
  readonly raisedAt: number;
  readonly summary: string;
  readonly circumstances: readonly string[];
}

/** What came of asking an owner to publish a row again: a row of `ops.drift_repairs`. */
export interface RepairRecord {
  readonly rule: string;
  readonly askedAt: number;
  readonly ownerKey: string;
  readonly copyKeys: readonly string[];
  readonly askedBy: string;
  readonly outcome: 'healed' | 'not healed' | 'refused';
  readonly detail: string;
}

/** Which findings to read. */
export interface FindingFilter {
  readonly rules?: readonly string[];
  /** @defaultValue all */
  readonly states?: readonly FindingState[];
  readonly limit?: number;
}

/** What the drift monitor has found and done, in `ops.drift_*`. */
export interface DriftStore {
  findings(filter: FindingFilter): Promise<Finding[]>;
  writeFindings(findings: readonly Finding[]): Promise<void>;
  writeRounds(rounds: readonly Round[]): Promise<void>;
  standingAlerts(): Promise<StandingAlert[]>;
  /** @param healedAt - when it was over; undefined while it stands */
  writeAlert(alert: StandingAlert, healedAt: number | undefined): Promise<void>;
  writeRepairs(repairs: readonly RepairRecord[]): Promise<void>;
  writeMarker(marker: { source: string; text: string; by: string }): Promise<void>;
}

/**
 * Opens the store. All of its methods throw TributaryError `SINK_UNAVAILABLE` or `SINK_REFUSED`.
 */
export function createDriftStore(client: ClickHouseClient): DriftStore {
  const insert = async (table: string, values: readonly object[]) => {
    if (values.length === 0) return;
    try {
      await client.insert({ table, format: 'JSONEachRow', values: [...values] });
    } catch (error) {
      throw sinkError(error, `writing ${table}`);
    }
  };
  return {
    async findings(filter) {
      const rows = await select<FindingRow>(client, FINDINGS, {
        rules: filter.rules ?? [],
        states: filter.states ?? [],
        limit: filter.limit ?? 1_000_000,
      });
      return rows.map(fromRow);
    },
    writeFindings: async (findings) => insert('ops.drift_findings', findings.map(toRow)),
    writeRounds: async (rounds) =>
      insert(
        'ops.drift_rounds',
        rounds.map((round) => ({
          looked_at: timeText(round.lookedAt),
          rule: round.rule,
          kind: round.kind,
          copies: round.copies,
          candidates: round.candidates,
          opened: round.opened,
          healed: round.healed,
          open: round.open,
          unconfirmed: round.unconfirmed,
          in_flight: round.inFlight,
          waiting: round.waiting,
          oldest_at: timeText(round.oldestAt),
          took_ms: round.tookMs,
          problem: round.problem,
        })),
      ),
    async standingAlerts() {
      const rows = await select<{
        rule: string;
        raisedAt: string;
        summary: string;
        circumstances: string[];
      }>(
        client,
        `SELECT rule, ${millis('raised_at')} AS "raisedAt", summary, circumstances
         FROM ops.drift_alerts FINAL WHERE healed_at IS NULL`,
        {},
      );
      return rows.map((row) => ({ ...row, raisedAt: Number(row.raisedAt) }));
    },
    writeAlert: async ({ rule, raisedAt, summary, circumstances }, healedAt) =>
      insert('ops.drift_alerts', [
        {
          rule,
          raised_at: timeText(raisedAt),
          healed_at: timeText(healedAt),
          summary,
          circumstances,
        },
      ]),
    writeRepairs: async (repairs) =>
      insert(
        'ops.drift_repairs',
        repairs.map((repair) => ({
          asked_at: timeText(repair.askedAt),
          rule: repair.rule,
          owner_key: repair.ownerKey,
          copy_keys: repair.copyKeys,
          asked_by: repair.askedBy,
          outcome: repair.outcome,
          detail: repair.detail,
        })),
      ),
    writeMarker: async ({ source, text, by }) =>
      insert('ops.markers', [{ source, text, marked_by: by }]),
  };
}

interface FindingRow {
  readonly rule: string;
  readonly copy_key: string;
  readonly field: string;
  readonly opened: string;
  readonly state: FindingState;
  readonly kind: Kind;
  readonly owner_key: string;
  readonly owner_fingerprint: string;
  readonly copy_fingerprint: string;
  readonly owner_changed: string | null;
  readonly copy_changed: string | null;
  readonly missed: string | null;
  readonly missed_event: string;
  readonly note: string;
  readonly seen: string;
  readonly healed: string | null;
}

const millis = (column: string) => `toString(toUnixTimestamp64Milli(${column}))`;

const FINDINGS = `
  SELECT rule, copy_key, field, ${millis('opened_at')} AS opened, state, kind, owner_key,
         owner_fingerprint, copy_fingerprint, ${millis('owner_changed_at')} AS owner_changed,
         ${millis('copy_changed_at')} AS copy_changed, ${millis('missed_at')} AS missed, missed_event, note,
         ${millis('seen_at')} AS seen, ${millis('healed_at')} AS healed
  FROM ops.drift_findings FINAL
  WHERE (empty({rules:Array(String)}) OR rule IN {rules:Array(String)})
    AND (empty({states:Array(String)}) OR state IN {states:Array(String)})
  ORDER BY opened_at DESC, rule, copy_key, field LIMIT {limit:UInt32}`;

function fromRow(row: FindingRow): Finding {
  const time = (text: string | null) => (text === null ? undefined : Number(text));
  return {
    rule: row.rule,
    copyKey: row.copy_key,
    field: row.field,
    openedAt: Number(row.opened),
    state: row.state,
    kind: row.kind,
    ownerKey: row.owner_key,
    ownerFingerprint: row.owner_fingerprint,
    copyFingerprint: row.copy_fingerprint,
    ownerChangedAt: time(row.owner_changed),
    copyChangedAt: time(row.copy_changed),
    missedAt: time(row.missed),
    missedEvent: row.missed_event,
    note: row.note,
    seenAt: Number(row.seen),
    healedAt: time(row.healed),
  };
}

function toRow(finding: Finding): Record<string, string | null> {
  return {
    rule: finding.rule,
    copy_key: finding.copyKey,
    field: finding.field,
    opened_at: timeText(finding.openedAt),
    state: finding.state,
    kind: finding.kind,
    owner_key: finding.ownerKey,
    owner_fingerprint: finding.ownerFingerprint,
    copy_fingerprint: finding.copyFingerprint,
    owner_changed_at: timeText(finding.ownerChangedAt),
    copy_changed_at: timeText(finding.copyChangedAt),
    missed_at: timeText(finding.missedAt),
    missed_event: finding.missedEvent,
    note: finding.note,
    seen_at: timeText(finding.seenAt),
    healed_at: timeText(finding.healedAt),
  };
}

/** As ClickHouse reads a DateTime64 whose type names the zone UTC. */
function timeText(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
}

async function select<T>(
  client: ClickHouseClient,
  query: string,
  parameters: Record<string, unknown>,
): Promise<T[]> {
  try {
    const result = await client.query({ query, query_params: parameters, format: 'JSONEachRow' });
    return await result.json<T>();
  } catch (error) {
    throw sinkError(error, 'reading what the drift monitor has found');
  }
}
