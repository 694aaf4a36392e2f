import { el } from './dom.ts';

const FILES = [
  { as: 'csv', text: 'CSV' },
  { as: 'parquet', text: 'Parquet' },
] as const;

/** A menu of the files that a panel's rows can be had as. */
export function downloadMenu(title: string): {
  readonly element: HTMLElement;
  /** Says where the files are. */
  point(href: (as: string) => string): void;
} {
  const links = FILES.map(({ as, text }) => ({
    as,
    link: el('a', { download: true, 'aria-label': `Download ${title} as ${text}` }, text),
  }));
  const summary = el(
    'summary',
    { class: 'quiet', title: `Download ${title}`, 'aria-label': `Download ${title}` },
    el('span', { 'aria-hidden': 'true' }, '↓'),
  );
  const element = el(
    'details',
    { class: 'download' },
    summary,
    el('div', { class: 'download-list' }, ...links.map(({ link }) => link)),
  );
  const close = () => {
    element.open = false;
  };
  for (const { link } of links) link.addEventListener('click', close);
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    close();
    summary.focus();
  });
  element.addEventListener('focusout', ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Node) || !element.contains(relatedTarget)) close();
  });
  return {
    element,
    point: (href) => {
      for (const { as, link } of links) link.href = href(as);
    },
  };
}
