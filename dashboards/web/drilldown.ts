import type { PanelData } from '../wire.ts';
import { ask } from './api.ts';
import { openDialog } from './dialog.ts';
import { el } from './dom.ts';
import { formatTime } from './format.ts';
import { rowsTable } from './rows-table.ts';

/** Opens a dialog with the rows behind a point. Closing it ends the query. */
export async function openDrilldown(title: string, url: string): Promise<void> {
  const controller = new AbortController();
  const body = el('div', { class: 'dialog-body' }, el('p', { class: 'state' }, 'Loading…'));
  const dialog = openDialog(title, body);
  dialog.addEventListener('close', () => controller.abort());
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
