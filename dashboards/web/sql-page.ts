import type { Schema, SqlDone, SqlError, SqlLine, SqlProgress } from '../wire.ts';
import { ApiError, ask } from './api.ts';
import type { Chart } from './chart.ts';
import { byId, el, showOwnEntry } from './dom.ts';
import { formatBytes, formatDuration, formatNumber, formatTime, numberOf } from './format.ts';
import { queryStore, type StoredQuery } from './query-store.ts';
import { barData, chooseChart } from './quick-chart.ts';
import { createGrid } from './result-grid.ts';
import { parametersOf, runSql } from './run-sql.ts';
import { schemaTree } from './schema-tree.ts';
import { barsOf } from './shape.ts';
import { createEditor } from './sql-editor.ts';
import { cellText, isTime, plainType } from './types.ts';
import { readTheme } from './theme.ts';

const FIRST_QUERY = `SELECT o.order_number, o.total, o.currency, u.name, u.email
FROM orders.orders AS o
JOIN users.users AS u ON o.user_id = u.id
WHERE o.status = 'paid'
ORDER BY o.placed_at DESC
LIMIT 100`;

/** Puts the SQL page together. */
function start(): void {
  const address = new URLSearchParams(location.search);
  const recent = queryStore('tributary.recent');
  const saved = queryStore('tributary.saved');
  const grid = createGrid();
  const editorBox = el('div', { class: 'editor' });
  const parameters = el('div', { class: 'parameters' });
  const values = new Map(
    [...address].flatMap(([name, value]) =>
      name.startsWith('param_') ? [[name.slice('param_'.length), value] as const] : [],
    ),
  );
  const runButton = el('button', { type: 'button', class: 'primary', title: 'Ctrl+Enter' }, 'Run');
  const cancelButton = el('button', { type: 'button', disabled: true }, 'Cancel');
  const explainButton = el(
    'button',
    { type: 'button', title: 'How ClickHouse would run it' },
    'Explain',
  );
  const saveButton = el('button', { type: 'button' }, 'Save');
  const shareButton = el('button', { type: 'button' }, 'Copy link');
  const chartButton = el(
    'button',
    { type: 'button', disabled: true, 'aria-pressed': 'false' },
    'Chart',
  );
  const status = el('p', { class: 'run-status', role: 'status' }, 'Nothing was run yet.');
  const bar = el('progress', {
    max: 1,
    value: 0,
    hidden: true,
    'aria-label': 'Progress of the query',
  });
  const failure = el('pre', { class: 'failure', role: 'alert', hidden: true });
  const output = el(
    'div',
    { class: 'output' },
    el('p', { class: 'state' }, 'The result comes here.'),
  );
  const side = el('aside', { class: 'side', 'aria-label': 'Tables and queries' });
  let running: AbortController | undefined;
  let chart: Chart | undefined;

  const editor = createEditor(editorBox, {
    text: address.get('sql') ?? recent.list()[0]?.sql ?? FIRST_QUERY,
    nonce: document.querySelector<HTMLMetaElement>('meta[name=style-nonce]')?.content ?? '',
    onRun: () => void run(),
    onChange: () => {
      editor.mark(undefined);
      renderParameters();
    },
  });

  function renderParameters(): void {
    const names = parametersOf(editor.text());
    if (
      names.join() ===
      [...parameters.children].map((child) => (child as HTMLElement).dataset['name']).join()
    )
      return;
    parameters.replaceChildren(
      ...names.map((name) => {
        const input = el('input', { value: values.get(name) ?? '' });
        input.addEventListener('input', () => values.set(name, input.value));
        return el('label', { 'data-name': name }, name, input);
      }),
    );
  }

  function request(prefix = ''): { sql: string; params: Record<string, string> } {
    const sql = prefix + editor.text();
    return {
      sql,
      params: Object.fromEntries(parametersOf(sql).map((name) => [name, values.get(name) ?? ''])),
    };
  }

  function link(): string {
    const { sql, params } = request();
    const query = new URLSearchParams({ sql });
    for (const [name, value] of Object.entries(params)) query.set(`param_${name}`, value);
    return `?${query.toString()}`;
  }

  async function run(prefix = ''): Promise<void> {
    if (editor.text().trim() === '') return;
    running?.abort();
    const controller = new AbortController();
    running = controller;
    history.replaceState(null, '', link());
    recent.add({ sql: editor.text(), at: Date.now() });
    renderQueries();
    editor.mark(undefined);
    failure.hidden = true;
    dropChart();
    cancelButton.disabled = false;
    output.dataset['state'] = 'running';
    bar.hidden = false;
    bar.removeAttribute('value');
    status.textContent = 'Running…';
    try {
      await runSql(request(prefix), show, controller.signal);
    } catch (error) {
      if (controller.signal.aborted) {
        if (running === controller)
          status.textContent = `Cancelled, ${rowsText(grid.rows.length)} so far.`;
      } else if (error instanceof ApiError && error.problem.error !== undefined)
        fail(error.problem.error);
      else
        fail({
          code: 0,
          name: '',
          message: error instanceof Error ? error.message : String(error),
        });
    } finally {
      if (running === controller) {
        running = undefined;
        cancelButton.disabled = true;
        bar.hidden = true;
        output.dataset['state'] = 'done';
      }
    }
  }

  function show(lines: readonly SqlLine[]): void {
    const rows = lines.flatMap((line) =>
      'row' in line ? [line.row] : 'text' in line ? [[line.text]] : [],
    );
    for (const line of lines) {
      if ('meta' in line) begin(line.meta);
      else if ('text' in line && grid.columns.length === 0)
        begin([{ name: 'result', type: 'String' }]);
      else if ('progress' in line) showProgress(line.progress);
    }
    if (rows.length > 0) grid.add(rows);
    for (const line of lines) {
      if ('done' in line) finish(line.done);
      else if ('error' in line) fail(line.error);
    }
  }

  function begin(columns: Parameters<typeof grid.start>[0]): void {
    grid.start(columns);
    if (grid.element.parentElement !== output) output.replaceChildren(grid.element);
  }

  function showProgress({
    read_rows,
    read_bytes,
    total_rows_to_read,
    elapsed_ns,
  }: SqlProgress): void {
    const [read, total] = [Number(read_rows), Number(total_rows_to_read ?? 0)];
    if (total > 0) bar.value = Math.min(read / total, 1);
    lastRead = `${formatNumber(read, 'count')} rows read, ${formatBytes(Number(read_bytes))}`;
    status.textContent = `Running: ${lastRead}${elapsed_ns === undefined ? '' : `, ${formatDuration(Number(elapsed_ns) / 1e6)}`}`;
  }
  let lastRead = '';

  function finish({ rows, elapsedMs, truncated }: SqlDone): void {
    if (
      grid.columns.length === 0 ||
      (rows === 0 && grid.columns.length === 1 && grid.columns[0]?.name === '')
    ) {
      output.replaceChildren(el('p', { class: 'state' }, 'Done; there are no rows.'));
    }
    const more = truncated
      ? ` The first ${rowsText(rows)} are shown; a download has them all.`
      : '';
    status.textContent = `${rowsText(rows)} in ${formatDuration(elapsedMs)}${lastRead === '' ? '' : ` · ${lastRead}`}.${more}`;
    const chosen = chooseChart(grid.columns, grid.rows.length);
    chartButton.disabled = chosen === undefined;
    renderSchema();
  }

  function fail(error: SqlError): void {
    const name =
      error.name === '' ? '' : `${error.name}${error.code === 0 ? '' : ` (${error.code})`}\n`;
    failure.textContent = `${name}${error.message}`;
    failure.hidden = false;
    status.textContent = 'The query failed.';
    editor.mark(error);
  }

  function dropChart(): void {
    chart?.dispose();
    chart = undefined;
    chartButton.setAttribute('aria-pressed', 'false');
    lastRead = '';
    grid.start([]);
    output.replaceChildren(grid.element);
    chartButton.disabled = true;
  }

  async function toggleChart(): Promise<void> {
    if (chart !== undefined) {
      chart.dispose();
      chart = undefined;
      chartButton.setAttribute('aria-pressed', 'false');
      output.replaceChildren(grid.element);
      return;
    }
    const chosen = chooseChart(grid.columns, grid.rows.length);
    if (chosen === undefined) return;
    // Charts are large, and most queries are read as a table.
    const [{ createChart }, { barOption, timeOption }] = await Promise.all([
      import('./chart.ts'),
      import('./chart-options.ts'),
    ]);
    const box = el('div', { class: 'chart', role: 'img', 'aria-label': 'Chart of the result' });
    output.replaceChildren(box);
    chart = createChart(box);
    chartButton.setAttribute('aria-pressed', 'true');
    const look = { unit: 'count', stack: false, thresholds: [], gaps: 'open' } as const;
    if (chosen.kind === 'bar') {
      const { bars, series } = barsOf(barData(grid.rows, chosen));
      chart.draw(() => barOption(bars, series, look, readTheme()));
      return;
    }
    const isUtc =
      !isTime(grid.columns[chosen.time]?.type ?? '') ||
      /'UTC'/.test(plainType(grid.columns[chosen.time]?.type ?? ''));
    const times = grid.rows.map((row) => timeOf(cellText(row[chosen.time] ?? null), isUtc));
    const series = chosen.values.map((index) => ({
      name: grid.columns[index]?.name ?? '',
      points: grid.rows
        .map((row, line) => [times[line] ?? 0, numberOf(row[index]) ?? null] as const)
        .sort(([a], [b]) => a - b),
    }));
    const [from, to] = [Math.min(...times), Math.max(...times)];
    chart.draw(() => timeOption(series, { from, to, bucketSeconds: 1 }, look, readTheme()));
  }

  function download(as: string): void {
    const { sql, params } = request();
    const form = el('form', { method: 'post', action: '/api/sql/download', hidden: true });
    for (const [name, value] of Object.entries({ sql, params: JSON.stringify(params), as })) {
      const field = el('textarea', { name });
      field.value = value;
      form.append(field);
    }
    document.body.append(form);
    form.submit();
    form.remove();
  }

  const schemaBox = el('div', {}, el('p', { class: 'state' }, 'Loading tables…'));
  let schemaTag = '';
  function renderSchema(): void {
    const load = async () => {
      try {
        const text = await (await ask('/api/sql/schema')).text();
        if (text === schemaTag) return;
        schemaTag = text;
        const schema = JSON.parse(text) as Schema;
        editor.setSchema(schema);
        schemaBox.replaceChildren(
          schemaTree(schema, (chosen) => {
            if (chosen.startsWith('SELECT')) editor.setText(chosen);
            else editor.insert(chosen);
            editor.focus();
          }),
        );
      } catch (error) {
        if (schemaTag === '')
          schemaBox.replaceChildren(
            el(
              'p',
              { class: 'state error' },
              error instanceof Error ? error.message : String(error),
            ),
          );
      }
    };
    void load();
  }

  const queriesBox = el('div', { class: 'queries' });
  function renderQueries(): void {
    const entry = (query: StoredQuery, remove?: () => void) =>
      el(
        'li',
        {},
        el(
          'button',
          { type: 'button', class: 'query-entry', onclick: () => editor.setText(query.sql) },
          el('b', {}, query.name ?? formatTime(query.at)),
          el('code', {}, query.sql.slice(0, 120)),
        ),
        remove === undefined
          ? null
          : el(
              'button',
              {
                type: 'button',
                class: 'quiet',
                'aria-label': `Remove ${query.name ?? ''}`,
                onclick: remove,
              },
              '✕',
            ),
      );
    const list = (
      title: string,
      queries: readonly StoredQuery[],
      isOpen: boolean,
      remove?: (at: number) => void,
    ) =>
      el(
        'details',
        { open: isOpen },
        el('summary', {}, `${title} (${queries.length})`),
        queries.length === 0
          ? el('p', { class: 'hint' }, 'None in this browser.')
          : el(
              'ul',
              {},
              ...queries.map((query) =>
                entry(query, remove === undefined ? undefined : () => remove(query.at)),
              ),
            ),
      );
    queriesBox.replaceChildren(
      list('Saved', saved.list(), saved.list().length > 0, (at) => {
        saved.remove(at);
        renderQueries();
      }),
      list('Recent', recent.list().slice(0, 20), false),
    );
  }

  runButton.addEventListener('click', () => void run());
  cancelButton.addEventListener('click', () => running?.abort());
  explainButton.addEventListener('click', () => void run('EXPLAIN indexes = 1 '));
  chartButton.addEventListener('click', () => void toggleChart());
  shareButton.addEventListener('click', () => {
    history.replaceState(null, '', link());
    navigator.clipboard.writeText(location.href).then(
      () => (status.textContent = 'The link is on the clipboard.'),
      () => (status.textContent = 'The address of this page is the link.'),
    );
  });
  saveButton.addEventListener('click', () => {
    const name = window.prompt('Name of this query', editor.text().split('\n')[0]?.slice(0, 60));
    if (name === null || name.trim() === '') return;
    saved.add({ sql: editor.text(), at: Date.now(), name: name.trim() });
    renderQueries();
  });

  const downloads = el(
    'div',
    { class: 'choices', role: 'group', 'aria-label': 'Download the whole result' },
    ...[
      ['csv', 'CSV'],
      ['parquet', 'Parquet'],
      ['ndjson', 'JSON'],
    ].map(([as = '', text = '']) =>
      el(
        'button',
        {
          type: 'button',
          onclick: () => download(as),
          title: `Download the whole result as ${text}`,
        },
        text,
      ),
    ),
  );
  side.append(schemaBox, queriesBox);
  byId('page-body').append(
    el(
      'div',
      { class: 'workbench' },
      side,
      el(
        'div',
        { class: 'desk' },
        editorBox,
        parameters,
        el(
          'div',
          { class: 'toolbar' },
          runButton,
          cancelButton,
          explainButton,
          chartButton,
          el('span', { class: 'spring' }),
          saveButton,
          shareButton,
          downloads,
        ),
        el('div', { class: 'run-line' }, status, bar),
        failure,
        output,
      ),
    ),
  );
  renderParameters();
  renderQueries();
  renderSchema();
  showOwnEntry();
  if (address.has('sql')) void run();
  else editor.focus();
}

/** A time as ClickHouse writes it, in milliseconds since 1970. */
function timeOf(text: string, isUtc: boolean): number {
  return Date.parse(text.replace(' ', 'T') + (isUtc && text.includes(' ') ? 'Z' : ''));
}

function rowsText(rows: number): string {
  return rows === 1 ? '1 row' : `${formatNumber(rows, 'count')} rows`;
}

start();
