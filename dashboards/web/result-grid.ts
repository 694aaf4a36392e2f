import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from '@tanstack/virtual-core';
import type { Cell, Column } from '../wire.ts';
import { el } from './dom.ts';
import { cellText, isNumeric } from './types.ts';

const ROW_PX = 28;
const OVERSCAN = 12;
/** Widths in characters. */
const NARROWEST = 6;
const WIDEST = 46;
/** Rows that widths are taken from. */
const SAMPLE = 200;

/** A table of as many rows as there are; only those in sight are in the page. */
export interface ResultGrid {
  readonly element: HTMLElement;
  start(columns: readonly Column[]): void;
  add(rows: readonly (readonly Cell[])[]): void;
  readonly rows: readonly (readonly Cell[])[];
  readonly columns: readonly Column[];
}

/** Makes the table. */
export function createGrid(): ResultGrid {
  let columns: readonly Column[] = [];
  let rows: (readonly Cell[])[] = [];
  let widths: number[] = [];
  const head = el('div', { class: 'grid-head', role: 'row' });
  const body = el('div', { class: 'grid-rows', role: 'rowgroup' });
  const scroller = el(
    'div',
    { class: 'result-grid', role: 'table', 'aria-label': 'Result', tabindex: 0 },
    el('div', { role: 'rowgroup', class: 'grid-head-group' }, head),
    body,
  );
  const virtualizer = new Virtualizer<HTMLElement, HTMLElement>({
    count: 0,
    getScrollElement: () => scroller,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => paint(),
  });
  virtualizer._didMount();

  function resize(): void {
    virtualizer.setOptions({ ...virtualizer.options, count: rows.length });
    virtualizer._willUpdate();
    scroller.setAttribute('aria-rowcount', String(rows.length + 1));
    paint();
  }

  function paint(): void {
    body.style.height = `${virtualizer.getTotalSize()}px`;
    body.replaceChildren(
      ...virtualizer.getVirtualItems().map(({ index, start }) => {
        const line = el('div', { class: 'grid-row', role: 'row', 'aria-rowindex': index + 2 });
        line.style.transform = `translateY(${start}px)`;
        line.append(...(rows[index] ?? []).map((cell, column) => cellView(cell, column)));
        return line;
      }),
    );
  }

  function cellView(cell: Cell, column: number): HTMLElement {
    const text = cellText(cell);
    const isNumber = isNumeric(columns[column]?.type ?? '');
    const box = el(
      'div',
      {
        role: 'cell',
        class: `grid-cell${isNumber ? ' number' : ''}${cell === null ? ' null' : ''}`,
        title: text.length > WIDEST ? text.slice(0, 2_000) : undefined,
      },
      text,
    );
    box.style.width = `${widths[column] ?? NARROWEST}ch`;
    return box;
  }

  function measure(): void {
    widths = columns.map(({ name, type }, index) => {
      const longest = Math.max(
        name.length + 1,
        Math.min(type.length, 24),
        ...rows.slice(0, SAMPLE).map((row) => cellText(row[index] ?? null).length),
      );
      return Math.min(Math.max(longest, NARROWEST), WIDEST) + 3;
    });
    head.replaceChildren(
      ...columns.map(({ name, type }, index) => {
        const cell = el(
          'div',
          {
            role: 'columnheader',
            class: `grid-cell${isNumeric(type) ? ' number' : ''}`,
            title: `${name}: ${type}`,
          },
          el('b', {}, name),
          el('small', {}, type),
        );
        cell.style.width = `${widths[index] ?? NARROWEST}ch`;
        return cell;
      }),
    );
    const total = widths.reduce((sum, width) => sum + width, 0);
    body.style.width = `${total}ch`;
    head.style.width = `${total}ch`;
  }

  return {
    element: scroller,
    start: (next) => {
      columns = next;
      rows = [];
      scroller.scrollTop = 0;
      scroller.scrollLeft = 0;
      measure();
      resize();
    },
    add: (more) => {
      const isFirst = rows.length < SAMPLE;
      rows.push(...more);
      if (isFirst) measure();
      resize();
    },
    get rows() {
      return rows;
    },
    get columns() {
      return columns;
    },
  };
}
