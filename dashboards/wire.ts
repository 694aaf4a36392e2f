/** What server and pages say to each other. Types only: neither end takes code from the other. */

/** How a panel draws its rows. */
export type PanelKind = 'timeseries' | 'bar' | 'stat' | 'table';

/** What the numbers of a panel are. `money` comes with a currency in `label`, `series` or `currency`. */
export type Unit = 'count' | 'per_second' | 'ms' | 'bytes' | 'percent' | 'money';

/** A value from which on, or below which, a number is worth a look. */
export interface Threshold {
  readonly at: number;
  readonly level: 'warning' | 'critical';
  readonly when: 'above' | 'below';
}

/** Where a row leads: another page with variables filled from the row's columns. */
export interface PanelLink {
  readonly dashboard: string;
  /** Column of the row by variable of that page. */
  readonly variables: Readonly<Record<string, string>>;
}

/** A panel as a page needs it. */
export interface PanelAbout {
  readonly id: string;
  readonly title: string;
  readonly description?: string | undefined;
  readonly kind: PanelKind;
  readonly unit: Unit;
  readonly width: number;
  readonly stack: boolean;
  readonly gaps: 'zero' | 'open';
  readonly thresholds: readonly Threshold[];
  /** What to say when there are no rows, and whether that is good news. */
  readonly empty?: { readonly text: string; readonly tone: 'calm' | 'good' } | undefined;
  readonly link?: PanelLink | undefined;
  /** Title of the rows behind a point, where there are any. */
  readonly drilldown?: string | undefined;
  readonly sql: string;
}

/** A filter of a page. An empty value means all. */
export interface VariableAbout {
  readonly name: string;
  readonly label: string;
  readonly default: string;
}

/** A dashboard as its page needs it. */
export interface DashboardAbout {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly range: string;
  readonly variables: readonly VariableAbout[];
  readonly panels: readonly PanelAbout[];
}

/** A column of a result, with its ClickHouse type. */
export interface Column {
  readonly name: string;
  readonly type: string;
}

/** A value as JSON has it: 64-bit integers and decimals are text, so that no digit is lost. */
export type Cell =
  null | boolean | number | string | readonly Cell[] | { readonly [key: string]: Cell };

/** Rows of a result. */
export interface Rows {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A panel's data and the time that it is of; times in milliseconds since 1970. */
export interface PanelData extends Rows {
  readonly from: number;
  readonly to: number;
  /** Length of the pieces that time is cut into. */
  readonly bucketSeconds: number;
  /** Values of the parameters of the query. */
  readonly parameters: Readonly<Record<string, string | number>>;
}

/** What is known of one source behind a page; times in milliseconds since 1970. */
export interface SourceFreshness {
  readonly source: string;
  /** Commit time of the newest change that is stored; undefined when none was in the last 7 days. */
  readonly lastCommittedAt?: number | undefined;
  /** When the pipeline last stored a change. */
  readonly lastStoredAt?: number | undefined;
  /** End-to-end lag over the last minute, median and 99th percentile, in milliseconds. */
  readonly lagP50Ms?: number | undefined;
  readonly lagP99Ms?: number | undefined;
  /** Why changes do not come any more, as far as that is known. */
  readonly stopped?: string | undefined;
}

/** How fresh a page is. `now` is the clock of the server, in milliseconds since 1970. */
export interface Freshness {
  readonly now: number;
  readonly sources: readonly SourceFreshness[];
  /** Why nothing of any source comes any more, as far as that is known. */
  readonly stopped?: string | undefined;
}

/** A database, as the SQL page completes and lists it. */
export interface SchemaTable {
  readonly database: string;
  readonly name: string;
  readonly comment: string;
  readonly columns: readonly { name: string; type: string; comment: string }[];
}

/** What the SQL page knows of the warehouse. */
export interface Schema {
  readonly tables: readonly SchemaTable[];
  readonly functions: readonly string[];
}

/** A query on the SQL page. */
export interface SqlRequest {
  readonly sql: string;
  /** Values of `{name:Type}` in it. */
  readonly params: Readonly<Record<string, string>>;
}

/** What ClickHouse says of a statement that it refused or gave up. */
export interface SqlError {
  /** ClickHouse's number and name; 0 when it did not answer. */
  readonly code: number;
  readonly name: string;
  readonly message: string;
  /** Where in the statement, from 1, when that is known. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/** A line of the answer to a query: columns first, then rows and progress, then how it ended. */
export type SqlLine =
  | { readonly meta: readonly Column[] }
  | { readonly row: readonly Cell[] }
  | { readonly progress: SqlProgress }
  | { readonly text: string }
  | { readonly done: SqlDone }
  | { readonly error: SqlError };

/** How far a query is; counts are text. */
export interface SqlProgress {
  readonly read_rows: string;
  readonly read_bytes: string;
  readonly total_rows_to_read?: string | undefined;
  readonly elapsed_ns?: string | undefined;
}

/** How a query ended. */
export interface SqlDone {
  readonly rows: number;
  readonly elapsedMs: number;
  /** Whether there are more rows than a page shows. */
  readonly truncated: boolean;
}

/** A part of what there is to operate, or why it cannot be shown. */
export type OperationsPart = { readonly rows: Rows } | { readonly problem: string };

/** What there is to operate, and what was done. */
export interface OperationsState {
  /** Open dead letters by topic and code. */
  readonly groups: OperationsPart;
  /** The newest open dead letters. */
  readonly letters: OperationsPart;
  /** Captured tables with their last resync. */
  readonly tables: OperationsPart;
  /** Rules of drift. */
  readonly rules: OperationsPart;
  readonly operations: OperationsPart;
}

/** A dead letter as an operator looks at it. */
export interface ShownLetter {
  /** topic/partition/offset */
  readonly place: string;
  readonly state: string;
  readonly code: string;
  readonly reason: string;
  /** Bytes; null when there is none. */
  readonly keySize: number | null;
  readonly valueSize: number | null;
  /** The first bytes in hexadecimal, and headers; undefined where the table has masked columns. */
  readonly content?:
    | {
        readonly headers: Readonly<Record<string, string>>;
        readonly key: string | null;
        readonly value: string | null;
      }
    | undefined;
}

/** Body of an error answer (RFC 9457). */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Tables of this panel are not there yet. */
  readonly waiting?: boolean | undefined;
  readonly error?: SqlError | undefined;
}
