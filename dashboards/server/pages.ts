import type { Dashboard } from '../definition/definition.ts';
import type { DashboardAbout } from '../wire.ts';
import type { Bundle } from './bundle.ts';
import type { DictionaryTable } from './dictionary.ts';

/** What all pages have. */
export interface PageParts {
  readonly bundle: Bundle;
  readonly dashboards: readonly Dashboard[];
  /** Lets the style sheets through that the editor makes. */
  readonly nonce: string;
}

/** The page of a dashboard. All it needs but its data is in it, so that it stands at once. */
export function dashboardPage(parts: PageParts, dashboard: Dashboard): string {
  return page(parts, {
    here: `/d/${dashboard.id}`,
    title: dashboard.title,
    description: dashboard.description,
    script: 'dashboard-page.js',
    data: aboutDashboard(dashboard),
  });
}

/** The page to write SQL on. */
export function sqlPage(parts: PageParts): string {
  return page(parts, {
    here: '/sql',
    title: 'SQL',
    description: 'Ask the warehouse anything: every table of every service, in one place.',
    script: 'sql-page.js',
    data: null,
  });
}

/**
 * The page to put right what went wrong.
 *
 * @param hasOperator - whether somebody can be let in who may do more than look
 */
export function operationsPage(parts: PageParts, hasOperator: boolean): string {
  return page(parts, {
    here: '/operations',
    title: 'Operations',
    description: 'Records that could not be stored, tables to load anew, copies to repair.',
    script: 'operations-page.js',
    data: { hasOperator },
  });
}

/** The page that says what every table and column means. It needs no script. */
export function dictionaryPage(parts: PageParts, tables: readonly DictionaryTable[]): string {
  const databases = [...new Set(tables.map(({ database }) => database))];
  const body = databases.map((database) => {
    const own = tables.filter((table) => table.database === database);
    return `<section class="dictionary"><h2>${escape(database)}</h2>${own.map(dictionaryEntry).join('')}</section>`;
  });
  return page(parts, {
    here: '/dictionary',
    title: 'Data dictionary',
    description: 'What every table and column means, and which column of which service feeds it.',
    body: body.length === 0 ? '<p class="state">There is no table yet.</p>' : body.join('\n'),
  });
}

function dictionaryEntry({ database, name, comment, reads, columns }: DictionaryTable): string {
  const id = `${database}.${name}`;
  const links = reads.map((table) => `<a href="#${escape(table)}">${escape(table)}</a>`);
  const rows = columns.map(
    (column) =>
      `<tr><th scope="row">${escape(column.name)}</th><td>${escape(column.type)}</td>` +
      `<td>${escape(column.comment)}</td><td>${escape(column.origin)}</td></tr>`,
  );
  return `<details class="panel" id="${escape(id)}"><summary><b>${escape(id)}</b> ${escape(comment)}</summary>
${links.length === 0 ? '' : `<p class="hint">Reads ${links.join(', ')}</p>`}
<div class="table-scroll" tabindex="0" role="region" aria-label="Columns of ${escape(id)}">
<table><thead><tr><th scope="col">Column</th><th scope="col">Type</th><th scope="col">Meaning</th><th scope="col">Fed by</th></tr></thead>
<tbody>${rows.join('')}</tbody></table></div></details>`;
}

function aboutDashboard({
  id,
  title,
  description,
  range,
  variables,
  panels,
}: Dashboard): DashboardAbout {
  return {
    id,
    title,
    description,
    range,
    variables: variables.map(({ name, label, default: normal }) => ({
      name,
      label,
      default: normal,
    })),
    panels: panels.map(({ drilldown, ...panel }) => ({ ...panel, drilldown: drilldown?.title })),
  };
}

function page(
  { bundle, dashboards, nonce }: PageParts,
  about: {
    here: string;
    title: string;
    description: string;
    /** Makes the page from the data; without one the page is its body. */
    script?: string;
    data?: unknown;
    /** HTML. */
    body?: string;
  },
): string {
  const entries = [
    ...dashboards.map(({ id, title }) => ({ href: `/d/${id}`, title })),
    { href: '/operations', title: 'Operations' },
    { href: '/sql', title: 'SQL' },
    { href: '/dictionary', title: 'Data dictionary' },
  ];
  const menu = entries
    .map(
      ({ href, title }) =>
        `<li><a href="${href}"${href === about.here ? ' aria-current="page"' : ''}>${escape(title)}</a></li>`,
    )
    .join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${escape(about.title)} · Tributary</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="${escape(about.description)}">
<meta name="style-nonce" content="${nonce}">
<link rel="icon" href="${bundle.address('icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${bundle.address('style.css')}">
${about.script === undefined ? '' : `<script type="module" src="${bundle.address(about.script)}"></script>`}
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<nav class="menu" aria-label="Pages">
<div class="menu-inner">
<a class="brand" href="/"><img src="${bundle.address('icon.svg')}" alt="" width="24" height="24">Tributary</a>
<ul>${menu}</ul>
</div>
</nav>
<main id="main" tabindex="-1">
<header class="page-head">
<div><h1>${escape(about.title)}</h1><p>${escape(about.description)}</p></div>
<div id="page-tools"></div>
</header>
<div id="page-body">${about.body ?? ''}</div>
</main>
<script type="application/json" id="page-data">${JSON.stringify(about.data ?? null).replaceAll('<', '\\u003c')}</script>
</body>
</html>
`;
}

function escape(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (letter) => entities[letter] ?? letter);
}
