import type { EChartsCoreOption } from 'echarts/core';
import type { PanelAbout, PanelData } from '../wire.ts';
import { el } from './dom.ts';
import { formatBucket, formatNumber, formatShort, formatTick } from './format.ts';
import type { Bar, Series } from './shape.ts';
import { coloursOf, type Theme } from './theme.ts';

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
/** From this many pieces on a line reads better than bars. */
const MOST_BARS = 130;

/** Bars that fill a panel, and the room of each when there are fewer. */
const FULL_BARS = 7;
const BAR_PX = 32;
/** Columns from which on a panel has room for long names. */
const WIDE = 5;

type Look = Pick<PanelAbout, 'unit' | 'stack' | 'thresholds' | 'gaps'> & {
  readonly width?: number;
};

interface TipItem {
  readonly color: string;
  readonly name: string;
  readonly value: number;
}

/** A chart over time. Stacked series are bars: their sum counts something in each piece. */
export function timeOption(
  series: readonly Series[],
  { from, to, bucketSeconds }: Pick<PanelData, 'from' | 'to' | 'bucketSeconds'>,
  look: Look,
  theme: Theme,
): EChartsCoreOption {
  const colours = coloursOf(
    series.map(({ name }) => name),
    theme,
  );
  const isBars = look.stack && (series[0]?.points.length ?? 0) <= MOST_BARS;
  const mark = markLines(
    look,
    theme,
    Math.max(...series.flatMap(({ points }) => points.map(([, value]) => value ?? 0)), 0),
  );
  return {
    ...base(theme, series.length > 1),
    xAxis: {
      type: 'time',
      min: from,
      max: to,
      axisLine: { lineStyle: { color: theme.line } },
      axisTick: { show: false },
      axisLabel: {
        color: theme.muted,
        fontFamily: FONT,
        fontSize: 11,
        hideOverlap: true,
        formatter: (value: number) => formatTick(value, to - from),
        showMinLabel: false,
        showMaxLabel: false,
      },
      splitLine: { show: false },
    },
    yAxis: valueAxis(look, theme),
    tooltip: {
      ...tooltip(theme),
      trigger: 'axis',
      axisPointer: {
        type: isBars ? 'shadow' : 'line',
        lineStyle: { color: theme.muted },
        shadowStyle: { color: theme.line, opacity: 0.4 },
      },
      formatter: (
        items: readonly {
          color: string;
          seriesName: string;
          value: readonly [number, number | null];
        }[],
      ) =>
        tip(
          formatBucket(items[0]?.value[0] ?? from, bucketSeconds),
          items.flatMap(({ color, seriesName, value }) =>
            value[1] === null ? [] : [{ color, name: seriesName, value: value[1] }],
          ),
          look,
        ),
    },
    series: series.map(({ name, points }, index) => ({
      id: name,
      name,
      type: isBars ? 'bar' : 'line',
      // A line would fall at its end, because the last piece of time is not over yet.
      data: isBars || isOver(points.at(-1)?.[0], bucketSeconds, to) ? points : points.slice(0, -1),
      color: colours[index],
      ...(look.stack ? { stack: 'all' } : {}),
      ...(isBars ? { barCategoryGap: '18%', barMaxWidth: 28 } : {}),
      ...(isBars
        ? {}
        : {
            showSymbol: look.gaps === 'open' && points.length < 60,
            symbolSize: 4,
            lineStyle: { width: 2 },
            connectNulls: look.gaps === 'open',
          }),
      ...(!isBars && look.stack ? { areaStyle: { opacity: 0.25 } } : {}),
      ...(!isBars && !look.stack && series.length === 1 ? { areaStyle: { opacity: 0.12 } } : {}),
      emphasis: { focus: 'none' },
      ...(index === 0 && mark !== undefined ? { markLine: mark } : {}),
    })),
  };
}

function isOver(begin: number | undefined, bucketSeconds: number, to: number): boolean {
  return begin === undefined || begin + bucketSeconds * 1000 <= to;
}

/** Height that bars need in pixels, up to that of a panel. */
export function barsHeight(bars: number, hasLegend: boolean): number {
  const least = FULL_BARS * BAR_PX;
  return Math.min(Math.max(bars * BAR_PX + (hasLegend ? 40 : 16), least / 2), least + 12);
}

/** Bars beside their names, the first on top. */
export function barOption(
  bars: readonly Bar[],
  names: readonly string[],
  look: Look,
  theme: Theme,
): EChartsCoreOption {
  const colours = coloursOf(names, theme);
  const isSplit = names.length > 1;
  const currency = (name: string, label: string) =>
    look.unit === 'money' ? name || label : undefined;
  return {
    ...base(theme, isSplit),
    grid: {
      left: 4,
      right: 64,
      top: isSplit ? 30 : 6,
      // A few bars stand together instead of filling the panel.
      ...(bars.length < FULL_BARS ? { height: bars.length * BAR_PX } : { bottom: 4 }),
      outerBoundsMode: 'same',
    },
    xAxis: {
      ...valueAxis(look, theme),
      type: 'value',
      splitLine: { show: false },
      axisLabel: { show: false },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: bars.map(({ label }) => label),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: {
        color: theme.text,
        fontFamily: FONT,
        fontSize: 12,
        width: (look.width ?? 0) >= WIDE ? 210 : 130,
        overflow: 'truncate',
      },
    },
    tooltip: {
      ...tooltip(theme),
      trigger: 'item',
      formatter: (item: { color: string; seriesName: string; name: string; value: number }) =>
        tip(item.name, [{ color: item.color, name: item.seriesName, value: item.value }], look),
    },
    series: names.map((name, index) => ({
      id: name === '' ? 'value' : name,
      name,
      type: 'bar',
      data: bars.map(({ values }) => values.get(name) ?? null),
      color: colours[index],
      barMaxWidth: isSplit ? 12 : 18,
      itemStyle: { borderRadius: [0, 3, 3, 0] },
      label: {
        show: true,
        position: 'right',
        color: theme.muted,
        fontFamily: FONT,
        fontSize: 11,
        formatter: ({ value, name: label }: { value: number | null; name: string }) =>
          value === null
            ? ''
            : look.unit === 'money'
              ? `${formatShort(value, 'count')} ${currency(name, label) ?? ''}`
              : formatNumber(value, look.unit),
      },
    })),
  };
}

function base(theme: Theme, hasLegend: boolean): EChartsCoreOption {
  return {
    animationDuration: 300,
    animationDurationUpdate: 250,
    textStyle: { fontFamily: FONT, color: theme.text },
    grid: { left: 4, right: 10, top: hasLegend ? 34 : 12, bottom: 4, outerBoundsMode: 'same' },
    legend: hasLegend
      ? {
          show: true,
          type: 'scroll',
          top: 0,
          left: 0,
          itemGap: 8,
          itemWidth: 10,
          itemHeight: 10,
          icon: 'roundRect',
          textStyle: { color: theme.muted, fontFamily: FONT, fontSize: 11.5 },
          pageIconColor: theme.muted,
          pageTextStyle: { color: theme.muted },
        }
      : { show: false },
  };
}

function valueAxis({ unit }: Look, theme: Theme): Record<string, unknown> {
  return {
    type: 'value',
    min: 0,
    // Nothing but zeros gives an axis no size of its own: up to one percent says most.
    max: ({ max }: { max: number }) => (unit === 'percent' && max === 0 ? 0.01 : null),
    minInterval: unit === 'count' ? 1 : undefined,
    splitNumber: 4,
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: {
      color: theme.muted,
      fontFamily: FONT,
      fontSize: 11,
      formatter: (value: number) => formatShort(value, unit),
    },
    splitLine: { lineStyle: { color: theme.line, opacity: 0.7 } },
  };
}

function tooltip(theme: Theme): Record<string, unknown> {
  return {
    backgroundColor: theme.surface,
    borderColor: theme.line,
    textStyle: { color: theme.text, fontFamily: FONT, fontSize: 12 },
    padding: 10,
    confine: true,
    transitionDuration: 0,
  };
}

/** A line where a value begins to be worth a look, once it is in sight. */
function markLines(
  { thresholds }: Look,
  theme: Theme,
  highest: number,
): Record<string, unknown> | undefined {
  const seen = thresholds.filter(({ at }) => at <= highest * 1.2);
  if (seen.length === 0) return undefined;
  return {
    silent: true,
    symbol: 'none',
    label: { show: false },
    data: seen.map(({ at, level }) => ({
      yAxis: at,
      lineStyle: {
        color: level === 'critical' ? theme.critical : theme.warning,
        type: 'dashed',
        width: 1,
      },
    })),
  };
}

/** Content of a tip, as elements: the policy of the page allows no style in HTML text. */
function tip(title: string, items: readonly TipItem[], { unit }: Look): HTMLElement {
  return el(
    'div',
    { class: 'tip' },
    el('strong', {}, title),
    ...items
      .filter(({ value }) => value !== 0 || items.length === 1)
      .map(({ color, name, value }) => {
        const dot = el('span', { class: 'tip-dot' });
        dot.style.background = color;
        return el(
          'div',
          {},
          dot,
          el('span', {}, name),
          el('b', {}, formatNumber(value, unit, name || title)),
        );
      }),
  );
}
