import { Command } from 'commander';
import pc from 'picocolors';
import { EXIT } from '#runtime/lifecycle.ts';
import { auditSources } from '../../connectors/audit/audit-sources.ts';
import { loadChosenCatalog } from '../chosen-catalog.ts';

/** `tributary audit`: what services share behind each other's backs. */
export function auditCommand(): Command {
  return new Command('audit')
    .description('Find hidden sharing: databases, roles, foreign tables, views, connections')
    .option('--config <file>', 'catalog of the sources (default: tributary.yaml)')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nReads the system catalogs of each source, as its capture role.\n' +
        '\nEnvironment (by default the local stack):\n' +
        '  the variables that the catalog names\n' +
        '\nExit codes: 0 nothing is shared, 1 something is, 2 called or configured wrongly',
    )
    .action(async (options: { config?: string; json?: boolean }) => {
      const catalog = await loadChosenCatalog(options.config);
      const findings = await auditSources(catalog);
      const bad = pc.isColorSupported ? pc.red : String;
      const lines = findings.map(
        ({ source, id, what, why }) => `${bad(source)}: ${what} [${id}]\n    ${why}\n`,
      );
      const sources = `${catalog.sources.length} ${catalog.sources.length === 1 ? 'source' : 'sources'}`;
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify(findings, undefined, 2)}\n`
          : `${lines.join('')}${findings.length === 0 ? `${sources}, nothing shared` : `${findings.length} found in ${sources}`}\n`,
      );
      process.exitCode = findings.length === 0 ? EXIT.ok : EXIT.failed;
    });
}
