import { BarChart, LineChart } from 'echarts/charts';
import {
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
} from 'echarts/components';
import { init, use, type EChartsCoreOption, type EChartsType } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { onThemeChange } from './theme.ts';

use([
  BarChart,
  LineChart,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  CanvasRenderer,
]);

/** A point that somebody chose. */
export interface ChosenPoint {
  readonly series: string;
  readonly label: string;
  /** Milliseconds, in a chart over time. */
  readonly time?: number | undefined;
}

/** A chart in an element, which follows the element's size and the theme. */
export interface Chart {
  /** Draws; what was there before moves on without flicker. */
  draw(makeOption: () => EChartsCoreOption): void;
  dispose(): void;
}

/** Makes a chart. The element must be in the page. */
export function createChart(element: HTMLElement, onChoose?: (point: ChosenPoint) => void): Chart {
  const chart: EChartsType = init(element, null, { renderer: 'canvas' });
  let make: (() => EChartsCoreOption) | undefined;
  const draw = () => {
    if (make !== undefined) chart.setOption(make(), { replaceMerge: ['series'], lazyUpdate: true });
  };
  const observer = new ResizeObserver(() => chart.resize());
  observer.observe(element);
  onThemeChange(draw);
  if (onChoose !== undefined) {
    chart.on('click', (event) => {
      const value: unknown = Array.isArray(event.value) ? event.value[0] : undefined;
      onChoose({
        series: event.seriesName ?? '',
        label: event.name,
        time: typeof value === 'number' ? value : undefined,
      });
    });
  }
  return {
    draw: (makeOption) => {
      make = makeOption;
      draw();
    },
    dispose: () => {
      observer.disconnect();
      chart.dispose();
    },
  };
}
