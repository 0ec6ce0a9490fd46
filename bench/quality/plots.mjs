import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { inProject } from '../../tools/lib/paths.mjs';

const WIDTH = 1000;
const HEIGHT = 560;
const COLORS = { reference: '#7a869a', better: '#2f7ed8', best: '#0b7a4b' };

/** One SVG for each measure: its value over the bits a weight takes, and a line for each effort. The web demo has the library. */
export async function drawPlots(folder, { model, rows, columns }) {
  const echarts = createRequire(inProject('web-demo/package.json'))('echarts');
  return columns.map((column) => {
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
    chart.setOption(optionsOf({ model, rows, column }));
    const file = path.join(folder, `${column.replaceAll(' ', '-')}.svg`);
    writeFileSync(file, chart.renderToSVGString());
    chart.dispose();
    return file;
  });
}

function optionsOf({ model, rows, column }) {
  const efforts = [...new Set(rows.map(({ effort }) => effort))];
  return {
    animation: false,
    title: { text: `${model}: ${column} by bits a weight`, left: 'center' },
    legend: { bottom: 0 },
    xAxis: { name: 'bits a weight', nameLocation: 'middle', nameGap: 28, scale: true },
    yAxis: { name: column, type: 'log', axisLabel: { formatter: (value) => String(Number(value.toPrecision(6))) } },
    grid: { bottom: 80 },
    series: efforts.map((effort) => ({
      name: effort,
      type: 'scatter',
      itemStyle: { color: COLORS[effort] },
      data: rows
        .filter((row) => row.effort === effort && row[column] > 0)
        .map((row) => [row.bitsPerWeight, row[column], row.type]),
      label: { show: effort === efforts[0], position: 'right', formatter: ({ data }) => data[2] },
    })),
  };
}
