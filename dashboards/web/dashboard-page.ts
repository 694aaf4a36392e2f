import type { DashboardAbout } from '../wire.ts';
import { readView, viewQuery, type View } from './address.ts';
import { byId, el, pageData, showOwnEntry } from './dom.ts';
import { createFreshness } from './freshness-view.ts';
import { filterBar } from './filters.ts';
import { keepLooking } from './live.ts';
import { createPanel } from './panel.ts';

/** Puts the page of a dashboard together and keeps it up to date. */
function start(): void {
  const dashboard = pageData() as DashboardAbout;
  let view = readView(location.search, dashboard);
  const panels = dashboard.panels.map((about) => createPanel(dashboard, about, view));
  const freshness = createFreshness(dashboard.id);
  byId('page-tools').append(freshness.element);
  const grid = el('div', { class: 'grid' }, ...panels.map(({ element }) => element));
  let round = new AbortController();

  const look = () => {
    round.abort();
    round = new AbortController();
    for (const panel of panels) {
      panel.setView(view);
      keepLooking(async (signal) => panel.look(signal), {
        isLive: view.range !== '',
        signal: round.signal,
      });
    }
  };
  const show = (next: View) => {
    view = next;
    history.pushState(null, '', `?${viewQuery(view)}`);
    look();
  };
  const bar = () => filterBar(dashboard, view, show);
  const barBox = el('div', {}, bar());
  byId('page-body').append(barBox, freshness.warning, grid);
  window.addEventListener('popstate', () => {
    view = readView(location.search, dashboard);
    barBox.replaceChildren(bar());
    look();
  });
  keepLooking(async (signal) => freshness.look(signal), {
    isLive: true,
    signal: new AbortController().signal,
  });
  look();
  showOwnEntry();
}

start();
