import type { Cell, OperationsPart, OperationsState, Rows, ShownLetter } from '../wire.ts';
import { ask } from './api.ts';
import { confirmed, openDialog } from './dialog.ts';
import { byId, el, pageData, showOwnEntry, type Child } from './dom.ts';
import { hexLines } from './hex-lines.ts';
import { keepLooking } from './live.ts';
import { operate, operatorName, signIn, signOut } from './operator-session.ts';
import { rowsTable } from './rows-table.ts';
import { cellText } from './types.ts';

/** Values of a row by column. */
type Row = Readonly<Record<string, string>>;

/** A button at the end of a row. */
interface Act {
  readonly text: string;
  /** For who does not see the row. */
  readonly label: string;
  readonly run: () => Promise<void>;
}

interface Part {
  readonly name: keyof OperationsState;
  readonly title: string;
  readonly hint: string;
  readonly empty: string;
  readonly acts: (row: Row) => readonly Act[];
}

/** Puts the page of operations together. */
function start(): void {
  const { hasOperator } = pageData() as { hasOperator: boolean };
  const said = el('p', { class: 'said', role: 'status' });
  const failure = el('div', { class: 'banner', role: 'alert', hidden: true });
  let state: OperationsState | undefined;
  let round = new AbortController();

  const look = () => {
    round.abort();
    round = new AbortController();
    keepLooking(async (signal) => refresh(signal), { isLive: true, signal: round.signal });
  };

  const tell = (error: unknown) => {
    failure.hidden = error === undefined;
    failure.textContent = error instanceof Error ? error.message : '';
    // Whoever is not let in any more finds the form again.
    renderDoor();
    renderParts();
  };

  /** Asks first, then does it; the list of what was done tells how it goes on. */
  const asking = (
    title: string,
    consequences: readonly string[],
    verb: string,
    act: string,
    body: object,
  ) => {
    return async () => {
      if (!(await confirmed(title, consequences, verb))) return;
      said.textContent = '';
      try {
        await operate(act, body);
        said.textContent = `${title} has begun; it is noted below.`;
        tell(undefined);
        look();
      } catch (error) {
        tell(error);
      }
    };
  };

  const showLetter = async (place: string) => {
    try {
      const response = await operate('look', { place });
      openLetter((await response.json()) as ShownLetter);
      look();
    } catch (error) {
      tell(error);
    }
  };

  const replayed = [
    'Each record is sent to its topic again, with its original bytes.',
    'One that fails again becomes a new dead letter. A newer change of the same row wins.',
  ];
  const discarded = [
    'They count as dealt with and are not replayed.',
    'The rows that they were about stay as they are. The topic tributary.dead-letters keeps the bytes.',
  ];
  const parts: readonly Part[] = [
    {
      name: 'groups',
      title: 'Open dead letters',
      hint: 'Records that could not be stored, by topic and cause. Mend the cause, then replay them.',
      empty: 'No record waits for anybody.',
      acts: ({ topic = '', code = '', letters = '' }) => [
        {
          text: 'Replay all',
          label: `Replay all ${code} of ${topic}`,
          run: asking(
            `Replay ${letters} of ${topic}`,
            [`All open letters of ${topic} with ${code}.`, ...replayed],
            'Replay',
            'replay',
            { topic, code },
          ),
        },
        {
          text: 'Discard all',
          label: `Discard all ${code} of ${topic}`,
          run: asking(
            `Discard ${letters} of ${topic}`,
            [`All open letters of ${topic} with ${code}.`, ...discarded],
            'Discard',
            'discard',
            { topic, code },
          ),
        },
      ],
    },
    {
      name: 'letters',
      title: 'Newest dead letters',
      hint: 'Looking at one shows its key and value, which may hold personal data, and is noted too. Of tables with masked columns nothing is shown.',
      empty: 'None is open.',
      acts: ({ topic = '', partition = '', offset = '' }) => {
        const place = `${topic}/${partition}/${offset}`;
        return [
          { text: 'Look', label: `Look at ${place}`, run: async () => showLetter(place) },
          {
            text: 'Replay',
            label: `Replay ${place}`,
            run: asking(`Replay ${place}`, replayed, 'Replay', 'replay', { places: [place] }),
          },
          {
            text: 'Discard',
            label: `Discard ${place}`,
            run: asking(`Discard ${place}`, discarded, 'Discard', 'discard', { places: [place] }),
          },
        ];
      },
    },
    {
      name: 'rules',
      title: 'Copies of fields',
      hint: 'Rules of drift. A repair writes into no table: it asks the owner to publish its value again.',
      empty: 'No rule was looked at yet.',
      acts: ({ rule = '', open = '0' }) =>
        open === '0'
          ? []
          : [
              {
                text: 'Repair',
                label: `Repair ${rule}`,
                run: asking(
                  `Repair ${rule}`,
                  [
                    `The service that owns the values publishes them again, for ${open} open findings.`,
                    'It takes up to a minute until the copies hold them; what does not is told.',
                  ],
                  'Repair',
                  'repair',
                  { rule },
                ),
              },
            ],
    },
    {
      name: 'tables',
      title: 'Tables',
      hint: 'Captured tables with their last resync.',
      empty: 'No table is captured yet.',
      acts: ({ source = '', schema = '', table = '' }) => [
        {
          text: 'Load anew',
          label: `Load anew ${source}.${table}`,
          run: asking(
            `Load anew ${source}.${table}`,
            [
              'Its rows are read from the database of the service again, while changes keep flowing. Rows that are right are not written again.',
              'Meanwhile TRUNCATE and ALTER TABLE of it wait. A large table takes minutes and load on that database.',
            ],
            'Load anew',
            'resync',
            { source, schema, table },
          ),
        },
      ],
    },
    {
      name: 'operations',
      title: 'What was done',
      hint: 'The last 50, by whom, and what came of it. All of them are in ops.operations.',
      empty: 'Nothing was done yet.',
      acts: () => [],
    },
  ];

  const door = el('section', { class: 'panel door', 'aria-label': 'Operator' });
  const sections = parts.map((part) => partSection(part));

  function renderDoor(): void {
    const name = operatorName();
    const shown = !hasOperator ? 'none' : (name ?? 'form');
    if (door.dataset['shown'] === shown) return;
    door.dataset['shown'] = shown;
    if (!hasOperator) door.replaceChildren(...noTokenText());
    else if (name === undefined) door.replaceChildren(signInForm(enter));
    else {
      const leave = el('button', { type: 'button' }, 'Leave');
      leave.addEventListener('click', () => {
        signOut();
        renderDoor();
        renderParts();
      });
      door.replaceChildren(el('p', {}, 'You operate as ', el('b', {}, name), '.'), leave);
    }
  }

  async function enter(name: string, token: string): Promise<void> {
    try {
      await signIn({ name, token });
      tell(undefined);
    } catch (error) {
      tell(error);
    }
  }

  function renderParts(): void {
    if (state === undefined) return;
    for (const section of sections) section.render(state, operatorName() !== undefined);
  }

  async function refresh(signal: AbortSignal): Promise<boolean> {
    try {
      const response = await ask('/api/operations', { signal, cache: 'no-store' });
      state = (await response.json()) as OperationsState;
      renderParts();
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      for (const section of sections) section.fail(error, state !== undefined);
      return false;
    }
  }

  byId('page-body').append(
    door,
    failure,
    said,
    el('div', { class: 'grid' }, ...sections.map(({ element }) => element)),
  );
  renderDoor();
  look();
  showOwnEntry();
}

/** A panel that is drawn anew when its rows have changed, or who looks at it. */
function partSection({ name, title, hint, empty, acts }: Part): {
  readonly element: HTMLElement;
  render(state: OperationsState, isOperator: boolean): void;
  fail(error: unknown, hasRows: boolean): void;
} {
  const body = el(
    'div',
    { class: 'panel-body table' },
    el('div', { class: 'skeleton', 'aria-hidden': 'true' }),
  );
  const note = el('p', { class: 'panel-note', role: 'status' });
  const element = el(
    'section',
    {
      class: 'panel w12',
      'aria-labelledby': `part-${name}`,
      'data-panel': name,
      'data-state': 'loading',
    },
    el('header', {}, el('h2', { id: `part-${name}` }, title)),
    el('p', { class: 'hint' }, hint),
    body,
    note,
  );
  let drawn = '';
  return {
    element,
    render(state, isOperator) {
      note.textContent = '';
      const part: OperationsPart = state[name];
      const next = JSON.stringify([part, isOperator]);
      if (next === drawn && element.dataset['state'] !== 'stale') return;
      drawn = next;
      if ('problem' in part) {
        element.dataset['state'] = 'error';
        body.replaceChildren(el('p', { class: 'state error' }, part.problem));
      } else if (part.rows.rows.length === 0) {
        element.dataset['state'] = 'empty';
        body.replaceChildren(el('p', { class: 'state' }, empty));
      } else {
        element.dataset['state'] = 'data';
        body.replaceChildren(tableOf(part.rows, title, isOperator ? acts : () => []));
      }
    },
    fail(error, hasRows) {
      element.dataset['state'] = hasRows ? 'stale' : 'error';
      const text = error instanceof Error ? error.message : String(error);
      if (hasRows) note.textContent = `Not up to date: ${text}`;
      else body.replaceChildren(el('p', { class: 'state error' }, text));
    },
  };
}

function tableOf(rows: Rows, caption: string, acts: Part['acts']): HTMLElement {
  const table = rowsTable(rows, { caption });
  const all = rows.rows.map((row) => acts(valuesOf(rows, row)));
  if (all.every((some) => some.length === 0)) return table;
  table
    .querySelector('thead tr')
    ?.append(el('th', { scope: 'col' }, el('span', { class: 'visually-hidden' }, 'What to do')));
  table.querySelectorAll('tbody tr').forEach((line, index) => {
    const buttons = (all[index] ?? []).map(({ text, label, run }) =>
      el('button', { type: 'button', 'aria-label': label, onclick: () => void run() }, text),
    );
    line.append(el('td', { class: 'acts' }, ...buttons));
  });
  return table;
}

function valuesOf({ columns }: Rows, row: readonly Cell[]): Row {
  return Object.fromEntries(columns.map(({ name }, index) => [name, cellText(row[index] ?? null)]));
}

function signInForm(onEnter: (name: string, token: string) => Promise<void>): HTMLElement {
  const name = el('input', { required: true, maxlength: 80, autocomplete: 'name' });
  const token = el('input', { type: 'password', required: true, autocomplete: 'off' });
  const form = el(
    'form',
    { class: 'sign-in' },
    el('p', {}, 'Everybody sees this page. Whoever has the operator token can act on it:'),
    el('label', {}, 'Your name, for the record', name),
    el('label', {}, 'Operator token', token),
    el('button', { type: 'submit', class: 'primary' }, 'Enter'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void onEnter(name.value.trim(), token.value.trim());
  });
  return form;
}

function noTokenText(): Child[] & Node[] {
  return [
    el(
      'p',
      {},
      'This page only shows. To act on it, start the server of these pages with an ',
      el('code', {}, 'OPERATOR_TOKEN'),
      ' of 16 characters or more, ',
      el('code', {}, 'KAFKA_BROKERS'),
      ' and the catalog; ',
      el('code', {}, 'tributary up'),
      ' makes one by itself and says where it is.',
    ),
  ];
}

function openLetter({
  place,
  state,
  code,
  reason,
  keySize,
  valueSize,
  content,
}: ShownLetter): void {
  const bytes = (title: string, size: number | null, hex: string | null | undefined) => [
    el('h3', {}, `${title}, ${size === null ? 'none' : `${size.toLocaleString('en-GB')} bytes`}`),
    typeof hex === 'string' &&
      el(
        'pre',
        { class: 'bytes', tabindex: 0, role: 'region', 'aria-label': title },
        hexLines(hex),
      ),
    typeof hex === 'string' &&
      size !== null &&
      hex.length / 2 < size &&
      el('p', { class: 'hint' }, `The first ${hex.length / 2}; the topic has all.`),
  ];
  openDialog(
    place,
    el(
      'div',
      { class: 'dialog-body' },
      el('p', {}, `${code}, ${state}`),
      el('p', {}, reason),
      ...(content === undefined
        ? [
            el(
              'p',
              { class: 'state' },
              'Nothing of the record is shown: its table has masked columns. It is at its place in the topic.',
            ),
          ]
        : [
            ...bytes('Key', keySize, content.key),
            ...bytes('Value', valueSize, content.value),
            el('h3', {}, 'Headers'),
            Object.keys(content.headers).length === 0
              ? el('p', {}, 'none')
              : el(
                  'ul',
                  {},
                  ...Object.entries(content.headers).map(([name, value]) =>
                    el('li', {}, el('code', {}, name), ` ${value}`),
                  ),
                ),
          ]),
    ),
  );
}

start();
