/** Colours that charts are drawn in, read off the style sheet so that both always agree. */
export interface Theme {
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly surface: string;
  readonly warning: string;
  readonly critical: string;
  readonly series: readonly string[];
}

const SERIES = 8;

/** Meanings that always have the same colour, whatever else is in a chart. */
const BY_MEANING: Readonly<Record<string, string>> = {
  pending: '--c-pending',
  running: '--c-pending',
  authorized: '--c-pending',
  suspended: '--c-pending',
  paid: '--c-paid',
  active: '--c-paid',
  completed: '--c-paid',
  receipt: '--c-paid',
  shipped: '--c-shipped',
  shipment: '--c-shipped',
  reservation: '--c-pending',
  adjustment: '--c-refunded',
  cancelled: '--c-cancelled',
  compensated: '--c-cancelled',
  closed: '--c-cancelled',
  release: '--c-cancelled',
  refunded: '--c-refunded',
  compensating: '--c-refunded',
  stuck: '--critical',
};

/** The theme that holds now: light or dark, as the system has it. */
export function readTheme(): Theme {
  const at = (name: string) => style(name);
  return {
    text: at('--text'),
    muted: at('--muted'),
    line: at('--line'),
    surface: at('--surface'),
    warning: at('--warning'),
    critical: at('--critical'),
    series: Array.from({ length: SERIES }, (_, index) => at(`--c${index + 1}`)),
  };
}

/** Colours of series, in their order: by meaning where a name has one, else one after the other. */
export function coloursOf(names: readonly string[], theme: Theme): string[] {
  let next = 0;
  return names.map((name) => {
    const variable = BY_MEANING[name];
    if (variable !== undefined) return style(variable);
    next += 1;
    return theme.series[(next - 1) % theme.series.length] ?? theme.text;
  });
}

/** Calls back when the system turns from light to dark or back. */
export function onThemeChange(callback: () => void): void {
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', callback);
}

function style(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
