import type { Cell, PanelLink, Rows } from '../wire.ts';
import { el } from './dom.ts';
import { formatNumber, headingOf, numberOf } from './format.ts';
import { cellText, friendlyText, isName, isNumeric, isTime } from './types.ts';

/** Words for states that are worth a colour. */
const TONES: Readonly<Record<string, string>> = {
  paid: 'good',
  completed: 'good',
  captured: 'good',
  shipped: 'good',
  done: 'good',
  active: 'good',
  applied: 'good',
  replayed: 'good',
  pending: 'busy',
  running: 'busy',
  copying: 'busy',
  pausing: 'busy',
  authorized: 'busy',
  compensating: 'busy',
  held: 'busy',
  partially_refunded: 'busy',
  cancelled: 'calm',
  compensated: 'calm',
  released: 'calm',
  refunded: 'calm',
  closed: 'calm',
  discarded: 'calm',
  none: 'calm',
  abandoned: 'calm',
  'in step': 'good',
  healed: 'good',
  equal: 'good',
  unconfirmed: 'busy',
  'never compared': 'busy',
  'not compared': 'calm',
  different: 'bad',
  removed: 'calm',
  drifting: 'bad',
  'not watched': 'bad',
  'not healed': 'bad',
  refused: 'bad',
  failed: 'bad',
  stuck: 'bad',
  open: 'bad',
  RUNNING: 'good',
  PAUSED: 'bad',
  STOPPED: 'bad',
  FAILED: 'bad',
  ABSENT: 'bad',
  STARTING: 'busy',
  answers: 'good',
  read: 'good',
  idle: 'bad',
  'end unknown': 'bad',
  suspended: 'bad',
};
const STATE_COLUMNS = new Set([
  'status',
  'state',
  'stock',
  'payment_status',
  'action',
  'outcome',
  'connector',
  'database',
  'slot',
]);

/** Rows as a table for people. Columns that come too wide scroll within it. */
export function rowsTable(
  { columns, rows }: Rows,
  options: { caption: string; hrefOf?: ((row: readonly Cell[]) => string) | undefined },
): HTMLElement {
  const head = el(
    'tr',
    {},
    ...columns.map(({ name, type }) =>
      el(
        'th',
        { scope: 'col', class: isNumeric(type) && !isName(name) ? 'number' : undefined },
        headingOf(name),
      ),
    ),
  );
  const body = rows.map((row) =>
    el(
      'tr',
      {},
      ...row.map((cell, index) => {
        const { name, type } = columns[index] ?? { name: '', type: '' };
        const text = textOf(name, cell, type);
        const tone = STATE_COLUMNS.has(name) ? TONES[text] : undefined;
        const low = name === 'low' && cell === true;
        const href = index === 0 ? options.hrefOf?.(row) : undefined;
        return el(
          'td',
          {
            class: isNumeric(type) && !isName(name) ? 'number' : isTime(type) ? 'time' : undefined,
          },
          href !== undefined
            ? el('a', { href }, text)
            : tone !== undefined || low
              ? el('span', { class: `tag ${low ? 'bad' : (tone ?? '')}` }, text)
              : text,
        );
      }),
    ),
  );
  const box = el(
    'div',
    { class: 'table-scroll', tabindex: 0, role: 'region', 'aria-label': options.caption },
    el('table', {}, el('thead', {}, head), el('tbody', {}, ...body)),
  );
  const lookBeyond = () => {
    box.toggleAttribute('data-more', box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  };
  box.addEventListener('scroll', lookBeyond, { passive: true });
  new ResizeObserver(lookBeyond).observe(box);
  return box;
}

function textOf(name: string, cell: Cell, type: string): string {
  if (cell !== null && isName(name)) return cellText(cell);
  const bytes = /(^|_)bytes$/.test(name) ? numberOf(cell) : undefined;
  return bytes === undefined ? friendlyText(cell, type) : formatNumber(bytes, 'bytes');
}

/** Where a row leads, by the columns that the link names. */
export function linkHref(
  link: PanelLink,
  valueOf: (column: string) => string | undefined,
  time: string,
): string {
  const query = new URLSearchParams(time);
  for (const [variable, column] of Object.entries(link.variables)) {
    const value = valueOf(column);
    if (value !== undefined) query.set(variable, value);
  }
  const text = query.toString();
  return `/d/${link.dashboard}${text === '' ? '' : `?${text}`}`;
}
