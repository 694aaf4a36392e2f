import type { Schema, SchemaTable } from '../wire.ts';
import { el } from './dom.ts';

const QUIET = new Set(['changes', 'history']);

/** What there is to query, to look through and to put into the editor. */
export function schemaTree(schema: Schema, onChoose: (text: string) => void): HTMLElement {
  const search = el('input', {
    type: 'search',
    placeholder: 'Find a table or column',
    'aria-label': 'Find a table or column',
  });
  const list = el('div', { class: 'tree' });
  const render = () => {
    const wanted = search.value.trim().toLowerCase();
    const found = schema.tables.filter((table) => matches(table, wanted));
    const names = [...new Set(found.map(({ database }) => database))].sort(
      (a, b) => Number(QUIET.has(a)) - Number(QUIET.has(b)) || a.localeCompare(b),
    );
    list.replaceChildren(
      ...names.map((database) =>
        el(
          'details',
          { open: wanted !== '' || !QUIET.has(database) },
          el('summary', {}, database),
          ...found
            .filter((table) => table.database === database)
            .map((table) => tableNode(table, wanted, onChoose)),
        ),
      ),
    );
    if (found.length === 0)
      list.append(
        el(
          'p',
          { class: 'state' },
          wanted === '' ? 'There are no tables yet.' : 'Nothing has that name.',
        ),
      );
  };
  search.addEventListener('input', render);
  render();
  return el('div', { class: 'schema' }, search, list);
}

function matches({ database, name, columns }: SchemaTable, wanted: string): boolean {
  return (
    wanted === '' ||
    `${database}.${name}`.toLowerCase().includes(wanted) ||
    columns.some((column) => column.name.toLowerCase().includes(wanted))
  );
}

function tableNode(
  { database, name, comment, columns }: SchemaTable,
  wanted: string,
  onChoose: (text: string) => void,
): HTMLElement {
  const inName = name.toLowerCase().includes(wanted);
  return el(
    'details',
    { class: 'table-node', open: wanted !== '' && !inName },
    el('summary', { title: comment }, name),
    el(
      'button',
      {
        type: 'button',
        class: 'quiet',
        onclick: () => onChoose(`SELECT * FROM ${quote(database)}.${quote(name)} LIMIT 100`),
      },
      'First rows',
    ),
    el(
      'ul',
      {},
      ...columns.map((column) =>
        el(
          'li',
          { title: column.comment },
          el(
            'button',
            { type: 'button', class: 'column-name', onclick: () => onChoose(quote(column.name)) },
            column.name,
          ),
          el('small', {}, column.type),
        ),
      ),
    ),
  );
}

function quote(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name)
    ? name
    : `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}
