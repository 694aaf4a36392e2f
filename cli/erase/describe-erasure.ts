import { isComplete, type Erasure } from '../../pipeline/erasure/erase-subject.ts';

/** What is painted when the terminal has colours. */
interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** What there is of somebody, before anything is done. */
export function describeSurvey({ tables, letters }: Pick<Erasure, 'tables' | 'letters'>): string {
  const lines = columns([
    ['table', 'at the service', 'in the warehouse', 'changes', 'what'],
    ...tables.map(({ table, columns: names, atSource, rows, changes }) => [
      table,
      String(atSource),
      String(rows),
      String(changes),
      names === undefined ? 'whole rows' : names.join(', '),
    ]),
  ]);
  return [
    ...lines,
    `${letters} ${letters === 1 ? 'dead letter' : 'dead letters'}`,
    '',
    'Nothing was changed.',
    '  → to erase all of it, for good: the same command with --yes',
  ].join('\n');
}

/** What was done, where, and what is left. */
export function describeErasure(erasure: Erasure, paint: Paint): string {
  const { tables, letters, topics, searched, found } = erasure;
  const left = tables.filter(({ atSource }) => atSource > 0);
  if (left.length > 0) {
    return [
      ...left.map(({ table, atSource, columns: names }) =>
        paint.bad(
          `${table}: the service still has ${atSource} ${rows(atSource)} with ${names?.join(', ') ?? 'everything'}`,
        ),
      ),
      'Nothing was erased in the warehouse: it would come again from there.',
      '  → see that the services hear of the request (consumer lag, rejected events), and erase again',
    ].join('\n');
  }
  return [
    ...columns([
      ['table', 'in the warehouse', 'changes', 'emptied'],
      ...tables.map(({ table, columns: names, rows, changes }) => [
        table,
        String(rows),
        String(changes),
        names === undefined ? 'all but the key' : names.join(', '),
      ]),
    ]),
    '',
    ...columns([
      ['topic', 'records', 'what'],
      ...topics.map(({ topic, records, left }) => [
        topic,
        String(records),
        left === 0n ? 'taken out' : paint.bad(`${left} still there`),
      ]),
    ]),
    '',
    `${letters} ${letters === 1 ? 'dead letter' : 'dead letters'} emptied`,
    `searched the warehouse for ${searched} texts that nobody else had: ${found.length === 0 ? 'nothing left' : ''}`,
    ...found.map(({ table, column, rows: count }) =>
      paint.bad(`  ${table}.${column}: ${count} ${rows(count)}`),
    ),
    isComplete(erasure)
      ? paint.good('erased')
      : paint.bad(
          'not all is erased\n  → add what holds the rest under `erase` in the catalog, and erase again',
        ),
  ].join('\n');
}

function rows(count: number): string {
  return count === 1 ? 'row' : 'rows';
}

/** Lines with their cells below one another. */
function columns(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, index) =>
    Math.max(...lines.map((line) => line[index]?.length ?? 0)),
  );
  return lines.map((line) =>
    line
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
