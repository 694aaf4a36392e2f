import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  DashboardCursorSync,
  FieldColorModeId,
  GraphDrawStyle,
  LegendDisplayMode,
  PercentChangeColorMode,
  SortOrder,
  StackingMode,
  ThresholdsMode,
  TooltipDisplayMode,
  VariableRefresh,
  VariableSort,
  VisibilityMode,
  VizOrientation,
  type Dashboard as GrafanaDashboard,
  type FieldConfig,
  type Panel as GrafanaPanel,
  type VariableModel,
} from '@grafana/schema';
import type { Options as BarOptions } from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as TimeFieldConfig,
  Options as TimeOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Dashboard, Panel, Variable } from '../definition/definition.ts';
import { ALL, grafanaSql } from './grafana-sql.ts';

/** Data source that provisioning makes; its uid there. */
export const DATA_SOURCE = {
  type: 'grafana-clickhouse-datasource',
  uid: 'tributary-clickhouse',
} as const;

/** Version of the dashboard model that this writes. */
const SCHEMA_VERSION = 41;
/** Grafana's columns for one of ours. */
const COLUMNS = 2;
const GRID = 24;
const HEIGHTS: Readonly<Record<Panel['kind'], number>> = {
  stat: 4,
  timeseries: 8,
  bar: 8,
  table: 9,
};
const UNITS: Readonly<Record<Panel['unit'], string>> = {
  count: 'short',
  per_second: 'cps',
  ms: 'ms',
  bytes: 'decbytes',
  percent: 'percentunit',
  money: 'none',
};

/** A dashboard as Grafana imports it. What it does not know stays behind: drill-downs and freshness. */
export function grafanaDashboard(dashboard: Dashboard): GrafanaDashboard {
  return {
    id: null,
    uid: uidOf(dashboard.id),
    title: dashboard.title,
    description: dashboard.description,
    tags: ['tributary'],
    timezone: 'browser',
    editable: false,
    graphTooltip: DashboardCursorSync.Crosshair,
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    refresh: '10s',
    time: { from: `now-${dashboard.range}`, to: 'now' },
    timepicker: {},
    annotations: { list: [] },
    links: [
      {
        title: 'Tributary',
        type: 'dashboards',
        tags: ['tributary'],
        icon: 'external link',
        tooltip: '',
        asDropdown: true,
        includeVars: false,
        keepTime: true,
        targetBlank: false,
      },
    ],
    templating: { list: dashboard.variables.map(grafanaVariable) },
    panels: placed(dashboard.panels),
  };
}

function uidOf(id: string): string {
  return `tributary-${id}`;
}

function grafanaVariable({ name, label, default: normal, options }: Variable): VariableModel {
  return {
    type: 'query',
    name,
    label,
    datasource: DATA_SOURCE,
    query: grafanaSql(options),
    includeAll: true,
    allValue: ALL,
    multi: false,
    current: normal === '' ? { text: 'All', value: '$__all' } : { text: normal, value: normal },
    options: [],
    // On each change of time: values come and go while the page is open.
    refresh: VariableRefresh.onTimeRangeChanged,
    sort: VariableSort.disabled,
    skipUrlSync: false,
  };
}

/** Panels side by side until a row is full, as the built-in pages have them. */
function placed(panels: readonly Panel[]): GrafanaPanel[] {
  let [x, y, rowHeight] = [0, 0, 0];
  return panels.map((panel, index) => {
    const [w, h] = [panel.width * COLUMNS, HEIGHTS[panel.kind]];
    if (x + w > GRID) [x, y, rowHeight] = [0, y + rowHeight, 0];
    const place = { x, y, w, h };
    [x, rowHeight] = [x + w, Math.max(rowHeight, h)];
    return { ...grafanaPanel(panel), id: index + 1, gridPos: place };
  });
}

function grafanaPanel(panel: Panel): GrafanaPanel {
  const isTime = panel.kind === 'timeseries';
  const base = {
    title: panel.title,
    ...(panel.description === undefined ? {} : { description: panel.description }),
    datasource: DATA_SOURCE,
    maxDataPoints: 100,
    targets: [
      {
        refId: 'A',
        datasource: DATA_SOURCE,
        editorType: 'sql',
        queryType: isTime ? 'timeseries' : 'table',
        // The plugin's numbers: 0 is a time series, 1 a table.
        format: isTime ? 0 : 1,
        rawSql: grafanaSql(panel.sql),
      },
    ],
  };
  switch (panel.kind) {
    case 'timeseries':
      return {
        ...base,
        type: 'timeseries',
        options: timeOptions() as unknown as Record<string, unknown>,
        fieldConfig: {
          defaults: {
            ...fieldDefaults(panel),
            ...(isLong(panel) ? { displayName: '${__field.labels.series}' } : {}),
            custom: timeField(panel) as Record<string, unknown>,
          },
          overrides: [],
        },
      };
    case 'bar':
      return {
        ...base,
        type: 'barchart',
        options: barOptions() as unknown as Record<string, unknown>,
        fieldConfig: { defaults: fieldDefaults(panel), overrides: [] },
        transformations: isLong(panel)
          ? [
              {
                id: 'groupingToMatrix',
                options: { columnField: 'series', rowField: 'label', valueField: 'value' },
              },
            ]
          : [],
      };
    case 'stat':
      return {
        ...base,
        type: 'stat',
        options: statOptions(panel) as unknown as Record<string, unknown>,
        fieldConfig: { defaults: fieldDefaults(panel), overrides: [] },
      };
    case 'table':
    default:
      return {
        ...base,
        type: 'table',
        options: { showHeader: true, cellHeight: 'sm' },
        fieldConfig: { defaults: fieldDefaults(panel), overrides: [] },
      };
  }
}

/** Whether a row has the name of its series, instead of a column for each. */
function isLong({ sql }: Panel): boolean {
  return /\bAS series\b/.test(sql);
}

function fieldDefaults(panel: Panel): FieldConfig {
  const { unit, kind, thresholds, empty, link } = panel;
  return {
    ...(kind === 'table' ? {} : { unit: UNITS[unit] }),
    ...(unit === 'money' ? { decimals: 2 } : {}),
    color: {
      mode:
        thresholds.length > 0 && kind === 'stat'
          ? FieldColorModeId.Thresholds
          : FieldColorModeId.PaletteClassic,
    },
    mappings: [],
    thresholds: { mode: ThresholdsMode.Absolute, steps: steps(thresholds) },
    ...(empty === undefined ? {} : { noValue: empty.text }),
    links: link === undefined ? [] : [dataLink(panel, link)],
  };
}

/** Colours by value, from the lowest on. */
function steps(thresholds: Panel['thresholds']): { value: number | null; color: string }[] {
  const colour = { warning: 'orange', critical: 'red' } as const;
  const sorted = [...thresholds].sort((a, b) => a.at - b.at);
  const [lowest] = sorted;
  if (lowest === undefined) return [{ value: null, color: 'text' }];
  if (lowest.when === 'above') {
    return [
      { value: null, color: 'green' },
      ...sorted.map(({ at, level }) => ({ value: at, color: colour[level] })),
    ];
  }
  // Below a value its own colour, from it on that of the next.
  return [
    { value: null, color: colour[lowest.level] },
    ...sorted.map(({ at }, index) => {
      const next = sorted[index + 1];
      return { value: at, color: next === undefined ? 'green' : colour[next.level] };
    }),
  ];
}

function dataLink(
  { title, kind }: Panel,
  { dashboard, variables }: NonNullable<Panel['link']>,
): { title: string; url: string } {
  const values = Object.entries(variables).map(([variable, column]) => {
    const field =
      kind === 'timeseries' && column === 'series'
        ? '${__field.labels.series}'
        : `\${__data.fields.${column}}`;
    return `&var-${variable}=${field}`;
  });
  return { title, url: `/d/${uidOf(dashboard)}?\${__url_time_range}${values.join('')}` };
}

function timeField({ stack, gaps }: Panel): TimeFieldConfig {
  return {
    drawStyle: stack ? GraphDrawStyle.Bars : GraphDrawStyle.Line,
    lineWidth: stack ? 1 : 2,
    fillOpacity: stack ? 80 : 10,
    spanNulls: gaps === 'open',
    stacking: { mode: stack ? StackingMode.Normal : StackingMode.None, group: 'A' },
    axisSoftMin: 0,
  };
}

function timeOptions(): TimeOptions {
  return {
    legend: {
      calcs: [],
      displayMode: LegendDisplayMode.List,
      placement: 'bottom',
      showLegend: true,
    },
    tooltip: { mode: TooltipDisplayMode.Multi, sort: SortOrder.Descending },
  };
}

function barOptions(): BarOptions {
  return {
    ...timeOptions(),
    barWidth: 0.9,
    groupWidth: 0.8,
    fullHighlight: false,
    orientation: VizOrientation.Horizontal,
    showValue: VisibilityMode.Auto,
    stacking: StackingMode.None,
    xTickLabelMaxLength: 0,
    xTickLabelRotation: 0,
  };
}

function statOptions({ sql, thresholds }: Panel): StatOptions {
  return {
    reduceOptions: {
      calcs: ['lastNotNull'],
      fields: '/^value$/',
      // A row for each label, else one value.
      values: /\bAS label\b/.test(sql),
    },
    orientation: VizOrientation.Auto,
    colorMode: thresholds.length > 0 ? BigValueColorMode.Value : BigValueColorMode.None,
    graphMode: BigValueGraphMode.None,
    justifyMode: BigValueJustifyMode.Auto,
    textMode: BigValueTextMode.Auto,
    percentChangeColorMode: PercentChangeColorMode.Standard,
    showPercentChange: false,
    wideLayout: true,
  };
}
