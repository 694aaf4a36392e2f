import type { PanelData } from '../wire.ts';
import { ask } from './api.ts';
import { el } from './dom.ts';
import { formatTime } from './format.ts';
import { rowsTable } from './rows-table.ts';

/** Opens a dialog with the rows behind a point. Closing it ends the query. */
export async function openDrilldown(title: string, url: string): Promise<void> {
  const controller = new AbortController();
  const body = el('div', { class: 'dialog-body' }, el('p', { class: 'state' }, 'Loading…'));
  const close = el('button', { type: 'button', class: 'quiet', 'aria-label': 'Close' }, '✕');
  const dialog = el(
    'dialog',
    { class: 'drilldown', 'aria-label': title },
    el('header', {}, el('h2', {}, title), close),
    body,
  );
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => {
    controller.abort();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  try {
    const response = await ask(url, { signal: controller.signal });
    const data = (await response.json()) as PanelData;
    const time = `${formatTime(data.from)} to ${formatTime(data.to)}`;
    body.replaceChildren(
      el(
        'p',
        { class: 'hint' },
        `${data.rows.length} ${data.rows.length === 1 ? 'row' : 'rows'}, ${time}`,
      ),
      data.rows.length === 0
        ? el('p', { class: 'state' }, 'No rows. They may have changed since.')
        : rowsTable(data, { caption: title }),
    );
  } catch (error) {
    if (controller.signal.aborted) return;
    body.replaceChildren(
      el(
        'p',
        { class: 'state error', role: 'alert' },
        error instanceof Error ? error.message : String(error),
      ),
    );
  }
}
