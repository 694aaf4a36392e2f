import { slotHealth } from '../../connectors/slot-health.ts';
import { WINDOW_SECONDS } from '../../pipeline/sink/warehouse-status.ts';
import type { SlotStatus } from '../../connectors/slot-status.ts';
import type { Known, SourceStatus } from './gather-status.ts';

/** Marks for a terminal; the identity elsewhere. */
export interface StatusPaint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

const HEADER = [
  'source',
  'connector',
  'slot',
  'retained WAL',
  'consumer lag',
  'changes/s',
  'end-to-end lag p50 / p99',
  'tables',
  'rows',
];
const NUMERIC_FROM = 3;

/** Whether everything about a source is as it should be. */
export function isWell(status: SourceStatus): boolean {
  const { source, connector, slot, consumerLagRecords, warehouse, waiting, openDeadLetters } =
    status;
  return (
    'value' in connector &&
    connector.value === 'RUNNING' &&
    'value' in slot &&
    slot.value?.active === true &&
    slotHealth(source, slot.value).level !== 'critical' &&
    'value' in consumerLagRecords &&
    'value' in warehouse &&
    'value' in waiting &&
    waiting.value.length === 0 &&
    'value' in openDeadLetters &&
    openDeadLetters.value === 0
  );
}

/** All sources as a table, then what could not be found out. */
export function describeStatus(statuses: readonly SourceStatus[], paint: StatusPaint): string {
  const lines = statuses.map(cellsOf);
  const widths = HEADER.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const padded = [HEADER, ...lines].map((line) =>
    line.map((cell, column) =>
      column < NUMERIC_FROM ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    ),
  );
  const painted = padded.map((line, row) => {
    const status = statuses[row - 1];
    const mark =
      status === undefined ? (text: string) => text : isWell(status) ? paint.good : paint.bad;
    return line
      .map((cell, column) => (column === 0 ? mark(cell) : cell))
      .join('  ')
      .trimEnd();
  });
  const reasons = new Set(statuses.flatMap(reasonsOf));
  const notes = [
    ...statuses.flatMap(slotWarnings),
    ...statuses.flatMap(waitWarnings),
    ...statuses.flatMap(letterWarnings),
    ...reasons,
  ];
  return [...painted, ...(notes.length === 0 ? [] : ['', ...notes]), '', footnote()].join('\n');
}

function footnote(): string {
  return `Rates and lags over the last ${WINDOW_SECONDS} s; - means that nothing changed.`;
}

function cellsOf({
  source,
  connector,
  slot,
  consumerLagRecords,
  warehouse,
}: SourceStatus): string[] {
  return [
    source,
    text(connector, (state) => state),
    text(slot, (value) =>
      value === undefined
        ? 'none'
        : `${value.active ? 'active' : 'inactive'}${value.walStatus === 'reserved' ? '' : `, ${value.walStatus}`}`,
    ),
    text(slot, (value) => (value === undefined ? '-' : retained(value))),
    text(consumerLagRecords, (records) => Number(records).toLocaleString('en-US')),
    text(warehouse, (value) => value.changesPerSecond.toFixed(1)),
    text(warehouse, ({ lagP50Ms, lagP99Ms }) =>
      lagP50Ms === undefined || lagP99Ms === undefined
        ? '-'
        : `${lagP50Ms.toFixed(0)} / ${lagP99Ms.toFixed(0)} ms`,
    ),
    text(warehouse, (value) => String(value.tables)),
    text(warehouse, (value) => value.rows.toLocaleString('en-US')),
  ];
}

function reasonsOf(status: SourceStatus): string[] {
  return [
    status.connector,
    status.slot,
    status.consumerLagRecords,
    status.warehouse,
    status.waiting,
    status.openDeadLetters,
  ].flatMap((part) => ('unknown' in part ? [`? ${part.unknown}`] : []));
}

/** Slots that need somebody, each with what to do. */
function slotWarnings({ source, slot }: SourceStatus): string[] {
  if (!('value' in slot)) return [];
  const { level, what, fix } = slotHealth(source, slot.value);
  return level === 'ok' ? [] : [`! ${what}\n  → ${fix}`];
}

/** Tables that stand still until they are loaded anew. */
function waitWarnings({ source, waiting }: SourceStatus): string[] {
  if (!('value' in waiting) || waiting.value.length === 0) return [];
  const tables = waiting.value.map((topic) => topic.slice(source.length + 1)).join(', ');
  return [
    `! ${source}: ${tables}: the newest changes have positions before those of older ones, or partitions were added\n  → tributary resync ${source}`,
  ];
}

/** What in the warehouse is not as it should be because a record could not be applied. */
function letterWarnings({ source, openDeadLetters }: SourceStatus): string[] {
  if (!('value' in openDeadLetters) || openDeadLetters.value === 0) return [];
  const count = openDeadLetters.value === 1 ? 'a record' : `${openDeadLetters.value} records`;
  return [`! ${source}: ${count} could not be applied\n  → tributary dead-letters list`];
}

function retained({ retainedBytes, safeBytes }: SlotStatus): string {
  return safeBytes === null
    ? bytes(retainedBytes)
    : `${bytes(retainedBytes)} of ${bytes(retainedBytes + safeBytes)}`;
}

function text<T>(known: Known<T>, print: (value: T) => string): string {
  return 'value' in known ? print(known.value) : '?';
}

function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${(count / 1024).toFixed(0)} kB`;
  if (count < 1024 ** 3) return `${(count / 1024 ** 2).toFixed(1)} MB`;
  return `${(count / 1024 ** 3).toFixed(2)} GB`;
}
