import { BarChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { median } from './quantiles.ts';
import { withUnit, type Findings } from './report.ts';

echarts.use([BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const WIDTH = 720;
const BAR = 26;
const FRAME = 110;
/** Width of a letter of a label, about. */
const LETTER = 7;

/** The drawn figures of a report as bars side by side, an SVG document. */
export function chartOf({ title, figures, drawn }: Findings): string {
  const shown = figures.filter(({ unit }) => unit === drawn);
  const columns = [...new Set(shown.map(({ column }) => column))];
  const rows = [...new Set(shown.map(({ what }) => what))];
  const chart = echarts.init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: WIDTH,
    height: FRAME + rows.length * (BAR * columns.length + 10),
  });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: `${title} (${drawn})`, left: 16, textStyle: { fontSize: 14 } },
    legend: { top: 34, left: 16, show: columns.length > 1 },
    grid: {
      top: 68,
      left: 24 + LETTER * Math.max(...rows.map((row) => row.length)),
      right: 90,
      bottom: 28,
    },
    xAxis: { type: 'value' },
    yAxis: { type: 'category', inverse: true, data: rows },
    series: columns.map((column) => ({
      type: 'bar',
      name: column,
      label: {
        show: true,
        position: 'right',
        formatter: ({ value }: { value: unknown }) =>
          typeof value === 'number' ? withUnit(value, drawn) : '',
      },
      data: rows.map((what) => {
        const figure = shown.find((other) => other.what === what && other.column === column);
        return figure === undefined ? null : median(figure.runs);
      }),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}
