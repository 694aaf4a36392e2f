import type { Cell, DashboardAbout, PanelAbout, PanelData } from '../wire.ts';
import { viewQuery, type View } from './address.ts';
import { ApiError, ask } from './api.ts';
import { createChart, type Chart, type ChosenPoint } from './chart.ts';
import { barOption, barsHeight, timeOption } from './chart-options.ts';
import { el } from './dom.ts';
import { downloadMenu } from './download-menu.ts';
import { openDrilldown } from './drilldown.ts';
import { linkHref, rowsTable } from './rows-table.ts';
import { barsOf, seriesOf } from './shape.ts';
import { statView } from './stat-view.ts';
import { readTheme } from './theme.ts';
import { cellText } from './types.ts';

/** A panel on the page. */
export interface PanelView {
  readonly element: HTMLElement;
  /** Looks for new data and shows it. @returns whether it went well */
  look(signal: AbortSignal): Promise<boolean>;
  /** Shows another time or other filters; what is there stays until new data comes. */
  setView(view: View): void;
}

/** Makes a panel, which first shows that it loads. */
export function createPanel(dashboard: DashboardAbout, about: PanelAbout, first: View): PanelView {
  let view = first;
  let tag: string | undefined;
  let data: PanelData | undefined;
  let chart: Chart | undefined;
  let isTable = false;
  const isChart = about.kind === 'timeseries' || about.kind === 'bar';
  const headingId = `panel-${about.id}`;
  const body = el(
    'div',
    { class: `panel-body ${about.kind}` },
    el('div', { class: 'skeleton', 'aria-hidden': 'true' }),
  );
  const note = el('p', { class: 'panel-note', role: 'status' });
  const sqlLink = el('a', { class: 'quiet', title: `Open the query of ${about.title}` }, 'SQL');
  const tableButton = el(
    'button',
    { type: 'button', class: 'quiet', 'aria-pressed': 'false' },
    'Table',
  );
  tableButton.setAttribute('aria-label', `Show ${about.title} as a table`);
  sqlLink.setAttribute('aria-label', `Open the query of ${about.title} on the SQL page`);
  const files = downloadMenu(about.title);
  const element = el(
    'section',
    {
      class: `panel w${about.width}`,
      'aria-labelledby': headingId,
      'data-panel': about.id,
      'data-state': 'loading',
    },
    el(
      'header',
      {},
      el('h2', { id: headingId, title: about.description }, about.title),
      el('div', { class: 'panel-tools' }, isChart && tableButton, sqlLink, files.element),
    ),
    about.description !== undefined && isChart
      ? el('p', { class: 'hint' }, about.description)
      : null,
    body,
    note,
  );
  tableButton.addEventListener('click', () => {
    isTable = !isTable;
    tableButton.setAttribute('aria-pressed', String(isTable));
    tableButton.textContent = isTable ? 'Chart' : 'Table';
    if (data !== undefined) show(data);
  });

  const base = `/api/dashboards/${dashboard.id}/panels/${about.id}`;
  const timeQuery = () => viewQuery({ ...view, variables: {} });

  function offerFiles(): void {
    files.point((as) => `${base}/download?${viewQuery(view)}&as=${as}`);
  }
  offerFiles();

  function show(shown: PanelData): void {
    element.dataset['state'] = shown.rows.length === 0 ? 'empty' : 'data';
    sqlLink.href = sqlHref(about, shown);
    if (shown.rows.length === 0) {
      replace(emptyView(about));
      return;
    }
    if (isTable) replace(pointsTable(shown));
    else if (about.kind === 'stat') replace(statView(shown, about, statHref));
    else if (about.kind === 'table')
      replace(rowsTable(shown, { caption: about.title, hrefOf: rowHref(shown) }));
    else drawChart(shown);
  }

  function replace(content: HTMLElement): void {
    body.style.height = '';
    chart?.dispose();
    chart = undefined;
    const { scrollLeft = 0, scrollTop = 0 } = body.querySelector('.table-scroll') ?? {};
    body.replaceChildren(content);
    // Whoever reads on to the right stays there when new rows come.
    if (scrollLeft > 0 || scrollTop > 0) content.scrollTo(scrollLeft, scrollTop);
  }

  function drawChart(shown: PanelData): void {
    if (chart === undefined) {
      const box = el('div', { class: 'chart', role: 'img' });
      body.replaceChildren(box);
      chart = createChart(
        box,
        about.drilldown !== undefined || about.link !== undefined ? choose : undefined,
      );
    }
    const box = body.querySelector('.chart');
    if (about.kind === 'timeseries') {
      const series = seriesOf(shown, about.gaps);
      box?.setAttribute(
        'aria-label',
        `Chart of ${about.title}: ${series.map(({ name }) => name).join(', ')}. The table shows its numbers.`,
      );
      chart.draw(() => timeOption(series, shown, about, readTheme()));
    } else {
      const { bars, series } = barsOf(shown);
      body.style.height = `${barsHeight(bars.length, series.length > 1)}px`;
      box?.setAttribute(
        'aria-label',
        `Bars of ${about.title}: ${bars.map(({ label }) => label).join(', ')}. The table shows their numbers.`,
      );
      chart.draw(() => barOption(bars, series, about, readTheme()));
    }
  }

  function choose({ series, label, time }: ChosenPoint): void {
    if (about.drilldown !== undefined && (time !== undefined || about.kind === 'bar')) {
      void openDrilldown(about.drilldown, rowsUrl({ time, label, series }));
    } else if (about.link !== undefined) {
      const values: Readonly<Record<string, string>> = { label, series };
      location.assign(linkHref(about.link, (column) => values[column], timeQuery()));
    }
  }

  /** A fixed time: a point must not move on while somebody looks at it. */
  function rowsUrl({ time, label, series }: ChosenPoint): string {
    const { from = 0, to = 0 } = data ?? {};
    const fixed = {
      ...view,
      range: '',
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
    };
    const query = new URLSearchParams(viewQuery(fixed));
    if (time !== undefined) query.set('at', String(time));
    query.set('label', label);
    query.set('series', series);
    return `${base}/rows?${query.toString()}`;
  }

  /** The numbers of a chart, with a way to the rows behind each for who uses no pointer. */
  function pointsTable(shown: PanelData): HTMLElement {
    const table = rowsTable(shown, { caption: about.title, hrefOf: rowHref(shown) });
    if (about.drilldown === undefined) return table;
    const title = about.drilldown;
    const at = (name: string) => shown.columns.findIndex((column) => column.name === name);
    table.querySelectorAll('tbody tr').forEach((line, index) => {
      const row = shown.rows[index] ?? [];
      const time = Date.parse(cellText(row[at('t')] ?? null));
      const point = {
        time: Number.isNaN(time) ? undefined : time,
        label: cellText(row[at('label')] ?? ''),
        series: cellText(row[at('series')] ?? ''),
      };
      const open = el(
        'button',
        {
          type: 'button',
          class: 'quiet',
          onclick: () => void openDrilldown(title, rowsUrl(point)),
        },
        'Rows',
      );
      line.append(el('td', {}, open));
    });
    table
      .querySelector('thead tr')
      ?.append(
        el('th', { scope: 'col' }, el('span', { class: 'visually-hidden' }, 'Rows behind it')),
      );
    return table;
  }

  function statHref(label: string): string | undefined {
    return about.link === undefined
      ? undefined
      : linkHref(about.link, (column) => (column === 'label' ? label : undefined), timeQuery());
  }

  function rowHref(shown: PanelData): ((row: readonly Cell[]) => string) | undefined {
    const { link } = about;
    if (link === undefined) return undefined;
    return (row) =>
      linkHref(
        link,
        (column) => {
          const cell = row[shown.columns.findIndex(({ name }) => name === column)];
          return cell === undefined || cell === null ? undefined : cellText(cell);
        },
        timeQuery(),
      );
  }

  function fail(error: unknown): void {
    const problem = error instanceof ApiError ? error.problem : undefined;
    const text = error instanceof Error ? error.message : String(error);
    if (problem?.waiting === true) {
      element.dataset['state'] = 'waiting';
      replace(el('p', { class: 'state' }, text));
      note.textContent = '';
    } else if (data === undefined) {
      element.dataset['state'] = 'error';
      replace(
        el(
          'p',
          { class: 'state error', role: 'alert' },
          text,
          el('br'),
          el('span', { class: 'hint' }, 'It is tried again by itself.'),
        ),
      );
    } else {
      element.dataset['state'] = 'stale';
      note.textContent = `Not up to date: ${text}`;
    }
  }

  return {
    element,
    setView: (next) => {
      view = next;
      tag = undefined;
      offerFiles();
    },
    look: async (signal) => {
      const asked = view;
      try {
        const response = await ask(`${base}?${viewQuery(asked)}`, {
          signal,
          cache: 'no-store',
          headers: tag === undefined ? {} : { 'If-None-Match': tag },
        });
        if (response.status !== 304) {
          const next = (await response.json()) as PanelData;
          if (signal.aborted) return true;
          data = next;
          show(next);
          tag = response.headers.get('etag') ?? undefined;
        } else if (data !== undefined)
          element.dataset['state'] = data.rows.length === 0 ? 'empty' : 'data';
        note.textContent = '';
        return true;
      } catch (error) {
        if (signal.aborted) return true;
        fail(error);
        return false;
      }
    },
  };
}

/** That there are no rows, in the panel's own words. */
function emptyView({ empty }: PanelAbout): HTMLElement {
  const { text, tone } = empty ?? { text: 'Nothing in this time.', tone: 'calm' };
  return el(
    'p',
    { class: `state ${tone}` },
    tone === 'good' && el('span', { class: 'check', 'aria-hidden': 'true' }, '✓'),
    text,
  );
}

/** The query with its values, for the SQL page. */
function sqlHref(about: PanelAbout, { parameters }: PanelData): string {
  const query = new URLSearchParams({ sql: about.sql.trim() });
  for (const [name, value] of Object.entries(parameters)) query.set(`param_${name}`, String(value));
  return `/sql?${query.toString()}`;
}
