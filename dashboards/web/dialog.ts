import { el, type Child } from './dom.ts';

/**
 * Opens a dialog that closes by its button, Escape, or a click beside it.
 *
 * @returns the dialog, which is removed once it is closed
 */
export function openDialog(title: string, ...content: readonly Child[]): HTMLDialogElement {
  const close = el('button', { type: 'button', class: 'quiet', 'aria-label': 'Close' }, '✕');
  const dialog = el(
    'dialog',
    { class: 'drilldown', 'aria-label': title },
    el('header', {}, el('h2', {}, title), close),
    ...content,
  );
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks whether to do something, and says what will happen. Resolves to the answer. */
export async function confirmed(
  title: string,
  consequences: readonly string[],
  verb: string,
): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = false;
    const cancel = el('button', { type: 'button', autofocus: true }, 'Cancel');
    const go = el('button', { type: 'button', class: 'primary' }, verb);
    const dialog = openDialog(
      title,
      el(
        'div',
        { class: 'dialog-body' },
        el('ul', {}, ...consequences.map((text) => el('li', {}, text))),
        el('div', { class: 'answers' }, cancel, go),
      ),
    );
    dialog.classList.add('question');
    cancel.addEventListener('click', () => dialog.close());
    go.addEventListener('click', () => {
      answer = true;
      dialog.close();
    });
    dialog.addEventListener('close', () => resolve(answer));
  });
}
