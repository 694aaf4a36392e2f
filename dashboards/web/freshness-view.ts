import type { Freshness, SourceFreshness } from '../wire.ts';
import { ask } from './api.ts';
import { el } from './dom.ts';
import { formatAge, formatDuration, formatTime } from './format.ts';

/** A source that changed within this time counts as changing, in milliseconds. */
const LIVELY_MS = 15_000;
const TICK_MS = 1_000;

/** How fresh the page is, in one line, with each source behind it. */
export interface FreshnessView {
  readonly element: HTMLElement;
  readonly warning: HTMLElement;
  look(signal: AbortSignal): Promise<boolean>;
}

/** Makes the line; the ages in it grow by themselves between two looks. */
export function createFreshness(dashboard: string): FreshnessView {
  const dot = el('span', { class: 'dot', 'aria-hidden': 'true' });
  const text = el('span', {}, 'Looking how fresh this is…');
  const list = el('ul', { class: 'source-list' });
  const element = el(
    'details',
    { class: 'freshness', 'data-level': 'unknown' },
    el('summary', {}, dot, text),
    list,
  );
  const warning = el('div', { class: 'banner', role: 'alert', hidden: true });
  let known: { freshness: Freshness; at: number } | undefined;

  const render = () => {
    if (known === undefined) return;
    const now = known.freshness.now + performance.now() - known.at;
    const { level, line, alarm } = describe(known.freshness, now);
    element.dataset['level'] = level;
    text.textContent = line;
    list.replaceChildren(...known.freshness.sources.map((source) => sourceLine(source, now)));
    warning.hidden = alarm === undefined;
    if (alarm !== undefined && warning.textContent !== alarm) warning.textContent = alarm;
  };
  setInterval(render, TICK_MS);

  return {
    element,
    warning,
    look: async (signal) => {
      try {
        const response = await ask(`/api/dashboards/${dashboard}/freshness`, {
          signal,
          cache: 'no-store',
        });
        known = { freshness: (await response.json()) as Freshness, at: performance.now() };
        render();
        return true;
      } catch (error) {
        if (signal.aborted) return true;
        element.dataset['level'] = 'stopped';
        text.textContent = 'Not known how fresh this is';
        warning.hidden = false;
        warning.textContent = `${error instanceof Error ? error.message : String(error)} What is shown may be old.`;
        return false;
      }
    },
  };
}

/** What can be said of the page as a whole, and a warning when somebody should know. */
export function describe(
  { sources, stopped }: Freshness,
  now: number,
): { level: 'live' | 'quiet' | 'stopped' | 'unknown'; line: string; alarm?: string } {
  const newest = Math.max(...sources.map(({ lastCommittedAt }) => lastCommittedAt ?? 0), 0);
  const age = now - newest;
  const ago = `${formatAge(age)} ago`;
  const halted = sources.filter((source) => source.stopped !== undefined);
  if (stopped !== undefined || halted.length > 0) {
    const reasons = [
      ...(stopped === undefined ? [] : [stopped]),
      ...halted.map((source) => `${source.source}: ${source.stopped ?? ''}`),
    ].join('; ');
    const since =
      newest === 0 ? '' : ` The newest change that is here was made at ${formatTime(newest)}.`;
    return {
      level: 'stopped',
      line: newest === 0 ? 'Nothing has come yet' : `Changes are held up`,
      alarm: `This page may be behind: ${reasons}.${since}`,
    };
  }
  if (newest === 0) return { level: 'unknown', line: 'No change has come yet' };
  return age <= LIVELY_MS
    ? { level: 'live', line: `True as of ${ago}` }
    : { level: 'quiet', line: `Last change ${ago}` };
}

function sourceLine(
  { source, lastCommittedAt, lagP50Ms, stopped }: SourceFreshness,
  now: number,
): HTMLElement {
  const change =
    lastCommittedAt === undefined
      ? 'no change in the last 7 days'
      : `last change ${formatAge(now - lastCommittedAt)} ago`;
  const lag =
    lagP50Ms === undefined ? '' : `, stored ${formatDuration(lagP50Ms)} after its commit (median)`;
  return el(
    'li',
    { class: stopped === undefined ? undefined : 'stopped' },
    el('b', {}, source),
    ` ${change}${lag}${stopped === undefined ? '' : ` · ${stopped}`}`,
  );
}
