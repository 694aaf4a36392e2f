import type { Source } from '../pipeline/catalog/catalog.ts';
import type { TableName } from '../pipeline/catalog/table-pattern.ts';
import { capturedTables } from './captured-tables.ts';
import { checkColumns } from './check-columns.ts';
import { checkMasks } from './check-masks.ts';
import { checkPublication } from './check-publication.ts';
import { checkRows } from './check-rows.ts';
import { checkServer } from './check-server.ts';
import { checkTables } from './check-tables.ts';
import { captureNames } from './connector-config.ts';
import type { Finding } from './finding.ts';
import { gatherFacts } from './gather-facts.ts';
import { withDatabase } from './source-connection.ts';
import type { SourceFacts } from './source-facts.ts';

/** What preflight found out about a source. */
export interface PreflightReport {
  readonly source: string;
  /** Tables the source's patterns come to. */
  readonly tables: readonly TableName[];
  /** The source's outbox, when it has one. */
  readonly outbox: TableName | undefined;
  /** Errors first. */
  readonly findings: readonly Finding[];
  /** Whether the source's own role could run the provisioning script itself. */
  readonly canProvision: boolean;
}

/** What preflight has to know beside the source. */
export interface PreflightContext {
  /** For places in messages. */
  readonly catalogPath: string;
  /** Whether Kafka Connect has the source's connector, which then is the slot's rightful reader. */
  readonly connectorExists: boolean;
}

/** Judges a source by what its database says. Pure. */
export function judge(
  facts: SourceFacts,
  source: Source,
  { catalogPath, connectorExists }: PreflightContext,
): PreflightReport {
  const names = captureNames(source.name);
  const tables = capturedTables(source, facts);
  const findings = [
    ...checkServer(facts, names, connectorExists),
    ...checkTables(facts, source, catalogPath, tables),
    ...checkPublication(facts, tables, source, names.publication),
    ...checkRows(facts, tables, source),
    ...checkColumns(tables, source, facts.serverVersion),
    ...checkMasks(tables, source, catalogPath),
  ];
  return {
    source: source.name,
    tables: tables.captured.map(({ schema, table }) => ({ schema, table })),
    outbox:
      tables.outbox === undefined
        ? undefined
        : { schema: tables.outbox.schema, table: tables.outbox.table },
    findings: findings.sort((a, b) => rank(a) - rank(b)),
    canProvision:
      facts.role.superuser ||
      (facts.role.replication &&
        facts.role.createsInDatabase &&
        tables.published.every((table) => table.roleOwns)),
  };
}

function rank({ severity }: Finding): number {
  return severity === 'error' ? 0 : 1;
}

/** Findings that stand in the way of capture. */
export function errorsOf({ findings }: PreflightReport): readonly Finding[] {
  return findings.filter(({ severity }) => severity === 'error');
}

/**
 * Checks a source's database through the source's own URL, changing nothing.
 *
 * @throws TributaryError `SOURCE_UNAVAILABLE`, and `PREFLIGHT_FAILED` when the role may not log
 * in or the server is too old
 */
export async function preflight(
  source: Source,
  context: PreflightContext,
): Promise<PreflightReport> {
  return withDatabase(source.name, source.url, async (client) =>
    judge(
      await gatherFacts(client, source.address.user, captureNames(source.name).publication),
      source,
      context,
    ),
  );
}
