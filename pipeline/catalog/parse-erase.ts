import { z } from 'zod';
import type { Source } from './catalog.ts';
import { endpointOf } from './endpoint.ts';
import { eraseData, eraseEntry, type EraseRule } from './erase-rule.ts';
import { maskOf } from './mask.ts';
import { putter, type Path, type Reporter } from './reporter.ts';
import { isCaptured } from './table-pattern.ts';

/**
 * Understands the `erase` of a catalog. Entries of the wrong shape are left out: those are told of
 * already.
 *
 * @param sources - the sources of the catalog that are in order
 */
export function parseErase(
  content: unknown,
  sources: readonly Source[],
  report: Reporter,
): { rules: EraseRule[]; variables: string[] } {
  const variables: string[] = [];
  const put = putter(report, variables);
  const firstOfName = new Map<string, number>();
  const rules = eraseEntries(content).flatMap((entry, index): EraseRule[] => {
    const place = ['erase', index];
    const { data: written } = eraseEntry.safeParse(entry);
    if (written === undefined) return [];
    const first = firstOfName.get(written.subject);
    if (first !== undefined) {
      report.at(
        [...place, 'subject'],
        `"${written.subject}" is there already, on line ${first}`,
        'Put the tables of both under one.',
      );
    }
    firstOfName.set(written.subject, first ?? report.lineOf([...place, 'subject']));
    const rule = {
      ...eraseData(written),
      request: endpointOf(written.request, [...place, 'request'], put),
    };
    if (!rule.request.url.includes('{key}')) {
      report.at(
        [...place, 'request', 'url'],
        'the url does not say who is to be erased',
        'Put {key} where the key belongs.',
      );
    }
    checkData(rule, sources, place, report);
    checkEvents(rule, sources, place, report);
    return [rule];
  });
  return { rules, variables };
}

/** By source, the types of the events that the `erase` of a catalog names. */
export function erasableEvents(content: unknown): ReadonlyMap<string, readonly string[]> {
  const types = new Map<string, string[]>();
  for (const entry of eraseEntries(content)) {
    const { data: written } = eraseEntry.safeParse(entry);
    for (const { source, type } of written === undefined ? [] : eraseData(written).events) {
      types.set(source, [...(types.get(source) ?? []), type]);
    }
  }
  return types;
}

function eraseEntries(content: unknown): readonly unknown[] {
  return z.object({ erase: z.array(z.unknown()) }).safeParse(content).data?.erase ?? [];
}

function checkData(
  rule: EraseRule,
  sources: readonly Source[],
  place: Path,
  report: Reporter,
): void {
  for (const [index, { table, reference }] of rule.data.entries()) {
    const at = [...place, 'data', index];
    const source = sources.find(({ name }) => name === table.source);
    if (source === undefined) {
      report.at(
        [...at, 'table'],
        `there is no source "${table.source}"`,
        `Write source.table with one of: ${sources.map(({ name }) => name).join(', ')}`,
      );
    } else if (!isCaptured(source, table)) {
      report.at(
        [...at, 'table'],
        `source ${table.source} does not capture ${table.schema}.${table.table}`,
        'Add the table to the `tables` of the source, or correct the name.',
      );
    } else if (maskOf(source.masks, { ...table, column: reference }) !== undefined) {
      report.at(
        [...at, 'reference'],
        'rows are looked up by this column, and it is masked',
        'Leave the column unmasked (`keep`), or refer to another.',
      );
    }
  }
}

function checkEvents(
  rule: EraseRule,
  sources: readonly Source[],
  place: Path,
  report: Reporter,
): void {
  for (const [index, { source }] of rule.events.entries()) {
    const found = sources.find(({ name }) => name === source);
    if (found?.outbox !== undefined) continue;
    report.at(
      [...place, 'events', index],
      found === undefined ? `there is no source "${source}"` : `source ${source} has no outbox`,
      'Write source.EventType, with a source that has an `outbox`.',
    );
  }
}
