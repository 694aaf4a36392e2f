import type { DashboardAbout, VariableAbout } from '../wire.ts';
import { SPANS, type View } from './address.ts';
import { ask } from './api.ts';
import { choiceButtons, el } from './dom.ts';

const NAMES: Readonly<Record<string, string>> = {
  '5m': 'last 5 minutes',
  '15m': 'last 15 minutes',
  '1h': 'last hour',
  '6h': 'last 6 hours',
  '24h': 'last 24 hours',
  '7d': 'last 7 days',
  '30d': 'last 30 days',
  '90d': 'last 90 days',
};

/** Time range and filters of a page. Each change makes a new view. */
export function filterBar(
  dashboard: DashboardAbout,
  first: View,
  onChange: (view: View) => void,
): HTMLElement {
  let view = first;
  const bar = el('div', { class: 'filters' });
  const change = (next: Partial<View>) => {
    view = { ...view, ...next };
    onChange(view);
    render();
  };

  function render(): void {
    const focused = document.activeElement?.textContent;
    const spans = choiceButtons(
      'Time',
      SPANS.map((span) => ({ value: span, text: span, title: NAMES[span] ?? span })),
      view.range,
      (range) => change({ range, from: '', to: '' }),
    );
    timeBox.replaceChildren(
      spans,
      fixedTime(view, (from, to) => change({ range: '', from, to })),
    );
    // A button that was pressed is another one now.
    [...spans.querySelectorAll('button')]
      .find(({ textContent }) => textContent === focused)
      ?.focus();
  }

  const timeBox = el('div', { class: 'time-box' });
  bar.append(timeBox);
  for (const variable of dashboard.variables) {
    bar.append(
      filter(dashboard.id, variable, view.variables[variable.name] ?? '', (value) =>
        change({ variables: { ...view.variables, [variable.name]: value } }),
      ),
    );
  }
  render();
  return bar;
}

function fixedTime(view: View, onChoose: (from: string, to: string) => void): HTMLElement {
  const from = el('input', {
    type: 'datetime-local',
    step: 1,
    value: localText(view.from),
    required: true,
  });
  const to = el('input', {
    type: 'datetime-local',
    step: 1,
    value: localText(view.to),
    required: true,
  });
  const form = el(
    'form',
    { class: 'fixed-time' },
    el('label', {}, 'From', from),
    el('label', {}, 'To', to),
    el('button', { type: 'submit' }, 'Show'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const [start, end] = [new Date(from.value), new Date(to.value)];
    if (start >= end) {
      to.setCustomValidity('Must be after the begin');
      to.reportValidity();
      to.setCustomValidity('');
      return;
    }
    onChoose(start.toISOString(), end.toISOString());
  });
  const summary = el(
    'summary',
    { class: view.range === '' ? 'chosen' : '' },
    view.range === '' ? `${shortText(view.from)} – ${shortText(view.to)}` : 'Fixed…',
  );
  return el('details', { class: 'fixed' }, summary, form);
}

function filter(
  dashboard: string,
  { name, label }: VariableAbout,
  value: string,
  onChange: (value: string) => void,
): HTMLElement {
  const select = el('select', {}, el('option', { value: '' }, 'All'));
  if (value !== '') select.append(el('option', { value, selected: true }, value));
  select.addEventListener('change', () => onChange(select.value));
  const load = async () => {
    try {
      const response = await ask(`/api/dashboards/${dashboard}/options/${name}`);
      const values = (await response.json()) as string[];
      const chosen = select.value;
      const shown = [...new Set([...values, ...(chosen === '' ? [] : [chosen])])];
      select.replaceChildren(
        el('option', { value: '' }, 'All'),
        ...shown.map((option) =>
          el('option', { value: option, selected: option === chosen }, option),
        ),
      );
    } catch {
      // The choice stays as it is; the panels tell what is wrong.
    }
  };
  void load();
  // Values come and go while the page is open.
  select.addEventListener('focus', () => void load());
  return el('label', { class: 'filter' }, el('span', {}, label), select);
}

/** A time as an input for local time has it. */
function localText(iso: string): string {
  const time = new Date(iso);
  if (iso === '' || Number.isNaN(time.getTime())) return '';
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function shortText(iso: string): string {
  return localText(iso).replace('T', ' ').slice(5, 16);
}
