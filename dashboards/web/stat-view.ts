import type { PanelAbout, PanelData, Threshold } from '../wire.ts';
import { el } from './dom.ts';
import { formatNumber } from './format.ts';
import { statsOf, type Stat } from './shape.ts';

const MOST_SHOWN = 4;
/** From here on a percentage says less than how many times it is. */
const MANY_TIMES = 10;

/** Numbers in large type, with how they changed. */
export function statView(
  data: PanelData,
  about: PanelAbout,
  hrefOf: (label: string) => string | undefined,
): HTMLElement {
  const stats = statsOf(data);
  return el(
    'div',
    { class: stats.length > 1 ? 'stats many' : 'stats' },
    ...stats.slice(0, MOST_SHOWN).map((stat) => {
      const { label, value } = stat;
      const level = levelOf(value, about.thresholds);
      const text = formatNumber(value, about.unit, label);
      const number = el(
        'span',
        { class: `stat-value ${level ?? ''}` },
        text,
        level === undefined ? null : el('span', { class: 'visually-hidden' }, ` (${level})`),
      );
      // A number is never cut: one with many digits gets smaller ones.
      number.style.setProperty('--digits', String(text.length));
      const href = hrefOf(label);
      return el(
        'div',
        { class: 'figure' },
        href === undefined
          ? number
          : el('a', { href, 'aria-label': `${about.title}: ${number.textContent}` }, number),
        about.unit === 'money' || label === '' ? null : el('span', { class: 'stat-label' }, label),
        changeView(stat),
      );
    }),
  );
}

function changeView({ value, previous }: Stat): HTMLElement | null {
  if (previous === undefined) return null;
  if (previous === 0)
    return el('span', { class: 'stat-change' }, value === 0 ? 'as before' : 'none before');
  const change = value / previous - 1;
  if (change >= MANY_TIMES - 1) {
    return el(
      'span',
      { class: 'stat-change' },
      `${formatNumber(Math.round(change + 1), 'count')} times the time before`,
    );
  }
  const text = Math.abs(change) < 0.0005 ? 'as before' : formatNumber(Math.abs(change), 'percent');
  const sign = text === 'as before' ? '' : change > 0 ? '▲ ' : '▼ ';
  const words = sign === '' ? '' : change > 0 ? 'more than ' : 'less than ';
  return el(
    'span',
    { class: 'stat-change' },
    el('span', { 'aria-hidden': 'true' }, sign),
    `${text} `,
    sign === '' ? null : el('span', { class: 'visually-hidden' }, words),
    sign === '' ? null : 'on the time before',
  );
}

/** How much a number is worth a look. */
export function levelOf(
  value: number,
  thresholds: readonly Threshold[],
): Threshold['level'] | undefined {
  const reached = thresholds.filter(({ at, when }) =>
    when === 'above' ? value >= at : value < at,
  );
  return reached.find(({ level }) => level === 'critical')?.level ?? reached[0]?.level;
}
